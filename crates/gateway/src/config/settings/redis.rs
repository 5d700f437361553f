//! The bus that joins the nodes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[redis]`
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://[user[:password]@]host[:port][/db]` for one server (Redis 6 or newer),
    /// `redis-cluster://[user[:password]@]host[:port][,host[:port]]` for a Redis Cluster,
    /// `redis-sentinel://[user[:password]@]host[:port][,host[:port]][/db]#master` for what sentinels name. With `rediss`
    /// in place of `redis` over TLS. Empty: this node is alone, nothing is shared.
    pub url: String,
    /// How messages are laid out; must be the same on all servers. `classic`: as Node's `@socket.io/redis-adapter`, every
    /// server receives everything, and emitters of all languages work. `sharded`: as Node's `createShardedAdapter`, for
    /// Redis 7 or newer.
    pub mode: RedisMode,
    /// Only in the mode `sharded`; Node's `subscriptionMode`. `dynamic`: a server receives only what is for rooms that its
    /// clients are in. `static`: everything. `dynamic-private`: also sockets get channels of their own.
    pub subscriptions: Subscriptions,
    /// Prefix of all channels. Must be the same on all nodes; Node's adapters and emitters call it `key`, or
    /// `channelPrefix`.
    pub prefix: String,
    /// Answer requests on a channel of the asker, as Node's `publishOnSpecificResponseChannel`.
    pub specific_responses: bool,
    /// File of certificate authorities (PEM) to trust with `rediss`, in place of those of the system.
    pub tls_ca_file: String,
    /// File with this node's certificate chain (PEM), if Redis wants one.
    pub tls_cert_file: String,
    /// File with the key (PEM) to that certificate.
    pub tls_key_file: String,
    /// Longest wait for a connection or an answer, in milliseconds.
    pub timeout_ms: u64,
    /// Longest wait for the answers of other servers, in milliseconds. What has come until then is used.
    pub requests_timeout_ms: u64,
    /// Most requests to other servers that wait for answers, in each namespace. Further ones are answered by this node
    /// alone.
    pub max_requests: usize,
    /// How often the node proves that it hears what it publishes, in milliseconds.
    pub probe_interval_ms: u64,
    /// How often the node renews its entry in the registry of nodes, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// A node whose entry was not renewed for so long is gone, in milliseconds. Must be longer than two heartbeats.
    pub node_ttl_ms: u64,
    /// Most messages that wait while Redis is away. The oldest go first, and are counted.
    pub outbox_messages: usize,
    /// Most bytes that wait while Redis is away.
    pub outbox_bytes: usize,
    /// Messages that waited longer are not sent any more, in milliseconds.
    pub outbox_age_ms: u64,
}

/// How messages are laid out on Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum RedisMode {
    Classic,
    Sharded,
}

/// Which rooms have a channel of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum Subscriptions {
    Static,
    Dynamic,
    DynamicPrivate,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            mode: RedisMode::Classic,
            subscriptions: Subscriptions::Dynamic,
            prefix: "socket.io".into(),
            specific_responses: false,
            tls_ca_file: String::new(),
            tls_cert_file: String::new(),
            tls_key_file: String::new(),
            timeout_ms: 2_000,
            requests_timeout_ms: 5_000,
            max_requests: 10_000,
            probe_interval_ms: 1_500,
            heartbeat_interval_ms: 2_000,
            node_ttl_ms: 7_000,
            outbox_messages: 10_000,
            outbox_bytes: 16 * 1024 * 1024,
            outbox_age_ms: 30_000,
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
