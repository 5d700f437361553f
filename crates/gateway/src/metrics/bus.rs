//! What goes over the bus: counted as it happens, and read where it stands.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use roomcast_adapter::{Asked, Bus, BusState, Dropped, Metrics};

use super::{Labels, plain};

/// The adapter's reports as Prometheus metrics.
#[derive(Debug, Clone)]
pub(crate) struct BusMetrics {
    published: Counter,
    received: Counter,
    undecodable: Counter,
    connects: Counter,
    deaf: Counter<f64, AtomicU64>,
    dropped: Family<Labels, Counter>,
    requests: Family<Labels, Histogram, fn() -> Histogram>,
    incomplete: Family<Labels, Counter>,
    /// By the reason's place in [`Dropped::ALL`], which is its number.
    by_reason: [Counter; Dropped::ALL.len()],
    latency: [Histogram; Asked::ALL.len()],
    timeouts: [Counter; Asked::ALL.len()],
}

impl BusMetrics {
    pub(crate) fn new() -> Self {
        let dropped = Family::<Labels, Counter>::default();
        // From 0.5 ms to 8 s.
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 15));
        let requests = Family::new_with_constructor(histogram);
        let incomplete = Family::<Labels, Counter>::default();
        let by = |asked: Asked| vec![("request", asked.label().to_owned())];
        Self {
            published: Counter::default(),
            received: Counter::default(),
            undecodable: Counter::default(),
            connects: Counter::default(),
            deaf: Counter::default(),
            by_reason: Dropped::ALL
                .map(|reason| dropped.get_or_create_owned(&vec![("reason", reason.label().to_owned())])),
            latency: Asked::ALL.map(|asked| requests.get_or_create_owned(&by(asked))),
            timeouts: Asked::ALL.map(|asked| incomplete.get_or_create_owned(&by(asked))),
            dropped,
            requests,
            incomplete,
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("bus_published", "Messages published to the bus", &self.published),
            ("bus_received", "Messages received from the bus, own ones included", &self.received),
            (
                "bus_undecodable",
                "Messages received from the bus that could not be decoded",
                &self.undecodable,
            ),
            ("bus_connects", "Times that the subscriptions were set up", &self.connects),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register_with_unit(
            "bus_deaf",
            "Time in which this node did not hear the others, counted when it hears them again",
            Unit::Seconds,
            self.deaf.clone(),
        );
        registry.register(
            "bus_dropped",
            "Messages that were not delivered: from the bus (unwanted, the normal fate where nobody is in the room; \
             other_namespace), to the bus (outbox_full, \
             outbox_age, rejected), to a local client (client_queue)",
            self.dropped.clone(),
        );
        registry.register_with_unit(
            "bus_request_duration",
            "How long requests to the other servers took, whether or not all of them answered",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register(
            "bus_requests_incomplete",
            "Requests to the other servers that not all of them answered",
            self.incomplete.clone(),
        );
    }
}

impl Metrics for BusMetrics {
    fn published(&self, messages: u64) {
        self.published.inc_by(messages);
    }
    fn received(&self) {
        self.received.inc();
    }
    fn dropped(&self, reason: Dropped, messages: u64) {
        self.by_reason[reason as usize].inc_by(messages);
    }
    fn undecodable(&self) {
        self.undecodable.inc();
    }
    fn subscribed(&self) {
        self.connects.inc();
    }
    fn was_deaf(&self, duration: Duration) {
        self.deaf.inc_by(duration.as_secs_f64());
    }
    fn request(&self, asked: Asked, latency: Duration, complete: bool) {
        self.latency[asked as usize].observe(latency.as_secs_f64());
        if !complete {
            self.timeouts[asked as usize].inc();
        }
    }
}

/// Reads the rest when Prometheus asks.
#[derive(Debug)]
pub(super) struct BusCollector(pub(super) Bus);

impl Collector for BusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.0.status().borrow().state;
        let up = u64::from(matches!(state, BusState::Connected | BusState::Memory));
        let (messages, bytes) = self.0.outbox_depth();
        let nodes = self.0.nodes().borrow().len();
        for (name, help, unit, value) in [
            ("bus_up", "Whether this node hears the others; 1 also for a node alone", None, up),
            ("bus_outbox_messages", "Messages that wait to be published", None, messages as u64),
            ("bus_outbox", "Bytes that wait to be published", Some(&Unit::Bytes), bytes as u64),
            (
                "bus_requests_pending",
                "Requests to the other servers that wait for answers",
                None,
                self.0.pending_requests() as u64,
            ),
            ("cluster_nodes", "Nodes in the registry, this one included", None, nodes as u64),
        ] {
            let metric = ConstGauge::new(value);
            plain(&mut encoder, name, help, unit, &metric)?;
        }
        let states =
            [BusState::Memory, BusState::Connecting, BusState::Connected, BusState::Degraded, BusState::Lost];
        let is = ConstGauge::new(0u64);
        let mut family = encoder.encode_descriptor(
            "bus_state",
            "1 for the state that the bus is in: memory, connecting, connected, degraded or lost",
            None,
            is.metric_type(),
        )?;
        for one in states {
            let is = ConstGauge::new(u64::from(one == state));
            is.encode(family.encode_family(&[("state", one.as_str())])?)?;
        }
        Ok(())
    }
}
