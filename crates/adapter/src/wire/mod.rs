//! The bytes on the bus: what Node's `@socket.io/redis-adapter` 8.x writes and reads, and nothing else.
//!
//! Broadcasts are MessagePack arrays ([`broadcast`]), requests and responses are JSON, or MessagePack where they
//! carry a client's payload ([`request`], [`response`]). Event arguments live in Socket.IO packets as JSON text with
//! placeholders for binary attachments, and on the bus as plain MessagePack: [`to_msgpack`] and [`to_json`] turn one
//! into the other in one pass, without building a tree.

pub mod broadcast;
pub mod channel;
mod lenient;
pub mod payload;
pub mod reader;
pub mod request;
pub mod response;
pub mod sharded;
pub mod text;
pub mod to_json;
pub mod to_msgpack;
pub mod uid;

#[cfg(test)]
#[path = "tests/golden.rs"]
mod golden;
#[cfg(test)]
#[path = "tests/sharded.rs"]
mod golden_sharded;

/// How deep arrays and maps may nest, on the bus and from clients. `serde_json` has the same limit.
pub const MAX_DEPTH: usize = 127;

/// Why bytes from the bus, or an event for the bus, could not be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The input ended in the middle of a value.
    #[error("message ends in the middle of a value")]
    Truncated,
    /// Bytes were left after the message.
    #[error("message has bytes after its end")]
    Trailing,
    /// Arrays or maps nest deeper than [`MAX_DEPTH`].
    #[error("message nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A part of the message has another type or shape than the protocol says.
    #[error("{0} has the wrong type or shape")]
    Shape(&'static str),
    /// A string is not UTF-8.
    #[error("string is not valid UTF-8")]
    Utf8,
    /// JSON text that does not parse.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// Binary placeholders and attachments do not fit together.
    #[error("binary placeholders do not match the attachments")]
    Placeholders,
}
