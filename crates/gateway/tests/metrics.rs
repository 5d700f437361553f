//! What is counted of events: refusals by event and code, and how long acknowledgements take.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use roomcast::sockets::Namespace;
use serde_json::json;
use support::{Client, Node, settings, soon, until};
use tokio::sync::{Notify, mpsc};

impl Node {
    /// All lines of `/metrics` that begin so.
    async fn lines(&self, start: &str) -> Vec<String> {
        let (_, text) = self.get_internal("/metrics").await;
        text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    /// Refusals, as lines `namespace event code count`, sorted.
    async fn refusals(&self) -> Vec<String> {
        let lines = self.lines("roomcast_event_refusals_total{").await;
        let mut refusals: Vec<_> = lines
            .iter()
            .map(|line| {
                let [_, namespace, _, event, _, code, count] = line.split('"').collect::<Vec<_>>()[..] else {
                    panic!("other labels: {line}");
                };
                format!("{namespace} {event} {code} {}", count.trim_start_matches("} "))
            })
            .collect();
        refusals.sort_unstable();
        refusals
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_counted_by_event_and_code_and_never_by_a_clients_words() {
    let node = Node::start(settings(), vec![]);
    let mut ann = Client::connect(&node, "/chat").await;
    assert_eq!(ann.request(r#"["join","paris"]"#).await["ok"], true);
    assert_eq!(ann.request(r#"["message","paris","hello"]"#).await["ok"], true);
    assert_eq!(node.refusals().await, [] as [&str; 0], "nothing was refused");

    for (event, code) in [
        (r#"["join","a secret place"]"#, "room_not_allowed"),
        (r#"["join"]"#, "invalid_room"),
        (r#"["leave",7]"#, "invalid_room"),
        (r#"["message","lyon","x"]"#, "not_in_room"),
        (r#"["typing","lyon"]"#, "not_in_room"),
        (r#"["refresh","token"]"#, "unknown_event"),
        (r#"["refresh"]"#, "invalid_arguments"),
        (r#"["her own idea"]"#, "unknown_event"),
        (r#"["another idea",["x"]]"#, "unknown_event"),
    ] {
        assert_eq!(ann.request(event).await["code"], code, "{event}");
    }
    // Who asks for no answer is counted all the same.
    ann.emit(r#"["message","lyon","y"]"#).await;
    assert_eq!(ann.request(r#"["whoami"]"#).await["ok"], true);
    let mut bob = Client::connect(&node, "/public").await;
    assert_eq!(bob.request(r#"["announcement","x"]"#).await["code"], "server_only");

    let refusals = [
        "/chat (unknown) unknown_event 2",
        "/chat join invalid_room 1",
        "/chat join room_not_allowed 1",
        "/chat leave invalid_room 1",
        "/chat message not_in_room 2",
        "/chat refresh invalid_arguments 1",
        "/chat refresh unknown_event 1",
        "/chat typing not_in_room 1",
        "/public announcement server_only 1",
    ];
    assert_eq!(node.refusals().await, refusals);
    let by_code = r#"roomcast_refusals_total{namespace="/chat",code="not_in_room"}"#;
    assert_eq!(node.metric(by_code).await, 3);
    let accepted = r#"roomcast_events_total{namespace="/chat",event="message"}"#;
    assert_eq!(node.metric(accepted).await, 1);
    let (_, text) = node.get_internal("/metrics").await;
    assert!(!text.contains("idea") && !text.contains("secret"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_namespace_of_the_program_are_counted_by_its_names() {
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let (begin, mut begun) = mpsc::channel(1);
    let namespace = Namespace::new("/own")
        .on("now", |_, _| -> std::future::Ready<()> { panic!("before the future") })
        .on("later", |_, _| async { panic!("in the future") })
        .on("slow", move |_, event| {
            let (waiting, begin) = (Arc::clone(&waiting), begin.clone());
            async move {
                begin.send(()).await.unwrap();
                waiting.notified().await;
                event.ack().send(json!("done"));
            }
        });
    let mut settings = settings();
    settings.socketio.event_queue = 1;
    let node = Node::start(settings, vec![namespace]);
    let mut ann = Client::connect(&node, "/own").await;
    for event in [r#"["now"]"#, r#"["later"]"#, r#"["later"]"#] {
        assert_eq!(ann.request(event).await["code"], "internal_error", "{event}");
    }
    assert_eq!(ann.request(r#"["unheard of"]"#).await["code"], "unknown_event");
    let first = ann.ask(r#"["slow"]"#).await;
    soon(begun.recv()).await.unwrap();
    let second = ann.ask(r#"["now"]"#).await;
    // One is being handled, one waits, and that is all.
    assert_eq!(ann.request(r#"["slow"]"#).await["code"], "busy");
    assert_eq!(ann.request(r#"["unheard of"]"#).await["code"], "busy");
    go_on.notify_one();
    assert_eq!(ann.answer(first).await[0], "done");
    assert_eq!(ann.answer(second).await[0]["code"], "internal_error");

    let refusals = [
        "/own (unknown) busy 1",
        "/own (unknown) unknown_event 1",
        "/own later internal_error 2",
        "/own now internal_error 2",
        "/own slow busy 1",
    ];
    assert_eq!(node.refusals().await, refusals);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_an_acknowledgement_is_from_the_arrival_of_its_event() {
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let (begin, mut begun) = mpsc::channel(1);
    let namespace = Namespace::new("/slow").on("slow", move |_, event| {
        let (waiting, begin) = (Arc::clone(&waiting), begin.clone());
        async move {
            begin.send(()).await.unwrap();
            waiting.notified().await;
            event.ack().send(json!("done"));
            event.ack().send(json!("done twice"));
        }
    });
    let node = Node::start(settings(), vec![namespace]);
    let mut ann = Client::connect(&node, "/slow").await;
    let asked = Instant::now();
    let first = ann.ask(r#"["slow"]"#).await;
    soon(begun.recv()).await.unwrap();
    // Waits for the first one; that is a part of its time.
    let second = ann.ask(r#"["unknown"]"#).await;
    let handled = Instant::now();
    // The time that is to be measured; nothing is waited for.
    tokio::time::sleep(Duration::from_millis(30)).await;
    let at_least = handled.elapsed();
    go_on.notify_one();
    assert_eq!(ann.answer(first).await[0], "done");
    assert_eq!(ann.answer(second).await[0]["code"], "unknown_event");
    let at_most = asked.elapsed() * 2;

    let count = r#"roomcast_ack_seconds_count{namespace="/slow"}"#;
    // An answer may be here before its time is counted.
    until("both are counted", async || node.metric(count).await == 2).await;
    let sum = node.lines(r#"roomcast_ack_seconds_sum{namespace="/slow"}"#).await;
    let sum: f64 = sum[0].rsplit(' ').next().unwrap().parse().unwrap();
    let (at_least, at_most) = (at_least.as_secs_f64(), at_most.as_secs_f64());
    assert!((at_least..=at_most).contains(&sum), "{at_least} <= {sum} <= {at_most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_without_an_acknowledgement_have_no_time() {
    let node = Node::start(settings(), vec![]);
    let mut ann = Client::connect(&node, "/chat").await;
    for _ in 0..10 {
        ann.emit(r#"["typing","paris"]"#).await;
    }
    assert_eq!(ann.request(r#"["whoami"]"#).await["ok"], true);
    assert_eq!(ann.request(r#"["typing","paris"]"#).await["ok"], false);
    let count = r#"roomcast_ack_seconds_count{namespace="/chat"}"#;
    until("those with one are counted", async || node.metric(count).await >= 2).await;
    assert_eq!(node.metric(count).await, 2);
    assert_eq!(node.metric(r#"roomcast_ack_seconds_count{namespace="/"}"#).await, 0);
}
