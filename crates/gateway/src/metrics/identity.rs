//! The numbers of what finds out identities, read when Prometheus asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use roomcast_auth::Stats;

/// By namespace.
#[derive(Debug)]
pub(super) struct IdentityCollector(pub(super) Vec<(String, Stats)>);

impl Collector for IdentityCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Clients whose identity was asked for, by namespace and outcome";
        let mut family =
            encoder.encode_descriptor("identity_verifications", help, None, MetricType::Counter)?;
        for (namespace, stats) in &self.0 {
            for (outcome, count) in stats.snapshot().verifications {
                let labels = [("namespace", namespace.as_str()), ("outcome", outcome.as_str())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Requests for keys, or to the backend that knows the users, by namespace and outcome";
        let mut family = encoder.encode_descriptor("identity_fetches", help, None, MetricType::Counter)?;
        for (namespace, stats) in &self.0 {
            for (outcome, count) in stats.snapshot().fetches {
                let labels = [("namespace", namespace.as_str()), ("outcome", outcome.as_str())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
