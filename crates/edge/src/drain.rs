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
use crate::forward::Passing;
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
    /// Polls and websockets of other nodes' sessions that this node was passing on when the closing began.
    pub passed_on: usize,
    /// Of these, still there.
    pub passed_on_left: usize,
    /// How long it took.
    pub took: Duration,
}

/// Time from slice to slice.
const PACE: Duration = Duration::from_millis(250);

/// How often it is looked whether all are gone.
const LOOK: Duration = Duration::from_millis(20);

/// What has to end before a node can stop.
enum Leaving {
    Session(Weak<Session>),
    Passing(Passing),
}

impl Leaving {
    fn close(&self) {
        match self {
            Self::Session(session) => {
                if let Some(session) = session.upgrade() {
                    session.close(Code::Draining);
                }
            }
            Self::Passing(passing) => passing.let_go(),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Session(session) => session.upgrade().is_none_or(|session| session.is_over()),
            Self::Passing(passing) => passing.is_over(),
        }
    }

    fn is_websocket(&self) -> bool {
        matches!(self, Self::Passing(passing) if passing.is_websocket())
    }

    fn is_session(&self) -> bool {
        matches!(self, Self::Session(_))
    }
}

/// How many are left: sessions, and what is passed on.
fn remaining(leaving: &[Leaving]) -> (usize, usize) {
    let left = leaving.iter().filter(|one| !one.is_over());
    let (sessions, passing): (Vec<_>, Vec<_>) = left.partition(|one| one.is_session());
    (sessions.len(), passing.len())
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

        let forwarder = self.inner.peers.as_ref().map(|peers| &peers.forwarder);
        let mut leaving: Vec<_> = sessions.all().into_iter().map(Leaving::Session).collect();
        leaving.extend(forwarder.iter().flat_map(|forwarder| forwarder.passing()).map(Leaving::Passing));
        leaving.retain(|one| !one.is_over());
        fastrand::shuffle(&mut leaving);
        let (count, passed_on) = remaining(&leaving);
        let slices = (settings.window.as_millis() / PACE.as_millis()).max(1);
        let slices = usize::try_from(slices).unwrap_or(usize::MAX);
        let slice = leaving.len().div_ceil(slices).max(settings.slice).max(1);
        info!(sessions = count, passed_on, slice, "closing sessions");
        let mut pace = tokio::time::interval(PACE);
        for slice in leaving.chunks(slice) {
            pace.tick().await;
            slice.iter().for_each(Leaving::close);
            let (sessions, passing) = remaining(&leaving);
            self.inner.stats.draining(sessions + passing);
        }
        // What a balancer still sends here meanwhile need not wait any more.
        forwarder.iter().for_each(|forwarder| forwarder.let_go());
        let late = || {
            let passing = forwarder.iter().flat_map(|forwarder| forwarder.passing());
            passing.filter(Passing::is_websocket).map(Leaving::Passing)
        };

        // Who does not go in order is closed hard after the grace; then it is a matter of moments.
        let patience = Instant::now() + sessions.close_grace() + Duration::from_secs(2);
        let (left, passed_on_left) = loop {
            // Websockets that came meanwhile are closed by their owners, too.
            leaving.retain(|one| one.is_session() || !one.is_over() && !one.is_websocket());
            leaving.extend(late());
            let (left, passing) = remaining(&leaving);
            self.inner.stats.draining(left + passing);
            if left + passing == 0 || Instant::now() > patience {
                break (left, passing);
            }
            tokio::time::sleep(LOOK).await;
        };
        let hard = usize::try_from(sessions.count_cut()).unwrap_or(count).min(count - left);
        let graceful = count - left - hard;
        let took = started.elapsed();
        DrainReport { sessions: count, graceful, hard, left, passed_on, passed_on_left, took }
    }
}
