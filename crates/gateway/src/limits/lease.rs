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
const PATIENCE: Duration = Duration::from_millis(500);

/// After Redis did not answer it is not asked for so long.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// Redis is not asked before.
    paused_until: Option<Instant>,
    /// The log has said that Redis does not answer.
    is_told: bool,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    left: u32,
    /// Until then what is left may be used; if nothing is, nothing more may be asked for.
    until: Instant,
    is_refused: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    No(Duration),
    Ask,
}

impl Leases {
    pub(super) fn new(bus: Bus, name: String, quota: Quota, max_keys: usize) -> Self {
        let burst = quota.burst().get();
        let held = Held { leases: HashMap::new(), swept: Instant::now(), paused_until: None, is_told: false };
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
        let mut held = self.lock();
        if now.duration_since(held.swept) >= SWEEP {
            held.swept = now;
            held.leases.retain(|_, lease| lease.until > now);
        }
        let is_paused = held.paused_until.is_some_and(|until| until > now);
        // What costs more than a burst costs that.
        let cost = cost.get().min(self.allowance.burst);
        match held.leases.get_mut(subject) {
            Some(lease) if lease.until > now && lease.is_refused => {
                return Taken::No(lease.until.duration_since(now));
            }
            Some(lease) if lease.until > now && lease.left >= cost => {
                lease.left -= cost;
                return Taken::Yes;
            }
            _ if !is_paused => return Taken::Ask,
            _ => {}
        }
        drop(held);
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
        let mut answer = self.spend(&name, batch).await;
        let mut taken = batch;
        if matches!(answer, Some(Err(_))) && batch > cost {
            answer = self.spend(&name, cost).await;
            taken = cost;
        }
        let now = Instant::now();
        match answer {
            Some(Ok(())) => {
                let lease = Lease { left: taken - cost, until: now + self.recovery, is_refused: false };
                self.keep(subject, lease);
                None
            }
            Some(Err(wait)) => {
                self.keep(subject, Lease { left: 0, until: now + wait, is_refused: true });
                Some(wait)
            }
            None => {
                self.pause(now);
                match self.take(subject, NonZeroU32::new(cost).unwrap_or(NonZeroU32::MIN), now) {
                    Taken::No(wait) => Some(wait),
                    Taken::Yes | Taken::Ask => None,
                }
            }
        }
    }

    async fn spend(&self, name: &str, cost: u32) -> Option<Result<(), Duration>> {
        let asked = self.bus.spend(name, self.allowance, cost);
        let answer = tokio::time::timeout(PATIENCE, asked).await.ok().flatten();
        if answer.is_some() {
            let mut held = self.lock();
            (held.paused_until, held.is_told) = (None, false);
        }
        answer
    }

    fn pause(&self, now: Instant) {
        let mut held = self.lock();
        held.paused_until = Some(now + PAUSE);
        if !std::mem::replace(&mut held.is_told, true) {
            drop(held);
            warn!(limit = self.name, "Redis does not answer: each node counts for itself");
        }
    }

    fn keep(&self, subject: &Subject, lease: Lease) {
        let mut held = self.lock();
        if let Some(known) = held.leases.get_mut(subject) {
            // Several sockets of a user may have asked at the same time.
            let is_valid = !known.is_refused && known.until > Instant::now();
            let left = if is_valid && !lease.is_refused { known.left } else { 0 };
            *known = Lease { left: lease.left.saturating_add(left), ..lease };
        } else if held.leases.len() < self.max_keys {
            held.leases.insert(subject.clone(), lease);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing panics while it is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
