//! Whether the node is connected to the others.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

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

/// Where the subscriber and the publisher report, and what comes of it.
#[derive(Debug)]
pub(crate) struct Board {
    links: Mutex<Links>,
    status: watch::Sender<BusStatus>,
    /// The number of the subscriber's present connection, `None` while there is none.
    listening: watch::Sender<Option<u64>>,
}

#[derive(Debug, Default)]
struct Links {
    connects: u64,
    deaf: Option<String>,
    mute: Option<String>,
}

impl Board {
    pub(crate) fn new(first: BusState) -> Self {
        Self {
            links: Mutex::default(),
            status: watch::Sender::new(BusStatus::new(first, None)),
            listening: watch::Sender::new(None),
        }
    }

    pub(crate) fn status(&self) -> watch::Receiver<BusStatus> {
        self.status.subscribe()
    }

    pub(crate) fn listening(&self) -> watch::Receiver<Option<u64>> {
        self.listening.subscribe()
    }

    /// The subscriptions are set up.
    pub(crate) fn hears(&self) {
        let connects = self.change(|links| {
            links.connects += 1;
            links.deaf = None;
            // What failed before says nothing about now; the next batch will.
            links.mute = None;
        });
        self.listening.send_replace(Some(connects));
    }

    /// The subscriber has no connection.
    pub(crate) fn deaf(&self, reason: String) {
        self.listening.send_replace(None);
        self.change(|links| links.deaf = Some(reason));
    }

    /// A batch was published.
    pub(crate) fn speaks(&self) {
        self.change(|links| links.mute = None);
    }

    /// A batch could not be published.
    pub(crate) fn mute(&self, reason: String) {
        self.change(|links| links.mute = Some(reason));
    }

    fn change(&self, change: impl FnOnce(&mut Links)) -> u64 {
        let (next, connects) = {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut links);
            let reason = links.deaf.clone().or_else(|| links.mute.clone());
            let state = match (links.connects, &reason) {
                (0, _) => BusState::Connecting,
                (_, None) => BusState::Connected,
                (_, Some(_)) => BusState::Degraded,
            };
            (BusStatus::new(state, reason), links.connects)
        };
        self.status.send_if_modified(|status| {
            if status.state == next.state && status.reason == next.reason {
                return false;
            }
            let since = if status.state == next.state { status.since } else { next.since };
            *status = BusStatus { since, ..next };
            true
        });
        connects
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
        assert_eq!((state(), *board.listening().borrow()), (BusState::Connected, Some(1)));
        board.mute("no permission".into());
        assert_eq!(state(), BusState::Degraded);
        board.speaks();
        assert_eq!(state(), BusState::Connected);
        board.mute("no permission".into());
        assert_eq!(board.status().borrow().reason.as_deref(), Some("no permission"));
        let since = board.status().borrow().since;
        board.deaf("reset".into());
        assert_eq!((state(), *board.listening().borrow()), (BusState::Degraded, None));
        assert_eq!(board.status().borrow().since, since);
    }
}
