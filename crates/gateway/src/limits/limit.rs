//! One limit.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use roomcast_adapter::Bus;
use roomcast_rates::{KeyedRate, Quota};

use super::at_least_one;
use super::lease::{Leases, Taken};
use super::subject::Subject;
use crate::config::{LimitAction, LimitSettings, Per, Scope};
use crate::metrics::NamespaceMetrics;

/// A limit, and what it has counted.
#[derive(Debug)]
pub(crate) struct Limit {
    settings: LimitSettings,
    /// Shared with the limit that comes after it when the configuration is read anew.
    tally: Arc<Tally>,
    exceeded: Counter,
}

#[derive(Debug)]
enum Tally {
    Node(KeyedRate<Subject>),
    Cluster(Leases),
}

/// What one limit says to an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Passed,
    Exceeded(Duration),
    Ask,
}

impl Limit {
    pub(super) fn new(
        namespace: &str,
        settings: &LimitSettings,
        bus: Option<&Bus>,
        metrics: &NamespaceMetrics,
        former: Option<&Self>,
    ) -> Self {
        let tally = former.map_or_else(
            || Arc::new(Tally::new(namespace, settings, bus)),
            |former| Arc::clone(&former.tally),
        );
        let outcome = if settings.dry_run { "dry_run" } else { action(settings.action) };
        Self { settings: settings.clone(), tally, exceeded: metrics.limit(&settings.name, outcome) }
    }

    pub(crate) fn settings(&self) -> &LimitSettings {
        &self.settings
    }

    /// How many sockets, users or addresses are remembered.
    pub(crate) fn keys(&self) -> usize {
        match &*self.tally {
            Tally::Node(rate) => rate.len(),
            Tally::Cluster(leases) => leases.len(),
        }
    }

    /// Whether a limit of these settings would have counted the same; what happens then may differ.
    pub(super) fn counts_as(&self, settings: &LimitSettings) -> bool {
        let LimitSettings { action, dry_run, .. } = self.settings;
        self.settings == LimitSettings { action, dry_run, ..settings.clone() }
    }

    /// What an event counts for.
    pub(super) fn cost(&self, receivers: &impl Fn() -> usize) -> NonZeroU32 {
        match usize::try_from(self.settings.receivers_per_count) {
            Ok(0) | Err(_) => NonZeroU32::MIN,
            Ok(each) => at_least_one(u32::try_from(receivers().div_ceil(each)).unwrap_or(u32::MAX)),
        }
    }

    /// What cannot be told apart is not counted: `subject` may give `None`.
    pub(super) fn count(&self, subject: &impl Fn(Per) -> Option<Subject>, cost: NonZeroU32) -> Counted {
        let Some(subject) = subject(self.settings.per) else { return Counted::Passed };
        let counted = match &*self.tally {
            Tally::Node(rate) => match rate.check(&subject, cost) {
                Ok(()) => Counted::Passed,
                Err(wait) => Counted::Exceeded(wait),
            },
            Tally::Cluster(leases) => match leases.take(&subject, cost, Instant::now()) {
                Taken::Yes => Counted::Passed,
                Taken::No(wait) => Counted::Exceeded(wait),
                Taken::Ask => Counted::Ask,
            },
        };
        if matches!(counted, Counted::Exceeded(_)) && !self.is_too_many() {
            return Counted::Passed;
        }
        counted
    }

    /// Asks the cluster while the event goes on.
    pub(super) fn ask_aside(&self, subject: Option<Subject>, receivers: &impl Fn() -> usize) {
        let (Some(subject), cost) = (subject, self.cost(receivers)) else { return };
        let (tally, exceeded) = (Arc::clone(&self.tally), self.exceeded.clone());
        tokio::spawn(async move {
            if let Tally::Cluster(leases) = &*tally
                && leases.ask(&subject, cost).await.is_some()
            {
                exceeded.inc();
            }
        });
    }

    /// How long to wait, if the cluster says that it is too many.
    pub(super) async fn ask(&self, subject: Option<Subject>, cost: NonZeroU32) -> Option<Duration> {
        let (Some(subject), Tally::Cluster(leases)) = (subject, &*self.tally) else { return None };
        leases.ask(&subject, cost).await.filter(|_| self.is_too_many())
    }

    /// An event exceeds the limit: it is counted; whether that has consequences.
    fn is_too_many(&self) -> bool {
        self.exceeded.inc();
        !self.settings.dry_run
    }
}

impl Tally {
    fn new(namespace: &str, settings: &LimitSettings, bus: Option<&Bus>) -> Self {
        let period = Duration::from_millis(settings.interval_ms.max(1));
        let quota = Quota::new(at_least_one(settings.count), period);
        let quota = NonZeroU32::new(settings.burst).map_or(quota, |burst| quota.with_burst(burst));
        match (settings.scope, bus) {
            (Scope::Cluster, Some(bus)) => {
                let name = format!("{namespace}/{}", settings.name);
                Self::Cluster(Leases::new(bus.clone(), name, quota, settings.max_keys))
            }
            _ => Self::Node(KeyedRate::new(quota, settings.max_keys)),
        }
    }
}

fn action(action: LimitAction) -> &'static str {
    match action {
        LimitAction::Reject => "reject",
        LimitAction::Drop => "drop",
        LimitAction::Disconnect => "disconnect",
    }
}
