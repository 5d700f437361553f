//! What went over the bus and what did not. A small trait, so that the library pulls in no metrics stack; without one
//! of your own the numbers are kept in [`Counters`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Why a message was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// From the bus: no local socket is in the room. This is the normal fate of most messages.
    Unwanted,
    /// From the bus: the message names another namespace than its channel does.
    OtherNamespace,
    /// To the bus: the outbox was full.
    OutboxFull,
    /// To the bus: it waited in the outbox for too long.
    OutboxAge,
    /// To the bus: Redis refused it, for example for want of permission on the channel.
    Rejected,
    /// To a local client: its queue was full or its connection gone.
    ClientQueue,
}

impl Dropped {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Unwanted,
        Self::OtherNamespace,
        Self::OutboxFull,
        Self::OutboxAge,
        Self::Rejected,
        Self::ClientQueue,
    ];

    /// The reason as a metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unwanted => "unwanted",
            Self::OtherNamespace => "other_namespace",
            Self::OutboxFull => "outbox_full",
            Self::OutboxAge => "outbox_age",
            Self::Rejected => "rejected",
            Self::ClientQueue => "client_queue",
        }
    }
}

/// What other servers are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked {
    /// `fetchSockets`.
    FetchSockets,
    /// `allRooms`.
    AllRooms,
    /// A broadcast with acknowledgements.
    BroadcastWithAck,
    /// `serverSideEmit` with an answer.
    ServerSideEmit,
}

impl Asked {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::FetchSockets, Self::AllRooms, Self::BroadcastWithAck, Self::ServerSideEmit];

    /// The request as a metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::FetchSockets => "fetch_sockets",
            Self::AllRooms => "all_rooms",
            Self::BroadcastWithAck => "broadcast_with_ack",
            Self::ServerSideEmit => "server_side_emit",
        }
    }
}

/// Where the adapter reports what it does. Every method is called on hot paths and must return at once. How deep the
/// outbox is can be read at any time with [`Bus::outbox_depth`](crate::Bus::outbox_depth).
pub trait Metrics: Send + Sync + 'static {
    /// Messages were published.
    fn published(&self, _messages: u64) {}
    /// A message was received, own ones included.
    fn received(&self) {}
    /// Messages were dropped.
    fn dropped(&self, _reason: Dropped, _messages: u64) {}
    /// A message could not be decoded.
    fn undecodable(&self) {}
    /// All subscriptions were set up: the first time, or again.
    fn subscribed(&self) {}
    /// The node heard nothing from the bus for so long, and hears again.
    fn was_deaf(&self, _duration: Duration) {}
    /// A request to the other servers has ended after `latency`; `complete` if all of them answered.
    fn request(&self, _asked: Asked, _latency: Duration, _complete: bool) {}
}

/// The numbers at one moment; they only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterSnapshot {
    /// Messages published.
    pub published: u64,
    /// Messages received, own ones included.
    pub received: u64,
    /// Messages received that could not be decoded.
    pub undecodable: u64,
    /// Times that the subscriptions were set up.
    pub connects: u64,
    /// Milliseconds without hearing the bus.
    pub deaf_millis: u64,
    /// Requests to the other servers that have ended.
    pub requests: u64,
    /// Those of them that ended without an answer of everybody.
    pub incomplete: u64,
    dropped: [u64; Dropped::ALL.len()],
}

impl CounterSnapshot {
    /// Messages dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize]
    }
}

/// [`Metrics`] that are kept as plain numbers.
#[derive(Debug, Default)]
pub struct Counters {
    published: AtomicU64,
    received: AtomicU64,
    undecodable: AtomicU64,
    connects: AtomicU64,
    deaf_millis: AtomicU64,
    requests: AtomicU64,
    incomplete: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
}

impl Counters {
    /// The numbers of now.
    #[must_use]
    pub fn snapshot(&self) -> CounterSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CounterSnapshot {
            published: read(&self.published),
            received: read(&self.received),
            undecodable: read(&self.undecodable),
            connects: read(&self.connects),
            deaf_millis: read(&self.deaf_millis),
            requests: read(&self.requests),
            incomplete: read(&self.incomplete),
            dropped: std::array::from_fn(|at| read(&self.dropped[at])),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Metrics for Counters {
    fn published(&self, messages: u64) {
        add(&self.published, messages);
    }
    fn received(&self) {
        add(&self.received, 1);
    }
    fn dropped(&self, reason: Dropped, messages: u64) {
        add(&self.dropped[reason as usize], messages);
    }
    fn undecodable(&self) {
        add(&self.undecodable, 1);
    }
    fn subscribed(&self) {
        add(&self.connects, 1);
    }
    fn was_deaf(&self, duration: Duration) {
        add(&self.deaf_millis, duration.as_millis().try_into().unwrap_or(u64::MAX));
    }
    fn request(&self, _asked: Asked, _latency: Duration, complete: bool) {
        add(&self.requests, 1);
        if !complete {
            add(&self.incomplete, 1);
        }
    }
}
