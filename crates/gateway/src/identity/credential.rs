//! Where a client's token is, and what a backend is told about the client.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use roomcast_auth::Credential;
use serde_json::{Value, json};

use crate::config::{IdentityKind, IdentitySettings, Settings, TokenFrom};

/// Where clients put their token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenPlace {
    /// A field of the `auth` object.
    Auth(String),
    Header(HeaderName),
    Cookie(String),
}

/// Headers of the request that opened the session which tell who the client is. Kept apart from the others: those may be
/// seen by other servers.
#[derive(Debug, Clone, Default)]
pub(crate) struct SignIn(pub(crate) HeaderMap);

/// Where a client comes from.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) sign_in: &'a SignIn,
    pub(crate) client: Option<SocketAddr>,
    pub(crate) transport: &'a str,
}

impl TokenPlace {
    /// `None` for a header that cannot be one.
    pub(crate) fn new(settings: &IdentitySettings) -> Option<Self> {
        let name = &settings.token_name;
        Some(match settings.token_from {
            TokenFrom::Auth => Self::Auth(name.clone()),
            TokenFrom::Header => Self::Header(name.parse().ok()?),
            TokenFrom::Cookie => Self::Cookie(name.clone()),
        })
    }

    fn header(&self) -> Option<HeaderName> {
        match self {
            Self::Auth(_) => None,
            Self::Header(name) => Some(name.clone()),
            Self::Cookie(_) => Some(header::COOKIE),
        }
    }

    pub(super) fn token(&self, auth: &Value, sign_in: &SignIn) -> Option<String> {
        let header = |name| sign_in.0.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        match self {
            Self::Auth(name) => auth.get(name)?.as_str().map(str::to_owned),
            Self::Header(name) => {
                // Two of them: which one counts is not for us to guess.
                let mut values = header(name);
                let value = values.next().filter(|_| values.next().is_none())?;
                Some(bearer(value).to_owned())
            }
            Self::Cookie(name) => {
                let pairs = header(&header::COOKIE).flat_map(|value| value.split(';'));
                let mut values =
                    pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|pair| pair.0 == name);
                let (_, value) = values.next().filter(|_| values.next().is_none())?;
                Some(value.trim_matches('"').to_owned())
            }
        }
        .filter(|token| !token.is_empty())
    }

    /// What the client would have sent with this token.
    pub(super) fn auth_with(&self, token: &str) -> Value {
        match self {
            Self::Auth(name) => json!({ name: token }),
            Self::Header(_) | Self::Cookie(_) => json!({}),
        }
    }

    /// The `auth` object as others may see it.
    pub(crate) fn without_token(&self, mut auth: Value) -> Value {
        if let (Self::Auth(name), Value::Object(fields)) = (self, &mut auth) {
            fields.remove(name);
        }
        auth
    }
}

/// RFC 6750, 2.1.
fn bearer(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => value.trim(),
    }
}

impl Origin<'_> {
    pub(super) fn credential(&self, auth: &Value, token: Option<String>) -> Credential {
        Credential {
            token,
            namespace: self.namespace.to_owned(),
            auth: auth.clone(),
            headers: self.sign_in.0.clone(),
            client: self.client.map(|client| client.ip().to_string()).unwrap_or_default(),
            transport: self.transport.to_owned(),
        }
    }
}

/// The headers that some namespace needs to know its clients by.
pub(crate) fn wanted_headers(settings: &Settings) -> Vec<HeaderName> {
    let mut wanted: Vec<HeaderName> = Vec::new();
    for namespace in &settings.namespaces {
        let identity = &namespace.identity;
        if identity.kind == IdentityKind::None {
            continue;
        }
        wanted.extend(TokenPlace::new(identity).and_then(|place| place.header()));
        if identity.kind == IdentityKind::Webhook {
            wanted.extend(identity.webhook.headers.iter().filter_map(|name| name.parse().ok()));
        }
    }
    wanted.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    wanted.dedup();
    wanted
}

impl SignIn {
    /// Of the wanted headers those that are there, in memory of their own.
    pub(crate) fn of(headers: &HeaderMap, wanted: &[HeaderName]) -> Self {
        let mut kept = HeaderMap::new();
        for name in wanted {
            for value in headers.get_all(name) {
                // A copy: the original would keep the whole head of the request.
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    kept.append(name, value);
                }
            }
        }
        Self(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in(name: &'static str, values: &[&'static str]) -> SignIn {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        SignIn(headers)
    }

    #[test]
    fn tokens_in_auth() {
        let place = TokenPlace::Auth("token".into());
        let none = SignIn::default();
        assert_eq!(place.token(&json!({"token": "abc"}), &none).as_deref(), Some("abc"));
        for auth in [json!({}), json!({"token": ""}), json!({"token": 1}), json!({"Token": "abc"})] {
            assert_eq!(place.token(&auth, &none), None, "{auth}");
        }
        assert_eq!(place.without_token(json!({"token": "abc", "v": 2})), json!({"v": 2}));
    }

    #[test]
    fn tokens_in_headers() {
        let place = TokenPlace::Header(header::AUTHORIZATION);
        let token = |values: &[&'static str]| place.token(&json!({}), &sign_in("authorization", values));
        for value in ["Bearer abc", "bearer  abc", "abc"] {
            assert_eq!(token(&[value]).as_deref(), Some("abc"), "{value}");
        }
        assert_eq!(token(&[]), None);
        assert_eq!(token(&["Bearer "]), None);
        assert_eq!(token(&["Bearer abc", "Bearer def"]), None);
    }

    #[test]
    fn tokens_in_cookies() {
        let place = TokenPlace::Cookie("session".into());
        let token = |values: &[&'static str]| place.token(&json!({}), &sign_in("cookie", values));
        for value in ["session=abc", "a=b; session=abc; c=d", "a=b;session=\"abc\""] {
            assert_eq!(token(&[value]).as_deref(), Some("abc"), "{value}");
        }
        assert_eq!(token(&["a=b", "session=abc"]).as_deref(), Some("abc"));
        for value in ["mysession=abc", "session", "session=", "session=abc; session=def"] {
            assert_eq!(token(&[value]), None, "{value}");
        }
    }

    #[test]
    fn only_headers_that_are_needed_are_kept() {
        let mut settings = Settings::default();
        assert_eq!(wanted_headers(&settings), Vec::<HeaderName>::new());
        let identity = &mut settings.namespaces[0].identity;
        identity.kind = IdentityKind::Webhook;
        identity.token_from = TokenFrom::Cookie;
        identity.webhook.headers = vec!["x-device".into(), "Cookie".into()];
        let wanted = wanted_headers(&settings);
        assert_eq!(wanted, [header::COOKIE, HeaderName::from_static("x-device")]);
        let mut headers = HeaderMap::new();
        headers.insert("x-device", HeaderValue::from_static("7"));
        headers.insert("authorization", HeaderValue::from_static("Bearer abc"));
        let kept = SignIn::of(&headers, &wanted);
        assert_eq!(kept.0.len(), 1);
        assert_eq!(kept.0["x-device"], "7");
    }
}
