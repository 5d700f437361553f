//! Health, version, metrics and page of a node.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::Value;
use support::{Client, Node, settings, until};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_is_alive_and_ready_and_says_what_it_is() {
    let node = Node::start(settings(), vec![]);
    assert_eq!(node.get("/live").await, (200, r#"{"status":"live"}"#.to_owned()));
    let (code, ready) = node.get("/ready").await;
    assert_eq!((code, json(&ready)["status"].clone()), (200, "ready".into()));
    let version = json(&node.get("/version").await.1);
    assert_eq!((&version["name"], &version["version"]), (&"roomcast".into(), &roomcast::VERSION.into()));
    assert_eq!((&version["node_name"], version["node_id"].as_str().unwrap().len()), (&"node-1".into(), 16));
    assert!(!version["git_sha"].as_str().unwrap().is_empty());
    assert_eq!(node.get("/").await.0, 200);
    assert_eq!(node.get("/nowhere").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_is_usable_before_redis_is_reached_and_ready_says_why_not() {
    let mut settings = settings();
    // Nobody listens on port 1.
    settings.redis.url = "redis://127.0.0.1:1".into();
    let node = Node::start(settings, vec![]);
    let mut ann = Client::connect(&node, "/").await;
    let mut bob = Client::connect(&node, "/").await;
    assert_eq!(ann.request(r#"["message","hi"]"#).await["ok"], true);
    assert_eq!(bob.hears("message").await[0], "hi");

    until("the reason is known", async || node.get("/ready").await.1.contains("redis was not reached yet: "))
        .await;
    let (code, ready) = node.get("/ready").await;
    assert_eq!((code, json(&ready)["status"].clone()), (503, "starting".into()));
    assert_eq!(node.metric("roomcast_bus_up").await, 0);
    assert_eq!(node.metric("roomcast_bus_outbox_messages").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_can_be_left_out() {
    let mut settings = settings();
    settings.server.demo = false;
    let node = Node::start(settings, vec![]);
    assert_eq!(node.get("/").await.0, 404);
}
