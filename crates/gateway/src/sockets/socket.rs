//! The socket that the rest of the gateway sees.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use roomcast_adapter::{Adapter, ClientAddress, EmitError};
use roomcast_edge::ConnectionHandle;
use serde_json::{Map, Value, json};
use socketioxide::TransportType;
use socketioxide_core::Sid;
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions, Room};
use socketioxide_core::packet::Packet;

use super::ack::Ack;
use super::arguments::{Arguments, value};
use super::connect::Entry;
use super::dispatch::Dispatch;
use super::emitter::Emitter;
use super::membership::{JoinError, Membership};
use crate::codes::Code;
use crate::config::Per;
use crate::identity::Who;
use crate::limits::Subject;

/// A client's connection to one namespace. Cheap to clone; holding one does not keep the connection.
#[derive(Clone)]
pub struct Socket {
    pub(super) core: Arc<Core>,
}

pub(super) struct Core {
    pub(super) id: Sid,
    pub(super) adapter: Arc<Adapter>,
    /// Weak: this core lives in the handlers that socketioxide's socket owns, a strong reference would be a circle
    /// and leak.
    pub(super) inner: Weak<socketioxide::socket::Socket<Adapter>>,
    pub(super) membership: Membership,
    pub(super) dispatch: Dispatch,
    pub(super) who: Who,
    pub(super) entry: Arc<Entry>,
}

/// How a client is connected at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    Websocket,
}

/// The client is gone, or its queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone or its queue is full")]
pub struct SocketGone;

impl Socket {
    pub(super) fn new(
        inner: &Arc<socketioxide::socket::Socket<Adapter>>,
        adapter: Arc<Adapter>,
        entry: Arc<Entry>,
    ) -> Self {
        Self {
            core: Arc::new(Core {
                id: inner.id,
                adapter,
                inner: Arc::downgrade(inner),
                membership: Membership::default(),
                dispatch: Dispatch::default(),
                who: Who::default(),
                entry,
            }),
        }
    }

    /// The id, as clients and other servers know it.
    #[must_use]
    pub fn id(&self) -> String {
        self.core.id.to_string()
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.core.adapter.namespace()
    }

