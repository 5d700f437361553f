//! Which pages may connect. A browser sends the origin of the page with the request and lets any page open a websocket
//! to any server, with the user's cookies: the server alone can refuse (cross-site websocket hijacking). CORS does not
//! stop websockets, so both transports are checked alike; [`cors`] tells browsers about long-polling.

mod answer;
mod origin;
mod refusals;

use http::{HeaderMap, HeaderValue, header};

pub(crate) use answer::{cors, preflight};
use origin::{Host, Origin};
pub(crate) use refusals::Refusals;

/// The origins that may connect, besides the server's own.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    entries: Vec<Entry>,
    null: bool,
    any: bool,
}

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is not an origin: {expected}")]
pub struct InvalidOrigin {
    /// The text.
    pub entry: String,
    expected: &'static str,
}

/// What is thought of a request's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OriginCheck {
    /// It has none: not a browser, or a GET of a page of this server.
    None,
    /// The page is of the host that is asked.
    Same,
    /// The origin is in the list.
    Listed,
    /// The origin is not in the list, but any may connect.
    Any,
    /// The origin may not connect, or the header is malformed or there twice.
    Refused,
}

#[derive(Debug, Clone)]
struct Entry {
    scheme: String,
    /// With its leading dot where it stands for subdomains.
    host: String,
    port: Option<u16>,
}

impl Origins {
    /// Reads `https://app.example.com`, with `:port` if it is not the default one, `https://*.example.com` (all
    /// subdomains, at any depth, but not `example.com`), `null` (pages without an origin: of files, in sandboxed
    /// frames) and `*` (all). An empty list is only the server's own host.
    ///
    /// # Errors
    /// [`InvalidOrigin`] with the first entry that is none of these, and what is expected.
    pub fn parse(entries: &[String]) -> Result<Self, InvalidOrigin> {
        let mut origins = Self::default();
        for entry in entries {
            match entry.as_str() {
                "*" => origins.any = true,
                "null" => origins.null = true,
                text => {
                    let invalid = |expected| InvalidOrigin { entry: entry.clone(), expected };
                    origins.entries.push(Entry::parse(text).map_err(invalid)?);
                }
            }
        }
        Ok(origins)
    }

    /// What is thought of the origin of a request with these headers.
    #[must_use]
    pub(crate) fn check(&self, headers: &HeaderMap) -> OriginCheck {
        match Sent::of(headers) {
            Sent::None => OriginCheck::None,
            Sent::Null if self.null => OriginCheck::Listed,
            Sent::Origin(origin) if is_own(&origin, headers) => OriginCheck::Same,
            Sent::Origin(origin) if self.entries.iter().any(|entry| entry.matches(&origin)) => {
                OriginCheck::Listed
            }
            Sent::Null | Sent::Origin(_) if self.any => OriginCheck::Any,
            Sent::Null | Sent::Origin(_) | Sent::Malformed => OriginCheck::Refused,
        }
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let subdomains = text.contains("://*.");
        // What is left of a wildcard must be an origin by itself.
        let concrete = text.replacen("://*.", "://", 1);
        let origin = Origin::parse(&concrete)?;
        let dot = if subdomains { "." } else { "" };
        Ok(Self {
            scheme: origin.scheme.to_ascii_lowercase(),
            host: format!("{dot}{}", origin.host.name.to_ascii_lowercase()),
            port: origin.port(),
        })
    }

    fn matches(&self, origin: &Origin<'_>) -> bool {
        let name = origin.host.name;
        // The whole host, or as much of its end as there is behind the wildcard.
        let start =
            if self.host.starts_with('.') { name.len().checked_sub(self.host.len()) } else { Some(0) };
        let end = start.and_then(|start| name.get(start..));
        origin.scheme.eq_ignore_ascii_case(&self.scheme)
            && end.is_some_and(|end| end.eq_ignore_ascii_case(&self.host))
            && origin.port() == self.port
    }
}

/// The header as it was sent.
enum Sent<'a> {
    None,
    Null,
    Origin(Origin<'a>),
    Malformed,
}

impl<'a> Sent<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(header::ORIGIN).iter();
        match (values.next().map(HeaderValue::to_str), values.next()) {
            (None, _) => Self::None,
            (Some(Ok("null")), None) => Self::Null,
            (Some(Ok(text)), None) => Origin::parse(text).map_or(Self::Malformed, Self::Origin),
            _ => Self::Malformed,
        }
    }
}

/// Whether the page is of the host that is asked. The request does not say over which scheme it came (TLS may end at a
/// balancer), so a `Host` without a port stands for both default ports.
fn is_own(origin: &Origin<'_>, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(host) = host.to_str().ok().and_then(|host| Host::parse(host).ok()) else { return false };
    let same_port = match (host.port, origin.port()) {
        (Some(asked), port) => port == Some(asked),
        (None, port) => matches!(port, Some(80 | 443)),
    };
    origin.default_port().is_some() && same_port && host.name.eq_ignore_ascii_case(origin.host.name)
}

#[cfg(test)]
mod tests;
