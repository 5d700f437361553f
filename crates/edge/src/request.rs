//! What a request to the Engine.IO endpoint asks for.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use roomcast_codes::Code;

/// A version of the Engine.IO protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Of Socket.IO clients 2.x.
    V3,
    /// Of Socket.IO clients 3.x and 4.x.
    V4,
}

/// How a client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    Websocket,
}

impl Protocol {
    /// The number in the query (`EIO`).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}

impl Transport {
    /// The name in the query (`transport`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
        }
    }
}

/// The query, as far as it concerns Engine.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) transport: Transport,
    pub(crate) sid: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// Reads the query. What is given twice is not guessed at: whoever looks at the first and whoever looks at the last
    /// would see different requests.
    pub(crate) fn read(query: &'a str) -> Result<Self, Code> {
        let transport = match single(query, "transport").map_err(|()| Code::UnknownTransport)? {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::Websocket,
            _ => return Err(Code::UnknownTransport),
        };
        let sid = single(query, "sid").map_err(|()| Code::BadRequest)?;
        let protocol = match single(query, "EIO").map_err(|()| Code::UnsupportedProtocol)? {
            Some("3") => Protocol::V3,
            Some("4") => Protocol::V4,
            _ => return Err(Code::UnsupportedProtocol),
        };
        Ok(Self { protocol, transport, sid })
    }
}

/// The value of a key that may be there once.
fn single<'a>(query: &'a str, key: &str) -> Result<Option<&'a str>, ()> {
    let mut values = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == key).then_some(value)
    });
    let first = values.next();
    if values.next().is_some() { Err(()) } else { Ok(first) }
}

/// The version of websockets that is spoken (RFC 6455, 4.1).
pub(crate) const WEBSOCKET_VERSION: &str = "13";

/// The key of a websocket handshake (RFC 6455, 4.2.1), if the request is one.
pub(crate) fn websocket_key<'a>(method: &Method, headers: &'a HeaderMap) -> Result<&'a [u8], Code> {
    let has = |name, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|one: &str| one.trim().eq_ignore_ascii_case(token)))
    };
    let is_handshake =
        method == Method::GET && has(header::UPGRADE, "websocket") && has(header::CONNECTION, "upgrade");
    let version = only(headers, &header::SEC_WEBSOCKET_VERSION).filter(|_| is_handshake);
    // Before the key: another version may have another form of it.
    if version.ok_or(Code::BadRequest)? != WEBSOCKET_VERSION {
        return Err(Code::UnsupportedWebsocketVersion);
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    key.filter(|key| is_nonce(key)).ok_or(Code::BadRequest)
}

/// The value of a header that may be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether this is base64 of 16 bytes. The last character has four bits that mean nothing: some clients leave them set,
/// and other servers let them.
fn is_nonce(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key[..22].iter().all(is_base64) && key.ends_with(b"==")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_is_wanted() {
        let asked = Asked::read("EIO=4&transport=polling&t=abc&room=x&sid=abc").unwrap();
        assert_eq!(asked, Asked { protocol: Protocol::V4, transport: Transport::Polling, sid: Some("abc") });
        let asked = Asked::read("transport=websocket&EIO=3").unwrap();
        assert_eq!(asked, Asked { protocol: Protocol::V3, transport: Transport::Websocket, sid: None });
    }

    #[test]
    fn a_query_that_is_wrong_or_ambiguous_is_refused() {
        for (query, code) in [
            ("", Code::UnknownTransport),
            ("EIO=4", Code::UnknownTransport),
            ("EIO=4&transport=", Code::UnknownTransport),
            ("EIO=4&transport=__proto__", Code::UnknownTransport),
            ("EIO=4&transport=polling%00", Code::UnknownTransport),
            ("EIO=4&transport=polling&transport=polling", Code::UnknownTransport),
            ("transport=polling", Code::UnsupportedProtocol),
            ("EIO=2&transport=polling", Code::UnsupportedProtocol),
            ("EIO=4&EIO=4&transport=polling", Code::UnsupportedProtocol),
            ("EIO=4&transport=polling&sid=a&sid=b", Code::BadRequest),
        ] {
            assert_eq!(Asked::read(query), Err(code), "{query}");
        }
        // An empty sid is a sid that nobody has, not a handshake.
        assert_eq!(Asked::read("EIO=4&transport=polling&sid").unwrap().sid, Some(""));
    }

    /// The example of RFC 6455.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn handshake() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, "WebSocket".parse().unwrap());
        headers.insert(header::CONNECTION, "keep-alive, Upgrade".parse().unwrap());
        headers.insert(header::SEC_WEBSOCKET_VERSION, "13".parse().unwrap());
        headers.insert(header::SEC_WEBSOCKET_KEY, KEY.parse().unwrap());
        headers
    }

    #[test]
    fn a_websocket_handshake_has_all_its_headers() {
        let headers = handshake();
        assert_eq!(websocket_key(&Method::GET, &headers), Ok(KEY.as_bytes()));
        assert_eq!(websocket_key(&Method::POST, &headers), Err(Code::BadRequest));
        for name in
            [header::UPGRADE, header::CONNECTION, header::SEC_WEBSOCKET_VERSION, header::SEC_WEBSOCKET_KEY]
        {
            let mut without = headers.clone();
            without.remove(&name);
            assert_eq!(websocket_key(&Method::GET, &without), Err(Code::BadRequest), "{name}");
        }
        for name in [header::SEC_WEBSOCKET_VERSION, header::SEC_WEBSOCKET_KEY] {
            let mut twice = headers.clone();
            twice.append(&name, headers[&name].clone());
            assert_eq!(websocket_key(&Method::GET, &twice), Err(Code::BadRequest), "{name}");
        }
    }

    #[test]
    fn the_key_of_a_websocket_is_base64_of_16_bytes() {
        let mut headers = handshake();
        for good in [KEY, "AAAAAAAAAAAAAAAAAAAAAA==", "+/+/+/+/+/+/+/+/+/+/+/==", "AAAAAAAAAAAAAAAAAAAAAB=="]
        {
            headers.insert(header::SEC_WEBSOCKET_KEY, good.parse().unwrap());
            assert_eq!(websocket_key(&Method::GET, &headers), Ok(good.as_bytes()));
        }
        for bad in [
            "",
            "x",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQA=",
            "dGhlIHNhbXBsZSBub25jZQAA",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZQ==dGhl",
            "dGhlIHNhbXBsZSBub25j-_==",
            "dGhlIHNhbXBsZSBub25j Q==",
        ] {
            headers.insert(header::SEC_WEBSOCKET_KEY, bad.parse().unwrap());
            assert_eq!(websocket_key(&Method::GET, &headers), Err(Code::BadRequest), "{bad}");
        }
    }

    #[test]
    fn another_version_of_websockets_is_told_apart() {
        let mut headers = handshake();
        for version in ["8", "14", "0", "", "13, 8", "abc"] {
            headers.insert(header::SEC_WEBSOCKET_VERSION, version.parse().unwrap());
            let refused = Err(Code::UnsupportedWebsocketVersion);
            assert_eq!(websocket_key(&Method::GET, &headers), refused, "{version}");
        }
        // Without the rest it is no handshake at all.
        headers.remove(header::UPGRADE);
        assert_eq!(websocket_key(&Method::GET, &headers), Err(Code::BadRequest));
    }
}
