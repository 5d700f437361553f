//! The effective settings, to look at.

use super::settings::Settings;

/// The settings as TOML, with passwords replaced by `***`.
///
/// # Panics
/// Never: settings always have a TOML form.
#[must_use]
pub fn masked_toml(settings: &Settings) -> String {
    let mut settings = settings.clone();
    settings.redis.url = mask_url(&settings.redis.url);
    settings.server.session_keys.fill("***".into());
    toml::to_string(&settings).expect("settings always have a TOML form")
}

/// Hides the password of a URL. What comes before the last `@` of the authority is user and password; a password may
/// contain any character.
fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:***@{host}"),
            None => format!("{scheme}://{login}@{host}"),
        },
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden() {
        assert_eq!(mask_url("redis://user:se@c:ret@host:1/0"), "redis://user:***@host:1/0");
        assert_eq!(mask_url("redis://:secret@host"), "redis://:***@host");
        assert_eq!(mask_url("redis://host:6379"), "redis://host:6379");
        let mut settings = Settings::default();
        settings.redis.url = "redis://:secret@host".into();
        settings.server.session_keys = vec!["secret".repeat(10)];
        assert!(!masked_toml(&settings).contains("secret"));
    }
}
