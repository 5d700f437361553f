//! The documentation that is written from the code; `docs/` holds its output, and a test keeps it current.

use std::collections::BTreeMap;
use std::fmt::Write;

use roomcast_adapter::Bus;
use roomcast_edge::Stats;

use crate::codes::{Code, Where};
use crate::metrics::{BusMetrics, Metrics};

/// `docs/codes.md`.
#[must_use]
pub fn codes() -> String {
    let mut out = String::from(
        "# Codes\n\n<!-- Generated from crates/gateway/src/codes.rs; a test keeps it current. -->\n\n\
         Every way in which a client is refused. The texts are stable: clients may compare them, and metrics carry \
         them as the label `code` (`roomcast_refusals_total`, `roomcast_connections_refused_total`).\n\n\
         An event is refused in its acknowledgement, `{ok: false, code, message}`, and the connection stays. A client \
         that asks for no acknowledgement gets no answer; the refusal is counted all the same.\n\n\
         | code | where | meaning |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let place = match code.place() {
            Where::Ack => "acknowledgement",
            Where::Http => "HTTP answer",
            Where::Connect => "`connect_error`",
        };
        let _ = writeln!(out, "| `{code}` | {place} | {} |", code.meaning());
    }
    out
}

/// `docs/metrics.md`.
#[must_use]
pub fn metrics() -> String {
    let metrics = Metrics::new(&Bus::memory(), &BusMetrics::new(), &Stats::default());
    let namespace = metrics.namespace("/chat");
    namespace.event("message").inc();
    let text = metrics.text();

    let mut rows: BTreeMap<&str, [String; 3]> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                rows.entry(name).or_default()[1] = help.trim_end_matches('.').to_owned();
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                rows.entry(name).or_default()[0] = kind.to_owned();
            }
            (Some(sample), ..) => {
                if let Some((name, labels)) = sample.split_once('{') {
                    let name = name.trim_end_matches("_total");
                    let labels: Vec<_> =
                        labels.split(',').filter_map(|label| label.split('=').next()).collect();
                    rows.entry(name).or_default()[2] = labels.join(", ");
                }
            }
            _ => {}
        }
    }
    let mut out = String::from(
        "# Metrics\n\n<!-- Generated from crates/gateway/src/metrics.rs; a test keeps it current. -->\n\n\
         `GET /metrics` of every node, in the OpenMetrics text format. The load balancers in `deploy/` do not let it \
         out. Label values come from the configuration, never from clients.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for (name, [kind, help, labels]) in rows {
        let suffix = if kind == "counter" { "_total" } else { "" };
        let _ = writeln!(out, "| `{name}{suffix}` | {kind} | {labels} | {help}. |");
    }
    out
}
