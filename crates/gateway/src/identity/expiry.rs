//! The end of identities: one task for all sockets of a node, which sleeps until the next of them ends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::{Expire, IdentitySettings};

/// What is done at the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expiry {
    /// How long before the end the client is warned, if it may stay with a new token.
    pub(crate) warning: Option<Duration>,
}

impl Expiry {
    pub(crate) fn new(settings: &IdentitySettings) -> Self {
        let warning = Duration::from_millis(settings.expire_warning_ms);
        Self { warning: (settings.expire == Expire::Refresh).then_some(warning) }
    }
}

/// Who is told when its time has come.
pub(crate) trait Expires: Send + Sync {
    fn is_time(self: Arc<Self>);
}

/// Whoever asks for later is told then, and asks again.
const FAR: Duration = Duration::from_secs(30 * 24 * 3600);

type Key = (Instant, u64);

/// See the module. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Expiries {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    /// One has come that is earlier than all others.
    earlier: Notify,
}

#[derive(Default)]
struct Waiting {
    by_time: BTreeMap<Key, Weak<dyn Expires>>,
    next: u64,
}

/// The place of one in the queue; dropping it gives the place up. So there are no more of them than sockets.
pub(crate) struct Scheduled {
    key: Key,
    inner: Weak<Inner>,
}

impl Expiries {
    /// Tells `who` at that time, or soon if it is past.
    pub(crate) fn schedule(&self, at: SystemTime, who: Weak<dyn Expires>) -> Scheduled {
        let left = at.duration_since(SystemTime::now()).unwrap_or_default();
        let at = Instant::now() + left.min(FAR);
        let mut waiting = self.inner.lock();
        let key = (at, waiting.next);
        waiting.next += 1;
        waiting.by_time.insert(key, who);
        if waiting.by_time.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.inner.earlier.notify_one();
        }
        Scheduled { key, inner: Arc::downgrade(&self.inner) }
    }

    /// Works until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            let next = self.inner.lock().by_time.first_key_value().map(|(key, _)| key.0);
            let Some(next) = next else {
                self.inner.earlier.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {
                    while let Some(who) = self.inner.due(Instant::now()) {
                        if let Some(who) = who.upgrade() {
                            who.is_time();
                        }
                    }
                }
                () = self.inner.earlier.notified() => {}
            }
        }
    }
}

impl Inner {
    fn due(&self, now: Instant) -> Option<Weak<dyn Expires>> {
        let mut waiting = self.lock();
        let (first, _) = waiting.by_time.first_key_value()?;
        if first.0 > now {
            return None;
        }
        waiting.by_time.pop_first().map(|(_, who)| who)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.lock().by_time.remove(&self.key);
        }
    }
}

impl fmt::Debug for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduled").finish_non_exhaustive()
    }
}

impl fmt::Debug for Expiries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiries").field("waiting", &self.inner.lock().by_time.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    struct Told(&'static str, mpsc::Sender<&'static str>);

    impl Expires for Told {
        fn is_time(self: Arc<Self>) {
            self.1.try_send(self.0).unwrap();
        }
    }

    /// The tests' clock stands still, the system's does not: a moment is nothing here.
    fn within(seconds: u64) -> SystemTime {
        SystemTime::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_told_in_its_turn_and_who_has_gone_is_not() {
        let expiries = Expiries::default();
        tokio::spawn(expiries.clone().run());
        let (tell, mut told) = mpsc::channel(8);
        let all = ["late", "early", "gone", "past"].map(|name| Arc::new(Told(name, tell.clone())));
        let [late, early, gone, past] = &all;
        let weak = |who: &Arc<Told>| -> Weak<dyn Expires> { Arc::downgrade(who) as Weak<dyn Expires> };
        let _late = expiries.schedule(within(60), weak(late));
        let dropped = expiries.schedule(within(30), weak(gone));
        let _early = expiries.schedule(within(20), weak(early));
        let _past = expiries.schedule(SystemTime::UNIX_EPOCH, weak(past));
        drop(dropped);
        assert_eq!(expiries.inner.lock().by_time.len(), 3);
        for expected in ["past", "early", "late"] {
            assert_eq!(told.recv().await, Some(expected));
        }
        assert!(expiries.inner.lock().by_time.is_empty());
        // And it goes on.
        let _again = expiries.schedule(within(5), weak(gone));
        assert_eq!(told.recv().await, Some("gone"));
    }
}
