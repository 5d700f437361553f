//! The header by which an owner knows a forwarded request, and the one by which it proves that it is the owner.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use crate::keys::Keys;
use crate::tag::Tag;

/// `v1 from=<tag> at=<epoch ms> client=<ip:port> nonce=<22> mac=<22>`
pub(super) const FORWARDED_HEADER: HeaderName = HeaderName::from_static("x-roomcast-forwarded");

/// The header of an answer with which the owner proves that it is the owner ([`Forwarded::answer`]).
pub const OWNER_HEADER: HeaderName = HeaderName::from_static("x-roomcast-owner");

/// How far the clocks of two nodes may differ, the way of the request included.
const CLOCKS: Duration = Duration::from_secs(30);

const FORWARD: &str = "forward";
const ANSWER: &str = "answer";

/// What a node says about a request that it forwards. The fields are as they are written in the header.
#[derive(Debug, Clone)]
pub(super) struct Ticket<T = String> {
    from: T,
    at: T,
    client: T,
    nonce: T,
}

/// What another node of the cluster says about the request that it has forwarded.
#[derive(Debug, Clone)]
pub struct Forwarded {
    /// The node that forwarded it.
    pub from: Tag,
    /// Where that node has the request from.
    pub client: SocketAddr,
    nonce: String,
}

/// A request claims to be forwarded, but no node of the cluster says so, or not now, or not of this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not forwarded by a node of this cluster")]
pub struct Forged;

impl Ticket {
    pub(super) fn new(from: Tag, client: SocketAddr) -> Self {
        let mut nonce = [0u8; 16];
        getrandom::fill(&mut nonce).expect("the operating system gives random bytes");
        Self {
            from: from.to_string(),
            at: since_epoch().as_millis().to_string(),
            client: client.to_string(),
            nonce: URL_SAFE_NO_PAD.encode(nonce),
        }
    }

    /// The header for a request with this method, path and query.
    pub(super) fn sign(&self, keys: &Keys, method: &Method, path: &str) -> HeaderValue {
        let mac = keys.sign_text(FORWARD, self.message(method, path).as_bytes());
        let Self { from, at, client, nonce } = self;
        let value = format!("v1 from={from} at={at} client={client} nonce={nonce} mac={mac}");
        HeaderValue::try_from(value).expect("tags, numbers, addresses and base64url are visible ASCII")
    }

    /// Whether the headers of an answer prove that it is of `owner`, and to this request.
    pub(super) fn is_answered(&self, keys: &Keys, owner: Tag, headers: &HeaderMap) -> bool {
        let mac = headers.get(&OWNER_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
        keys.verify_text(ANSWER, &answer(&self.nonce, owner), mac)
    }
}

impl<T: AsRef<str>> Ticket<T> {
    fn message(&self, method: &Method, path: &str) -> String {
        let [from, at, client, nonce] = [&self.from, &self.at, &self.client, &self.nonce].map(AsRef::as_ref);
        // None of them can have a line break in it.
        [method.as_str(), path, from, at, client, nonce].join("\n")
    }
}

impl Forwarded {
    /// What the request's header says, if it has one. To be called before anything changes the request's URI, and only
    /// where other nodes send their requests to: the client's address is believed. A request of which this is not
    /// `None` must not be forwarded again.
    #[must_use]
    pub fn read<B>(keys: &Keys, request: &Request<B>) -> Option<Result<Self, Forged>> {
        let mut values = request.headers().get_all(FORWARDED_HEADER).into_iter();
        let value = values.next()?;
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let read = read(keys, value, request.method(), path, since_epoch());
        Some(read.filter(|_| values.next().is_none()).ok_or(Forged))
    }

    /// The value for [`OWNER_HEADER`] in the answer of the node `owner`; without it the other node does not take the
    /// answer.
    #[must_use]
    pub fn answer(&self, keys: &Keys, owner: Tag) -> HeaderValue {
        let mac = keys.sign_text(ANSWER, &answer(&self.nonce, owner));
        HeaderValue::try_from(mac).expect("base64url is visible ASCII")
    }
}

fn read(keys: &Keys, value: &HeaderValue, method: &Method, path: &str, now: Duration) -> Option<Forwarded> {
    let (ticket, mac) = parse(value.to_str().ok()?)?;
    if !keys.verify_text(FORWARD, ticket.message(method, path).as_bytes(), mac.as_bytes()) {
        return None;
    }
    let at = Duration::from_millis(ticket.at.parse().ok()?);
    let nonce = ticket.nonce.to_owned();
    let forwarded = Forwarded { from: ticket.from.parse().ok()?, client: ticket.client.parse().ok()?, nonce };
    (now.abs_diff(at) <= CLOCKS).then_some(forwarded)
}

fn parse(value: &str) -> Option<(Ticket<&str>, &str)> {
    let mut fields = value.strip_prefix("v1 ")?.split(' ');
    let mut next = |name| fields.next()?.strip_prefix(name)?.strip_prefix('=');
    let ticket =
        Ticket { from: next("from")?, at: next("at")?, client: next("client")?, nonce: next("nonce")? };
    let mac = next("mac")?;
    fields.next().is_none().then_some((ticket, mac))
}

fn answer(nonce: &str, owner: Tag) -> Vec<u8> {
    [nonce, "\n", owner.as_str()].concat().into_bytes()
}

/// By the wall clock, which is what nodes have in common.
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/socket.io/?EIO=4&sid=x";

