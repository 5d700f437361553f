//! Limits of the whole cluster, of which a node takes some in advance.
//!
//! What all nodes together may let through is in Redis ([`Bus::spend`]). A node spends a part of a burst there at once and
//! lets so many events pass without asking again, for as long as a burst takes to recover; what it has not used by then
//! is lost. So a cluster may let through a part of a burst for each node later than it was counted, and never more in the
//! long run. What Redis refuses is remembered until it may be asked again: a flood costs it nothing.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use roomcast_adapter::{Allowance, Bus};
use roomcast_rates::{KeyedRate, Quota};
use tracing::warn;

use super::subject::Subject;

/// This part of a burst is taken in advance.
const PART: u32 = 10;

/// Longest wait for Redis: the client's further events wait, too.
const PATIENCE: Duration = Duration::from_millis(250);

/// After Redis did not answer it is not asked for so long, and then by one event alone.
const PAUSE: Duration = Duration::from_secs(2);

/// How often what is over is forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// What this node may let through of a limit of the cluster.
#[derive(Debug)]
pub(super) struct Leases {
    bus: Bus,
    name: String,
    allowance: Allowance,
    recovery: Duration,
    /// How much is taken at once.
    batch: u32,
    max_keys: usize,
    held: Mutex<Held>,
    /// While Redis is away.
    alone: KeyedRate<Subject>,
}

#[derive(Debug)]
struct Held {
    leases: HashMap<Subject, Lease>,
    swept: Instant,
    /// Redis did not answer; it is not asked before.
    failing_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    /// May be used until then.
    left: u32,
    until: Instant,
    /// So much was refused, and would be until then: it need not be asked for. Less may be had.
    refused: Option<(u32, Instant)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    No(Duration),
    Ask,
}

impl Lease {
    fn is_of_use(&self, now: Instant) -> bool {
        self.until > now || self.refused.is_some_and(|(_, until)| until > now)
    }
}

