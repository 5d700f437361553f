//! A node that is about to stop lets its clients go bit by bit, so that the others are not run over.
//!
//! Never by `io.close()` of socketioxide: it closes all at once, does not run disconnect handlers, and can hang for ever
//! on one client that does not read.

use std::sync::Weak;
use std::time::{Duration, Instant, SystemTime};

use roomcast_codes::Code;
use tracing::info;

use crate::edge::Edge;
use crate::engine::Engine;
use crate::session::Session;

/// How to drain.
#[derive(Debug, Clone, Copy)]
pub struct DrainSettings {
    /// From the moment that new sessions are refused until the first one is closed: load balancers must notice.
    pub delay: Duration,
    /// Longest time over which sessions are closed.
    pub window: Duration,
    /// Fewest sessions that are closed at a time: a few clients need no window.
    pub slice: usize,
}

/// What became of the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Sessions that were open when the closing began.
    pub sessions: usize,
    /// Of these, closed in order.
    pub graceful: usize,
    /// Of these, closed hard: their clients did not take their last packets in time.
    pub hard: usize,
    /// Of these, still there.
    pub left: usize,
    /// How long it took.
    pub took: Duration,
}

/// Time from slice to slice.
const PACE: Duration = Duration::from_millis(250);

/// How often it is looked whether all are gone.
const LOOK: Duration = Duration::from_millis(20);

fn remaining(sessions: &[Weak<Session>]) -> usize {
    sessions.iter().filter_map(Weak::upgrade).filter(|session| !session.is_over()).count()
}

impl<E: Engine> Edge<E> {
    /// Since when new sessions are refused.
    #[must_use]
    pub fn draining_since(&self) -> Option<SystemTime> {
        self.inner.sessions.draining_since()
    }

    /// Refuses new sessions from now on, closes those there are in shuffled slices, and returns when all are gone. Can be
    /// dropped at any time: what is under way ends with the process.
    pub async fn drain(&self, settings: DrainSettings) -> DrainReport {
        let sessions = &self.inner.sessions;
        let started = Instant::now();
        sessions.drain();
        // Also without sessions: it may pass on requests of others. Whoever was never asked anything need not wait.
        if self.inner.stats.snapshot().accepted > 0 {
            tokio::time::sleep(settings.delay).await;
        }

        let mut open: Vec<Weak<Session>> = sessions.all();
        open.retain(|session| session.upgrade().is_some_and(|session| !session.is_over()));
        fastrand::shuffle(&mut open);
        let count = open.len();
        let slices = (settings.window.as_millis() / PACE.as_millis()).max(1);
        let slices = usize::try_from(slices).unwrap_or(usize::MAX);
        let slice = count.div_ceil(slices).max(settings.slice).max(1);
        info!(sessions = count, slice, "closing sessions");
        let mut pace = tokio::time::interval(PACE);
        for slice in open.chunks(slice) {
            pace.tick().await;
            for session in slice.iter().filter_map(Weak::upgrade) {
                session.close(Code::Draining);
            }
            self.inner.stats.draining(remaining(&open));
        }

        // Who does not go in order is closed hard after the grace; then it is a matter of moments.
        let patience = Instant::now() + sessions.close_grace() + Duration::from_secs(2);
        let left = loop {
            let left = remaining(&open);
            self.inner.stats.draining(left);
            if left == 0 || Instant::now() > patience {
                break left;
            }
            tokio::time::sleep(LOOK).await;
        };
        let hard = usize::try_from(sessions.count_cut()).unwrap_or(count).min(count - left);
        DrainReport { sessions: count, graceful: count - left - hard, hard, left, took: started.elapsed() }
    }
}
