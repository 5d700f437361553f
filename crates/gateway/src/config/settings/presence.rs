//! Who is shown to be in a room.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[namespaces.presence]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceSettings {
    /// Rooms whose members see each other: names, or beginnings followed by `*` such as `room:*`. Who joins is told who is
    /// there, and members hear who comes and goes (the event `presence`), on all nodes. Empty: no rooms.
    pub rooms: Vec<String>,
    /// A user whose last connection has ended stays in its rooms for so long, in milliseconds: nobody hears of it if it is
    /// back by then. Who leaves a room is gone at once.
    pub linger_ms: u64,
    /// Of rooms with more members only the count is told, at most once a second; 0: of all rooms.
    pub max_listed: usize,
    /// Claims of a member's identity that the others see, besides the name of the user; together at most 1024 bytes of
    /// JSON.
    pub info_claims: Vec<String>,
    /// Most members that a node keeps in mind, in all rooms of the namespace and on all nodes; more are not counted
    /// (`roomcast_presence_dropped_total`). Each node keeps all of them, a few hundred bytes for each.
    pub max_entries: usize,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self { rooms: vec![], linger_ms: 2_000, max_listed: 100, info_claims: vec![], max_entries: 100_000 }
    }
}
