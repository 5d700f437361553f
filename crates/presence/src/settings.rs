//! What may be chosen, and the bounds that may not.

/// How often each node says how far it is. Who hears a node for no longer than this has missed something at most.
pub const DIGEST_MS: u64 = 2_000;

/// Most entries in one message.
pub const MAX_BATCH: usize = 500;

/// Longest name of a room, a user, a socket or a node, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// Longest JSON text of what is shown about a member, in bytes.
pub const MAX_INFO_BYTES: usize = 1024;

/// Most other nodes that are listened to.
pub const MAX_NODES: usize = 1_000;

/// Changes wait so long for each other before they are published, in milliseconds.
pub(crate) const PUBLISH_MS: u64 = 20;

/// Changes of a room wait so long for each other before clients are told, in milliseconds.
pub(crate) const FLUSH_MS: u64 = 100;

/// Rooms that are too big for lists are told of so often at most, in milliseconds.
pub(crate) const COUNTS_MS: u64 = 1_000;

/// Time from one part of a whole state to the next, in milliseconds.
pub(crate) const PACE_MS: u64 = 10;

/// Shortest time from one question to a node to the next, and from one whole state of this node to the next.
pub(crate) const ASK_MS: u64 = 1_000;

/// A state of which no part came for so long will not go on, in milliseconds.
pub(crate) const STALLED_MS: u64 = 3_000;

/// Changes that wait to be published; beyond that the others have to ask for everything.
pub(crate) const MAX_CHANGED: usize = 20_000;

/// Settings of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "built by whoever has a configuration")]
pub struct Settings {
    /// A user whose last socket was disconnected stays for so long, in milliseconds.
    pub linger_ms: u64,
    /// Rooms with more members are told of by count alone.
    pub max_listed: usize,
    /// Most entries (a member of a room by what one node says), those of other nodes included.
    pub max_entries: usize,
    /// What may be shown about a member; whatever else another node tells is left out.
    pub info: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { linger_ms: 2_000, max_listed: 100, max_entries: 100_000, info: Vec::new() }
    }
}
