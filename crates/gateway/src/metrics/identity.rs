//! The numbers of what finds out identities, read when Prometheus asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use roomcast_auth::Stats;

use super::Watched;

/// By namespace.
#[derive(Debug)]
pub(super) struct IdentityCollector(pub(super) Watched);

impl IdentityCollector {
    /// Those that ask who their clients are.
    fn asking(&self) -> impl Iterator<Item = (&str, &Stats)> {
        let all = self.0.get().into_iter().flatten();
        let asking = all.filter(|(_, live)| live.identity.check().is_some());
        asking.map(|(path, live)| (path.as_str(), live.identity.stats()))
    }
}

impl Collector for IdentityCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Clients whose identity was asked for, by namespace and outcome";
        let mut family =
            encoder.encode_descriptor("identity_verifications", help, None, MetricType::Counter)?;
        for (namespace, stats) in self.asking() {
            for (outcome, count) in stats.snapshot().verifications {
                let labels = [("namespace", namespace), ("outcome", outcome.as_str())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Requests for keys, or to the backend that knows the users, by namespace and outcome";
        let mut family = encoder.encode_descriptor("identity_fetches", help, None, MetricType::Counter)?;
        for (namespace, stats) in self.asking() {
            for (outcome, count) in stats.snapshot().fetches {
                let labels = [("namespace", namespace), ("outcome", outcome.as_str())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
