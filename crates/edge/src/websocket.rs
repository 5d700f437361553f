//! The websocket of a session, between hyper and the Engine.IO server: the handshake, and a stream that can be closed
//! from outside.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use roomcast_codes::Code;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::handshake::derive_accept_key;

use crate::frames::{CLOSE_PACKET, Frames};
use crate::session::{End, Session};
use crate::stats::Stats;
use crate::wire::Wire;

/// A websocket's bytes, after its handshake.
///
/// It follows where messages begin and end, so that [`ConnectionHandle::close`](crate::ConnectionHandle::close) can put a
/// close packet between two messages of the client: that makes the Engine.IO server send what is queued and close in order.
pub struct WebsocketStream {
    stream: Stream,
    /// What the client sent right behind its handshake.
    early: Bytes,
    incoming: Frames,
    outgoing: Frames,
    has_close: bool,
    /// Messages of the client until the session has changed over to this websocket: a ping and the upgrade packet.
    probes: u64,
    max_message: u64,
    session: Arc<Session>,
    stats: Stats,
    at_end: Option<Box<dyn FnOnce() + Send>>,
}

enum Stream {
    Ours(Wire),
    /// Of a server that is not [`Server`](crate::Server).
    Foreign(TokioIo<Upgraded>),
}

impl WebsocketStream {
    pub(crate) fn new(upgraded: Upgraded, session: Arc<Session>, max_message: usize, stats: &Stats) -> Self {
        // Without hyper's own layers in between, which cost memory for as long as the connection lives.
        let (stream, early) = match upgraded.downcast::<TokioIo<Wire>>() {
            Ok(parts) => (Stream::Ours(parts.io.into_inner()), parts.read_buf),
            Err(upgraded) => (Stream::Foreign(TokioIo::new(upgraded)), Bytes::new()),
        };
        Self {
            stream,
            // A copy: what is left would keep the whole buffer of the request's head.
            early: Bytes::copy_from_slice(&early),
            incoming: Frames::default(),
            outgoing: Frames::default(),
            has_close: false,
            probes: 0,
            max_message: max_message as u64,
            session,
            stats: stats.clone(),
            at_end: None,
        }
    }

    /// It is the upgrade of a session that polls. Does this when the Engine.IO server has let go of the stream.
    pub(crate) fn upgrade(mut self, at_end: impl FnOnce() + Send + 'static) -> Self {
        self.probes = 2;
        self.at_end = Some(Box::new(at_end));
        self
    }

    fn received(&mut self, bytes: &[u8]) {
        let passed = self.incoming.pass(bytes);
        if passed.messages > 0 {
            self.stats.packets_received(passed.messages);
            self.probes = self.probes.saturating_sub(passed.messages);
            if self.probes == 0 {
                self.session.upgraded();
            }
        }
        if passed.largest > self.max_message {
            // The library refuses it without telling anybody why.
            self.session.note(Code::PacketTooLarge);
        }
    }

    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.session.end() == End::Killed {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let result = act(self, cx);
        match &result {
            Poll::Pending => {
                self.session.wake_writer(cx.waker());
                // It may have been killed before the waker was in its place.
                if self.session.end() == End::Killed {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
            Poll::Ready(Ok(_)) => {}
            // Errors of writing alone do not end a session: the library goes on reading.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                self.session.kill(Code::SlowConsumer);
            }
            Poll::Ready(Err(_)) => self.session.cut(),
        }
        result
    }
}

impl AsyncRead for WebsocketStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.session.wake_reader(cx.waker());
        match this.session.end() {
            End::Killed => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            End::Closing if !this.has_close && this.incoming.is_between_messages() => {
                this.has_close = true;
                buf.put_slice(&CLOSE_PACKET);
                return Poll::Ready(Ok(()));
            }
            End::Closing | End::Open => {}
        }
        let start = buf.filled().len();
        if this.early.has_remaining() {
            let take = this.early.remaining().min(buf.remaining());
            buf.put_slice(&this.early.split_to(take));
        } else {
            let read = match &mut this.stream {
                Stream::Ours(wire) => Pin::new(wire).poll_read(cx, buf),
                Stream::Foreign(io) => Pin::new(io).poll_read(cx, buf),
            };
            std::task::ready!(read)?;
        }
        let end = buf.filled().len();
        this.received(&buf.filled()[start..end]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebsocketStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.written(cx, |this, cx| match &mut this.stream {
            Stream::Ours(wire) => Pin::new(wire).poll_write(cx, buf),
            Stream::Foreign(io) => Pin::new(io).poll_write(cx, buf),
        });
        if let Poll::Ready(Ok(written)) = result {
            let passed = self.outgoing.pass(&buf[..written]);
            self.stats.packets_sent(passed.messages);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.written(cx, |this, cx| match &mut this.stream {
            Stream::Ours(wire) => Pin::new(wire).poll_flush(cx),
            Stream::Foreign(io) => Pin::new(io).poll_flush(cx),
        })
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Ours(wire) => Pin::new(wire).poll_shutdown(cx),
            Stream::Foreign(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

impl Drop for WebsocketStream {
    fn drop(&mut self) {
        if let Some(act) = self.at_end.take() {
            act();
        }
        self.session.transport_is_gone();
    }
}

impl fmt::Debug for WebsocketStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebsocketStream").field("client", &self.session.client).finish_non_exhaustive()
    }
}

/// The answer to a handshake. The first protocol that is offered is taken: browsers close the connection if none is.
pub(crate) fn switching_protocols(key: &[u8], headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&derive_accept_key(key)).expect("base64 is a header value");
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    if let Some(first) = offered.and_then(|list| list.split(',').next())
        && let Ok(value) = HeaderValue::from_str(first.trim())
    {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    response
}
