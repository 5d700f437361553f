//! Sessions that are closed from outside: slow consumers, by a handler, all of them when the node stops. And ids that give
//! no access.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use roomcast::codes::Code;
use roomcast::config::Settings;
use roomcast::sockets::Namespace;
use serde_json::json;
use support::{Client, Node, get, request, settings, soon, until};

const SLOW: &str = r#"roomcast_closes_total{code="slow_consumer"}"#;

/// Ann joins a room and reads nothing any more, while Bob sends there and Eve hears all of it.
async fn ann_stops_reading(settings: Settings) {
    let node = Node::start(settings, vec![]);
    let mut ann = Client::connect(&node, "/chat").await;
    let mut bob = Client::connect(&node, "/chat").await;
    let mut eve = Client::connect(&node, "/chat").await;
    for client in [&mut ann, &mut bob, &mut eve] {
        assert_eq!(client.request(r#"["join","paris"]"#).await["ok"], true);
    }
    let text = "x".repeat(50_000);
    let mut sent = 0;
    while node.members("/chat", "paris") > 2 {
        assert!(sent < 2_000, "100 MB were sent, and Ann is still there");
        assert_eq!(bob.request(&format!(r#"["message","paris",{sent},"{text}"]"#)).await["ok"], true);
        assert_eq!(eve.hears("message").await[0], sent);
        sent += 1;
    }
    until("the close is counted", async || node.metric(SLOW).await == 1).await;
    // The others are as they were.
    assert_eq!(bob.request(r#"["message","paris","last"]"#).await["ok"], true);
    assert_eq!(eve.hears("message").await[0], "last");
    assert_eq!(node.metric(r#"roomcast_sockets{namespace="/chat"}"#).await, 2);
    drop(ann);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_closed_after_a_while() {
    let mut settings = settings();
    settings.server.write_stall_ms = 200;
    settings.socketio.send_queue_packets = 1_000_000;
    ann_stops_reading(settings).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_queue_is_full_is_closed_at_once() {
    let mut settings = settings();
    settings.server.write_stall_ms = 3_600_000;
    settings.socketio.send_queue_packets = 8;
    ann_stops_reading(settings).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_poll_is_closed_when_its_queue_is_full() {
    let mut settings = settings();
    settings.socketio.send_queue_packets = 8;
    let node = Node::start(settings, vec![]);
    let session = open_polling(&node).await;
    assert_eq!(request(node.address, "POST", &session, "40").await, (200, "ok".to_owned()));
    until("it is connected", async || node.metric(r#"roomcast_sockets{namespace="/"}"#).await == 1).await;
    let mut bob = Client::connect(&node, "/").await;
    for _ in 0..20 {
        assert_eq!(bob.request(r#"["message","x"]"#).await["ok"], true);
    }
    until("the close is counted", async || node.metric(SLOW).await == 1).await;
    assert_eq!(get(node.address, &session).await.0, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_closed_behind_what_is_queued() {
    let goodbye = Namespace::new("/goodbye").on("bye", |socket, _| async move {
        for number in 0..300 {
            socket.emit("number", json!(number)).unwrap();
        }
        socket.close();
    });
    let node = Node::start(settings(), vec![goodbye]);
    let mut ann = Client::connect(&node, "/goodbye").await;
    ann.emit(r#"["bye"]"#).await;
    for number in 0..300 {
        assert_eq!(ann.hears("number").await[0], number);
    }
    ann.closed().await;
    until("the close is counted", async || {
        node.metric(r#"roomcast_closes_total{code="server_closed"}"#).await == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_lets_its_clients_go_and_takes_no_new_ones() {
    let mut settings = settings();
    settings.server.drain_delay_ms = 300;
    let node = Node::start(settings, vec![]);
    let (ann, bob) = (Client::connect(&node, "/chat").await, Client::connect(&node, "/").await);
    let (address, internal) = (node.address, node.internal);
    let stopped = node.stop();
    until("it takes no more clients", async || get(internal, "/ready").await.0 == 503).await;
    assert!(get(internal, "/ready").await.1.contains(r#""status":"draining""#));
    let (status, answer) = get(address, "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(status, 503);
    assert!(answer.contains(r#""code":"draining""#), "{answer}");
    ann.closed().await;
    bob.closed().await;
    let report = stopped.await.unwrap();
    assert_eq!((report.sessions, report.graceful, report.hard, report.left), (2, 2, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_does_not_keep_the_node_from_stopping() {
    let mut settings = settings();
    settings.server.drain_delay_ms = 0;
    settings.server.close_grace_ms = 300;
    settings.server.write_stall_ms = 3_600_000;
    let node = Node::start(settings, vec![]);
    let mut ann = Client::connect(&node, "/chat").await;
    assert_eq!(ann.request(r#"["join","paris"]"#).await["ok"], true);
    let mut bob = Client::connect(&node, "/chat").await;
    assert_eq!(bob.request(r#"["join","paris"]"#).await["ok"], true);
    let text = "x".repeat(50_000);
    // More than the kernel takes for Ann.
    for number in 0..300 {
        assert_eq!(bob.request(&format!(r#"["message","paris",{number},"{text}"]"#)).await["ok"], true);
    }
    let report = node.stop().await.unwrap();
    bob.closed().await;
    assert_eq!((report.sessions, report.graceful, report.hard, report.left), (2, 1, 1, 0));
    drop(ann);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_can_ask_a_node_to_stop() {
    let node = Node::start(settings(), vec![]);
    let ann = Client::connect(&node, "/").await;
    assert_eq!(request(node.internal, "POST", "/drain", "").await.0, 202);
    assert_eq!(request(node.internal, "POST", "/drain", "").await.0, 409);
    assert_eq!(request(node.address, "POST", "/drain", "").await.0, 404);
    ann.closed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_in_no_more_namespaces_than_it_may() {
    let mut settings = settings();
    settings.socketio.max_namespaces = 1;
    let node = Node::start(settings, vec![]);
    let mut ann = Client::connect(&node, "/").await;
    ann.send("40/chat,").await;
    assert_eq!(ann.raw("44/chat,").await, r#"44/chat,{"message":"too many namespaces"}"#);
    let refusals = r#"roomcast_refusals_total{namespace="/chat",code="too_many_namespaces"}"#;
    assert_eq!(node.metric(refusals).await, 1);
    // Whoever leaves one may enter another.
    ann.send("41").await;
    ann.send("40/chat,").await;
    ann.raw("40/chat,").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_connects_to_namespaces_no_more_often_than_it_may() {
    let mut settings = settings();
    settings.socketio.max_namespaces = 3;
    settings.socketio.max_connects_per_second = 1;
    let node = Node::start(settings, vec![]);
    let mut client = Client::connect(&node, "/chat").await;
    let (mut refused, mut is_in) = (0, true);
    // As many at once as it may be in, and then one a second.
    for _ in 0..10 {
        if is_in {
            client.send("41/chat,").await;
        }
        client.send("40/chat,").await;
        is_in = !client.raw("4").await.starts_with("44/chat,{\"message\":\"too_many_connects: ");
        refused += u64::from(!is_in);
    }
    assert!((7..=8).contains(&refused), "{refused} of 10 were refused");
    let counted = node.metric(r#"roomcast_refusals_total{namespace="/chat",code="too_many_connects"}"#).await;
    assert_eq!(counted, refused);
    // Others are not concerned.
    Client::connect(&node, "/chat").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_disconnected_with_its_connection_does_not_stay() {
    let node = Node::start(settings(), vec![]);
    let mut ann = Client::connect(&node, "/chat").await;
    ann.send("40").await;
    ann.raw("40").await;
    node.bus.of("/chat").unwrap().all().disconnect(true);
    ann.raw("41/chat,").await;
    ann.raw("41").await;
    ann.closed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_never_connected_keep_their_place_for_a_while_but_not_the_node() {
    let mut settings = settings();
    settings.server.max_sessions = 1;
    settings.server.drain_delay_ms = 0;
    settings.server.close_grace_ms = 200;
    // Long enough for what follows the second session here, also on a busy machine.
    settings.socketio.connect_timeout_ms = 2_000;
    let node = Node::start(settings, vec![]);
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", node.address);
    let (websocket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    drop(websocket);
    // The library still keeps it, so it counts.
    let session = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(get(node.address, session).await.0, 503);
    until("the place is free", async || get(node.address, session).await.0 == 200).await;
    assert_eq!(node.metric(r#"roomcast_closes_total{code="never_connected"}"#).await, 1);
    // A polling client of which nothing is heard any more is not waited for.
    let report = node.stop().await.unwrap();
    assert_eq!((report.sessions, report.graceful, report.hard, report.left), (1, 0, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_closes_while_connecting_is_not_waited_for() {
    let mut settings = settings();
    settings.server.drain_delay_ms = 0;
    let node = Node::start(settings, vec![]);
    for _ in 0..20 {
        let session = open_polling(&node).await;
        assert_eq!(request(node.address, "POST", &session, "40/chat,\u{1e}1").await.0, 200);
    }
    let report = node.stop().await.unwrap();
    assert_eq!((report.hard, report.left), (0, 0));
    assert!(report.took < std::time::Duration::from_secs(2), "{report:?}");
}

/// One deaf client among pollers, who are between two polls most of the time: only the deaf one goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_takes_no_others_with_it() {
    let mut settings = settings();
    settings.socketio.send_queue_packets = 64;
    settings.server.write_stall_ms = 3_600_000;
    let node = Node::start(settings, vec![]);
    let mut bob = Client::connect(&node, "/chat").await;
    let mut deaf = Client::connect(&node, "/chat").await;
    for client in [&mut bob, &mut deaf] {
        assert_eq!(client.request(r#"["join","paris"]"#).await["ok"], true);
    }
    let mut pollers = Vec::new();
    for _ in 0..10 {
        let session = open_polling(&node).await;
        assert_eq!(request(node.address, "POST", &session, "40/chat,").await.0, 200);
        until("it is connected", async || get(node.address, &session).await.1.contains("40/chat,{")).await;
        assert_eq!(request(node.address, "POST", &session, r#"42/chat,0["join","paris"]"#).await.0, 200);
        pollers.push(session);
    }
    until("all have joined", async || node.members("/chat", "paris") == 12).await;
    let text = "x".repeat(20_000);
    let mut sent = 0;
    while node.members("/chat", "paris") > 11 {
        assert!(sent < 5_000, "100 MB were sent, and the deaf client is still there");
        assert_eq!(bob.request(&format!(r#"["message","paris",{sent},"{text}"]"#)).await["ok"], true);
        sent += 1;
        // Each takes what has come, and is away until the next time.
        if sent % 16 == 0 {
            for session in &pollers {
                assert_eq!(get(node.address, session).await.0, 200);
            }
        }
    }
    until("the close is counted", async || node.metric(SLOW).await == 1).await;
    for session in &pollers {
        assert_eq!(request(node.address, "POST", session, "3").await.0, 200);
    }
    assert_eq!(node.members("/chat", "paris"), 11);
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnect_handler_knows_why() {
    let (tell, mut told) = tokio::sync::mpsc::channel(8);
    let namespace = Namespace::new("/why")
        .on("here", |_, event| async move { event.ack().send(json!(true)) })
        .on("away", |socket, _| async move { socket.close() })
        .on_disconnect(move |socket, _| {
            let tell = tell.clone();
            async move { tell.send(socket.close_code()).await.unwrap() }
        });
    let node = Node::start(settings(), vec![namespace]);
    // Whoever leaves before the namespace has seen it come is not seen to go.
    let connected = async || {
        let mut client = Client::connect(&node, "/why").await;
        assert_eq!(client.request(r#"["here"]"#).await, true);
        client
    };
    connected().await.close().await;
    assert_eq!(soon(told.recv()).await.unwrap(), Some(Code::ClientClosed));
    let mut client = connected().await;
    client.send(r#"42/why,["away"]"#).await;
    assert_eq!(soon(told.recv()).await.unwrap(), Some(Code::ServerClosed));
    let mut client = connected().await;
    client.send("41/why,").await;
    assert_eq!(soon(told.recv()).await.unwrap(), None, "the connection stays");
    drop(client);
}

async fn open_polling(node: &Node) -> String {
    let (_, open) = get(node.address, "/socket.io/?EIO=4&transport=polling").await;
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap())
}
