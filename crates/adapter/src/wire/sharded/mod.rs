//! What servers with Node's sharded adapter (`createShardedAdapter`) tell each other: `{type, data, uid, nsp}` as JSON,
//! or as MessagePack if a client's value in it holds binary. The first byte tells which.
//!
//! Requests and responses are the same kind of message here; a response goes to the channel of who asked.

mod decode;
pub mod encode;

use super::broadcast::Target;
use super::payload::Payload;

pub use decode::decode;

/// A message with who sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The sending adapter's uid.
    pub uid: String,
    /// The namespace; `None` if it is missing or null, which matches none.
    pub namespace: Option<String>,
    /// What is said.
    pub message: Message<'a>,
}

/// The messages. The numbers are the `type` on the wire.
///
/// Request ids are text here. A number, which Node never writes, becomes its text. A null is taken for no id at all:
/// Node would answer it, but a server that writes null for what it does not have waits for no answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// 3: an event for clients.
    Broadcast {
        /// `[event, ...args]`.
        data: Payload<'a>,
        /// The receivers.
        target: Target,
        /// Present if acknowledgements are wanted.
        request_id: Option<String>,
    },
    /// 4: make sockets join rooms.
    Join(Target, Vec<String>),
    /// 5: make sockets leave rooms.
    Leave(Target, Vec<String>),
    /// 6: disconnect sockets; `true` closes their connection as well.
    Disconnect(Target, bool),
    /// 7: the sockets with all that is known of them are wanted.
    Fetch {
        /// Which sockets.
        target: Target,
        /// Ties the responses to the request.
        request_id: String,
    },
    /// 8: to [`Fetch`](Self::Fetch).
    FetchResponse {
        /// The request that it answers.
        request_id: String,
        /// A list with one object for each socket. It can be large, so it is left as it is until it is known that
        /// somebody waits for it.
        sockets: Payload<'a>,
    },
    /// 9: an event for the other servers.
    ServerSideEmit {
        /// `[event, ...args]`.
        data: Payload<'a>,
        /// Present if answers are wanted.
        request_id: Option<String>,
    },
    /// 10: to [`ServerSideEmit`](Self::ServerSideEmit).
    ServerSideEmitResponse {
        /// The request that it answers.
        request_id: String,
        /// The callback's argument, if it had one.
        data: Option<Payload<'a>>,
    },
    /// 11: to [`Broadcast`](Self::Broadcast), first: how many clients will acknowledge.
    ClientCount {
        /// The request that it answers.
        request_id: String,
        /// The number of clients.
        count: u64,
    },
    /// 12: to [`Broadcast`](Self::Broadcast): a client's acknowledgement.
    Ack {
        /// The request that it answers.
        request_id: String,
        /// The first argument, if there was one.
        data: Option<Payload<'a>>,
    },
    /// Heartbeats (1, 2) and goodbyes (13), which this adapter has no use for, and types of later versions: to be
    /// ignored.
    Unknown(u64),
}

/// The `type` of each message.
mod kind {
    pub(super) const BROADCAST: u64 = 3;
    pub(super) const JOIN: u64 = 4;
    pub(super) const LEAVE: u64 = 5;
    pub(super) const DISCONNECT: u64 = 6;
    pub(super) const FETCH: u64 = 7;
    pub(super) const FETCH_RESPONSE: u64 = 8;
    pub(super) const SERVER_SIDE_EMIT: u64 = 9;
    pub(super) const SERVER_SIDE_EMIT_RESPONSE: u64 = 10;
    pub(super) const CLIENT_COUNT: u64 = 11;
    pub(super) const ACK: u64 = 12;
}
