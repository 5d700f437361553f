//! What limits remember, read when Prometheus asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Watched;

#[derive(Debug)]
pub(super) struct LimitCollector(pub(super) Watched);

impl Collector for LimitCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Sockets, users or addresses that a limit remembers, up to its max_keys";
        let mut family = encoder.encode_descriptor("limit_keys", help, None, MetricType::Gauge)?;
        for (namespace, live) in self.0.get().into_iter().flatten() {
            for limit in live.rules.current().limits().all() {
                let labels = [("namespace", namespace.as_str()), ("limit", limit.settings().name.as_str())];
                let keys = i64::try_from(limit.keys()).unwrap_or(i64::MAX);
                ConstGauge::new(keys).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
