//! Whether the node is connected to the others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// The state of the bus, as observed by [`Bus::status`](crate::Bus::status).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusState {
    /// There is no Redis: this node is alone, or joined to others in the same process, by choice.
    Memory,
    /// Redis was not reached yet since the start.
    Connecting,
    /// Subscribed and able to publish.
    Connected,
    /// There are connections, but something is wrong: Redis does not answer, refuses what is published, or a part of a
    /// cluster is away. Local delivery goes on, publishes wait in the outbox.
    Degraded,
    /// No connection: this node hears nothing of the others. Local delivery goes on, publishes wait in the outbox.
    Lost,
}

impl BusState {
    /// The state in one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Degraded => "degraded",
            Self::Lost => "lost",
        }
    }
}

/// A [`BusState`] with its reason and beginning.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BusStatus {
    /// The state.
    pub state: BusState,
    /// Why, where there is something to say, with what to do about it where that is known.
    pub reason: Option<String>,
    /// Since when.
    pub since: SystemTime,
}

impl BusStatus {
    fn new(state: BusState, reason: Option<String>) -> Self {
        Self { state, reason, since: SystemTime::now() }
    }
}

/// Where the tasks of the bus report, and what comes of it.
pub(crate) struct Board {
    links: Mutex<Links>,
    status: watch::Sender<BusStatus>,
    metrics: Arc<dyn Metrics>,
}

#[derive(Default)]
struct Links {
    reached: bool,
    /// No connection that listens.
    lost: Option<String>,
    /// A part of the subscriptions is missing.
    partial: Option<String>,
    /// Redis does not answer, or what it answers does not come back on the subscriptions.
    unproven: Option<String>,
    /// What is published fails.
    mute: Option<String>,
    deaf_since: Option<Instant>,
}

impl Board {
    pub(crate) fn new(first: BusState, metrics: Arc<dyn Metrics>) -> Self {
        Self { links: Mutex::default(), status: watch::Sender::new(BusStatus::new(first, None)), metrics }
    }

    pub(crate) fn status(&self) -> watch::Receiver<BusStatus> {
        self.status.subscribe()
    }

    /// All subscriptions are set up.
    pub(crate) fn hears(&self) {
        self.change(|links| {
            links.reached = true;
            (links.lost, links.partial) = (None, None);
            // What failed before says nothing about now; the next batch and the next probe will.
            (links.unproven, links.mute) = (None, None);
        });
    }

    /// There is no connection that listens.
    pub(crate) fn lost(&self, reason: String) {
        self.change(|links| links.lost = Some(reason));
    }

    /// Some subscriptions are missing, others are in place.
    pub(crate) fn partial(&self, reason: String) {
        self.change(|links| {
            links.lost = None;
            links.partial = Some(reason);
        });
    }

    /// The node has heard what it published itself, or has not.
    pub(crate) fn proof(&self, failure: Option<String>) {
        self.change(|links| links.unproven = failure);
    }

    /// A batch was published, or could not be.
    pub(crate) fn speaks(&self, failure: Option<String>) {
        self.change(|links| links.mute = failure);
    }

    fn change(&self, change: impl FnOnce(&mut Links)) {
        let mut was_deaf = None;
        let next = {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut links);
            let Links { reached, lost, partial, unproven, mute, .. } = &*links;
            let reason = lost.as_ref().or(partial.as_ref()).or(unproven.as_ref()).or(mute.as_ref()).cloned();
            let state = match (reached, lost, &reason) {
                (false, ..) => BusState::Connecting,
                (_, Some(_), _) => BusState::Lost,
                (_, None, Some(_)) => BusState::Degraded,
                (_, None, None) => BusState::Connected,
            };
            let hears = lost.is_none() && partial.is_none() && unproven.is_none();
            match (hears && *reached, links.deaf_since) {
                (false, None) => links.deaf_since = Some(Instant::now()),
                (true, Some(since)) => {
                    was_deaf = Some(since.elapsed());
                    links.deaf_since = None;
                }
                _ => {}
            }
            BusStatus::new(state, reason)
        };
        if let Some(duration) = was_deaf {
            self.metrics.was_deaf(duration);
        }
        self.status.send_if_modified(|status| {
            if status.state == next.state && status.reason == next.reason {
                return false;
            }
            let since = if status.state == next.state { status.since } else { next.since };
            *status = BusStatus { since, ..next };
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counters;

    #[test]
    fn both_directions_must_work() {
        let counters = Arc::<Counters>::default();
        let board = Board::new(BusState::Connecting, counters.clone() as Arc<dyn Metrics>);
        let state = || board.status().borrow().state;
        board.lost("refused".into());
        board.speaks(Some("refused".into()));
        assert_eq!(state(), BusState::Connecting);
        assert_eq!(board.status().borrow().reason.as_deref(), Some("refused"));
        board.hears();
        assert_eq!(state(), BusState::Connected);
        board.speaks(Some("no permission".into()));
        assert_eq!(state(), BusState::Degraded);
        board.speaks(None);
        assert_eq!(state(), BusState::Connected);
        board.proof(Some("no answer".into()));
        assert_eq!(board.status().borrow().reason.as_deref(), Some("no answer"));
        let since = board.status().borrow().since;
        board.partial("one of three".into());
        assert_eq!(state(), BusState::Degraded);
        assert_eq!(board.status().borrow().since, since);
        board.lost("reset".into());
        assert_eq!(state(), BusState::Lost);
        board.hears();
        assert_eq!(state(), BusState::Connected);
    }
}
