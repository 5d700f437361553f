//! What a request to the Engine.IO endpoint asks for.

use http::{HeaderMap, HeaderValue, Method, header};
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

/// The key of a websocket handshake (RFC 6455, 4.2.1), if the request is one.
pub(crate) fn websocket_key<'a>(method: &Method, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    let has = |name, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|one: &str| one.trim().eq_ignore_ascii_case(token)))
    };
    let version = headers.get(header::SEC_WEBSOCKET_VERSION)?;
    let is_handshake = method == Method::GET
        && has(header::UPGRADE, "websocket")
        && has(header::CONNECTION, "upgrade")
        && version == "13";
    headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|_| is_handshake)
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

    #[test]
    fn a_websocket_handshake_has_all_its_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, "WebSocket".parse().unwrap());
        headers.insert(header::CONNECTION, "keep-alive, Upgrade".parse().unwrap());
        headers.insert(header::SEC_WEBSOCKET_VERSION, "13".parse().unwrap());
        headers.insert(header::SEC_WEBSOCKET_KEY, "x".parse().unwrap());
        assert_eq!(websocket_key(&Method::GET, &headers), Some(&b"x"[..]));
        assert_eq!(websocket_key(&Method::POST, &headers), None);
        for name in [header::UPGRADE, header::CONNECTION, header::SEC_WEBSOCKET_VERSION] {
            let mut without = headers.clone();
            without.remove(name);
            assert_eq!(websocket_key(&Method::GET, &without), None);
        }
    }
}
