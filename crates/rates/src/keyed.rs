//! Each for itself.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

use crate::quota::Quota;

/// How often those are forgotten who may do again what a newcomer may.
const SWEEP: Duration = Duration::from_secs(1);

/// So many checks there are between two looks whether it is time for that.
const LOOK: usize = 64;

/// Threads that ask for different keys seldom wait for each other.
const SHARDS: usize = 16;

/// So often, each key for itself. Who has not been heard of for the quota's recovery time is forgotten, soon after others
/// have come.
pub struct KeyedRate<K: Clone + Hash + Eq, C: Clock = DefaultClock> {
    limiter: Limiter<K, C>,
    burst: NonZeroU32,
    max_keys: usize,
    clock: C,
    checks: AtomicUsize,
    swept: Mutex<C::Instant>,
}

type Limiter<K, C> = RateLimiter<K, States<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

impl<K: Clone + Hash + Eq> KeyedRate<K> {
    /// Remembers at most `max_keys` at the same time. Further ones are not limited until there is room again: to refuse
    /// them would let whoever has so many keys keep out everybody else.
    #[must_use]
    pub fn new(quota: Quota, max_keys: usize) -> Self {
        Self::with_clock(quota, max_keys, DefaultClock::default())
    }
}

impl<K: Clone + Hash + Eq, C: Clock + Clone> KeyedRate<K, C> {
    fn with_clock(quota: Quota, max_keys: usize, clock: C) -> Self {
        let limiter = RateLimiter::new(quota.governors(), States::new(max_keys), clock.clone());
        Self {
            limiter,
            burst: quota.burst(),
            max_keys,
            checks: AtomicUsize::new(0),
            swept: Mutex::new(clock.now()),
            clock,
        }
    }

    /// Once more for this key, at this cost; what costs more than a whole burst costs that.
    ///
    /// # Errors
    /// The time to wait, if that is too often. Nothing is counted then.
    pub fn check(&self, key: &K, cost: NonZeroU32) -> Result<(), Duration> {
        // A look at the clock costs as much as all the rest.
        let is_turn = self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK);
        if (is_turn || self.len() >= self.max_keys) && self.is_time_to_sweep() {
            self.limiter.retain_recent();
        }
        let asked = self.limiter.check_key_n(key, cost.min(self.burst));
        let asked = asked.expect("the cost is at most a burst");
        asked.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limiter.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limiter.is_empty()
    }

    fn is_time_to_sweep(&self) -> bool {
        // Somebody else looks at the moment.
        let Ok(mut swept) = self.swept.try_lock() else { return false };
        let now = self.clock.now();
        let is_time = now.duration_since(*swept) >= SWEEP.into();
        if is_time {
            *swept = now;
        }
        is_time
    }
}

/// What is known of each key. The library's own stores take in whoever comes.
struct States<K> {
    shards: [Mutex<HashMap<K, Nanos>>; SHARDS],
    count: AtomicUsize,
    max: usize,
    hasher: RandomState,
}

impl<K: Hash + Eq> States<K> {
    fn new(max: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, count: AtomicUsize::new(0), max, hasher: RandomState::new() }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Nanos>> {
        // The maps take other bits of hashes of their own.
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        lock(&self.shards[at])
    }
}

impl<K: Clone + Hash + Eq> StateStore for States<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(key);
        if let Some(known) = shard.get_mut(key) {
            let (outcome, state) = measure(Some(*known))?;
            *known = state;
            return Ok(outcome);
        }
        let (outcome, state) = measure(None)?;
        let grow = |count| (count < self.max).then_some(count + 1);
        if self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow).is_ok() {
            shard.insert(key.clone(), state);
        }
        Ok(outcome)
    }
}

impl<K: Clone + Hash + Eq> ShrinkableKeyedStateStore<K> for States<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            let mut states = lock(shard);
            let before = states.len();
            states.retain(|_, state| *state > drop_below);
            self.count.fetch_sub(before - states.len(), Ordering::Relaxed);
        }
    }

    fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Clone + Hash + Eq, C: Clock + Clone> fmt::Debug for KeyedRate<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRate")
            .field("burst", &self.burst)
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn rate(per_second: u32, max_keys: usize) -> (KeyedRate<u32, FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::new(number(per_second), Duration::from_secs(1));
        (KeyedRate::with_clock(quota, max_keys, clock.clone()), clock)
    }

    #[test]
    fn who_comes_too_often_is_told_when_to_come_back_and_others_are_not_concerned() {
        let (rate, clock) = rate(2, 10);
        assert_eq!((rate.check(&1, ONE), rate.check(&1, ONE)), (Ok(()), Ok(())));
        let wait = rate.check(&1, ONE).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(rate.check(&2, ONE), Ok(()));
        clock.advance(wait);
        assert_eq!(rate.check(&1, ONE), Ok(()));
        assert!(rate.check(&1, ONE).is_err());
    }

    #[test]
    fn what_costs_more_takes_more_and_at_most_everything() {
        let (rate, clock) = rate(10, 10);
        assert!(rate.check(&1, number(7)).is_ok());
        assert_eq!(rate.check(&1, number(5)), Err(Duration::from_millis(200)));
        assert!(rate.check(&1, number(3)).is_ok(), "what was refused was not counted");
        clock.advance(Duration::from_secs(1));
        assert!(rate.check(&1, number(1_000_000)).is_ok());
        assert_eq!(rate.check(&1, ONE), Err(Duration::from_millis(100)));
    }

    #[test]
    fn more_may_come_at_once_after_a_quiet_time() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::new(number(1), Duration::from_secs(1)).with_burst(number(5));
        let rate = KeyedRate::with_clock(quota, 10, clock.clone());
        assert!((0..5).all(|_| rate.check(&1, ONE).is_ok()));
        assert!(rate.check(&1, ONE).is_err());
        clock.advance(Duration::from_secs(2));
        assert!((0..2).all(|_| rate.check(&1, ONE).is_ok()));
        assert!(rate.check(&1, ONE).is_err());
    }

    #[test]
    fn who_is_no_longer_heard_of_is_forgotten_and_who_waits_is_not() {
        let (rate, clock) = rate(1, 1000);
        for key in 0..100 {
            rate.check(&key, ONE).unwrap();
        }
        assert_eq!(rate.len(), 100);
        clock.advance(Duration::from_millis(900));
        rate.check(&200, ONE).unwrap();
        clock.advance(Duration::from_millis(1100));
        rate.check(&201, ONE).unwrap();
        clock.advance(Duration::from_millis(999));
        assert!((0..LOOK).all(|_| rate.check(&201, ONE).is_err()));
        assert_eq!(rate.len(), 1);
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_memory_and_shuts_nobody_out() {
        let (rate, clock) = rate(1, 1000);
        rate.check(&u32::MAX, ONE).unwrap();
        for key in 0..10_000 {
            rate.check(&key, ONE).unwrap();
        }
        assert_eq!(rate.len(), 1000);
        assert!(rate.check(&u32::MAX, ONE).is_err(), "who is known is limited as before");
        clock.advance(SWEEP * 2);
        rate.check(&20_000, ONE).unwrap();
        assert_eq!(rate.len(), 1);
        assert!(rate.check(&20_000, ONE).is_err());
    }
}
