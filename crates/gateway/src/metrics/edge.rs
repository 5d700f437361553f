//! The numbers of the edge, read when Prometheus asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use roomcast_edge::{Stats, StatsSnapshot};

use super::plain;
use crate::codes::Code;

#[derive(Debug)]
pub(super) struct EdgeCollector(pub(super) Stats);

impl Collector for EdgeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.0.snapshot();
        plain(&mut encoder, "connections", "Open TCP connections", None, &ConstGauge::new(now.open))?;
        let accepted = ConstCounter::new(now.accepted);
        plain(&mut encoder, "connections_accepted", "TCP connections accepted", None, &accepted)?;
        sessions(&mut encoder, &now)?;
        let help =
            "Sessions, and requests of sessions of other nodes, that are still to end before the node stops";
        plain(&mut encoder, "draining_sessions", help, None, &ConstGauge::new(now.draining))?;
        let refused = codes(&now.refused, |code| code.http().is_some());
        let help = "Requests refused, by code (see codes.md)";
        counters(&mut encoder, "requests_refused", help, "code", refused)?;
        let closed = codes(&now.closed, Code::closes);
        counters(&mut encoder, "closes", "Sessions that ended, by code (see codes.md)", "code", closed)?;
        let unknown = now.unknown.iter().map(|(reason, count)| (reason.as_str(), *count));
        let help = "Requests whose session id was not known, by reason";
        counters(&mut encoder, "unknown_sessions", help, "reason", unknown)?;
        let forwarded = now.forwarded.iter().map(|(outcome, count)| (outcome.as_str(), *count));
        let help = "Requests that came to another node than their session's, by outcome";
        counters(&mut encoder, "forwarded", help, "outcome", forwarded)?;
        let both = |[received, sent]: [u64; 2]| [("in", received), ("out", sent)].into_iter();
        let help = "Bytes from clients and to them, everything below HTTP included";
        counters(&mut encoder, "client_bytes", help, "direction", both(now.bytes))?;
        let help = "Engine.IO packets from clients and to them";
        counters(&mut encoder, "client_packets", help, "direction", both(now.packets))?;
        let help = "Connections given up because the peer took nothing of what was written";
        plain(&mut encoder, "stalled_connections", help, None, &ConstCounter::new(now.stalled))?;
        let help = "Connections whose peer takes nothing of what is being written to it";
        plain(&mut encoder, "stalled_writers", help, None, &ConstGauge::new(now.stalling))?;
        let help = "Requests and websockets of other nodes' sessions that the node is passing on";
        plain(&mut encoder, "forwarding_requests", help, None, &ConstGauge::new(now.passing))
    }
}

fn sessions(encoder: &mut DescriptorEncoder<'_>, now: &StatsSnapshot) -> fmt::Result {
    let help = "Open Engine.IO sessions, by transport and protocol version";
    let mut family = encoder.encode_descriptor("sessions", help, None, MetricType::Gauge)?;
    for (transport, protocol, count) in &now.sessions {
        let labels = [("transport", transport.as_str().to_owned()), ("eio", protocol.number().to_string())];
        ConstGauge::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn codes(counts: &[(Code, u64)], wanted: impl Fn(Code) -> bool) -> impl Iterator<Item = (&'static str, u64)> {
    counts.iter().filter(move |(code, _)| wanted(*code)).map(|(code, count)| (code.as_str(), *count))
}

/// A counter for each value of one label.
fn counters<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    counts: impl Iterator<Item = (&'a str, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in counts {
        ConstCounter::new(count).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}
