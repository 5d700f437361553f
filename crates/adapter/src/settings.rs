//! How to reach Redis and how to speak on it, and the limits while it cannot be reached.

use std::time::Duration;

use crate::bus::BusError;
use crate::protocol::Mode;
use crate::redis::target::Target;

/// Settings of a [`Bus`](crate::Bus) over Redis. Start from [`new`](Self::new) and change what differs.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisSettings {
    /// - `redis://[user[:password]@]host[:port][/db]`: one server;
    /// - `redis-cluster://[user[:password]@]host[:port][,host[:port]...]`: a Redis Cluster, with some of its servers;
    /// - `redis-sentinel://[user[:password]@]host[:port][,...][/db]#master`: the sentinels, and the name they know the
    ///   master by.
    ///
    /// `rediss`, `rediss-cluster` and `rediss-sentinel` are the same over TLS.
    pub url: String,
    /// How messages are laid out on Redis; all servers of a cluster must agree. Default [`Mode::Classic`].
    pub mode: Mode,
    /// Prefix of all channels; Node's adapters and emitters call it `key`, or `channelPrefix`. Default `socket.io`.
    pub prefix: String,
    /// Answer each request on a channel of its asker, as Node's `publishOnSpecificResponseChannel`. Only in
    /// [`Mode::Classic`]; servers with either setting understand each other. Default off.
    pub specific_responses: bool,
    /// The program calls [`Adapter::rooms_changed`](crate::Adapter::rooms_changed) when sockets join and leave. Without,
    /// all rooms are gone through, again and again, to see which of them need a channel. Default off.
    pub rooms_are_told: bool,
    /// Certificate authorities (PEM) to trust instead of those of the system.
    pub tls_ca: Option<Vec<u8>>,
    /// Certificate chain and key (PEM) that identify this node to Redis.
    pub tls_identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Longest wait for a connection to be set up, or for an answer of Redis. Default 2 s.
    pub timeout: Duration,
    /// Longest wait for the answers of other servers, where the request does not say. Default 5 s.
    pub requests_timeout: Duration,
    /// Most requests that wait for answers at the same time; one more is answered by this node alone. Default 10 000.
    pub max_requests: usize,
    /// How often the node proves that it hears what it publishes. Default 1.5 s.
    pub probe_interval: Duration,
    /// How often the node renews its entry in the registry. Default 2 s.
    pub heartbeat_interval: Duration,
    /// A node whose entry was not renewed for so long is gone. Default 7 s.
    pub node_ttl: Duration,
    /// Short name of this node, for people. Default empty.
    pub node_name: String,
    /// Where this node can be reached by the others, if it can. Default empty.
    pub node_address: String,
    /// Most messages that wait to be published. Default 10 000.
    pub outbox_messages: usize,
    /// Most bytes that wait to be published. Default 16 MiB.
    pub outbox_bytes: usize,
    /// A message that waited longer is not published any more. Default 30 s.
    pub outbox_age: Duration,
}

impl RedisSettings {
    /// The defaults, with this URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            mode: Mode::Classic,
            prefix: "socket.io".into(),
            specific_responses: false,
            rooms_are_told: false,
            tls_ca: None,
            tls_identity: None,
            timeout: Duration::from_secs(2),
            requests_timeout: Duration::from_secs(5),
            max_requests: 10_000,
            probe_interval: Duration::from_millis(1500),
            heartbeat_interval: Duration::from_secs(2),
            node_ttl: Duration::from_secs(7),
            node_name: String::new(),
            node_address: String::new(),
            outbox_messages: 10_000,
            outbox_bytes: 16 * 1024 * 1024,
            outbox_age: Duration::from_secs(30),
        }
    }

    /// Whether the URL makes sense; Redis is not asked.
    ///
    /// # Errors
    /// [`BusError`] if it does not.
    pub fn check(&self) -> Result<(), BusError> {
        Target::parse(&self.url)?;
        Ok(())
    }
}

impl std::fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password, the identity is a secret.
        f.debug_struct("RedisSettings")
            .field("mode", &self.mode)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
