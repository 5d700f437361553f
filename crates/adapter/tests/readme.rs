//! The README's example is the one that compiles, and does what it says: two servers of stock socketioxide, whose clients
//! talk to each other.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[allow(dead_code, reason = "shared with the suite")]
#[path = "cluster/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the suite")]
#[path = "cluster/node_process.rs"]
mod node_process;
#[path = "cluster/patience.rs"]
mod patience;
#[allow(dead_code, reason = "shared with the suite")]
#[path = "cluster/redis_server.rs"]
mod redis_server;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use client::Client;
use patience::until;
use redis_server::{RedisServer, free_port};
use serde_json::json;

const README: &str = include_str!("../README.md");
const EXAMPLE: &str = include_str!("../examples/chat.rs");

#[test]
fn the_example_is_in_the_readme() {
    assert!(README.contains(&format!("```rust\n{EXAMPLE}```\n")), "README.md and examples/chat.rs differ");
    assert!(EXAMPLE.lines().count() <= 20, "the example has grown");
}

/// The example; it stops when dropped.
struct Chat {
    child: Child,
    address: SocketAddr,
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Chat {
    async fn start(redis: &RedisServer) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new(node_process::example("chat"));
        command.env("REDIS_URL", redis.url()).env("LISTEN", address.to_string()).stdin(Stdio::null());
        let mut chat = Self { child: command.spawn().unwrap(), address };
        until("the example listens", async || {
            assert_eq!(chat.child.try_wait().unwrap(), None, "the example has ended");
            tokio::net::TcpStream::connect(address).await.is_ok()
        })
        .await;
        chat
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_two_examples_talk() {
    let redis = RedisServer::start(&[]).await;
    let (first, second) = (Chat::start(&redis).await, Chat::start(&redis).await);
    let ann = Client::connect(first.address, "/", json!({}), "").await;
    let bob = Client::connect(second.address, "/", json!({}), "").await;
    for client in [&ann, &bob] {
        client.emit(&json!(["join", "paris"])).await;
    }
    // Nothing says when the other server has come, or the other client joined.
    until("Bob hears Ann", async || {
        ann.emit(&json!(["message", "paris", "bonjour"])).await;
        bob.has_heard("message")
    })
    .await;
    assert_eq!(bob.hears("message").await, [json!("bonjour")]);
    bob.emit(&json!(["message", "paris", "salut"])).await;
    assert_eq!(ann.hears("message").await, [json!("salut")]);
    // Who speaks does not hear himself.
    assert!(!ann.has_heard("message"));
}
