//! The hops of a request as the proxies on its way wrote them into its headers, nearest first. Read from the right, as
//! far as somebody asks: what the nearest proxy wrote is read right whatever a client wrote left of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The hops, nearest first; `None` for one that is no address.
pub(crate) fn from_nearest(headers: &HeaderMap) -> impl Iterator<Item = Option<SocketAddr>> + '_ {
    let plain = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    let plain = plain.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')).map(address);
    // Never both lists: a proxy writes one of them, and the client may have written the other.
    let forwarded = (!headers.contains_key(X_FORWARDED_FOR)).then(|| headers.get_all(FORWARDED));
    let forwarded = forwarded.into_iter().flat_map(|values| values.into_iter().rev());
    let forwarded = forwarded.flat_map(|value| from_right(value.as_bytes(), b',')).map(hop);
    plain.chain(forwarded)
}

/// An element of `Forwarded`, like `for="[2001:db8::1]:80";proto=https`.
fn hop(element: &[u8]) -> Option<SocketAddr> {
    let mut found = None;
    for pair in from_right(element, b';') {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(at);
        if name.trim_ascii().eq_ignore_ascii_case(b"for") && found.replace(value.get(1..)?).is_some() {
            return None;
        }
    }
    let value = found?.trim_ascii();
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    address(quoted.unwrap_or(value))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`; port 0 when it is not told.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 0));
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (ip, rest) = bracketed.split_once(']')?;
        let port = if rest.is_empty() { 0 } else { port(rest.strip_prefix(':')?)? };
        return Some(SocketAddr::new(ip.parse::<Ipv6Addr>().ok()?.into(), port));
    }
    let (ip, rest) = text.split_once(':')?;
    Some(SocketAddr::new(ip.parse::<Ipv4Addr>().ok()?.into(), port(rest)?))
}

/// A number, or the made-up name of a port that a proxy hides (RFC 7239, section 6: `_` and more).
fn port(text: &str) -> Option<u16> {
    match text.strip_prefix('_') {
        Some(name) => (!name.is_empty()).then_some(0),
        None => text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?,
    }
}

/// The parts between separators that are not in quotes, right-most first.
fn from_right(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let text = left?;
        let Some(at) = last_unquoted(text, separator) else { return left.take() };
        left = Some(&text[..at]);
        Some(&text[at + 1..])
    })
}

fn last_unquoted(text: &[u8], separator: u8) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.iter().enumerate().rev() {
        match *byte {
            b'"' if quoted => {
                let escapes = text[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                quoted = escapes % 2 == 1;
            }
            b'"' => quoted = true,
            byte if byte == separator && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(address: Option<SocketAddr>) -> Option<String> {
        address.map(|address| address.to_string())
    }

    #[test]
    fn addresses_come_with_and_without_ports() {
        for (given, expected) in [
            ("192.0.2.1", "192.0.2.1:0"),
            (" 192.0.2.1:80\t", "192.0.2.1:80"),
            ("2001:db8::1", "[2001:db8::1]:0"),
            ("[2001:db8::1]", "[2001:db8::1]:0"),
            ("[2001:db8::1]:65535", "[2001:db8::1]:65535"),
            ("192.0.2.1:_web", "192.0.2.1:0"),
        ] {
            assert_eq!(text(address(given.as_bytes())).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        let junk = ["", "unknown", "_gazonk", "localhost", "192.0.2", "192.0.2.1:", "192.0.2.1:65536"];
        let more = ["192.0.2.1:+1", "192.0.2.1:_", "[192.0.2.1]", "[2001:db8::1", "[2001:db8::1]80"];
        for given in junk.into_iter().chain(more).chain(["[::1]:", "fe80::1%eth0", "192.0.2.1 192.0.2.2"]) {
            assert_eq!(address(given.as_bytes()), None, "{given}");
        }
        assert_eq!(address(b"\xff"), None);
    }

    #[test]
    fn elements_of_forwarded_are_read_by_the_grammar() {
        for (given, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60:0")),
            ("proto=http; For=\"192.0.2.60:8080\" ", Some("192.0.2.60:8080")),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some("[2001:db8:cafe::17]:4711")),
            ("by=\"a;for=1.1.1.1\";for=192.0.2.60", Some("192.0.2.60:0")),
            ("for=unknown", None),
            ("for=\"_SEVKISEK\"", None),
            ("for=192.0.2.1;for=192.0.2.2", None),
            ("for=\"192.0.2.1", None),
            ("xfor=192.0.2.1", None),
            ("for", None),
            ("", None),
        ] {
            assert_eq!(text(hop(given.as_bytes())).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn separators_in_quotes_do_not_separate() {
        let parts = |text: &'static str| {
            let parts =
                from_right(text.as_bytes(), b',').map(|part| String::from_utf8_lossy(part).into_owned());
            parts.collect::<Vec<_>>()
        };
        assert_eq!(parts("a,\"b,c\",d"), ["d", "\"b,c\"", "a"]);
        assert_eq!(parts(r#"a,"b\",c""#), [r#""b\",c""#, "a"]);
        assert_eq!(parts(r#"a,"b\\",c"#), ["c", r#""b\\""#, "a"]);
        assert_eq!(parts(",a,"), ["", "a", ""]);
        assert_eq!(parts(""), [""]);
    }
}