impl Leases {
    pub(super) fn new(bus: Bus, name: String, quota: Quota, max_keys: usize) -> Self {
        let burst = quota.burst().get();
        let held = Held { leases: HashMap::new(), swept: Instant::now(), failing_until: None };
        Self {
            bus,
            name,
            allowance: Allowance { interval: quota.interval(), burst },
            recovery: quota.recovery(),
            batch: (burst / PART).max(1),
            max_keys,
            held: Mutex::new(held),
            alone: KeyedRate::new(quota, max_keys),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().leases.len()
    }

    /// Takes from what the node has.
    pub(super) fn take(&self, subject: &Subject, cost: NonZeroU32, now: Instant) -> Taken {
        // What costs more than a burst costs that.
        let cost = cost.get().min(self.allowance.burst);
        let mut held = self.lock();
        if now.duration_since(held.swept) >= SWEEP {
            held.swept = now;
            held.leases.retain(|_, lease| lease.is_of_use(now));
        }
        if let Some(lease) = held.leases.get_mut(subject) {
            if lease.until > now && lease.left >= cost {
                lease.left -= cost;
                return Taken::Yes;
            }
            if let Some((refused, until)) = lease.refused
                && cost >= refused
                && until > now
            {
                return Taken::No(until.duration_since(now));
            }
        }
        match &mut held.failing_until {
            None => return Taken::Ask,
            Some(until) if *until <= now => {
                // This one asks whether it is back; the others do not wait for that.
                *until = now + PAUSE;
                return Taken::Ask;
            }
            Some(_) => {}
        }
        drop(held);
        self.take_alone(subject, cost)
    }

    /// Redis is away.
    fn take_alone(&self, subject: &Subject, cost: u32) -> Taken {
        match self.alone.check(subject, NonZeroU32::new(cost).unwrap_or(NonZeroU32::MIN)) {
            Ok(()) => Taken::Yes,
            Err(wait) => Taken::No(wait),
        }
    }

    /// Asks Redis for this event and some more; how long to wait, if it says no.
    pub(super) async fn ask(&self, subject: &Subject, cost: NonZeroU32) -> Option<Duration> {
        let name = format!("{}/{subject}", self.name);
        let cost = cost.get().min(self.allowance.burst);
        let batch = cost.max(self.batch);
        let mut taken = batch;
        let mut answer = self.spend(&name, batch).await;
        if matches!(answer, Some(Err(_))) && batch > cost {
            taken = cost;
            answer = self.spend(&name, cost).await;
        }
        let now = Instant::now();
        match answer {
            Some(Ok(())) => {
                self.keep(subject, |lease| {
                    let left = if lease.until > now { lease.left } else { 0 };
                    (lease.left, lease.until) = (left.saturating_add(taken - cost), now + self.recovery);
                });
                None
            }
            Some(Err(wait)) => {
                self.keep(subject, |lease| lease.refused = Some((cost, now + wait)));
                Some(wait)
            }
            None => match self.take_alone(subject, cost) {
                Taken::No(wait) => Some(wait),
                Taken::Yes | Taken::Ask => None,
            },
        }
    }

    async fn spend(&self, name: &str, cost: u32) -> Option<Result<(), Duration>> {
        let asked = self.bus.spend(name, self.allowance, cost);
        let answer = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
        let mut held = self.lock();
        if answer.is_some() {
            held.failing_until = None;
            return answer;
        }
        if held.failing_until.replace(Instant::now() + PAUSE).is_none() {
            drop(held);
            warn!(limit = self.name, "Redis does not answer: each node counts for itself");
        }
        None
    }

    fn keep(&self, subject: &Subject, change: impl FnOnce(&mut Lease)) {
        let mut held = self.lock();
        if let Some(lease) = held.leases.get_mut(subject) {
            change(lease);
        } else if held.leases.len() < self.max_keys {
            let mut lease = Lease { left: 0, until: Instant::now(), refused: None };
            change(&mut lease);
            held.leases.insert(subject.clone(), lease);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing panics while it is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    /// 100 at once, one a second. No Redis is there.
    fn leases() -> Leases {
        let quota = Quota::new(number(1), Duration::from_secs(1)).with_burst(number(100));
        Leases::new(Bus::memory(), "/chat/talk".into(), quota, 10)
    }

    fn ann() -> Subject {
        Subject::User("ann".into())
    }

    #[test]
    fn what_was_taken_in_advance_is_used_up_and_ends() {
        let (leases, now) = (leases(), Instant::now());
        assert_eq!(leases.take(&ann(), number(1), now), Taken::Ask);
        leases.keep(&ann(), |lease| (lease.left, lease.until) = (3, now + Duration::from_secs(10)));
        assert_eq!(leases.take(&ann(), number(2), now), Taken::Yes);
        assert_eq!(leases.take(&ann(), number(2), now), Taken::Ask);
        assert_eq!(leases.take(&ann(), number(1), now), Taken::Yes);
        leases.keep(&ann(), |lease| lease.left = 3);
        assert_eq!(leases.take(&ann(), number(1), now + Duration::from_secs(11)), Taken::Ask);
    }

    #[test]
    fn what_is_refused_to_an_expensive_event_is_not_refused_to_a_cheap_one() {
        let (leases, now) = (leases(), Instant::now());
        let later = now + Duration::from_secs(20);
        leases.keep(&ann(), |lease| {
            (lease.left, lease.until) = (2, now + Duration::from_secs(60));
            lease.refused = Some((60, later));
        });
        assert_eq!(leases.take(&ann(), number(60), now), Taken::No(Duration::from_secs(20)));
        assert_eq!(leases.take(&ann(), number(1000), now), Taken::No(Duration::from_secs(20)));
        assert_eq!(leases.take(&ann(), number(2), now), Taken::Yes);
        assert_eq!(leases.take(&ann(), number(59), now), Taken::Ask);
        assert_eq!(leases.take(&ann(), number(60), later), Taken::Ask);
    }

    #[tokio::test]
    async fn while_redis_is_away_one_event_asks_now_and_then_and_the_others_count_alone() {
        let (leases, now) = (leases(), Instant::now());
        assert_eq!(leases.ask(&ann(), number(90)).await, None);
        assert_eq!(leases.take(&ann(), number(10), now), Taken::Yes);
        assert!(matches!(leases.take(&ann(), number(10), now), Taken::No(_)));
        let later = Instant::now() + PAUSE;
        assert_eq!(leases.take(&ann(), number(1), later), Taken::Ask, "is it back?");
        assert!(matches!(leases.take(&ann(), number(50), later), Taken::No(_)), "one question is enough");
    }

    #[test]
    fn a_flood_of_users_takes_no_more_memory() {
        let (leases, now) = (leases(), Instant::now());
        for number in 0..100 {
            let subject = Subject::User(number.to_string());
            leases.keep(&subject, |lease| lease.until = now + Duration::from_millis(1));
        }
        assert_eq!(leases.len(), 10);
        leases.take(&ann(), number(1), now + SWEEP * 2);
        assert_eq!(leases.len(), 0);
    }
}
