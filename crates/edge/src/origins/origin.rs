//! The text of an origin (RFC 6454): `scheme://host`, with a port where it is not the scheme's own.

use std::net::Ipv6Addr;

const ORIGIN: &str = "expected a scheme, a host and perhaps a port, like https://app.example.com:8443";
const WEBSOCKET: &str = "expected the origin of the page, which is http:// or https:// also for websockets";
const PATH: &str = "an origin has no path: leave out the slash after the host and what follows";
const WILDCARD: &str = "`*` stands for all subdomains, at the front of the host, like https://*.example.com";
const HOST: &str =
    "expected a host name (international ones in their xn-- form) or an address, IPv6 in brackets";
const PORT: &str = "expected a port from 1 to 65535 behind the colon";

/// An origin; nothing is changed in it, so compare without case.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: Host<'a>,
}

/// A host, as in an origin or in the header `Host`.
#[derive(Debug)]
pub(super) struct Host<'a> {
    pub(super) name: &'a str,
    /// As it is written: `None` for a default port that is left out.
    pub(super) port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// Reads an origin, or says what is expected instead.
    pub(super) fn parse(text: &'a str) -> Result<Self, &'static str> {
        let (scheme, host) = text.split_once("://").ok_or(ORIGIN)?;
        if !is_scheme(scheme) {
            return Err(ORIGIN);
        }
        if scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss") {
            return Err(WEBSOCKET);
        }
        Ok(Self { scheme, host: Host::parse(host)? })
    }

    /// Its port, also where it is left out; `None` for schemes without one, like those of apps.
    pub(super) fn port(&self) -> Option<u16> {
        self.host.port.or_else(|| self.default_port())
    }

    /// The port of its scheme; `None` if a page of this scheme is not from a web server.
    pub(super) fn default_port(&self) -> Option<u16> {
        let is = |scheme| self.scheme.eq_ignore_ascii_case(scheme);
        if is("https") { Some(443) } else { is("http").then_some(80) }
    }
}

impl<'a> Host<'a> {
    /// Reads a host, or says what is expected instead.
    pub(super) fn parse(text: &'a str) -> Result<Self, &'static str> {
        if text.contains('/') {
            return Err(PATH);
        }
        if text.contains('*') {
            return Err(WILDCARD);
        }
        // A colon belongs to an IPv6 address up to its bracket.
        let end = text.find(']').map_or(0, |bracket| bracket + 1);
        let end = text[end..].find(':').map_or(text.len(), |colon| end + colon);
        let (name, port) = text.split_at(end);
        if !is_host(name) {
            return Err(HOST);
        }
        let port = port.strip_prefix(':').map(parse_port).transpose()?;
        Ok(Self { name, port })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_host(text: &str) -> bool {
    if let Some(v6) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return v6.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // A name may end with the dot of the root.
    text.strip_suffix('.').unwrap_or(text).split('.').all(is_label)
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or(PORT)
}
