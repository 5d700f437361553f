//! Origins and what browsers are told, from outside.

use http::{HeaderName, StatusCode};

use super::OriginCheck::{Any, Listed, None as NoOrigin, Refused, Same};
use super::*;

fn origins(entries: &[&str]) -> Result<Origins, InvalidOrigin> {
    Origins::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn check(entries: &[&str], origin: &str) -> OriginCheck {
    origins(entries).unwrap().check(&headers(&[("origin", origin), ("host", "chat.example.org")]))
}

#[test]
fn a_request_without_an_origin_is_not_of_a_foreign_page() {
    for entries in [&[][..], &["*"], &["https://app.example.com"]] {
        assert_eq!(origins(entries).unwrap().check(&headers(&[("host", "a")])), NoOrigin);
    }
}

#[test]
fn a_page_of_the_same_host_may_connect() {
    for (origin, host, expected) in [
        ("https://a.example", "a.example", Same),
        ("http://a.example", "A.Example", Same),
        ("https://a.example", "a.example:443", Same),
        ("http://a.example", "a.example:80", Same),
        ("http://a.example:3000", "a.example:3000", Same),
        ("http://[::1]:3000", "[::1]:3000", Same),
        ("http://[::1]", "[::1]", Same),
        // Another port is another server.
        ("http://a.example:3000", "a.example", Refused),
        ("http://a.example", "a.example:3000", Refused),
        ("http://a.example", "a.example:443", Refused),
        ("https://b.a.example", "a.example", Refused),
        ("https://a.example.evil", "a.example", Refused),
        ("app://a.example", "a.example", Refused),
        ("app://a.example:80", "a.example:80", Refused),
        ("https://a.example", "a.example:", Refused),
        ("https://a.example", "", Refused),
    ] {
        let headers = headers(&[("origin", origin), ("host", host)]);
        assert_eq!(Origins::default().check(&headers), expected, "{origin} at {host}");
    }
    let twice = headers(&[("origin", "https://a"), ("host", "a"), ("host", "a")]);
    assert_eq!(Origins::default().check(&twice), Refused);
    assert_eq!(Origins::default().check(&headers(&[("origin", "https://a")])), Refused);
}

#[test]
fn listed_origins_match_scheme_host_and_port() {
    let entries =
        &["https://app.example.com", "http://localhost:5173", "HTTPS://B.example:443", "app://localhost"];
    for (origin, expected) in [
        ("https://app.example.com", Listed),
        ("https://APP.example.com:443", Listed),
        ("http://localhost:5173", Listed),
        ("https://b.example", Listed),
        ("app://localhost", Listed),
        ("http://app.example.com", Refused),
        ("https://app.example.com:8443", Refused),
        ("http://localhost", Refused),
        ("https://xapp.example.com", Refused),
        ("https://app.example.com.evil", Refused),
        ("https://example.com", Refused),
        ("app://localhost:80", Refused),
    ] {
        assert_eq!(check(entries, origin), expected, "{origin}");
    }
}

#[test]
fn a_wildcard_is_every_subdomain_and_not_the_domain() {
    let entries = &["https://*.example.com", "http://*.example.net:8080"];
    for (origin, expected) in [
        ("https://a.example.com", Listed),
        ("https://a.b.C.Example.com", Listed),
        ("http://a.example.net:8080", Listed),
        ("https://example.com", Refused),
        ("https://aexample.com", Refused),
        ("https://.example.com", Refused),
        ("https://a.example.com.evil", Refused),
        ("http://a.example.com", Refused),
        ("https://a.example.com:8080", Refused),
        ("http://a.example.net", Refused),
    ] {
        assert_eq!(check(entries, origin), expected, "{origin}");
    }
}

#[test]
fn pages_without_an_origin_must_be_listed() {
    assert_eq!(check(&[], "null"), Refused);
    assert_eq!(check(&["https://null"], "null"), Refused);
    assert_eq!(check(&["null"], "null"), Listed);
    assert_eq!(check(&["*"], "null"), Any);
    assert_eq!(check(&["null"], "https://app.example.com"), Refused);
}

#[test]
fn any_is_only_what_is_not_known_better() {
    let entries = &["*", "https://app.example.com"];
    assert_eq!(check(entries, "https://evil.example"), Any);
    assert_eq!(check(entries, "https://app.example.com"), Listed);
    assert_eq!(check(entries, "https://chat.example.org"), Same);
}

#[test]
fn malformed_origins_are_refused_even_if_any_may_connect() {
    for origin in [
        "",
        "app.example.com",
        "https://",
        "https://app.example.com/",
        "https://user@app.example.com",
        "https://app.example.com https://b.example",
        "https://*.example.com",
        "https://a:0",
        "https://a:65536",
        "https://a:+80",
        "https://[::1",
        "https://::1",
        "https://a]:80",
        "://a",
        "Null",
        "*",
        "https://\u{fc}.example",
    ] {
        assert_eq!(check(&["*", "null"], origin), Refused, "{origin}");
    }
    let twice =
        headers(&[("origin", "https://a.example"), ("origin", "https://a.example"), ("host", "a.example")]);
    assert_eq!(origins(&["*"]).unwrap().check(&twice), Refused);
}

#[test]
fn a_mistaken_entry_is_named_and_says_what_is_expected() {
    for (entry, expected) in [
        ("app.example.com", "a scheme"),
        ("", "a scheme"),
        ("1https://a", "a scheme"),
        ("wss://app.example.com", "also for websockets"),
        ("https://app.example.com/", "no path"),
        ("https://app.example.com/chat", "no path"),
        ("https://*.example.com/", "no path"),
        ("https://*", "all subdomains"),
        ("https://a.*.com", "all subdomains"),
        ("https://*.*.com", "all subdomains"),
        ("https://*a.example.com", "all subdomains"),
        ("https://*.", "a host name"),
        ("https://b\u{fc}cher.example", "xn--"),
        ("https://::1", "IPv6 in brackets"),
        ("https://a?b", "a host name"),
        ("https://a:", "a port"),
        ("https://a:0", "a port"),
        ("https://a:https", "a port"),
    ] {
        let error = origins(&["https://fine.example", entry]).unwrap_err();
        assert_eq!(error.entry, entry);
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("`{entry}` is not an origin: ")) && text.contains(expected),
            "{text}"
        );
    }
}

