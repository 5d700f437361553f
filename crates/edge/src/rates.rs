//! How often something may happen in a second: on the whole node, and for each client.
//!
//! Both let a whole second's worth happen at once, and then so much as time goes by.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::per_client::ClientKey;

/// Clients that are remembered at the same time, in 4 MiB at most. Further ones are not limited until there is room
/// again, which is within seconds: to refuse them would let whoever has so many addresses keep out everybody else, and
/// the limits of the node hold all the same.
const MAX_CLIENTS: usize = 65_536;

/// How often those are forgotten who may do again what a new client may: after two seconds at most without a word.
const SWEEP: Duration = Duration::from_secs(1);

/// So often in a second, all together.
pub(crate) struct Rate {
    limiter: Option<DefaultDirectRateLimiter>,
    clock: DefaultClock,
}

impl Rate {
    /// 0 means no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let quota = NonZeroU32::new(per_second).map(Quota::per_second);
        Self { limiter: quota.map(DefaultDirectRateLimiter::direct), clock: DefaultClock::default() }
    }

    /// Once more; the time to wait, if that is too often.
    pub(crate) fn check(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// So often in a second, each client for itself.
pub(crate) struct PerClientRate<C: Clock = DefaultClock> {
    limiter: Option<Limiter<C>>,
    clock: C,
    swept: Mutex<C::Instant>,
}

type Limiter<C> = RateLimiter<ClientKey, Clients, C, NoOpMiddleware<<C as Clock>::Instant>>;

impl PerClientRate {
    /// 0 means no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        Self::with_clock(per_second, DefaultClock::default())
    }
}

impl<C: Clock + Clone> PerClientRate<C> {
    fn with_clock(per_second: u32, clock: C) -> Self {
        let quota = NonZeroU32::new(per_second).map(Quota::per_second);
        let limiter = quota.map(|quota| RateLimiter::new(quota, Clients::default(), clock.clone()));
        Self { limiter, swept: Mutex::new(clock.now()), clock }
    }

    /// Once more for this client; the time to wait, if that is too often.
    pub(crate) fn check(&self, client: ClientKey) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let now = self.clock.now();
        if self.is_time_to_sweep(now) {
            limiter.retain_recent();
        }
        limiter.check_key(&client).map_err(|until| until.wait_time_from(now))
    }

    fn is_time_to_sweep(&self, now: C::Instant) -> bool {
        let mut swept = lock(&self.swept);
        let is_time = now.duration_since(*swept) >= SWEEP.into();
        if is_time {
            *swept = now;
        }
        is_time
    }
}

/// What is known of each client. The library's own stores take in whoever comes.
#[derive(Default)]
struct Clients(Mutex<HashMap<ClientKey, Nanos>>);

impl StateStore for Clients {
    type Key = ClientKey;

    fn measure_and_replace<T, F, E>(&self, client: &ClientKey, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut clients = lock(&self.0);
        let is_full = clients.len() >= MAX_CLIENTS;
        match clients.entry(*client) {
            Entry::Occupied(mut known) => {
                let (outcome, state) = measure(Some(*known.get()))?;
                known.insert(state);
                Ok(outcome)
            }
            Entry::Vacant(new) => {
                let (outcome, state) = measure(None)?;
                if !is_full {
                    new.insert(state);
                }
                Ok(outcome)
            }
        }
    }
}

impl ShrinkableKeyedStateStore<ClientKey> for Clients {
    fn retain_recent(&self, drop_below: Nanos) {
        lock(&self.0).retain(|_, state| *state > drop_below);
    }

    fn len(&self) -> usize {
        lock(&self.0).len()
    }

    fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("is_limited", &self.limiter.is_some()).finish_non_exhaustive()
    }
}

impl<C: Clock> fmt::Debug for PerClientRate<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerClientRate").field("is_limited", &self.limiter.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn key(ip: &str) -> ClientKey {
        ip.parse::<IpAddr>().unwrap().into()
    }

    fn rate(per_second: u32) -> (PerClientRate<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (PerClientRate::with_clock(per_second, clock.clone()), clock)
    }

    fn remembered(rate: &PerClientRate<FakeRelativeClock>) -> usize {
        rate.limiter.as_ref().unwrap().len()
    }

    #[test]
    fn a_client_that_comes_too_often_is_told_when_to_come_back_and_others_are_not_concerned() {
        let (rate, clock) = rate(2);
        let (one, other) = (key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!((rate.check(one), rate.check(one)), (Ok(()), Ok(())));
        let wait = rate.check(one).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(rate.check(other), Ok(()));
        clock.advance(wait);
        assert_eq!(rate.check(one), Ok(()));
        assert!(rate.check(one).is_err());
    }

    #[test]
    fn the_addresses_of_a_network_count_as_one() {
        let (rate, _) = rate(1);
        assert!(rate.check(key("2001:db8:1:2::1")).is_ok());
        assert!(rate.check(key("2001:db8:1:2::2")).is_err());
        assert!(rate.check(key("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn clients_that_are_no_longer_heard_of_are_forgotten_and_those_that_wait_are_not() {
        let (rate, clock) = rate(1);
        for last in 1..=100 {
            rate.check(key(&format!("192.0.2.{last}"))).unwrap();
        }
        assert_eq!(remembered(&rate), 100);
        clock.advance(Duration::from_millis(900));
        rate.check(key("198.51.100.1")).unwrap();
        clock.advance(Duration::from_millis(1100));
        rate.check(key("198.51.100.2")).unwrap();
        clock.advance(Duration::from_millis(999));
        assert!(rate.check(key("198.51.100.2")).is_err());
        assert!(remembered(&rate) <= 2, "{} are remembered", remembered(&rate));
    }

    #[test]
    fn a_flood_of_addresses_takes_no_more_memory_and_shuts_nobody_out() {
        let (rate, clock) = rate(1);
        let first = key("203.0.113.1");
        rate.check(first).unwrap();
        for number in 0..100_000 {
            rate.check(IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number)).into()).unwrap();
        }
        assert_eq!(remembered(&rate), MAX_CLIENTS);
        assert!(rate.check(first).is_err(), "who is known is limited as before");
        clock.advance(SWEEP * 2);
        rate.check(key("203.0.113.2")).unwrap();
        assert!(remembered(&rate) <= 2);
        assert!(rate.check(key("203.0.113.2")).is_err());
    }

    #[test]
    fn no_limit_remembers_nobody() {
        let (rate, _) = rate(0);
        assert!((0..1000).all(|_| rate.check(key("192.0.2.1")).is_ok()));
        assert!(rate.limiter.is_none());
        let node = Rate::new(0);
        assert!((0..1000).all(|_| node.check().is_ok()));
    }

    #[test]
    fn all_together_may_come_so_often() {
        let node = Rate::new(1);
        assert_eq!(node.check(), Ok(()));
        let wait = node.check().unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    }
}
