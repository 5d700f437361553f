//! How often clients may send events: what the configuration says about it, counted per socket, user or address, on this
//! node or in the whole cluster.
//!
//! Most events pass, and are counted here without asking anybody. For limits of the cluster a node takes some of what is
//! allowed in advance ([`lease`]), so that only one of many events waits for Redis.

mod lease;
mod limit;
mod subject;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use roomcast_adapter::Bus;

use crate::config::{LimitSettings, Per};
use crate::metrics::NamespaceMetrics;
use limit::Counted;
pub(crate) use limit::Limit;
pub(crate) use subject::Subject;

/// The limits of one namespace.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    all: Vec<Limit>,
    /// Which of them count an event, for those that any names.
    by_event: HashMap<String, Vec<usize>>,
    /// Those that count every other event.
    of_others: Vec<usize>,
}

/// What the limits say to an event.
#[derive(Debug)]
pub(crate) enum Verdict<'a> {
    Passed,
    /// It is one too many; after this time one may come again.
    Exceeded(&'a Limit, Duration),
    /// The cluster has to be asked about the limit at this place; what counts before it has passed.
    Ask(usize),
}

impl Limits {
    /// Limits that were there before keep what they have counted.
    pub(crate) fn new(
        namespace: &str,
        settings: &[LimitSettings],
        bus: Option<&Bus>,
        metrics: &NamespaceMetrics,
        former: Option<&Self>,
    ) -> Self {
        let one = |settings: &LimitSettings| {
            let same = |limit: &&Limit| limit.counts_as(settings);
            let former = former.and_then(|former| former.all.iter().find(same));
            Limit::new(namespace, settings, bus, metrics, former)
        };
        let all: Vec<Limit> = settings.iter().map(one).collect();
        let which = |name: Option<&String>| {
            let counts = |limit: &Limit| {
                let events = &limit.settings().events;
                events.is_empty() || name.is_some_and(|name| events.contains(name))
            };
            let places = all.iter().enumerate().filter(|(_, limit)| counts(limit));
            places.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let named = settings.iter().flat_map(|settings| &settings.events);
        let by_event = named.map(|name| (name.clone(), which(Some(name)))).collect();
        let of_others = which(None);
        Self { all, by_event, of_others }
    }

    pub(crate) fn all(&self) -> &[Limit] {
        &self.all
    }

    /// Those that count an event.
    pub(crate) fn of(&self, event: &str) -> impl Iterator<Item = &Limit> {
        self.places(event).iter().map(|at| &self.all[*at])
    }

    /// Counts an event; `receivers` is asked only where it matters. `from` is the first that is still to count: 0, or the
    /// one behind that which was asked about.
    pub(crate) fn count(
        &self,
        event: &str,
        from: usize,
        subject: impl Fn(Per) -> Option<Subject>,
        receivers: impl Fn() -> usize,
    ) -> Verdict<'_> {
        for at in self.places(event).iter().filter(|at| **at >= from) {
            let limit = &self.all[*at];
            match limit.count(&subject, limit.cost(&receivers)) {
                Counted::Passed => {}
                Counted::Exceeded(wait) => return Verdict::Exceeded(limit, wait),
                // What only counts lets nobody wait.
                Counted::Ask if limit.settings().dry_run => {
                    limit.ask_aside(subject(limit.settings().per), &receivers);
                }
                Counted::Ask => return Verdict::Ask(*at),
            }
        }
        Verdict::Passed
    }

    /// Asks the cluster about the limit at a place; how long to wait, if the event is one too many.
    pub(crate) async fn ask(
        &self,
        at: usize,
        subject: impl Fn(Per) -> Option<Subject>,
        receivers: impl Fn() -> usize,
    ) -> Option<(&Limit, Duration)> {
        let limit = &self.all[at];
        let (subject, cost) = (subject(limit.settings().per), limit.cost(&receivers));
        limit.ask(subject, cost).await.map(|wait| (limit, wait))
    }

    fn places(&self, event: &str) -> &[usize] {
        self.by_event.get(event).unwrap_or(&self.of_others)
    }
}

/// What is not zero, or one.
fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
