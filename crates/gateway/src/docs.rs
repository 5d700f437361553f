//! The documentation that is written from the code; `docs/` holds its output, and a test keeps it current.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use roomcast_adapter::Bus;
use roomcast_edge::{Stats, Transport};

use crate::codes::{Code, HttpAnswer, Where};
use crate::config::{IdentityKind, LimitSettings, NamespaceSettings};
use crate::identity::LiveIdentity;
use crate::metrics::{BusMetrics, Metrics, NamespaceMetrics};
use crate::reload::Live;
use crate::rules::LiveRules;
use crate::sockets::{Handler, LiveEvents};

/// `docs/codes.md`.
#[must_use]
pub fn codes() -> String {
    let mut out = String::from(
        "# Codes\n\n<!-- Generated from crates/codes/src/lib.rs; a test keeps it current. -->\n\n\
         Every way in which a client is refused or dropped. The texts are stable: clients may compare them, and metrics \
         carry them as the label `code` (`roomcast_refusals_total`, `roomcast_requests_refused_total`, \
         `roomcast_closes_total`).\n\n\
         An event is refused in its acknowledgement, `{ok: false, code, message}`, and the connection stays. A client \
         that asks for no acknowledgement gets no answer; the refusal is counted all the same. HTTP answers have the body \
         `{code, message}`; where Node's Engine.IO has a number for the error, `code` is that number and `reason` is the \
         text. When the server closes a connection, clients see `transport close` (or `transport error`) and come back \
         by themselves; the code is in the node's metrics.\n\n\
         | code | where | meaning |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let _ = writeln!(out, "| `{code}` | {} | {} |", place(code.place()), code.meaning());
    }
    out
}

fn place(place: Where) -> String {
    let http = |HttpAnswer { status, engine_code }| match engine_code {
        Some(number) => format!("HTTP {status}, `{{\"code\":{number}}}`"),
        None => format!("HTTP {status}"),
    };
    match place {
        Where::Ack => "acknowledgement".into(),
        Where::Connect => "`connect_error`".into(),
        Where::ConnectOrAck => "`connect_error`; acknowledgement".into(),
        Where::Http(answer) => http(answer),
        Where::Close => "disconnect".into(),
        Where::HttpAndClose(answer) => format!("{}; disconnect", http(answer)),
    }
}

/// A namespace with something of everything that counts.
fn live(bus: &Bus, all: &Metrics, metrics: NamespaceMetrics) -> Live {
    let mut settings = NamespaceSettings::new("/chat");
    settings.limits = vec![LimitSettings::new("all", 1)];
    settings.identity.kind = IdentityKind::Jwt;
    settings.identity.jwt.algorithms = vec!["HS256".into()];
    settings.identity.jwt.secrets = vec!["-".repeat(32)];
    let rules = LiveRules::new("", &settings, bus, false, metrics).expect("there are no patterns");
    let identity = LiveIdentity::new(&settings).expect("a secret is given");
    let events = LiveEvents::new("/chat", all, rules.events());
    Live { rules, identity: Arc::new(identity), events: Arc::new(events) }
}

/// `docs/metrics.md`.
#[must_use]
pub fn metrics() -> String {
    let bus = Bus::memory();
    let metrics = Metrics::new(&bus, &BusMetrics::new(), &Stats::default());
    let namespace = metrics.namespace("/chat");
    metrics.watch(&[("/chat".to_owned(), live(&bus, &metrics, namespace.clone()))].into());
    namespace.event("message").inc();
    metrics.event_refusals("/chat", &["message".to_owned()]).count(Some(0), Code::NotInRoom);
    namespace.acks.observe(0.001);
    metrics.presence("/chat");
    metrics.handshake(Transport::Websocket, Duration::from_millis(1));
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
                    // Samples of a histogram belong to it, and its buckets are no label of ours.
                    if ["_bucket", "_sum"].iter().any(|part| name.ends_with(part)) {
                        continue;
                    }
                    let name = name.trim_end_matches("_total").trim_end_matches("_count");
                    let labels: Vec<_> =
                        labels.split(',').filter_map(|label| label.split('=').next()).collect();
                    rows.entry(name).or_default()[2] = labels.join(", ");
                }
            }
            _ => {}
        }
    }
    let mut out = String::from(
        "# Metrics\n\n<!-- Generated from crates/gateway/src/metrics/; a test keeps it current. -->\n\n\
         `GET /metrics` of every node's internal listener (`internal.listen`), in the OpenMetrics text format. Label values come from the configuration, never from clients.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for (name, [kind, help, labels]) in rows {
        let suffix = if kind == "counter" { "_total" } else { "" };
        let _ = writeln!(out, "| `{name}{suffix}` | {kind} | {labels} | {help}. |");
    }
    out
}
