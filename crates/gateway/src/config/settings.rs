//! Every setting, its meaning and its default. The doc comments are what users read: they become the comments of the
//! sample file and the texts of `docs/config.md`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All settings of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who this node is.
    pub node: NodeSettings,
    /// The HTTP server that clients and the load balancer connect to.
    pub server: ServerSettings,
    /// Engine.IO and Socket.IO; the defaults are those of Node's socket.io.
    pub socketio: SocketIoSettings,
    /// The bus that joins the nodes.
    pub redis: RedisSettings,
    /// What is logged, and how. Logs go to standard error.
    pub log: LogSettings,
    /// The namespaces. A file that declares any replaces this whole list. Without a namespace `/`, clients older than
    /// Socket.IO 3 cannot connect at all.
    pub namespaces: Vec<NamespaceSettings>,
}

/// `[node]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSettings {
    /// Short name of this node, unique in the cluster: 1 to 32 of `a-z`, `0-9`, `-`. Clients can see it (`whoami`).
    pub name: String,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Address and port to listen on.
    pub listen: String,
    /// Most TCP connections at the same time, websockets included. One more is answered with 503 and `Retry-After`.
    pub max_connections: usize,
    /// Most Engine.IO sessions at the same time, over any transport: one connection can open many by long-polling. One
    /// more is answered with 503 and `Retry-After`.
    pub max_sessions: usize,
    /// Longest time for the head of a request to arrive, in milliseconds; an idle connection is closed after it, too.
    pub header_timeout_ms: u64,
    /// Longest wait for requests under way when the node stops, in milliseconds.
    pub shutdown_grace_ms: u64,
    /// Serve the demo chat at `/`.
    pub demo: bool,
}

/// `[socketio]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIoSettings {
    /// Path of the Engine.IO endpoint; the client's option `path`.
    pub path: String,
    /// How often the server pings a client, in milliseconds. With the next key the longest silence of a connection: the
    /// timeouts of load balancers must be longer than both together.
    pub ping_interval_ms: u64,
    /// A client that does not answer a ping for this long is disconnected, in milliseconds.
    pub ping_timeout_ms: u64,
    /// Longest time for an upgrade from long-polling to websocket, in milliseconds.
    pub upgrade_timeout_ms: u64,
    /// Longest time between opening a session and connecting to a namespace, in milliseconds. A session that ends
    /// before it has connected counts for `max_sessions` until then.
    pub connect_timeout_ms: u64,
    /// Largest packet a client may send, in bytes, over any transport; Node's `maxHttpBufferSize`.
    pub max_payload_bytes: usize,
    /// Most binary values in one packet. Clients refuse to read more than 10.
    pub max_attachments: usize,
    /// Most packets that wait for one client. What does not fit is dropped and counted
    /// (`roomcast_bus_dropped_total{reason="client_queue"}`).
    pub send_queue_packets: usize,
    /// Most events of one socket that wait for a slow handler. Further ones are refused (`busy`).
    pub event_queue: usize,
    /// Longest time for handlers that admit a client or say goodbye to one, in milliseconds.
    pub handler_timeout_ms: u64,
    /// How long to wait for a client's acknowledgement if the asker does not say, in milliseconds.
    pub ack_timeout_ms: u64,
}

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

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives per module such as `info,roomcast_adapter=debug`.
    pub level: String,
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum LogFormat {
    Text,
    Json,
}

/// `[[namespaces]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceSettings {
    /// Path of the namespace; starts with `/`. Namespaces hear nothing of each other.
    pub path: String,
    /// Rooms that clients may join: names, or beginnings followed by `*` such as `room:*`.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// Most rooms one socket may be in. Joining more is refused (`too_many_rooms`).
    #[serde(default = "default_max_rooms")]
    pub max_rooms_per_socket: usize,
    /// The events that clients may send, besides the built-in `join`, `leave` and `whoami`.
    #[serde(default)]
    pub events: Vec<EventSettings>,
}

/// `[[namespaces.events]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// Name of the event.
    pub name: String,
    /// Who gets it. `room`: the other members of the room that is its first argument. `namespace`: everybody else in
    /// the namespace.
    #[serde(default = "default_to")]
    pub to: To,
    /// Who may send it. `members`: who has joined the room. `anyone`: every client, to any room that `rooms` allows.
    /// `server`: no client, only other servers and emitters.
    #[serde(default = "default_publish")]
    pub publish: Publish,
    /// A receiver that is not ready loses it instead of queueing it: only the latest counts.
    #[serde(default)]
    pub volatile: bool,
    /// Binary arguments are allowed.
    #[serde(default)]
    pub binary: bool,
    /// Largest size of the event, in bytes: its JSON text and its binary values.
    #[serde(default = "default_event_bytes")]
    pub max_payload_bytes: usize,
}

/// Who gets an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum To {
    Room,
    Namespace,
}

/// Who may send an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum Publish {
    Members,
    Anyone,
    Server,
}

fn default_max_rooms() -> usize {
    100
}
fn default_to() -> To {
    To::Room
}
fn default_publish() -> Publish {
    Publish::Members
}
fn default_event_bytes() -> usize {
    65_536
}

impl NamespaceSettings {
    /// A namespace without rooms and events.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), rooms: vec![], max_rooms_per_socket: default_max_rooms(), events: vec![] }
    }
}

impl EventSettings {
    /// An event from members of a room to its other members.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            to: default_to(),
            publish: default_publish(),
            volatile: false,
            binary: false,
            max_payload_bytes: default_event_bytes(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: NodeSettings::default(),
            server: ServerSettings::default(),
            socketio: SocketIoSettings::default(),
            redis: RedisSettings::default(),
            log: LogSettings::default(),
            namespaces: default_namespaces(),
        }
    }
}

/// A lobby, a chat, and a place where only servers speak.
fn default_namespaces() -> Vec<NamespaceSettings> {
    let strings = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    vec![
        NamespaceSettings {
            events: vec![EventSettings { to: To::Namespace, ..EventSettings::new("message") }],
            ..NamespaceSettings::new("/")
        },
        NamespaceSettings {
            rooms: strings(&["paris", "lyon", "room:*"]),
            events: vec![
                EventSettings::new("message"),
                EventSettings { volatile: true, ..EventSettings::new("typing") },
                EventSettings { binary: true, max_payload_bytes: 700_000, ..EventSettings::new("file") },
                // The demo page tells by it who is in a room.
                EventSettings::new("here"),
            ],
            ..NamespaceSettings::new("/chat")
        },
        NamespaceSettings {
            events: vec![EventSettings {
                to: To::Namespace,
                publish: Publish::Server,
                ..EventSettings::new("announcement")
            }],
            ..NamespaceSettings::new("/public")
        },
    ]
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self { name: "node-1".into() }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:3000".into(),
            max_connections: 50_000,
            max_sessions: 50_000,
            header_timeout_ms: 10_000,
            shutdown_grace_ms: 1_000,
            demo: true,
        }
    }
}

impl Default for SocketIoSettings {
    fn default() -> Self {
        Self {
            path: "/socket.io".into(),
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            upgrade_timeout_ms: 10_000,
            connect_timeout_ms: 45_000,
            max_payload_bytes: 1_000_000,
            max_attachments: 10,
            send_queue_packets: 512,
            event_queue: 64,
            handler_timeout_ms: 5_000,
            ack_timeout_ms: 5_000,
        }
    }
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

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}
