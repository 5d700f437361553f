//! What may be wrong with Redis: the status says why, in words that help; clients of the same server hear each other all
//! the while; and when it is right again the bus is there.

use std::time::Duration;

use roomcast_adapter::{Bus, BusState, Dropped, Mode, RedisSettings, SubscriptionMode};
use serde_json::json;

use crate::client::Client;
use crate::patience::{PATIENCE, in_time, until};
use crate::redis_server::{RedisServer, free_port};
use crate::servers::{Server, settings};

const SHARDED: Mode = Mode::Sharded(SubscriptionMode::Static);

/// A server with a client, and what it says of its trouble.
struct Troubled {
    server: Server,
    client: Client,
}

impl Troubled {
    async fn start(settings: &RedisSettings) -> Self {
        let server = Server::start(Bus::redis(settings).unwrap()).await;
        let client = Client::connect(server.address, "/", json!({}), "").await;
        Self { server, client }
    }

    /// Waits until the status has a reason with this in it; local delivery works.
    async fn says(&self, state: BusState, hint: &str) {
        let mut status = self.server.bus.status();
        let matches = |reason: &Option<String>| reason.as_ref().is_some_and(|reason| reason.contains(hint));
        let said = status.wait_for(|status| status.state == state && matches(&status.reason));
        if tokio::time::timeout(PATIENCE, said).await.is_err() {
            panic!("{hint} is not in {:?}", status.borrow());
        }
        self.server.all().local().emit("local", &1).unwrap();
        self.server.all().emit("all", &2).unwrap();
        assert_eq!(self.client.hears("local").await, [json!(1)]);
        assert_eq!(self.client.hears("all").await, [json!(2)]);
    }

    /// Waits until the bus is there, and what is sent on either side arrives on the other.
    async fn recovers(&self, good: &RedisSettings) {
        let mut status = self.server.bus.status();
        in_time("the bus", status.wait_for(|status| status.state == BusState::Connected)).await.unwrap();
        assert_eq!(self.server.bus.status().borrow().reason, None);
        let other = Troubled::start(good).await;
        other.server.is_connected().await;
        for (from, to) in [(self, &other), (&other, self)] {
            // Who has just come may not be heard of for a moment.
            until("it arrives", async || {
                from.server.all().emit("arrived", &1).unwrap();
                to.client.has_heard("arrived")
            })
            .await;
        }
        assert_eq!(self.server.bus.counters().dropped(Dropped::Rejected), 0);
    }
}

async fn admin(server: &RedisServer, command: &[&str]) {
    let mut redis = server.connection().await;
    let (name, arguments) = command.split_first().unwrap();
    redis::cmd(name).arg(arguments).query_async::<()>(&mut redis).await.unwrap();
}

/// A user for the node, which the tests can change.
async fn with_user(rules: &[&str]) -> (RedisServer, String) {
    let redis = RedisServer::start(&[]).await;
    admin(&redis, &[&["ACL", "SETUSER", "node", "on", ">right", "~*", "&*", "+@all"], rules].concat()).await;
    let url = format!("redis://node:right@127.0.0.1:{}", redis.port);
    (redis, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password() {
    let (redis, _) = with_user(&[]).await;
    let wrong = settings(&format!("redis://node:wrong@127.0.0.1:{}", redis.port), Mode::Classic);
    let troubled = Troubled::start(&wrong).await;
    troubled.says(BusState::Connecting, "check user and password").await;
    let reason = troubled.server.bus.status().borrow().reason.clone().unwrap();
    assert!(!reason.contains(":wrong@"), "the reason tells the password: {reason}");
    admin(&redis, &["ACL", "SETUSER", "node", ">wrong"]).await;
    troubled.recovers(&settings(&redis.url(), Mode::Classic)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password() {
    let redis = RedisServer::start(&["--requirepass", "secret"]).await;
    let troubled = Troubled::start(&settings(&redis.url(), Mode::Classic)).await;
    troubled.says(BusState::Connecting, "Redis wants a password").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_starts_later() {
    let port = free_port();
    let settings = settings(&format!("redis://127.0.0.1:{port}"), SHARDED);
    let troubled = Troubled::start(&settings).await;
    troubled.says(BusState::Connecting, "is Redis running there?").await;
    assert!(troubled.server.root().server_count().await.is_none());
    let _redis = RedisServer::start_on(port, &[]).await.expect("somebody has taken the port");
    troubled.recovers(&settings).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_goes_and_comes_back() {
    let redis = RedisServer::start(&[]).await;
    let port = redis.port;
    let settings = settings(&redis.url(), Mode::Classic);
    let troubled = Troubled::start(&settings).await;
    troubled.server.is_connected().await;
    drop(redis);
    troubled.says(BusState::Lost, "").await;
    // What is asked now ends at once, or when it must.
    let found =
        in_time("an answer", troubled.server.all().timeout(Duration::from_secs(1)).fetch_sockets()).await;
    assert_eq!(found.items.len(), 1);
    let _redis = RedisServer::start_on(port, &[]).await.expect("somebody has taken the port");
    troubled.recovers(&settings).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_permission_to_publish() {
    for (mode, command) in [(SHARDED, "spublish"), (Mode::Classic, "publish")] {
        let (redis, url) = with_user(&[&format!("-{command}")]).await;
        let troubled = Troubled::start(&settings(&url, mode)).await;
        troubled.says(BusState::Degraded, "the commands of pubsub").await;
        admin(&redis, &["ACL", "SETUSER", "node", &format!("+{command}")]).await;
        troubled.recovers(&settings(&redis.url(), mode)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_permission_for_the_channels() {
    let (redis, url) = with_user(&["resetchannels", "&other*"]).await;
    let troubled = Troubled::start(&settings(&url, Mode::Classic)).await;
    troubled.says(BusState::Connecting, "the channels of the prefix").await;
    // Patterns that are subscribed to must be allowed literally.
    let channels = ["&socket.io*", "&socket.io#/#*", "&socket.io#/custom#*"];
    admin(&redis, &[&["ACL", "SETUSER", "node"], &channels[..]].concat()).await;
    troubled.recovers(&settings(&redis.url(), Mode::Classic)).await;
}

/// What a Redis before 7 says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_sharded_channels() {
    let redis =
        RedisServer::start(&["--rename-command", "SPUBLISH", "", "--rename-command", "SSUBSCRIBE", ""]).await;
    let troubled = Troubled::start(&settings(&redis.url(), SHARDED)).await;
    troubled.says(BusState::Connecting, "sharded Pub/Sub needs Redis 7 or newer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_to_a_port_without() {
    let redis = RedisServer::start(&[]).await;
    let url = format!("rediss://127.0.0.1:{}", redis.port);
    let troubled = Troubled::start(&settings(&url, Mode::Classic)).await;
    troubled.says(BusState::Connecting, "use redis:// instead of rediss://").await;
}
