//! What a program does with the sockets of a namespace on all servers: Socket.IO's broadcast operators, with what
//! socketioxide's own cannot say.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions, Room};
use socketioxide_core::packet::Packet;
use socketioxide_core::parser::Parse;

use crate::acks;
use crate::adapter::{Adapter, EmitError};
use crate::ask::{Answer, Missing, Pending};
use crate::chosen::wire_target;
use crate::metrics::Asked;
use crate::profile::{self, RemoteSocket};
use crate::protocol::Outgoing;
use crate::serve;
use crate::server_side::Reply;
use crate::wire::WireError;
use crate::wire::request::Request;

/// The answers of several servers, and who did not answer in time. Never fails whole because one server is away.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answers<T> {
    /// What came, in the order in which it came.
    pub items: Vec<T>,
    /// Servers that did not answer.
    pub missing: Missing,
}

/// The acknowledgements of clients on all servers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Acks {
    /// The first argument of each acknowledgement, in the order in which they came.
    pub replies: Vec<Reply>,
    /// How many clients the event was sent to, as far as the servers have said.
    pub expected: u64,
    /// Servers that did not say how many clients they have.
    pub missing: Missing,
}

impl Acks {
    /// Whether every client of every server has acknowledged.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_none() && self.replies.len() as u64 == self.expected
    }
}

/// Chosen sockets of a namespace, on all servers; see [`Namespace`](crate::Namespace).
#[derive(Debug, Clone)]
#[must_use = "nothing happens until it is told what to do with the sockets"]
pub struct Operator {
    adapter: Arc<Adapter>,
    opts: BroadcastOptions,
    timeout: Option<Duration>,
}

impl Operator {
    pub(crate) fn with(adapter: Arc<Adapter>, opts: BroadcastOptions) -> Self {
        Self { adapter, opts, timeout: None }
    }

    /// Only sockets in this room, or in one of those named so far. A socket's id is the room that it is alone in.
    pub fn to(mut self, room: impl Into<String>) -> Self {
        self.opts.rooms.push(Room::Owned(room.into()));
        self
    }

    /// Not the sockets in this room.
    pub fn except(mut self, room: impl Into<String>) -> Self {
        self.opts.except.push(Room::Owned(room.into()));
        self
    }

    /// Only sockets of this node.
    pub fn local(mut self) -> Self {
        self.opts.add_flag(BroadcastFlags::Local);
        self
    }

    /// A client that is not ready to receive loses the event.
    pub fn volatile(mut self) -> Self {
        self.opts.add_flag(BroadcastFlags::Volatile);
        self
    }

    /// How long to wait for answers.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends an event. A tuple is several arguments, as in socketioxide; [`Bytes`](bytes::Bytes) are binary.
    ///
    /// # Errors
    /// [`EmitError`] if the data cannot be encoded; then nobody gets it.
    pub fn emit<T: Serialize + ?Sized>(self, name: &str, data: &T) -> Result<(), EmitError> {
        let packet = packet(&self.adapter, name, data)?;
        self.emit_packet(packet)
    }

    /// The same for a packet that exists already.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_packet(self, packet: Packet) -> Result<(), EmitError> {
        // Clients that could not take it are counted.
        self.adapter.emit(packet, self.opts).map(|_| ())
    }

    /// Sends an event and collects the clients' acknowledgements, until all have come or the time is up.
    ///
    /// # Errors
    /// [`EmitError`] if the data cannot be encoded; then nobody gets it.
    pub async fn emit_with_ack<T: Serialize + ?Sized>(self, name: &str, data: &T) -> Result<Acks, EmitError> {
        let packet = packet(&self.adapter, name, data)?;
        self.emit_packet_with_ack(packet).await
    }

    /// The same for a packet that exists already.
    ///
    /// # Errors
    /// As [`emit_with_ack`](Self::emit_with_ack).
    pub async fn emit_packet_with_ack(self, packet: Packet) -> Result<Acks, EmitError> {
        let Self { adapter, opts, timeout } = self;
        let timeout = timeout.unwrap_or(adapter.bus().requests_timeout());
        let mut replies = Vec::new();
        let (expected, missing) = acks::collect(&adapter, packet, opts, timeout, |_, ack| {
            if let Ok(args) = ack {
                replies.extend(acks::reply(&args));
            }
        })
        .await?;
        Ok(Acks { replies, expected, missing })
    }

    /// The chosen sockets with all that is known of them.
    pub async fn fetch_sockets(self) -> Answers<RemoteSocket> {
        let adapter = &self.adapter;
        let here = adapter.local().sockets(self.opts.clone());
        let mut sockets: Vec<Json> = here.into_iter().map(|sid| profile::entry(adapter, sid)).collect();
        let target = wire_target(&self.opts);
        let missing = if adapter.leaves_node(&self.opts) {
            let question = |id: &str| adapter.protocol().request(Some(id), Request::Fetch(target));
            let asked = collect(adapter, Asked::FetchSockets, self.timeout, question, |answer| {
                if let Answer::Sockets(more) = answer {
                    sockets.extend(more);
                }
            })
            .await;
            // Names can always be written.
            asked.unwrap_or_default()
        } else {
            Missing::default()
        };
        let read = |socket| serde_json::from_value(socket).ok();
        Answers { items: sockets.into_iter().filter_map(read).collect(), missing }
    }

    /// Makes the chosen sockets join rooms.
    pub fn join<R: Into<String>>(self, rooms: impl IntoIterator<Item = R>) {
        let rooms: Vec<String> = rooms.into_iter().map(Into::into).collect();
        self.adapter.ask_others(&self.opts, |target| Request::Join(target, rooms.clone()));
        self.adapter.join_here(self.opts, rooms);
    }

    /// Makes the chosen sockets leave rooms.
    pub fn leave<R: Into<String>>(self, rooms: impl IntoIterator<Item = R>) {
        let rooms: Vec<String> = rooms.into_iter().map(Into::into).collect();
        self.adapter.ask_others(&self.opts, |target| Request::Leave(target, rooms.clone()));
        self.adapter.leave_here(self.opts, rooms);
    }

    /// Disconnects the chosen sockets from the namespace, with `close` from all namespaces, which ends the connection.
    pub fn disconnect(self, close: bool) {
        self.adapter.ask_others(&self.opts, |target| Request::Disconnect(target, close));
        serve::disconnect(&self.adapter, self.opts, close);
    }
}

/// Asks the other servers and collects what comes. Fails only if the question cannot be written.
pub(crate) async fn collect(
    adapter: &Arc<Adapter>,
    asked: Asked,
    timeout: Option<Duration>,
    question: impl FnOnce(&str) -> Result<Outgoing, WireError>,
    mut take: impl FnMut(Answer),
) -> Result<Missing, WireError> {
    if adapter.bus().is_alone() {
        return Ok(Missing::default());
    }
    match Pending::ask(adapter, asked, timeout, question).await? {
        Ok(mut pending) => {
            while let Some(answer) = pending.next().await {
                take(answer);
            }
            Ok(pending.end(true))
        }
        Err(missing) => Ok(missing),
    }
}

/// An event as a packet. A tuple is several arguments.
pub(crate) fn packet<T: Serialize + ?Sized>(
    adapter: &Adapter,
    name: &str,
    data: &T,
) -> Result<Packet, EmitError> {
    let value = adapter.local().parser().encode_value(data, Some(name)).map_err(EmitError::Data)?;
    Ok(Packet::event(adapter.local().path().clone(), value))
}
