//! One Engine.IO session, and the handle by which it is closed from outside.
//!
//! socketioxide cannot close a connection: its `disconnect` takes a client out of one namespace for good (it does not
//! come back by itself), and refuses even that when the client's queue is full. A [`ConnectionHandle`] can, in two ways:
//!
//! * gracefully: what is queued goes out, then the connection is closed in order; the disconnect handlers run, and the
//!   client sees `transport close` and comes back by itself;
//! * hard: a peer that does not read cannot be told anything any more.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use roomcast_codes::Code;
use tracing::debug;

use crate::request::{Protocol, Transport};
use crate::sessions::{Place, Sessions};
use crate::sid::Sid16;

/// Closes a session from outside. It is in the extensions of the request that opened the session, which the Engine.IO
/// library keeps for as long as the session lives. Cheap to clone; keeping one keeps the session's place in the limits.
#[derive(Clone)]
pub struct ConnectionHandle(pub(crate) Arc<Session>);

pub(crate) struct Session {
    pub(crate) protocol: Protocol,
    pub(crate) client: SocketAddr,
    /// Only of sessions that began with long-polling: others need none.
    pub(crate) sid: OnceLock<Sid16>,
    websocket: AtomicBool,
    end: AtomicU8,
    /// [`Code`] by its number, plus one; 0 while there is none. The first reason is the reason.
    code: AtomicU8,
    /// Namespaces that it is in.
    namespaces: AtomicU32,
    was_connected: AtomicBool,
    /// Polls that wait for packets.
    pub(crate) polls: AtomicU32,
    /// The poll that waits is to end without an answer: it came by a node that is about to stop.
    is_poll_released: AtomicBool,
    /// A request with packets of the client is under way.
    is_posting: AtomicBool,
    /// A websocket handshake of this polling session was accepted.
    pub(crate) is_upgrading: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    sessions: Weak<Sessions>,
    /// Its number among all.
    pub(crate) at: usize,
    is_over: AtomicBool,
    _place: Place,
}

/// How far a session is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum End {
    Open = 0,
    /// It is to end in order.
    Closing = 1,
    /// It is to end at once.
    Killed = 2,
}

impl ConnectionHandle {
    /// Closes gracefully; who does not take what is queued within the grace of the settings is closed hard.
    pub fn close(&self, code: Code) {
        self.0.close(code);
    }

    /// Closes hard.
    pub fn kill(&self, code: Code) {
        self.0.kill(code);
    }

