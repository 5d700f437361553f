//! Which headers pass from node to node.

use http::header::{
    CONNECTION, CONTENT_LENGTH, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

/// Headers of the cluster; a client has no business with them.
const OWN: &str = "x-roomcast-";

/// Headers about one connection, not about the request (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether the request asks to become a websocket.
pub(super) fn is_websocket<B>(request: &Request<B>) -> bool {
    let has =
        |name, wanted: &str| words(request.headers(), name).any(|word| word.eq_ignore_ascii_case(wanted));
    request.method() == Method::GET && has(&UPGRADE, "websocket") && has(&CONNECTION, "upgrade")
}

/// Removes what is about the connection it came on, and says anew that it becomes a websocket.
pub(super) fn clean(headers: &mut HeaderMap, websocket: bool) {
    if headers.contains_key(TRANSFER_ENCODING) {
        // Of two ways to tell the length this one does not count; the next server must not see it otherwise.
        headers.remove(CONTENT_LENGTH);
    }
    let named: Vec<HeaderName> =
        words(headers, &CONNECTION).filter_map(|word| HeaderName::from_bytes(word.as_bytes()).ok()).collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// Removes all headers of the cluster.
pub(super) fn remove_own(headers: &mut HeaderMap) {
    let own: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(OWN)).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

/// The words of a list that may be spread over several headers.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::new(());
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn headers_about_the_connection_do_not_pass() {
        let mut request = request(&[
            ("connection", "keep-alive, X-Mine"),
            ("connection", "x-also"),
            ("x-mine", "1"),
            ("x-also", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "x"),
            ("cookie", "a=1"),
            ("host", "example.com"),
            ("content-length", "3"),
        ]);
        clean(request.headers_mut(), false);
        assert_eq!(names(request.headers()), ["content-length", "cookie", "host"]);
    }

    #[test]
    fn of_two_lengths_only_one_passes() {
        let mut request = request(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
        clean(request.headers_mut(), false);
        assert!(request.headers().is_empty(), "{:?}", request.headers());
    }

    #[test]
    fn a_websocket_is_asked_for_anew() {
        let mut request = request(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-key", "x"),
        ]);
        assert!(is_websocket(&request));
        clean(request.headers_mut(), true);
        assert_eq!(names(request.headers()), ["connection", "sec-websocket-key", "upgrade"]);
        assert_eq!(request.headers()[CONNECTION], "upgrade");
        assert_eq!(request.headers()[UPGRADE], "websocket");
    }

    #[test]
    fn other_upgrades_are_none() {
        assert!(!is_websocket(&request(&[("connection", "upgrade"), ("upgrade", "h2c")])));
        assert!(!is_websocket(&request(&[("upgrade", "websocket")])));
        assert!(!is_websocket(&request(&[("connection", "upgrade")])));
        let mut post = request(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        *post.method_mut() = Method::POST;
        assert!(!is_websocket(&post));
    }

    #[test]
    fn headers_of_the_cluster_are_removed_however_they_are_written() {
        let mut request =
            request(&[("x-roomcast-forwarded", "v1"), ("x-roomcast", "stays"), ("x-other", "stays")]);
        let shouted = HeaderName::from_bytes(b"X-Roomcast-Owner").unwrap();
        request.headers_mut().append(shouted, HeaderValue::from_static("1"));
        remove_own(request.headers_mut());
        assert_eq!(names(request.headers()), ["x-other", "x-roomcast"]);
    }
}