/// The headers of an answer, in a line each.
fn told(headers: &HeaderMap) -> Vec<String> {
    headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

#[test]
fn answers_tell_the_browser_who_may_read_them() {
    let origin = HeaderValue::from_static("https://app.example.com");
    let answer = |check, origin: Option<&HeaderValue>| {
        let mut headers = headers(&[("vary", "accept-encoding")]);
        cors(check, origin, &mut headers);
        assert_eq!(told(&headers)[..2], ["vary: accept-encoding", "vary: Origin"]);
        told(&headers)[2..].to_vec()
    };
    for check in [Same, Listed] {
        let expected = [
            "access-control-allow-origin: https://app.example.com",
            "access-control-allow-credentials: true",
        ];
        assert_eq!(answer(check, Some(&origin)), expected, "{check:?}");
    }
    assert_eq!(answer(Any, Some(&origin)), ["access-control-allow-origin: *"]);
    assert!(answer(Refused, Some(&origin)).is_empty());
    assert!(answer(NoOrigin, None).is_empty());
}

#[test]
fn a_preflight_tells_what_the_page_may_send() {
    let request = headers(&[
        ("origin", "https://app.example.com"),
        ("access-control-request-headers", "content-type, x-token"),
        ("access-control-request-private-network", "true"),
    ]);
    let response = preflight(Listed, &request);
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let expected = [
        "vary: Origin",
        "access-control-allow-origin: https://app.example.com",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: GET, POST",
        "access-control-max-age: 600",
        "access-control-allow-headers: content-type, x-token",
        "access-control-allow-private-network: true",
    ];
    assert_eq!(told(response.headers()), expected);

    let response = preflight(Refused, &request);
    assert_eq!(
        (response.status(), told(response.headers())),
        (StatusCode::FORBIDDEN, vec!["vary: Origin".into()])
    );
    let response = preflight(Any, &headers(&[("origin", "https://app.example.com")]));
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    for absent in ["credentials", "headers", "private-network"] {
        assert!(!response.headers().contains_key(format!("access-control-allow-{absent}")), "{absent}");
    }
}

#[test]
fn asked_headers_are_echoed_only_if_all_are_names_and_few() {
    let echoed = |asked: &[&str]| {
        let asked: Vec<_> = asked.iter().map(|list| ("access-control-request-headers", *list)).collect();
        let response = preflight(Same, &headers(&asked));
        response.headers().get("access-control-allow-headers").map(|list| list.to_str().unwrap().to_owned())
    };
    assert_eq!(echoed(&["X-A,x-b"]).as_deref(), Some("X-A,x-b"));
    assert_eq!(echoed(&["x-a", "x-b"]).as_deref(), Some("x-a, x-b"));
    assert_eq!(echoed(&["x-a, b c"]), None);
    assert_eq!(echoed(&["x-a,"]), None);
    assert_eq!(echoed(&["x-a", "\u{fc}"]), None);
    assert_eq!(echoed(&[&"a".repeat(1023)]).map(|list| list.len()), Some(1023));
    assert_eq!(echoed(&[&"a".repeat(1024)]), None);
}
