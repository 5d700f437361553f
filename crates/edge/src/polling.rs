//! What passes between a client that polls and the Engine.IO server.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use roomcast_codes::Code;
use serde_json::Value;

use crate::eio3;
use crate::engine::Engine;
use crate::request::Protocol;
use crate::session::{End, Session};
use crate::sid::Sid16;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain;charset=UTF-8");

/// The first answer of a session: the open packet. Gives the raw session id, and the packet as the client gets it.
pub(crate) async fn opened(
    response: Response,
    protocol: Protocol,
    upgrades: bool,
    issue: impl FnOnce(Sid16) -> String,
) -> Option<(Sid16, Response)> {
    let (mut parts, body) = response.into_parts();
    let body = whole(body).await.ok()?;
    let text = std::str::from_utf8(&body).ok()?;
    let mut packet: Value = serde_json::from_str(text.get(text.find('{')?..)?).ok()?;
    let sid: Sid16 = packet["sid"].as_str()?.parse().ok()?;
    packet["sid"] = issue(sid).into();
    if !upgrades {
        packet["upgrades"] = Value::Array(Vec::new());
    }
    let packet = format!("0{packet}");
    let payload = match protocol {
        Protocol::V3 => format!("{}:{packet}", packet.len()),
        Protocol::V4 => packet,
    };
    parts.headers.insert(header::CONTENT_LENGTH, payload.len().into());
    Some((sid, Response::from_parts(parts, Body::from(payload))))
}

/// Answers a poll.
///
/// When the session is to end, the client is told by a close packet behind what was queued: what the library sends by
/// itself is an error at the next poll, which the client would report as such.
pub(crate) async fn poll<E: Engine>(engine: &E, session: &Arc<Session>, request: Request<Body>) -> Response {
    let _waiting = Waiting::begin(session);
    let mut answer = engine.http(request);
    let response = match (&mut answer).now_or_never() {
        // There is something to tell. If the session is to end, the next poll will tell it.
        Some(response) => return finish(session, response, false).await,
        None => {
            if session.end() != End::Open {
                // Nothing is queued any more.
                session.end_polling();
            }
            match until_released(session, answer).await {
                Some(response) => response,
                None => return noop(session.protocol),
            }
        }
    };
    let closing = session.end() != End::Open;
    finish(session, response, closing).await
}

/// The answer; `None` if the poll is to end without one. Then nothing is lost: engineioxide takes packets out of its queue
/// only when it answers at once.
async fn until_released(
    session: &Session,
    mut answer: impl Future<Output = Response> + Unpin,
) -> Option<Response> {
    poll_fn(|cx| {
        session.wake_reader(cx.waker());
        match answer.poll_unpin(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            // If the session is to end, its answer is about to come.
            Poll::Pending if session.end() == End::Open && session.is_poll_released() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// An answer without news.
fn noop(protocol: Protocol) -> Response {
    let mut response = Response::new(Body::from(match protocol {
        Protocol::V4 => "6",
        Protocol::V3 => "1:6",
    }));
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response
}

/// Counts a poll for as long as it waits.
struct Waiting<'a>(&'a Session);

impl<'a> Waiting<'a> {
    fn begin(session: &'a Session) -> Self {
        let others = session.polls.fetch_add(1, Ordering::AcqRel);
        // The library ends the session for it, unless it is about to become a websocket.
        if others > 0 && !session.is_upgrading.load(Ordering::Acquire) {
            session.note(Code::ConcurrentPoll);
        }
        Self(session)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.polls.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn finish(session: &Session, response: Response, closing: bool) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(mut body) = whole(body).await else {
        return Response::from_parts(parts, Body::empty());
    };
    if session.protocol == Protocol::V3 {
        body = eio3::repair(&parts.headers, body);
    }
    if closing {
        body = with_close(&parts.headers, session.protocol, &body);
    }
    if let Some(sessions) = session.sessions() {
        let packets = count(&parts.headers, &body, session.protocol).unwrap_or(0);
        sessions.stats().packets_sent(packets as u64);
    }
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    Response::from_parts(parts, Body::from(body))
}

/// An answer of the Engine.IO server, which has all of it in memory already. It has no limit there: a single packet is
/// sent however large it is, so that a limit here would lose what the session's queue no longer has.
async fn whole(body: Body) -> Result<Bytes, axum::Error> {
    Ok(body.collect().await?.to_bytes())
}

fn with_close(headers: &HeaderMap, protocol: Protocol, body: &Bytes) -> Bytes {
    let close: &[u8] = match protocol {
        Protocol::V4 if body.is_empty() => b"1",
        Protocol::V4 => b"\x1e1",
        Protocol::V3 if eio3::is_binary(headers) => &[0, 1, 255, b'1'],
        Protocol::V3 => b"1:1",
    };
    [body, close].concat().into()
}

/// How many packets a payload has; `None` if it is none.
fn count(headers: &HeaderMap, payload: &[u8], protocol: Protocol) -> Option<usize> {
    match protocol {
        Protocol::V4 => Some(payload.iter().filter(|byte| **byte == 0x1e).count() + 1),
        Protocol::V3 if eio3::is_binary(headers) => eio3::count_binary(payload),
        Protocol::V3 => eio3::count_text(payload),
    }
}

/// Whether a client ends its session by this. In the older protocol a text may end so that is none; then the session is
/// taken for one that is about to end, and no more.
pub(crate) fn has_close(payload: &[u8], protocol: Protocol) -> bool {
    match protocol {
        Protocol::V4 => payload.split(|byte| *byte == 0x1e).any(|packet| packet == b"1"),
        Protocol::V3 => payload.ends_with(b"1:1"),
    }
}

/// Limits of what a client may send in one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) bytes: usize,
    pub(crate) packets: usize,
    pub(crate) timeout: Duration,
}

/// Reads what a client sends; engineioxide would wait for it without end. Gives the number of packets, too.
pub(crate) async fn receive(
    body: Body,
    headers: &HeaderMap,
    protocol: Protocol,
    limits: BodyLimits,
) -> Result<(Bytes, usize), Code> {
    // What the head announces need not be waited for.
    if body.size_hint().lower() > limits.bytes as u64 {
        return Err(Code::BodyTooLarge);
    }
    let whole = Limited::new(body, limits.bytes).collect();
    let body = match tokio::time::timeout(limits.timeout, whole).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Code::BodyTooLarge),
        Ok(Err(_)) => return Err(Code::BadRequest),
        Err(_) => return Err(Code::BodyTimeout),
    };
    let packets = count(headers, &body, protocol).ok_or(Code::BadPacket)?;
    if packets > limits.packets { Err(Code::TooManyPackets) } else { Ok((body, packets)) }
}

/// The request by which a client would end its session.
pub(crate) fn close_request(path: &str, sid: Sid16, protocol: Protocol) -> Request<Body> {
    let body = match protocol {
        Protocol::V3 => "1:1",
        Protocol::V4 => "1",
    };
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = session_uri(path, sid, protocol, "polling");
    request.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    request
}

/// What engineioxide reads of a request of a session.
pub(crate) fn session_uri(path: &str, sid: Sid16, protocol: Protocol, transport: &str) -> Uri {
    let uri = format!("{path}/?EIO={}&transport={transport}&sid={}", protocol.number(), sid.as_str());
    uri.parse().expect("a path that was checked, and letters")
}