    /// The present transport, `None` if the client is gone.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        self.core.inner.upgrade().map(|socket| match socket.transport_type() {
            TransportType::Polling => Transport::Polling,
            TransportType::Websocket => Transport::Websocket,
        })
    }

    /// Sends an event to this client.
    ///
    /// # Errors
    /// [`SocketGone`] if the client has gone or its queue is full.
    pub fn emit(&self, event: &str, arguments: impl Into<Arguments>) -> Result<(), SocketGone> {
        let namespace = self.core.adapter.local().path().clone();
        self.send_packet(Packet::event(namespace, arguments.into().into_event_value(event)))
    }

    /// Sends to others than this client, on all nodes.
    #[must_use]
    pub fn emitter(&self) -> Emitter {
        Emitter::new(self.core.entry.bus.clone())
    }

    /// Enters a room; without effect if it is in already.
    ///
    /// # Errors
    /// [`JoinError::Gone`] after the disconnect: nothing is left behind then.
    pub fn join(&self, room: &str) -> Result<(), JoinError> {
        self.join_up_to(room, usize::MAX)
    }

    /// Enters a room if the socket is in fewer than `max`, the one named by its id included.
    pub(crate) fn join_up_to(&self, room: &str, max: usize) -> Result<(), JoinError> {
        // A socket that failed while it was being admitted is told to nobody; its inner socket is just dropped.
        let gone = || self.core.inner.strong_count() == 0;
        if gone() {
            return Err(JoinError::Gone);
        }
        self.core.membership.join(&self.core.adapter, self.core.id, room, max)?;
        if gone() {
            self.core.adapter.local().del_all(self.core.id);
            return Err(JoinError::Gone);
        }
        self.has_moved(room);
        Ok(())
    }

    /// Leaves a room; without effect if it is not in.
    pub fn leave(&self, room: &str) {
        self.core.membership.leave(&self.core.adapter, self.core.id, room);
        self.has_moved(room);
    }

    /// Whether the socket is in a room.
    #[must_use]
    pub fn is_in(&self, room: &str) -> bool {
        self.core.membership.contains(&self.core.adapter, self.core.id, room)
    }

    /// The rooms, the one named by its id included.
    #[must_use]
    pub fn rooms(&self) -> Vec<String> {
        self.core.membership.rooms(&self.core.adapter, self.core.id)
    }

    /// Sends an event, `[event, ...args]` as JSON text, to the others: those in `room`, or all of the namespace, on
    /// all nodes.
    pub(crate) fn relay(
        &self,
        room: Option<&str>,
        json: String,
        attachments: VecDeque<Bytes>,
        volatile: bool,
    ) -> Result<(), EmitError> {
        let mut opts = BroadcastOptions::new(self.core.id);
        opts.add_flag(BroadcastFlags::Broadcast);
        if volatile {
            opts.add_flag(BroadcastFlags::Volatile);
        }
        opts.rooms.extend(room.map(|room| Room::Owned(room.to_owned())));
        let namespace = self.core.adapter.local().path().clone();
        let packet = Packet::event(namespace, value(json, attachments));
        // Clients that could not take it are counted by the adapter.
        self.core.adapter.emit(packet, opts).map(|_| ())
    }

    /// Disconnects from the namespace: the client sees `io server disconnect` and does not come back by itself.
    ///
    /// # Errors
    /// [`SocketGone`] if it has gone already or its queue is full.
    pub fn disconnect(&self) -> Result<(), SocketGone> {
        let socket = self.core.inner.upgrade().ok_or(SocketGone)?;
        socket.disconnect().map_err(|_| SocketGone)
    }

    /// Closes the client's connection, so from all namespaces: what is queued goes out first, the client sees `transport
    /// close` and comes back by itself. Without effect if it has gone already.
    pub fn close(&self) {
        self.close_because(Code::ServerClosed);
    }

    pub(crate) fn close_because(&self, code: Code) {
        if let Some(connection) = self.connection() {
            connection.close(code);
        }
    }

    /// Why the connection ends, for disconnect handlers: `None` if only the namespace was left.
    #[must_use]
    pub fn close_code(&self) -> Option<Code> {
        self.connection().and_then(|connection| connection.code())
    }

    fn connection(&self) -> Option<ConnectionHandle> {
        self.core.inner.upgrade()?.req_parts().extensions.get().cloned()
    }

    pub(super) fn send_packet(&self, packet: Packet) -> Result<(), SocketGone> {
        // socketioxide sends to a socket that is gone without a word.
        if self.core.membership.is_closed() {
            return Err(SocketGone);
        }
        match self.core.adapter.emit_local(packet, BroadcastOptions::new(self.core.id)) {
            0 => Ok(()),
            _ => Err(SocketGone),
        }
    }

    /// Refuses an event: counted, and told to the client if it waits for an answer. The connection stays.
    pub(crate) fn refuse(&self, ack: &Ack, code: Code, message: &str) {
        self.refuse_with(ack, code, message, Map::new());
    }

    /// The same; the answer has more than code and message.
    pub(crate) fn refuse_with(&self, ack: &Ack, code: Code, message: &str, details: Map<String, Value>) {
        let entry = &self.core.entry;
        entry.metrics.refused(code);
        entry.events.refused(ack.known, code);
        ack.trace.refused(code);
        if ack.is_wanted() {
            let mut answer = json!({"ok": false, "code": code.as_str(), "message": message});
            if let Some(answer) = answer.as_object_mut() {
                answer.extend(details);
            }
            ack.send(answer);
        }
    }

    /// What the socket's events are counted for, if it is known.
    pub(crate) fn subject(&self, per: Per) -> Option<Subject> {
        match per {
            Per::Socket => Some(Subject::Socket(self.core.id)),
            Per::User => self.identity().map(|identity| Subject::User(identity.user.clone())),
            Per::Address => {
                let inner = self.core.inner.upgrade()?;
                let ClientAddress(client) = inner.req_parts().extensions.get()?;
                Some(Subject::Address(client.ip().into()))
            }
        }
    }

    pub(crate) fn adapter(&self) -> &Adapter {
        &self.core.adapter
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.core.id)
            .field("namespace", &self.namespace())
            .finish_non_exhaustive()
    }
}