    fn tag(tag: &str) -> Tag {
        tag.parse().unwrap()
    }

    fn request(value: &str) -> Request<()> {
        Request::get(PATH).header(FORWARDED_HEADER, value).body(()).unwrap()
    }

    fn signed(keys: &Keys, client: &str) -> (Ticket, String) {
        let ticket = Ticket::new(tag("no01"), client.parse().unwrap());
        let value = ticket.sign(keys, &Method::GET, PATH);
        (ticket, value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_owner_reads_what_was_signed() {
        let keys = Keys::random();
        for client in ["192.0.2.7:50123", "[2001:db8::7]:50123"] {
            let (ticket, value) = signed(&keys, client);
            let forwarded = Forwarded::read(&keys, &request(&value)).unwrap().unwrap();
            assert_eq!((forwarded.from, forwarded.client), (tag("no01"), client.parse().unwrap()));
            assert_eq!(forwarded.nonce, ticket.nonce);
        }
    }

    #[test]
    fn a_request_without_the_header_is_not_forwarded() {
        assert!(Forwarded::read(&Keys::random(), &Request::get(PATH).body(()).unwrap()).is_none());
    }

    #[test]
    fn a_header_is_for_one_request_only() {
        let keys = Keys::random();
        let (_, value) = signed(&keys, "192.0.2.7:1");
        let mut other = request(&value);
        *other.method_mut() = Method::POST;
        assert!(Forwarded::read(&keys, &other).unwrap().is_err());
        let mut other = request(&value);
        *other.uri_mut() = "/socket.io/?EIO=4&sid=y".parse().unwrap();
        assert!(Forwarded::read(&keys, &other).unwrap().is_err());
        assert!(Forwarded::read(&Keys::random(), &request(&value)).unwrap().is_err());
    }

    #[test]
    fn a_header_with_any_character_changed_is_refused() {
        let keys = Keys::random();
        let (_, value) = signed(&keys, "192.0.2.7:1");
        for at in 0..value.len() {
            let mut forged = value.clone();
            let other = if &value[at..=at] == "1" { "2" } else { "1" };
            forged.replace_range(at..=at, other);
            assert!(Forwarded::read(&keys, &request(&forged)).unwrap().is_err(), "{forged}");
        }
        for forged in
            ["", "v1", "v1 ", "v2", &value.replace("v1", "v2"), &format!("{value} x=y"), &value[..60]]
        {
            assert!(Forwarded::read(&keys, &request(forged)).unwrap().is_err(), "{forged}");
        }
    }

    #[test]
    fn two_headers_are_one_too_many() {
        let keys = Keys::random();
        let (_, value) = signed(&keys, "192.0.2.7:1");
        let mut request = request(&value);
        request.headers_mut().append(FORWARDED_HEADER, HeaderValue::from_static("v1"));
        assert!(Forwarded::read(&keys, &request).unwrap().is_err());
    }

    #[test]
    fn a_header_is_good_for_half_a_minute() {
        let keys = Keys::random();
        let (ticket, value) = signed(&keys, "192.0.2.7:1");
        let value = HeaderValue::try_from(value).unwrap();
        let at = Duration::from_millis(ticket.at.parse().unwrap());
        let is_good = |now| read(&keys, &value, &Method::GET, PATH, now).is_some();
        let more = Duration::from_millis(1);
        assert!(is_good(at) && is_good(at + CLOCKS) && is_good(at - CLOCKS));
        assert!(!is_good(at + CLOCKS + more) && !is_good(at - CLOCKS - more));
    }

    #[test]
    fn only_the_owner_can_answer_and_only_this_request() {
        let keys = Keys::random();
        let (ticket, value) = signed(&keys, "192.0.2.7:1");
        let forwarded = Forwarded::read(&keys, &request(&value)).unwrap().unwrap();
        let headers = |value| HeaderMap::from_iter([(OWNER_HEADER, value)]);
        let owner = tag("no02");
        assert!(ticket.is_answered(&keys, owner, &headers(forwarded.answer(&keys, owner))));
        assert!(!ticket.is_answered(&keys, owner, &headers(forwarded.answer(&keys, tag("no03")))));
        assert!(!ticket.is_answered(&keys, owner, &headers(forwarded.answer(&Keys::random(), owner))));
        assert!(!ticket.is_answered(&keys, owner, &HeaderMap::new()));
        let (other, _) = signed(&keys, "192.0.2.7:1");
        assert!(!other.is_answered(&keys, owner, &headers(forwarded.answer(&keys, owner))));
        // What it was asked with is no answer.
        let mac = HeaderValue::try_from(value.rsplit('=').next().unwrap()).unwrap();
        assert!(!ticket.is_answered(&keys, owner, &headers(mac)));
    }
}
