//! What the node counts, for Prometheus. Names and help texts live here only; `docs/metrics.md` is written from them.
//! Label values come from the configuration or from enums, never from clients.

mod bus;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use roomcast_adapter::Bus;
use roomcast_edge::Stats;

use crate::codes::{Code, Where};
use bus::BusCollector;
pub(crate) use bus::BusMetrics;

type Labels = Vec<(&'static str, String)>;

/// All metrics of one node.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    sockets: Family<Labels, Gauge>,
    events: Family<Labels, Counter>,
    refusals: Family<Labels, Counter>,
}

/// The metrics of one namespace, looked up once.
#[derive(Debug, Clone)]
pub(crate) struct NamespaceMetrics {
    pub(crate) sockets: Gauge,
    namespace: String,
    events: Family<Labels, Counter>,
    /// By the code's place in [`Code::ALL`], which is its number.
    refusals: Arc<[Counter]>,
}

impl Metrics {
    pub(crate) fn new(bus: &Bus, traffic: &BusMetrics, edge: &Stats) -> Self {
        let mut registry = Registry::with_prefix("roomcast");
        let (sockets, events, refusals) = (Family::default(), Family::default(), Family::default());
        registry.register("sockets", "Sockets connected to a namespace of this node", sockets.clone());
        registry.register("events", "Events of clients that a rule accepted", events.clone());
        registry.register(
            "refusals",
            "Events and clients that were refused, by code (see codes.md)",
            refusals.clone(),
        );
        traffic.register(&mut registry);
        registry.register_collector(Box::new(BusCollector(bus.clone())));
        registry.register_collector(Box::new(EdgeCollector(edge.clone())));
        Self { registry: Arc::new(registry), sockets, events, refusals }
    }

    pub(crate) fn namespace(&self, path: &str) -> NamespaceMetrics {
        let label = || ("namespace", path.to_owned());
        let refusal = |code: &Code| {
            let labels = vec![label(), ("code", code.as_str().to_owned())];
            // Codes of other places have no counter of a namespace: one that is not registered stands in.
            if code.place() == Where::Http {
                Counter::default()
            } else {
                self.refusals.get_or_create_owned(&labels)
            }
        };
        NamespaceMetrics {
            sockets: self.sockets.get_or_create_owned(&vec![label()]),
            namespace: path.to_owned(),
            events: self.events.clone(),
            refusals: Code::ALL.iter().map(refusal).collect(),
        }
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
    /// The counter of an event that the configuration names.
    pub(crate) fn event(&self, name: &str) -> Counter {
        let labels = vec![("namespace", self.namespace.clone()), ("event", name.to_owned())];
        self.events.get_or_create_owned(&labels)
    }

    pub(crate) fn refused(&self, code: Code) {
        self.refusals[code as usize].inc();
    }
}

/// Reads the accept loop's numbers when Prometheus asks.
#[derive(Debug)]
struct EdgeCollector(Stats);

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

impl Collector for EdgeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.0.snapshot();
        plain(&mut encoder, "connections", "Open TCP connections", None, &ConstGauge::new(now.open))?;
        let sessions = ConstGauge::new(now.sessions);
        plain(&mut encoder, "sessions", "Open Engine.IO sessions, over any transport", None, &sessions)?;
        let accepted = ConstCounter::new(now.accepted);
        plain(&mut encoder, "connections_accepted", "TCP connections accepted", None, &accepted)?;
        let counter = ConstCounter::new(now.refused);
        let mut refused = encoder.encode_descriptor(
            "connections_refused",
            "TCP connections and sessions refused, by code (see codes.md)",
            None,
            counter.metric_type(),
        )?;
        counter.encode(refused.encode_family(&[("code", Code::ServerFull.as_str())])?)
    }
}
