//! Whether the node is connected to the others.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff;

/// The state of the bus, as observed by [`Bus::status`](crate::Bus::status).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusState {
    /// There is no bus: this node is alone, by choice.
    Memory,
    /// Redis was not reached yet since the start.
    Connecting,
    /// Subscribed and able to publish.
    Connected,
    /// Redis was there and is away, or refuses what is published: local delivery goes on, publishes wait in the
    /// outbox.
    Degraded,
}

/// A [`BusState`] with its reason and beginning.
#[derive(Debug, Clone)]
pub struct BusStatus {
    /// The state.
    pub state: BusState,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// Since when.
    pub since: SystemTime,
}

impl BusStatus {
    fn new(state: BusState, reason: Option<String>) -> Self {
        Self { state, reason, since: SystemTime::now() }
    }
}

/// How long to wait with publishing after Redis has come back: the other nodes come back each in their own time, and
/// what is published before a node has subscribed again is lost to it.
const GRACE: Duration = backoff::LONGEST.saturating_add(Duration::from_millis(500));

/// Where the subscriber and the publisher report, and what comes of it.
#[derive(Debug)]
pub(crate) struct Board {
    links: Mutex<Links>,
    status: watch::Sender<BusStatus>,
    /// From when on this node may publish, `None` while it hears nothing itself.
    open_from: watch::Sender<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Links {
    reached: bool,
    failed: bool,
    deaf: Option<String>,
    mute: Option<String>,
}

impl Board {
    pub(crate) fn new(first: BusState) -> Self {
        Self {
            links: Mutex::default(),
            status: watch::Sender::new(BusStatus::new(first, None)),
            open_from: watch::Sender::new(None),
        }
    }

    pub(crate) fn status(&self) -> watch::Receiver<BusStatus> {
        self.status.subscribe()
    }

    pub(crate) fn open_from(&self) -> watch::Receiver<Option<Instant>> {
        self.open_from.subscribe()
    }

    /// The subscriptions are set up.
    pub(crate) fn hears(&self) {
        let mut grace = GRACE;
        self.change(|links| {
            if !links.failed {
                grace = Duration::ZERO;
            }
            links.reached = true;
            links.deaf = None;
            // What failed before says nothing about now; the next batch will.
            links.mute = None;
        });
        self.open_from.send_replace(Some(Instant::now() + grace));
    }

    /// The subscriber has no connection.
    pub(crate) fn deaf(&self, reason: String) {
        self.open_from.send_replace(None);
        self.change(|links| {
            links.failed = true;
            links.deaf = Some(reason);
        });
    }

    /// A batch was published.
    pub(crate) fn speaks(&self) {
        self.change(|links| links.mute = None);
    }

    /// A batch could not be published.
    pub(crate) fn mute(&self, reason: String) {
        self.change(|links| links.mute = Some(reason));
    }

    fn change(&self, change: impl FnOnce(&mut Links)) {
        let next = {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut links);
            let reason = links.deaf.clone().or_else(|| links.mute.clone());
            let state = match (links.reached, &reason) {
                (false, _) => BusState::Connecting,
                (_, None) => BusState::Connected,
                (_, Some(_)) => BusState::Degraded,
            };
            BusStatus::new(state, reason)
        };
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

    #[test]
    fn both_directions_must_work() {
        let board = Board::new(BusState::Connecting);
        let state = || board.status().borrow().state;
        board.deaf("refused".into());
        board.mute("refused".into());
        assert_eq!(state(), BusState::Connecting);
        board.hears();
        assert_eq!(state(), BusState::Connected);
        board.mute("no permission".into());
        assert_eq!(state(), BusState::Degraded);
        board.speaks();
        assert_eq!(state(), BusState::Connected);
        board.mute("no permission".into());
        assert_eq!(board.status().borrow().reason.as_deref(), Some("no permission"));
        let since = board.status().borrow().since;
        board.deaf("reset".into());
        assert_eq!(state(), BusState::Degraded);
        assert_eq!(board.status().borrow().since, since);
    }

    #[test]
    fn publishing_waits_for_the_others_after_an_outage_only() {
        let board = Board::new(BusState::Connecting);
        let open_from = board.open_from();
        assert!(open_from.borrow().is_none());
        board.hears();
        assert!(open_from.borrow().is_some_and(|at| at <= Instant::now()));
        board.deaf("reset".into());
        assert!(open_from.borrow().is_none());
        board.hears();
        assert!(open_from.borrow().is_some_and(|at| at > Instant::now()));
    }
}
