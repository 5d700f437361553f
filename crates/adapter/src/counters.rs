//! What went over the bus and what did not. Plain numbers, so that the library pulls in no metrics stack.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// The numbers at one moment; all but `outbox_messages` and `outbox_bytes` only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterSnapshot {
    /// Messages published.
    pub published: u64,
    /// Messages received, own ones included.
    pub received: u64,
    /// Messages received that could not be decoded.
    pub undecodable: u64,
    /// Times that the subscriber connection was set up.
    pub connects: u64,
    /// Messages waiting to be published.
    pub outbox_messages: u64,
    /// Bytes waiting to be published.
    pub outbox_bytes: u64,
    dropped: [u64; Dropped::ALL.len()],
}

impl CounterSnapshot {
    /// Messages dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) published: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    pub(crate) connects: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, reason: Dropped, count: u64) {
        Self::add(&self.dropped[reason as usize], count);
    }

    pub(crate) fn snapshot(&self) -> CounterSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CounterSnapshot {
            published: read(&self.published),
            received: read(&self.received),
            undecodable: read(&self.undecodable),
            connects: read(&self.connects),
            outbox_messages: 0,
            outbox_bytes: 0,
            dropped: std::array::from_fn(|at| read(&self.dropped[at])),
        }
    }
}
