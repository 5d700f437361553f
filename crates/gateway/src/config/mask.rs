//! The effective settings, to look at.

use serde_json::Value;

use super::settings::{NamespaceSettings, Settings};

/// The settings as TOML, with passwords replaced by `***`.
///
/// # Panics
/// Never: settings always have a TOML form.
#[must_use]
pub fn masked_toml(settings: &Settings) -> String {
    let mut settings = settings.clone();
    settings.redis.url = mask_url(&settings.redis.url);
    settings.server.session_keys.fill("***".into());
    settings.namespaces.iter_mut().for_each(mask);
    toml::to_string(&settings).expect("settings always have a TOML form")
}

/// The settings of a namespace as JSON, with secrets replaced by `***`.
pub(crate) fn masked(settings: &NamespaceSettings) -> Value {
    let mut settings = settings.clone();
    mask(&mut settings);
    serde_json::to_value(settings).expect("settings always have a JSON form")
}

fn mask(namespace: &mut NamespaceSettings) {
    let identity = &mut namespace.identity;
    identity.jwt.secrets.fill("***".into());
    if !identity.webhook.secret.is_empty() {
        identity.webhook.secret = "***".into();
    }
    for url in [&mut identity.jwt.jwks_url, &mut identity.webhook.url] {
        *url = mask_url(url);
    }
}

/// Hides the password of a URL. What comes before the last `@` of the authority is user and password; a password may
/// contain any character.
fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // Keys are often given in the query; a password may have a question mark in it.
    match rest.split_once('?') {
        Some((_, behind)) if behind.contains('@') => return format!("{scheme}://***"),
        Some((before, _)) => return format!("{}?***", mask_url(&format!("{scheme}://{before}"))),
        None => {}
    }
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
        assert_eq!(mask_url("https://ann:hush@host/hook?key=hush"), "https://ann:***@host/hook?***");
        assert_eq!(mask_url("https://host/hook?key=hu@sh"), "https://***");
        assert_eq!(mask_url("redis://:hu?sh@host"), "redis://***");
        let mut settings = Settings::default();
        settings.redis.url = "redis://:hush@host".into();
        settings.server.session_keys = vec!["hush".repeat(10)];
        let identity = &mut settings.namespaces[0].identity;
        identity.jwt.secrets = vec!["hush".repeat(10)];
        identity.webhook.secret = "hush".repeat(10);
        identity.webhook.url = "https://ann:hush@backend.example".into();
        assert!(!masked_toml(&settings).contains("hush"));
        assert!(!masked(&settings.namespaces[0]).to_string().contains("hush"));
    }
}
