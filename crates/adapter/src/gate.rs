//! Whether this node may publish at the moment.
//!
//! What is published while another node is not subscribed is lost to that node. After an outage of Redis all nodes come
//! back, each in its own time; so who is back first waits, with what it has to say, until as many servers listen as
//! before, or until the wait has been long enough.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Shortest wait for the others: as long as it takes them to try again, for those that were not counted before (a node
/// that had just come, subscriptions to single rooms).
const SHORTEST: Duration = Duration::from_millis(600);
/// Longest wait for the others.
const LONGEST: Duration = Duration::from_millis(2000);
/// How often they are counted meanwhile.
const PACE: Duration = Duration::from_millis(50);

/// How a node got through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It was open.
    Open,
    /// It was waited for: there may be a backlog.
    Reopened,
    /// There is no bus any more.
    Never,
}

/// Who can tell how many listen.
pub(crate) trait Census: Sync {
    /// How many servers listen to each channel now; `None` if that cannot be found out.
    fn count(&self, channels: Vec<String>) -> impl Future<Output = Option<Vec<u64>>> + Send;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// This node hears nothing itself.
    Closed,
    /// It hears again, the others may not yet.
    Settling {
        since: Instant,
    },
    Open,
}

#[derive(Debug)]
pub(crate) struct Gate {
    state: watch::Sender<State>,
    /// How many servers listened to each namespace when all was well.
    before: Mutex<HashMap<String, u64>>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { state: watch::Sender::new(State::Closed), before: Mutex::default() }
    }

    /// This node does not hear any more, or not everything.
    pub(crate) fn close(&self) {
        self.state.send_replace(State::Closed);
    }

    /// This node hears everything. After an `outage` the others are waited for.
    pub(crate) fn open(&self, outage: bool) {
        let next = if outage { State::Settling { since: Instant::now() } } else { State::Open };
        self.state.send_if_modified(|state| {
            let closed = *state == State::Closed;
            if closed {
                *state = next;
            }
            closed
        });
    }

    /// The channels of which it is known how many servers listened, when all was well.
    pub(crate) fn channels(&self) -> Vec<String> {
        self.before().keys().cloned().collect()
    }

    /// Remembers how many listen. Not while the others are coming back.
    pub(crate) fn remember(&self, counts: HashMap<String, u64>) {
        if *self.state.borrow() == State::Open {
            *self.before() = counts;
        }
    }

    /// Others may have lost subscriptions: they are waited for.
    pub(crate) fn settle(&self) {
        self.state.send_if_modified(|state| {
            let open = *state == State::Open;
            if open {
                *state = State::Settling { since: Instant::now() };
            }
            open
        });
    }

    /// Waits until this node may publish.
    pub(crate) async fn pass(&self, census: &impl Census) -> Passage {
        let mut changes = self.state.subscribe();
        let mut waited = false;
        loop {
            let Ok(state) = changes.wait_for(|state| *state != State::Closed).await.map(|state| *state)
            else {
                return Passage::Never;
            };
            let State::Settling { since } = state else {
                return if waited { Passage::Reopened } else { Passage::Open };
            };
            waited = true;
            if since.elapsed() >= SHORTEST && (since.elapsed() >= LONGEST || self.all_back(census).await) {
                // Unless this node has lost its own subscriptions meanwhile.
                self.state.send_if_modified(|now| {
                    let same = *now == state;
                    if same {
                        *now = State::Open;
                    }
                    same
                });
            } else {
                tokio::time::sleep(PACE).await;
            }
        }
    }

    async fn all_back(&self, census: &impl Census) -> bool {
        let channels = self.channels();
        let Some(counts) = census.count(channels.clone()).await else { return false };
        let before = self.before();
        channels
            .iter()
            .zip(counts)
            .all(|(channel, now)| before.get(channel).is_none_or(|before| now >= *before))
    }

    fn before(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Listening(AtomicU64);

    impl Census for Listening {
        async fn count(&self, channels: Vec<String>) -> Option<Vec<u64>> {
            Some(vec![self.0.load(Ordering::Relaxed); channels.len()])
        }
    }

    async fn gate_that_knew_of_three(census: &Listening) -> Gate {
        let gate = Gate::new();
        gate.open(false);
        assert_eq!(gate.pass(census).await, Passage::Open);
        gate.remember(HashMap::from([("c".to_owned(), 3)]));
        gate.close();
        census.0.store(1, Ordering::Relaxed);
        gate.open(true);
        gate
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_outage_the_others_are_waited_for() {
        let census = Listening(AtomicU64::new(3));
        let gate = gate_that_knew_of_three(&census).await;
        // What is counted meanwhile is not what it was when all was well.
        gate.remember(HashMap::from([("c".to_owned(), 1)]));
        let began = Instant::now();
        let back = async {
            tokio::time::sleep(Duration::from_millis(900)).await;
            census.0.store(3, Ordering::Relaxed);
        };
        let (passed, ()) = tokio::join!(gate.pass(&census), back);
        assert_eq!(passed, Passage::Reopened);
        assert!((900..1000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_for_ever() {
        let census = Listening(AtomicU64::new(3));
        let gate = gate_that_knew_of_three(&census).await;
        let began = Instant::now();
        assert_eq!(gate.pass(&census).await, Passage::Reopened);
        assert!(began.elapsed() >= LONGEST && began.elapsed() < LONGEST * 2);
    }
}
