//! Every setting, its meaning and its default. The doc comments are what users read: they become the comments of the
//! sample file and the texts of `docs/config.md`.

mod identity;
mod limits;
mod namespaces;
mod presence;
mod redis;
mod server;
mod socketio;
mod telemetry;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use identity::{Expire, IdentityKind, IdentitySettings, JwtSettings, TokenFrom, WebhookSettings};
pub use limits::{LimitAction, LimitSettings, Per, Scope};
pub use namespaces::{EventSettings, NamespaceSettings, Publish, To};
pub use presence::PresenceSettings;
pub use redis::{RedisMode, RedisSettings, Subscriptions};
pub use server::{InternalSettings, ServerSettings};
pub use socketio::{SocketIoSettings, TransportName};
pub use telemetry::TelemetrySettings;
pub use text::{ControlCharacters, Html, TextSettings};

/// All settings of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who this node is.
    pub node: NodeSettings,
    /// The HTTP server that clients and the load balancer connect to.
    pub server: ServerSettings,
    /// The HTTP server for operators and other nodes: `/metrics`, `/live`, `/ready`, `/rules`, `/reload`, `/drain`, and requests of clients that
    /// came to the wrong node. Keep it away from clients.
    pub internal: InternalSettings,
    /// Engine.IO and Socket.IO; the defaults are those of Node's socket.io.
    pub socketio: SocketIoSettings,
    /// The bus that joins the nodes.
    pub redis: RedisSettings,
    /// What is logged, and how. Logs go to standard error.
    pub log: LogSettings,
    /// Spans of some events and connections, for a collector of OpenTelemetry (docs/telemetry.md).
    pub telemetry: TelemetrySettings,
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
    /// Short name of this node in the session ids of clients, for load balancers that route by them: 4 of `a-z`, `0-9`,
    /// unique in the cluster. Empty: derived from `name`, which is as good where no load balancer looks at it.
    pub tag: String,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives per module such as `info,roomcast_adapter=debug`. `debug` and
    /// `trace` alone are for Roomcast's own modules: those of libraries would write what clients say into the log.
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: NodeSettings::default(),
            server: ServerSettings::default(),
            internal: InternalSettings::default(),
            socketio: SocketIoSettings::default(),
            redis: RedisSettings::default(),
            log: LogSettings::default(),
            telemetry: TelemetrySettings::default(),
            namespaces: namespaces::default_namespaces(),
        }
    }
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self { name: "node-1".into(), tag: String::new() }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}
