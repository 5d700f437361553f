//! What the node counts, for Prometheus. Names and help texts live here only; `docs/metrics.md` is written from them.
//! Label values come from the configuration or from enums, never from clients.

mod bus;
mod edge;
mod events;
mod identity;
mod limits;
mod presence;
mod traces;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use roomcast_adapter::Bus;
use roomcast_edge::{Stats, Transport};

use crate::codes::{Code, Where};
use crate::reload::Live;
use bus::BusCollector;
pub(crate) use bus::BusMetrics;
use edge::EdgeCollector;
pub(crate) use events::EventRefusals;
use identity::IdentityCollector;
use limits::LimitCollector;
use presence::PresenceFamilies;
pub(crate) use presence::{PresenceDrop, PresenceMetrics};
use traces::TraceCollector;

type Labels = Vec<(&'static str, String)>;

/// All metrics of one node.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    sockets: Family<Labels, Gauge>,
    events: Family<Labels, Counter>,
    refusals: Family<Labels, Counter>,
    limited: Family<Labels, Counter>,
    event_refusals: Family<Labels, Counter>,
    acks: Family<Labels, Histogram, fn() -> Histogram>,
    handshakes: Family<Labels, Histogram, fn() -> Histogram>,
    presence: PresenceFamilies,
    watched: Watched,
}

/// The namespaces of the configuration, from when they are set up.
type Watched = Arc<OnceLock<Vec<(String, Live)>>>;

/// The metrics of one namespace, looked up once.
#[derive(Debug, Clone)]
pub(crate) struct NamespaceMetrics {
    pub(crate) sockets: Gauge,
    pub(crate) acks: Histogram,
    namespace: String,
    events: Family<Labels, Counter>,
    limited: Family<Labels, Counter>,
    /// By the code's place in [`Code::ALL`], which is its number.
    refusals: Arc<[Counter]>,
}

impl Metrics {
    pub(crate) fn new(bus: &Bus, traffic: &BusMetrics, edge: &Stats) -> Self {
        let mut registry = Registry::with_prefix("roomcast");
        let (sockets, events, refusals) = (Family::default(), Family::default(), Family::default());
        let limited = Family::default();
        let handshakes = Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register_with_unit(
            "handshake",
            "Time from the head of a request that opens a session to its answer, by transport",
            Unit::Seconds,
            handshakes.clone(),
        );
        registry.register("sockets", "Sockets connected to a namespace of this node", sockets.clone());
        registry.register("events", "Events of clients that a rule accepted", events.clone());
        registry.register(
            "refusals",
            "Events and clients that were refused, by code (see codes.md)",
            refusals.clone(),
        );
        registry.register(
            "limited",
            "Events that exceeded a limit, by its name and what it did (dry_run: nothing)",
            limited.clone(),
        );
        let event_refusals = Family::default();
        registry.register(
            "event_refusals",
            "Events that were refused, by code (see codes.md); those that the namespace does not know are together",
            event_refusals.clone(),
        );
        let acks = Family::new_with_constructor(ack_histogram as fn() -> Histogram);
        registry.register_with_unit(
            "ack",
            "Time from an event to its acknowledgement, in the node; for events that ask for one",
            Unit::Seconds,
            acks.clone(),
        );
        registry.register_collector(Box::new(TraceCollector));
        let presence = PresenceFamilies::default();
        presence.register(&mut registry);
        traffic.register(&mut registry);
        registry.register_collector(Box::new(BusCollector(bus.clone())));
        registry.register_collector(Box::new(EdgeCollector(edge.clone())));
        let watched = Watched::default();
        registry.register_collector(Box::new(IdentityCollector(watched.clone())));
        registry.register_collector(Box::new(LimitCollector(watched.clone())));
        let registry = Arc::new(registry);
        Self {
            registry,
            sockets,
            events,
            refusals,
            limited,
            event_refusals,
            acks,
            handshakes,
            presence,
            watched,
        }
    }

    pub(crate) fn namespace(&self, path: &str) -> NamespaceMetrics {
        let label = || ("namespace", path.to_owned());
        let refusal = |code: &Code| {
            let labels = vec![label(), ("code", code.as_str().to_owned())];
            // Codes of other places have no counter of a namespace: one that is not registered stands in.
            if matches!(code.place(), Where::Ack | Where::Connect | Where::ConnectOrAck) {
                self.refusals.get_or_create_owned(&labels)
            } else {
                Counter::default()
            }
        };
        NamespaceMetrics {
            sockets: self.sockets.get_or_create_owned(&vec![label()]),
            acks: self.acks.get_or_create_owned(&vec![label()]),
            namespace: path.to_owned(),
            events: self.events.clone(),
            limited: self.limited.clone(),
            refusals: Code::ALL.iter().map(refusal).collect(),
        }
    }

    /// What these namespaces count by themselves is read when Prometheus asks.
    pub(crate) fn watch(&self, namespaces: &HashMap<String, Live>) {
        let mut all: Vec<_> = namespaces.iter().map(|(path, live)| (path.clone(), live.clone())).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let _ = self.watched.set(all);
    }

    /// The refusals of a namespace that knows these events.
    pub(crate) fn event_refusals(&self, path: &str, known: &[String]) -> EventRefusals {
        EventRefusals::new(path, known, self.event_refusals.clone())
    }

    pub(crate) fn handshake(&self, transport: Transport, took: Duration) {
        let labels = vec![("transport", transport.as_str().to_owned())];
        self.handshakes.get_or_create_owned(&labels).observe(took.as_secs_f64());
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics cannot be encoded");
        }
        text
    }
}

impl NamespaceMetrics {
    /// Numbers that nobody reads.
    pub(crate) fn unregistered(path: &str) -> Self {
        Self {
            sockets: Gauge::default(),
            acks: ack_histogram(),
            namespace: path.to_owned(),
            events: Family::default(),
            limited: Family::default(),
            refusals: Code::ALL.iter().map(|_| Counter::default()).collect(),
        }
    }

    /// The counter of an event that the configuration names.
    pub(crate) fn event(&self, name: &str) -> Counter {
        let labels = vec![("namespace", self.namespace.clone()), ("event", name.to_owned())];
        self.events.get_or_create_owned(&labels)
    }

    /// The counter of what exceeds a limit that the configuration names.
    pub(crate) fn limit(&self, name: &str, action: &str) -> Counter {
        let labels = vec![
            ("namespace", self.namespace.clone()),
            ("limit", name.to_owned()),
            ("action", action.to_owned()),
        ];
        self.limited.get_or_create_owned(&labels)
    }

    pub(crate) fn refused(&self, code: Code) {
        self.refusals[code as usize].inc();
    }
}

/// From 100 µs to 3 s.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 16))
}

/// From 10 µs to 2.6 s.
fn ack_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_01, 2.0, 19))
}

/// One line of a collector: a metric without labels.
fn plain(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}
