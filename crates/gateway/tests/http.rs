//! Health, version, metrics and page of a node.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, StatusCode, header};
use roomcast::Gateway;
use serde_json::Value;
use support::{Client, Node, settings, until};
use tower::ServiceExt;

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

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A request as a server of one's own would pass it on.
fn request(target: &str) -> http::request::Builder {
    Request::get(target)
        .header(header::HOST, "test")
        .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 50_000))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_ones_own_must_tell_who_the_client_is() {
    let router = Gateway::builder(settings()).build().unwrap().router();
    let told = request(POLLING).body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(told).await.unwrap().status(), StatusCode::OK);
    let untold = Request::get(POLLING).header(header::HOST, "test").body(Body::empty()).unwrap();
    let answer = router.oneshot(untold).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
    assert_eq!(json(std::str::from_utf8(&body).unwrap())["code"], "no_client_address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_of_websockets_is_refused_with_the_one_that_is_spoken() {
    let router = Gateway::builder(settings()).build().unwrap().router();
    let ask = |version: &str, key: &str| {
        let request = request(WEBSOCKET)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, version)
            .header(header::SEC_WEBSOCKET_KEY, key);
        router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(ask("13", key).await.unwrap().status(), StatusCode::SWITCHING_PROTOCOLS);
    let answer = ask("8", key).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(answer.headers()[header::SEC_WEBSOCKET_VERSION], "13");
    assert_eq!(ask("13", "x").await.unwrap().status(), StatusCode::BAD_REQUEST);
}
