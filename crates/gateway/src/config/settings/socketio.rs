//! The protocols.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[socketio]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIoSettings {
    /// Path of the Engine.IO endpoint; the client's option `path`.
    pub path: String,
    /// Transports that are served. Clients that insist on another one are told so (`transport_off`).
    pub transports: Vec<TransportName>,
    /// Serve clients of Socket.IO 2.x (Engine.IO 3).
    pub allow_eio3: bool,
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
    /// Most packets in one request of a client that polls.
    pub max_packets_per_payload: usize,
    /// Most namespaces that one session may be in. Further ones are refused (`too_many_namespaces`).
    pub max_namespaces: u32,
    /// How often one session may connect to a namespace in a second, after `max_namespaces` at once; more are refused
    /// (`too_many_connects`). Each asks who the client is.
    pub max_connects_per_second: u32,
    /// Headers of the request that opened a session that are kept for as long as it lives: what other servers see of it in
    /// `fetchSockets`, and handlers in the program. All others are forgotten: they cost memory.
    pub handshake_headers: Vec<String>,
    /// Most binary values in one packet. Clients refuse to read more than 10.
    pub max_attachments: usize,
    /// Most packets that wait for one client. A client for which one more comes is closed (`slow_consumer`): it has lost
    /// something, and comes back by itself.
    pub send_queue_packets: usize,
    /// Most events of one socket that wait for a slow handler. Further ones are refused (`busy`).
    pub event_queue: usize,
    /// Longest time for handlers that admit a client or say goodbye to one, in milliseconds.
    pub handler_timeout_ms: u64,
    /// How long to wait for a client's acknowledgement if the asker does not say, in milliseconds.
    pub ack_timeout_ms: u64,
}

/// A transport of Engine.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the names of the protocol")]
pub enum TransportName {
    Polling,
    Websocket,
}

impl Default for SocketIoSettings {
    fn default() -> Self {
        Self {
            path: "/socket.io".into(),
            transports: vec![TransportName::Polling, TransportName::Websocket],
            allow_eio3: true,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            upgrade_timeout_ms: 10_000,
            connect_timeout_ms: 45_000,
            max_payload_bytes: 1_000_000,
            max_packets_per_payload: 10_000,
            max_namespaces: 100,
            max_connects_per_second: 10,
            handshake_headers: ["host", "origin", "user-agent"].map(str::to_owned).into(),
            max_attachments: 10,
            send_queue_packets: 2048,
            event_queue: 64,
            handler_timeout_ms: 5_000,
            ack_timeout_ms: 5_000,
        }
    }
}
