//! What a node has under way for the clients of others, so that it can let go of it before it stops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;

use crate::stats::{Now, Stats};

/// Polls and websockets of sessions of other nodes. The lock is held for moments only.
#[derive(Debug, Default)]
pub(super) struct Held {
    all: Mutex<Slab<Passing>>,
    is_letting_go: AtomicBool,
    stats: Stats,
}

/// One of them; it is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    let_go: Arc<Notify>,
    /// It has come when all were let go of.
    is_late: bool,
    at: usize,
    held: Arc<Held>,
    _now: Now,
}

/// One of them, for whoever lets go of it.
#[derive(Debug, Clone)]
pub(crate) struct Passing {
    let_go: Weak<Notify>,
    is_websocket: bool,
}

/// Who comes when all are let go of waits for so long: clients of a balancer that still sends them here would otherwise
/// poll as fast as they can.
const LATE: Duration = Duration::from_millis(500);

impl Held {
    /// Counts into `stats` what is under way.
    pub(super) fn new(stats: Stats) -> Self {
        Self { stats, ..Self::default() }
    }

    pub(super) fn hold(self: &Arc<Self>, is_websocket: bool) -> Hold {
        let let_go = Arc::new(Notify::new());
        let at = self.lock().insert(Passing { let_go: Arc::downgrade(&let_go), is_websocket });
        let is_late = self.is_letting_go.load(Ordering::SeqCst);
        if is_late {
            let_go.notify_one();
        }
        Hold { let_go, is_late, at, held: Arc::clone(self), _now: self.stats.passing() }
    }

    pub(super) fn all(&self) -> Vec<Passing> {
        self.lock().iter().map(|(_, one)| one.clone()).collect()
    }

    /// Of all there are, and of all to come.
    pub(super) fn let_go(&self) {
        self.is_letting_go.store(true, Ordering::SeqCst);
        for one in self.all() {
            one.let_go();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Passing>> {
        // Nothing panics while it is held.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Resolves once, when it is to be let go of.
    pub(super) async fn let_go(&self) {
        self.let_go.notified().await;
        if self.is_late {
            tokio::time::sleep(LATE).await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.lock().try_remove(self.at);
    }
}

impl Passing {
    pub(crate) fn let_go(&self) {
        if let Some(one) = self.let_go.upgrade() {
            one.notify_one();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.let_go.strong_count() == 0
    }

    pub(crate) fn is_websocket(&self) -> bool {
        self.is_websocket
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn each_is_let_go_of_once_and_forgotten_when_it_is_over() {
        let held = Arc::new(Held::default());
        let (one, other) = (held.hold(false), held.hold(true));
        let passing = held.all();
        passing[0].let_go();
        assert!(one.let_go().now_or_never().is_some() && one.let_go().now_or_never().is_none());
        assert!(other.let_go().now_or_never().is_none(), "nobody has let go of it");
        drop(one);
        assert!(passing[0].is_over() && !passing[1].is_over() && passing[1].is_websocket());
        assert_eq!(held.all().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_too_late_is_let_go_of_as_well() {
        let held = Arc::new(Held::default());
        let early = held.hold(false);
        held.let_go();
        let late = held.hold(false);
        assert!(early.let_go().now_or_never().is_some());
        let start = tokio::time::Instant::now();
        late.let_go().await;
        assert_eq!(start.elapsed(), LATE);
    }
}
