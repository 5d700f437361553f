//! What the backend is told.

use std::collections::BTreeMap;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName};
use serde::Serialize;
use serde_json::Value;

use crate::identity::Credential;
use crate::settings_error::SettingsError;

/// The headers that the backend sees.
#[derive(Debug)]
pub(super) struct AllowedHeaders(Vec<HeaderName>);

impl AllowedHeaders {
    pub(super) fn new(names: &[String]) -> Result<Self, Vec<SettingsError>> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for name in names {
            match HeaderName::try_from(name) {
                Ok(name) => good.push(name),
                Err(_) => bad.push(SettingsError::Header(name.clone())),
            }
        }
        if bad.is_empty() { Ok(Self(good)) } else { Err(bad) }
    }

    /// Those that are there; several of one name as one (RFC 9110, section 5.3; RFC 6265, section 5.4).
    fn of<'a>(&'a self, headers: &HeaderMap) -> BTreeMap<&'a str, String> {
        let mut found = BTreeMap::new();
        for name in self.0.iter().filter(|name| headers.contains_key(*name)) {
            let values: Vec<_> =
                headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            found.insert(name.as_str(), values.join(if name == COOKIE { "; " } else { ", " }));
        }
        found
    }
}

#[derive(Serialize)]
struct Body<'a> {
    namespace: &'a str,
    auth: &'a Value,
    headers: BTreeMap<&'a str, String>,
    client: &'a str,
    transport: &'a str,
}

/// The body. The same for the same credential: refusals are remembered by it.
pub(super) fn body(credential: &Credential, allowed: &AllowedHeaders) -> Vec<u8> {
    let Credential { namespace, auth, headers, client, transport, .. } = credential;
    let headers = allowed.of(headers);
    serde_json::to_vec(&Body { namespace, auth, headers, client, transport })
        .expect("strings and JSON values can always be written as JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_allowed_is_told() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=1".parse().unwrap());
        headers.append("cookie", "b=2".parse().unwrap());
        headers.append("x-forwarded-for", "1.1.1.1".parse().unwrap());
        headers.append("accept-language", http::HeaderValue::from_bytes(b"d\xe9").unwrap());
        headers.append("accept-language", "en".parse().unwrap());
        let credential = Credential {
            token: Some("hush".into()),
            namespace: "/chat".into(),
            auth: json!({"ticket": 1}),
            headers,
            client: "10.0.0.1".into(),
            transport: "websocket".into(),
        };
        let allowed =
            AllowedHeaders::new(&["Cookie".into(), "accept-language".into(), "origin".into()]).unwrap();
        let body: Value = serde_json::from_slice(&body(&credential, &allowed)).unwrap();
        assert_eq!(
            body,
            json!({
                "namespace": "/chat",
                "auth": {"ticket": 1},
                "headers": {"cookie": "a=1; b=2", "accept-language": "d\u{fffd}, en"},
                "client": "10.0.0.1",
                "transport": "websocket",
            })
        );
    }

    #[test]
    fn names_that_are_none_are_errors() {
        let errors = AllowedHeaders::new(&["a b".into(), "cookie".into(), String::new()]).unwrap_err();
        assert_eq!(errors, [SettingsError::Header("a b".into()), SettingsError::Header(String::new())]);
    }
}
