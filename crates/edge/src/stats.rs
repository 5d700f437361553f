//! What the accept loop counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a [`Server`](crate::Server); clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    accepted: AtomicU64,
    open: AtomicU64,
    refused: AtomicU64,
    sessions: AtomicU64,
}

/// The numbers at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections that are open.
    pub open: u64,
    /// Connections and sessions refused because there were too many ([`SERVER_FULL`](crate::SERVER_FULL)).
    pub refused: u64,
    /// Engine.IO sessions that are open, over websocket or long-polling.
    pub sessions: u64,
}

/// Counts a connection as open for as long as it lives.
#[derive(Debug)]
pub(crate) struct Open(Arc<Inner>);

impl Stats {
    /// The numbers of now.
    #[must_use]
    pub fn snapshot(&self) -> StatsSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StatsSnapshot {
            accepted: read(&self.inner.accepted),
            open: read(&self.inner.open),
            refused: read(&self.inner.refused),
            sessions: read(&self.inner.sessions),
        }
    }

    pub(crate) fn open(&self) -> Open {
        self.inner.accepted.fetch_add(1, Ordering::Relaxed);
        self.inner.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.inner))
    }

    pub(crate) fn session(&self) -> Session {
        self.inner.sessions.fetch_add(1, Ordering::Relaxed);
        Session(Arc::clone(&self.inner))
    }

    pub(crate) fn refuse(&self) {
        self.inner.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts a session as open for as long as it lives.
#[derive(Debug)]
pub(crate) struct Session(Arc<Inner>);

impl Drop for Session {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
