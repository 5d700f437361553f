//! Where clients and other nodes connect to, and what they may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[server]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Address and port to listen on.
    pub listen: String,
    /// Origins of pages that may connect, besides pages of the node's own host: `https://app.example.com`,
    /// `https://*.example.com` (subdomains), `null` (pages without origin) or `*` (all). Clients that are no browsers send no
    /// origin and are not concerned. Others are refused (`origin_not_allowed`), over any transport.
    pub origins: Vec<String>,
    /// Proxies whose word about a client's address is taken (`Forwarded`, `X-Forwarded-For`): addresses, or networks such as
    /// `10.0.0.0/8`.
    pub trusted_proxies: Vec<String>,
    /// Connections of trusted proxies begin with a PROXY header (version 1 or 2), as HAProxy's `send-proxy` writes it.
    pub proxy_protocol: bool,
    /// File with a certificate chain (PEM), to serve TLS. `SIGHUP` reads both files anew. Empty: no TLS, as behind a load
    /// balancer.
    pub tls_cert_file: String,
    /// File with the key (PEM) to that certificate.
    pub tls_key_file: String,
    /// Secrets by which session ids and requests between nodes are authenticated, at least 32 characters each, the same on
    /// all nodes. The first one signs, all are accepted: to change them, put the new one behind the others on all nodes, then
    /// first. Empty: the nodes agree on one through Redis.
    pub session_keys: Vec<String>,
    /// Most TCP connections at the same time, websockets included. One more is answered with 503 and `Retry-After`.
    pub max_connections: usize,
    /// Most TCP connections from one address (IPv6: from one /64), those of trusted proxies excepted. One more is answered
    /// with 429 and `Retry-After`. 0: no limit.
    pub max_connections_per_address: usize,
    /// Most new TCP connections in a second, counted before TLS is begun. Further ones are answered with 503 and
    /// `Retry-After`, 256 at a time, and closed beyond that. It hits sessions that go on as well, when they poll over new
    /// connections; so it is a fuse, at five times `max_handshakes_per_second`. 0: no limit.
    pub max_connections_per_second: u32,
    /// Most new TCP connections of one address (IPv6: of one /64) in a second, those of trusted proxies excepted. Further
    /// ones are answered with 429 and `Retry-After`, and do not count for `max_connections_per_second`. 0: no limit, since
    /// many people may have one address.
    pub max_connections_per_second_per_address: u32,
    /// Most Engine.IO sessions at the same time, over any transport: one connection can open many by long-polling. One
    /// more is answered with 503 and `Retry-After`.
    pub max_sessions: usize,
    /// Most sessions of one client address (IPv6: of one /64), as trusted proxies tell it. One more is answered with 429 and
    /// `Retry-After`. 0: no limit.
    pub max_sessions_per_address: usize,
    /// Most new sessions in a second. Further ones are answered with 503 and `Retry-After`.
    pub max_handshakes_per_second: u32,
    /// Most new sessions of one client address (IPv6: of one /64) in a second, as trusted proxies tell it. Further ones are
    /// answered with 429 and `Retry-After`, and do not count for `max_handshakes_per_second`. 0: no limit, since many people
    /// may have one address.
    pub max_handshakes_per_second_per_address: u32,
    /// Longest time for the head of a request to arrive, in milliseconds; an idle connection is closed after it, too.
    pub header_timeout_ms: u64,
    /// Largest head of a request, in bytes, at least 8192.
    pub max_header_bytes: usize,
    /// Most headers of a request.
    pub max_headers: usize,
    /// Longest query of a request to the Engine.IO endpoint, in bytes. Clients put `query` there.
    pub max_query_bytes: usize,
    /// Longest time for the body of a request to arrive, in milliseconds.
    pub body_timeout_ms: u64,
    /// A client that takes nothing of what is sent to it for this long is closed (`slow_consumer`), in milliseconds.
    pub write_stall_ms: u64,
    /// How long sent data may stay unacknowledged until the kernel gives a connection up, and after how much silence it asks
    /// whether the peer is still there, in milliseconds.
    pub tcp_timeout_ms: u64,
    /// How long a session that the server closes may take for its last packets, in milliseconds.
    pub close_grace_ms: u64,
    /// When the node is told to stop: from refusing new sessions to closing the first one, in milliseconds, so that the load
    /// balancer notices. A node to which nobody has connected yet does not wait.
    pub drain_delay_ms: u64,
    /// When the node is told to stop: the longest time over which sessions are closed, in milliseconds.
    pub drain_window_ms: u64,
    /// When the node is told to stop: at least so many sessions are closed every 250 ms, so that few need no window.
    pub drain_slice: usize,
    /// Longest wait for requests under way when the node stops, in milliseconds.
    pub shutdown_grace_ms: u64,
    /// Serve the demo chat at `/`.
    pub demo: bool,
}

/// `[internal]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InternalSettings {
    /// Address and port to listen on. Empty: nowhere, and requests that come to the wrong node are not passed on.
    pub listen: String,
    /// Where other nodes reach that: host and port. Empty: as `listen` says, if that is the address of one machine
    /// (not `0.0.0.0`, `[::]` or loopback); else nowhere, and the load balancer must send the requests of a session to its
    /// node.
    pub advertise: String,
    /// Most requests of other nodes' sessions that are under way at the same time, websockets included. Further ones are
    /// answered as if the session were unknown.
    pub max_forwarded: usize,
    /// Longest wait for a connection to another node, in milliseconds.
    pub connect_timeout_ms: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:3000".into(),
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            tls_cert_file: String::new(),
            tls_key_file: String::new(),
            session_keys: Vec::new(),
            max_connections: 50_000,
            max_connections_per_address: 0,
            max_connections_per_second: 10_000,
            max_connections_per_second_per_address: 0,
            max_sessions: 50_000,
            max_sessions_per_address: 0,
            max_handshakes_per_second: 2_000,
            max_handshakes_per_second_per_address: 0,
            header_timeout_ms: 10_000,
            max_header_bytes: 16_384,
            max_headers: 100,
            max_query_bytes: 2_048,
            body_timeout_ms: 10_000,
            write_stall_ms: 10_000,
            tcp_timeout_ms: 20_000,
            close_grace_ms: 3_000,
            drain_delay_ms: 2_000,
            drain_window_ms: 15_000,
            drain_slice: 50,
            shutdown_grace_ms: 1_000,
            demo: true,
        }
    }
}

impl Default for InternalSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:3100".into(),
            advertise: String::new(),
            max_forwarded: 10_000,
            connect_timeout_ms: 1_000,
        }
    }
}