    /// Whether it was closed hard, and is about to go.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.0.end() == End::Killed
    }

    /// Notes why the session ends, if nobody has said so before.
    pub fn note(&self, code: Code) {
        self.0.note(code);
    }

    /// Why the session ends, as far as it is known.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.0.code()
    }

    /// The present transport.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.transport()
    }

    /// Who the client is; behind trusted proxies not who is connected.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        self.0.client
    }

    /// Counts one more namespace that the session is in, if it is in less than `max`.
    #[must_use]
    pub fn enter_namespace(&self, max: u32) -> bool {
        let enter = |count: u32| (count < max).then(|| count + 1);
        self.0.namespaces.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).is_ok()
    }

    /// A client has connected to a namespace: from now on the session's end is told to handlers.
    pub fn connected(&self) {
        self.0.was_connected.store(true, Ordering::Relaxed);
    }

    /// Counts one less.
    pub fn leave_namespace(&self) {
        self.0.namespaces.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Session {
    pub(crate) fn new(
        sessions: &Arc<Sessions>,
        place: Place,
        at: usize,
        client: SocketAddr,
        transport: Transport,
        protocol: Protocol,
    ) -> Self {
        sessions.stats().session_opened(transport, protocol);
        Self {
            protocol,
            client,
            sid: OnceLock::new(),
            websocket: AtomicBool::new(transport == Transport::Websocket),
            end: AtomicU8::new(End::Open as u8),
            code: AtomicU8::new(0),
            namespaces: AtomicU32::new(0),
            was_connected: AtomicBool::new(false),
            polls: AtomicU32::new(0),
            is_poll_released: AtomicBool::new(false),
            is_posting: AtomicBool::new(false),
            is_upgrading: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            sessions: Arc::downgrade(sessions),
            at,
            is_over: AtomicBool::new(false),
            _place: place,
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        if self.websocket.load(Ordering::Relaxed) { Transport::Websocket } else { Transport::Polling }
    }

    pub(crate) fn upgraded(&self) {
        if !self.websocket.swap(true, Ordering::Relaxed)
            && let Some(sessions) = self.sessions.upgrade()
        {
            sessions.stats().session_upgraded(self.protocol);
        }
    }

    /// `None` while another one is under way.
    pub(crate) fn begin_post(&self) -> Option<Post<'_>> {
        let is_first = !self.is_posting.swap(true, Ordering::AcqRel);
        is_first.then_some(Post(self))
    }

    pub(crate) fn end(&self) -> End {
        match self.end.load(Ordering::Acquire) {
            0 => End::Open,
            1 => End::Closing,
            _ => End::Killed,
        }
    }

    pub(crate) fn note(&self, code: Code) {
        let number = u8::try_from(code as usize + 1).expect("there are fewer than 255 codes");
        let _ = self.code.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn code(&self) -> Option<Code> {
        usize::from(self.code.load(Ordering::Relaxed)).checked_sub(1).map(|code| Code::ALL[code])
    }

    /// Goes on towards the end; tells whether it is news.
    fn go_to(&self, end: End) -> bool {
        self.end.fetch_max(end as u8, Ordering::AcqRel) < end as u8
    }

    pub(crate) fn close(self: &Arc<Self>, code: Code) {
        self.note(code);
        if !self.go_to(End::Closing) {
            return;
        }
        self.wake();
        let Some(sessions) = self.sessions.upgrade() else { return };
        // Without a poll under way what is queued waits for the next one, which tells the client (see `polling`).
        if self.transport() == Transport::Polling && self.polls.load(Ordering::Acquire) > 0 {
            self.end_polling();
        }
        let (session, grace) = (Arc::downgrade(self), sessions.close_grace());
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            if let Some(session) = session.upgrade() {
                session.kill(code);
            }
        });
    }

    pub(crate) fn kill(self: &Arc<Self>, code: Code) {
        if self.is_over() {
            return;
        }
        self.note(code);
        if !self.go_to(End::Killed) {
            return;
        }
        self.wake();
        if let Some(sessions) = self.sessions.upgrade() {
            if code == Code::Draining {
                sessions.cut_by_drain();
            }
            sessions.end_polling(self);
        }
    }

    /// Its websocket cannot be written to. Why is not said here: the client may have left in good order, of which the
    /// reader knows and tells the disconnect handlers. A websocket that failed to become the session's leaves it alone.
    pub(crate) fn cut(&self) {
        if self.transport() == Transport::Websocket && self.go_to(End::Killed) {
            self.wake();
        }
    }

    /// Tells the Engine.IO server that the session is over, if it began with long-polling.
    pub(crate) fn end_polling(self: &Arc<Self>) {
        if let Some(sessions) = self.sessions.upgrade() {
            sessions.end_polling(self);
        }
    }

    pub(crate) fn sessions(&self) -> Option<Arc<Sessions>> {
        self.sessions.upgrade()
    }

    /// Ends the poll that waits. If none does, the next one: better once too often than to hold one for nobody.
    pub(crate) fn release_poll(&self) {
        self.is_poll_released.store(true, Ordering::Release);
        self.reader.wake();
    }

    pub(crate) fn is_poll_released(&self) -> bool {
        self.is_poll_released.swap(false, Ordering::AcqRel)
    }

    fn wake(&self) {
        self.reader.wake();
        self.writer.wake();
    }

    /// Who reads the websocket, or waits in a poll, is told when that is to end.
    pub(crate) fn wake_reader(&self, waker: &Waker) {
        self.reader.register(waker);
    }

    pub(crate) fn wake_writer(&self, waker: &Waker) {
        self.writer.register(waker);
    }

    /// Its transport is gone. If it was never in a namespace nothing will come of it any more; it keeps its place, since
    /// the library keeps it, too, until its time to connect is over. Otherwise the disconnect handlers are still to run.
    pub(crate) fn transport_is_gone(&self) {
        if !self.was_connected.load(Ordering::Relaxed) {
            self.is_over.store(true, Ordering::Release);
        }
    }

    /// Whether there is nothing left of it that could be closed.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(sessions) = self.sessions.upgrade() else { return };
        let was_connected = self.was_connected.load(Ordering::Relaxed);
        let code = match self.code() {
            Some(code) => code,
            // It was in no namespace any more: the client has left all of them, and then the server.
            None if was_connected => Code::ClientClosed,
            None => Code::NeverConnected,
        };
        debug!(%code, client = %self.client, "session ended");
        sessions.closed(self, code);
    }
}

/// A request with packets, for as long as it is under way.
pub(crate) struct Post<'a>(&'a Session);

impl Drop for Post<'_> {
    fn drop(&mut self) {
        self.0.is_posting.store(false, Ordering::Release);
    }
}

impl fmt::Debug for ConnectionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionHandle")
            .field("client", &self.0.client)
            .field("transport", &self.transport())
            .field("end", &self.0.end())
            .finish_non_exhaustive()
    }
}
