//! One fetch.

use std::time::Duration;

use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL};

use super::parse::parse;
use super::refresh::Shared;
use crate::http_client::{HttpError, body};
use crate::jwt::KeySet;

impl Shared {
    /// The keys, and how long the server says that they are good for. The client ends it after `timeout`.
    pub(super) async fn fetch(&self) -> Result<(KeySet, Option<Duration>), HttpError> {
        let request =
            self.client.get(self.url.clone()).header(ACCEPT, "application/jwk-set+json, application/json");
        let response = request.send().await?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(HttpError::Status(status));
        }
        let good_for = good_for(response.headers());
        let body = body(response, self.settings.max_bytes).await?;
        let keys = parse(&body, self.settings.max_keys).map_err(HttpError::Malformed)?;
        Ok((keys, good_for))
    }
}

/// As the server says (RFC 9111, section 5.2.2).
fn good_for(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut found = None;
    for directive in values.flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            found = value.trim().trim_matches('"').parse().map(Duration::from_secs).ok();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_read() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value.parse().unwrap());
            good_for(&headers).map(|good_for| good_for.as_secs())
        };
        assert_eq!(read("public, max-age=300, must-revalidate"), Some(300));
        assert_eq!(read("Max-Age=\"60\""), Some(60));
        assert_eq!(read("max-age=300, no-cache"), Some(0));
        assert_eq!(read("no-store"), Some(0));
        assert_eq!(read("s-maxage=5"), None);
        assert_eq!(read("max-age=-1"), None);
        assert_eq!(read("max-age=99999999999999999999999"), None);
        assert_eq!(good_for(&HeaderMap::new()), None);
    }
}
