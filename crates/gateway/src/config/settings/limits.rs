//! How often clients may send events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[namespaces.limits]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Name of the limit, for metrics and messages: 1 to 32 of `a-z`, `0-9`, `-`.
    #[schemars(example = &"talk")]
    pub name: String,
    /// The events that it counts, all together; `join`, `leave`, `whoami`, `refresh` and `presence` may be among them. Empty: every event
    /// that a client sends, also those that are refused.
    #[serde(default)]
    pub events: Vec<String>,
    /// Whose events are counted together. `socket`: those of one socket. `user`: those of all sockets of one user
    /// (`namespaces.identity`). `address`: those of all sockets of one client address; IPv6 addresses by their /64 network.
    #[serde(default = "default_per")]
    pub per: Per,
    /// So many events may come in `interval_ms`.
    #[schemars(example = 10)]
    pub count: u32,
    /// In this time, in milliseconds.
    #[serde(default = "default_interval")]
    pub interval_ms: u64,
    /// So many may come at once; 0: `count`. With more than that, clients that were quiet may catch up.
    #[serde(default)]
    pub burst: u32,
    /// An event that goes to many counts for more: once for each so many receivers, estimated from the members that this
    /// node has; 0: every event counts once.
    #[serde(default)]
    pub receivers_per_count: u32,
    /// Where it is counted. `node`: each node counts for itself. `cluster`: all nodes together, through Redis; while Redis is
    /// away each node counts for itself.
    #[serde(default = "default_scope")]
    pub scope: Scope,
    /// What happens to an event too many. `reject`: it is refused (`rate_limited`), and the acknowledgement has
    /// `retry_after_ms`. `drop`: nothing is answered. `disconnect`: the client's connection is closed (`flood`).
    #[serde(default = "default_action")]
    pub action: LimitAction,
    /// Only count what would be refused, to find out the right numbers.
    #[serde(default)]
    pub dry_run: bool,
    /// Most sockets, users or addresses that are remembered at the same time. Further ones are not limited until there is
    /// room again, so that nobody can be shut out by others.
    #[serde(default = "default_max_keys")]
    pub max_keys: usize,
}

/// Whose events are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum Per {
    Socket,
    User,
    Address,
}

/// Where events are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum Scope {
    Node,
    Cluster,
}

/// What happens to an event too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum LimitAction {
    Reject,
    Drop,
    Disconnect,
}

fn default_per() -> Per {
    Per::Socket
}
fn default_interval() -> u64 {
    1_000
}
fn default_scope() -> Scope {
    Scope::Node
}
fn default_action() -> LimitAction {
    LimitAction::Reject
}
fn default_max_keys() -> usize {
    100_000
}

impl LimitSettings {
    /// So many events a second from each socket.
    #[must_use]
    pub fn new(name: impl Into<String>, count: u32) -> Self {
        Self {
            name: name.into(),
            events: vec![],
            per: default_per(),
            count,
            interval_ms: default_interval(),
            burst: 0,
            receivers_per_count: 0,
            scope: default_scope(),
            action: default_action(),
            dry_run: false,
            max_keys: default_max_keys(),
        }
    }
}
