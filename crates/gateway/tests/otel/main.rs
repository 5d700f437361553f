//! Spans, from a client's event to a collector, by the binary as it is built with the feature `otel`.

#![allow(clippy::unwrap_used, unreachable_pub, missing_docs)]

mod collector;
mod otlp;
mod process;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use collector::{Collector, mute};
use process::Process;
use support::{Client, until};

const NAMESPACES: &str = r#"[
    {path = "/open"},
    {path = "/chat", rooms = ["room:*"], events = [{name = "message"}], identity = {kind = "jwt", jwt = {
        algorithms = ["HS256"], secrets = ["a secret of the tests, 32 bytes or more"]}}}
]"#;

/// Of the user `ann-the-user`, until the year 2100, signed with that secret.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4tdGhlLXVzZXIiLCJleHAiOjQxMDI0NDQ4MDB9.gT5aY2ELM9-KWk7jDYBlOnT_Zp1cGaZkh3L4hXB2ErI";

fn endpoint(address: std::net::SocketAddr) -> String {
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_tell_what_happened_and_nothing_about_whom() {
    let collector = Collector::start().await;
    let node = Process::start(&[
        ("ROOMCAST__NODE__NAME", "node-7"),
        ("ROOMCAST__NAMESPACES", &NAMESPACES.replace('\n', " ")),
        ("ROOMCAST__TELEMETRY__OTLP_ENDPOINT", &endpoint(collector.address)),
        ("ROOMCAST__TELEMETRY__SAMPLE_PER_MILLION", "1000000"),
        ("ROOMCAST__TELEMETRY__SERVICE_NAME", "chat-of-the-tests"),
    ])
    .await;
    assert!(Client::try_connect_to(node.address, "/chat", "").await.is_err());
    drop(Client::try_connect_to(node.address, "/open", "").await.unwrap());
    let auth = format!(r#"{{"token":"{TOKEN}"}}"#);
    let mut ann = Client::try_connect_to(node.address, "/chat", &auth).await.unwrap();
    assert_eq!(ann.request(r#"["join","room:hideout"]"#).await["ok"], true);
    assert_eq!(ann.request(r#"["message","room:hideout","a-private-word"]"#).await["ok"], true);
    assert_eq!(ann.request(r#"["message","room:elsewhere","a-private-word"]"#).await["code"], "not_in_room");
    assert_eq!(ann.request(r#"["her-own-idea","a-private-word"]"#).await["code"], "unknown_event");
    ann.emit(r#"["leave","room:hideout"]"#).await;
    assert_eq!(ann.request(&format!(r#"["refresh","{TOKEN}"]"#)).await["ok"], true);
    let id = ann.id.clone();
    ann.close().await;
    until("the first of them are sent", async || node.spans("sent").await > 0).await;
    // What is left comes when the node stops.
    let log = node.stop().await;

    let (sender, spans) = collector.spans();
    let told = |key: &str| sender.get(key).map(String::as_str);
    assert_eq!(told("service.name"), Some("chat-of-the-tests"));
    assert_eq!(told("service.instance.id"), Some("node-7"));
    let mut seen: Vec<_> = spans
        .iter()
        .map(|span| {
            let attributes: Vec<_> =
                span.attributes.iter().map(|(key, value)| format!(" {key}={value}")).collect();
            format!("{}{}", span.name, attributes.concat())
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            "connect code=token_missing identity=token_missing namespace=/chat",
            "connect identity=identified namespace=/chat",
            "connect identity=not_asked namespace=/open",
            "event code=not_in_room event=message namespace=/chat",
            "event code=unknown_event namespace=/chat",
            "event event=join namespace=/chat",
            "event event=leave namespace=/chat",
            "event event=message namespace=/chat",
            "event event=refresh namespace=/chat",
        ]
    );
    const SERVER: u64 = 2;
    assert!(
        spans.iter().all(|span| span.kind == SERVER && !span.has_parent && !span.has_events),
        "{spans:?}"
    );
    let bytes = collector.bytes();
    let secrets = ["hideout", "elsewhere", "a-private-word", "her-own-idea", "ann-the-user", TOKEN, &id];
    for secret in secrets {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} was sent");
        assert!(!log.iter().any(|line| line.to_string().contains(secret)), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_delays_neither_events_nor_the_end() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let (address, connections) = mute().await;
    let node = Process::start(&[
        ("ROOMCAST__NAMESPACES", &NAMESPACES.replace('\n', " ")),
        ("ROOMCAST__TELEMETRY__OTLP_ENDPOINT", &endpoint(address)),
        ("ROOMCAST__TELEMETRY__SAMPLE_PER_MILLION", "1000000"),
        ("ROOMCAST__TELEMETRY__TIMEOUT_MS", &TIMEOUT.as_millis().to_string()),
    ])
    .await;
    let mut ann = Client::try_connect_to(node.address, "/open", "").await.unwrap();
    until("spans are on their way", async || *connections.lock().unwrap() > 0).await;
    let mut slowest = Duration::ZERO;
    let mut flood = async || {
        for _ in 0..10 {
            // More than may wait, in all.
            for _ in 0..400 {
                ann.emit(r#"["whoami"]"#).await;
            }
            let asked = Instant::now();
            assert_eq!(ann.request(r#"["whoami"]"#).await["ok"], true);
            slowest = slowest.max(asked.elapsed());
        }
    };
    flood().await;
    until("some are dropped", async || node.spans("dropped").await > 0).await;
    until("some have failed", async || node.spans("failed").await > 0).await;
    flood().await;
    assert!(slowest < TIMEOUT, "an answer took {slowest:?}");
    assert_eq!(node.spans("sent").await, 0);
    ann.close().await;

    // All that waits would take four times as long.
    let stopping = Instant::now();
    let log = node.stop().await;
    let took = stopping.elapsed();
    assert!(took < TIMEOUT * 3, "it took {took:?}");
    let warnings: Vec<_> = log.iter().filter(|line| line["level"] == "WARN").collect();
    let told = |text: &str| {
        warnings.iter().filter(|line| line["message"].as_str().unwrap().starts_with(text)).count()
    };
    assert_eq!(told("the collector takes no spans"), 1, "{warnings:?}");
    assert_eq!(told("the last spans were not sent in time"), 1, "{warnings:?}");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}
