//! What the edge counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use roomcast_codes::Code;

use crate::request::{Protocol, Transport};

/// Counters of an edge; clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    accepted: AtomicU64,
    open: AtomicU64,
    sessions: [AtomicU64; KINDS],
    refused: [AtomicU64; Code::ALL.len()],
    closed: [AtomicU64; Code::ALL.len()],
    unknown: [AtomicU64; UnknownSession::ALL.len()],
    forwarded: [AtomicU64; Forward::ALL.len()],
    bytes: [AtomicU64; 2],
    packets: [AtomicU64; 2],
    stalled: AtomicU64,
    stalling: AtomicU64,
    passing: AtomicU64,
    draining: AtomicU64,
}

/// Combinations of transport and protocol.
const KINDS: usize = 4;

macro_rules! labels {
    ($(#[doc = $what:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $label:literal,)+ }) => {
        $(#[doc = $what])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The label of metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

labels! {
    /// Why a session id was not known.
    UnknownSession {
        /// It has not the form of one: of another server, or the bare id of a socket.
        Malformed = "malformed",
        /// Its authentication is wrong: altered, guessed, or of another cluster.
        Forged = "forged",
        /// It was ours, and its session is gone.
        Gone = "gone",
        /// It is of a node that cannot be reached or is not known.
        Owner = "owner_gone",
        /// It is of another node, and came from one: nodes do not agree on who is who.
        Loop = "misrouted",
    }
}

labels! {
    /// How a request that came to the wrong node ended.
    Forward {
        /// Its owner answered.
        Answered = "answered",
        /// Its owner could not be reached, did not answer in time, or was not who it should be.
        Failed = "failed",
        /// A request of another node was answered.
        Served = "served",
        /// A request claimed to come from another node, and did not.
        Forged = "forged",
    }
}

/// The numbers at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections that are open.
    pub open: u64,
    /// Engine.IO sessions that are open, by transport and protocol.
    pub sessions: Vec<(Transport, Protocol, u64)>,
    /// Requests refused, by code.
    pub refused: Vec<(Code, u64)>,
    /// Sessions closed, by code.
    pub closed: Vec<(Code, u64)>,
    /// Requests with an unknown session id, by reason.
    pub unknown: Vec<(UnknownSession, u64)>,
    /// Requests that came to the wrong node, by outcome.
    pub forwarded: Vec<(Forward, u64)>,
    /// Bytes received from clients and sent to them.
    pub bytes: [u64; 2],
    /// Engine.IO packets received from clients and sent to them.
    pub packets: [u64; 2],
    /// Connections given up because they did not take what was written.
    pub stalled: u64,
    /// Connections whose peer takes nothing of what is being written to it.
    pub stalling: u64,
    /// Requests and websockets of other nodes' sessions that are under way.
    pub passing: u64,
    /// Sessions that are still to end before the node stops.
    pub draining: u64,
}

impl StatsSnapshot {
    /// Requests refused for this reason.
    #[must_use]
    pub fn refused(&self, code: Code) -> u64 {
        self.refused[code as usize].1
    }

    /// Sessions closed for this reason.
    #[must_use]
    pub fn closed(&self, code: Code) -> u64 {
        self.closed[code as usize].1
    }
}

impl Stats {
    /// The numbers of now.
    #[must_use]
    pub fn snapshot(&self) -> StatsSnapshot {
        let inner = &*self.inner;
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let by_code =
            |counters: &[AtomicU64]| Code::ALL.iter().copied().zip(counters.iter().map(read)).collect();
        StatsSnapshot {
            accepted: read(&inner.accepted),
            open: read(&inner.open),
            sessions: (0..KINDS)
                .map(|at| {
                    let (transport, protocol) = kind_of(at);
                    (transport, protocol, read(&inner.sessions[at]))
                })
                .collect(),
            refused: by_code(&inner.refused),
            closed: by_code(&inner.closed),
            unknown: UnknownSession::ALL.iter().copied().zip(inner.unknown.iter().map(read)).collect(),
            forwarded: Forward::ALL.iter().copied().zip(inner.forwarded.iter().map(read)).collect(),
            bytes: [read(&inner.bytes[0]), read(&inner.bytes[1])],
            packets: [read(&inner.packets[0]), read(&inner.packets[1])],
            stalled: read(&inner.stalled),
            stalling: read(&inner.stalling),
            passing: read(&inner.passing),
            draining: read(&inner.draining),
        }
    }

    /// Sessions that are open.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.inner.sessions.iter().map(|counter| counter.load(Relaxed)).sum()
    }

    pub(crate) fn open(&self) -> Now {
        self.inner.accepted.fetch_add(1, Relaxed);
        self.now(|inner| &inner.open)
    }

    /// A write waits for its peer.
    pub(crate) fn stalling(&self) -> Now {
        self.now(|inner| &inner.stalling)
    }

    /// A request is passed on to another node.
    pub(crate) fn passing(&self) -> Now {
        self.now(|inner| &inner.passing)
    }

    fn now(&self, which: fn(&Inner) -> &AtomicU64) -> Now {
        which(&self.inner).fetch_add(1, Relaxed);
        Now(Arc::clone(&self.inner), which)
    }

    pub(crate) fn session_opened(&self, transport: Transport, protocol: Protocol) {
        self.inner.sessions[kind(transport, protocol)].fetch_add(1, Relaxed);
    }

    pub(crate) fn session_upgraded(&self, protocol: Protocol) {
        self.inner.sessions[kind(Transport::Polling, protocol)].fetch_sub(1, Relaxed);
        self.session_opened(Transport::Websocket, protocol);
    }

    pub(crate) fn session_closed(&self, transport: Transport, protocol: Protocol, code: Code) {
        self.inner.sessions[kind(transport, protocol)].fetch_sub(1, Relaxed);
        self.inner.closed[code as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn refuse(&self, code: Code) {
        self.inner.refused[code as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn unknown_session(&self, reason: UnknownSession) {
        self.inner.unknown[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn forwarded(&self, outcome: Forward) {
        self.inner.forwarded[outcome as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.inner.bytes[0].fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.inner.bytes[1].fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn packets_received(&self, packets: u64) {
        self.inner.packets[0].fetch_add(packets, Relaxed);
    }

    pub(crate) fn packets_sent(&self, packets: u64) {
        self.inner.packets[1].fetch_add(packets, Relaxed);
    }

    pub(crate) fn draining(&self, left: usize) {
        self.inner.draining.store(left as u64, Relaxed);
    }

    pub(crate) fn stalled(&self) {
        self.inner.stalled.fetch_add(1, Relaxed);
    }
}

fn kind(transport: Transport, protocol: Protocol) -> usize {
    transport as usize * 2 + protocol as usize
}

fn kind_of(at: usize) -> (Transport, Protocol) {
    let transport = if at < 2 { Transport::Polling } else { Transport::Websocket };
    let protocol = if at.is_multiple_of(2) { Protocol::V3 } else { Protocol::V4 };
    (transport, protocol)
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            accepted: AtomicU64::default(),
            open: AtomicU64::default(),
            sessions: Default::default(),
            refused: std::array::from_fn(|_| AtomicU64::default()),
            closed: std::array::from_fn(|_| AtomicU64::default()),
            unknown: Default::default(),
            forwarded: Default::default(),
            bytes: Default::default(),
            packets: Default::default(),
            stalled: AtomicU64::default(),
            stalling: AtomicU64::default(),
            passing: AtomicU64::default(),
            draining: AtomicU64::default(),
        }
    }
}

/// Counts something for as long as it lives.
#[derive(Debug)]
pub(crate) struct Now(Arc<Inner>, fn(&Inner) -> &AtomicU64);

impl Drop for Now {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Relaxed);
    }
}
