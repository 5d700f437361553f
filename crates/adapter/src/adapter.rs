//! The adapter of one namespace: what socketioxide calls, and what the gateway calls directly.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use socketioxide::adapter::Emitter;
use socketioxide_core::adapter::errors::{BroadcastError, SocketError};
use socketioxide_core::adapter::{
    BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, RemoteSocketData, Room, RoomParam,
};
use socketioxide_core::packet::{Packet, PacketData};
use socketioxide_core::parser::ParserError;
use socketioxide_core::{Sid, Value};

use crate::acks::{self, AckStream};
use crate::ask::Asks;
use crate::bus::{Bus, Overflow};
use crate::chosen::{to_rooms, wire_target};
use crate::metrics::Dropped;
use crate::namespace::Namespace;
use crate::operator::Operator;
use crate::protocol::Protocol;
use crate::rooms::Suspects;
use crate::server_side::{Handlers, ServerEvent};
use crate::status::BusState;
use crate::wire::WireError;
use crate::wire::broadcast::Target;
use crate::wire::request::Request;

/// The sockets and rooms of one namespace on this node.
pub type Local = CoreLocalAdapter<Emitter>;

/// An event that could not be sent at all; nobody got it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The event cannot be translated for the bus: malformed JSON, or placeholders without attachment.
    #[error("event cannot be encoded: {0}")]
    Encode(#[from] WireError),
    /// The packet is not an event with JSON text: only the common parser is supported.
    #[error("only events of the common parser can be broadcast")]
    NotAnEvent,
    /// The data cannot be serialised.
    #[error("data cannot be serialised: {0}")]
    Data(ParserError),
}

/// Clients count from 0, and some read the number into 32 bits.
const NOBODYS_ACK: i64 = i32::MAX as i64;

/// A namespace's adapter over a [`Bus`]; see the crate's documentation.
pub struct Adapter {
    local: Local,
    bus: Bus,
    protocol: Protocol,
    room_changes: AtomicU64,
    asks: Asks,
    handlers: Handlers,
    suspects: Suspects,
    /// Itself, for what outlives a call.
    me: OnceLock<Weak<Self>>,
}

impl Adapter {
    /// Broadcasts an event: once encoded to the bus, and at once to the local clients. Does not wait for Redis and
    /// keeps the order of the calls. Returns how many local clients could not take it (queue full or gone).
    ///
    /// # Errors
    /// [`EmitError`] if the event cannot be encoded; then it went nowhere.
    pub fn emit(&self, packet: Packet, opts: BroadcastOptions) -> Result<usize, EmitError> {
        // Placeholders without attachment would make the parsers of the receiving clients fail, so binary events are
        // translated, and with that checked, even if nobody else is on the bus.
        let leaves_node = self.leaves_node(&opts);
        if leaves_node || packet.inner.is_binary() {
            let (json, attachments) = event(&packet)?;
            let target = wire_target(&opts);
            let none = VecDeque::new();
            let outgoing = self.protocol.broadcast(json, attachments.unwrap_or(&none), &target)?;
            if leaves_node {
                self.bus.publish(outgoing);
            }
        }
        Ok(self.emit_local(packet, opts))
    }

    /// Gives an event to the local clients only. Returns how many could not take it.
    pub fn emit_local(&self, packet: Packet, opts: BroadcastOptions) -> usize {
        let receivers = self.bus.wants_overflows().then(|| opts.clone());
        let Err(errors) = self.local.broadcast(packet, opts) else { return 0 };
        self.bus.metrics().dropped(Dropped::ClientQueue, errors.len() as u64);
        let full = errors.iter().filter(|error| matches!(error, SocketError::InternalChannelFull)).count();
        if full > 0
            && let Some(receivers) = receivers
        {
            self.bus.overflowed(&Overflow { adapter: self, full, receivers: self.local.sockets(receivers) });
        }
        errors.len()
    }

    /// Whether the queue of a socket of this node is full. socketioxide tells of a broadcast only how many were; so the
    /// socket is sent something that clients ignore: an acknowledgement that nobody waits for. For when a packet was lost.
    #[must_use]
    pub fn is_queue_full(&self, sid: Sid) -> bool {
        let nothing = Value::Str("[]".into(), None);
        let probe = Packet::ack(self.local.path().clone(), nothing, NOBODYS_ACK);
        let sent = self.local.broadcast(probe, BroadcastOptions::new(sid));
        sent.is_err_and(|errors| errors.iter().any(|error| matches!(error, SocketError::InternalChannelFull)))
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.local.path()
    }

    /// The sockets and rooms of this node.
    #[must_use]
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// How many sockets of this node are in `room`.
    #[must_use]
    pub fn members(&self, room: &str) -> usize {
        self.local.sockets(to_rooms([room.to_owned()], [])).len()
    }

    /// Grows whenever sockets were made to join or leave rooms by others than themselves: by another server, or by
    /// an operation on many sockets. Who keeps a copy of a socket's rooms sees by it when to read them again.
    #[must_use]
    pub fn room_changes(&self) -> u64 {
        self.room_changes.load(Ordering::Acquire)
    }

    /// The program knows that these rooms have got or lost members of this node. To be called after each join, leave and
    /// disconnect if [`rooms_are_told`](crate::RedisSettings::rooms_are_told) is set, and without meaning otherwise.
    pub fn rooms_changed(&self, rooms: impl IntoIterator<Item = String>) {
        if self.bus.has_room_channels() {
            self.suspects.add(rooms);
            self.bus.look_at_rooms();
        }
    }

    /// Waits until what other servers send to `room` arrives here, after a socket of this node has joined it. At once if
    /// rooms have no channels of their own, or there is no connection to wait for.
    pub async fn until_subscribed(&self, room: &str) {
        if !self.bus.has_room_channels() || self.bus.status().borrow().state != BusState::Connected {
            return;
        }
        let (routes, channel) = (self.bus.routes(), self.protocol.channels.for_rooms(&[room]));
        if !routes.is_active(&channel) {
            // That something would change was told before it did; whoever has looked since may have seen nothing yet.
            self.rooms_changed([room.to_owned()]);
        }
        let is_settled = || {
            let needs_none = !self.suspects.is_pending(room) && !routes.has(&channel);
            needs_none || routes.is_active(&channel) || !self.has_members(room)
        };
        routes.until(is_settled).await;
    }

    /// Makes the chosen sockets of this node join rooms.
    pub(crate) fn join_here(&self, opts: BroadcastOptions, rooms: Vec<String>) {
        let chosen = self.chosen(&opts);
        if chosen.is_empty() {
            return;
        }
        self.local.add_sockets(opts, rooms.clone());
        self.room_changes.fetch_add(1, Ordering::Release);
        self.rooms_changed(rooms);
        self.bus.rooms_were_changed(self, &chosen);
    }

    /// Makes the chosen sockets of this node leave rooms.
    pub(crate) fn leave_here(&self, opts: BroadcastOptions, rooms: Vec<String>) {
        let chosen = self.chosen(&opts);
        if chosen.is_empty() {
            return;
        }
        self.local.del_sockets(opts, rooms.clone());
        self.room_changes.fetch_add(1, Ordering::Release);
        self.rooms_changed(rooms);
        self.bus.rooms_were_changed(self, &chosen);
    }

    /// Whether a socket of this node is in `room`.
    pub(crate) fn has_members(&self, room: &str) -> bool {
        self.members(room) > 0
    }

    /// All sockets of this node.
    pub(crate) fn count_sockets(&self) -> u64 {
        self.local.sockets(to_rooms([], [])).len() as u64
    }

    /// All rooms of this node, those of single sockets included.
    pub(crate) fn rooms_here(&self) -> Vec<String> {
        self.local.rooms(to_rooms([], [])).into_iter().map(Room::into_owned).collect()
    }

    pub(crate) fn look_at_all_rooms(&self) {
        if self.bus.has_room_channels() {
            self.suspects.add_all();
            self.bus.look_at_rooms();
        }
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(crate) fn uid(&self) -> &str {
        self.bus.node_id()
    }

    pub(crate) fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    pub(crate) fn asks(&self) -> &Asks {
        &self.asks
    }

    pub(crate) fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    pub(crate) fn suspects(&self) -> &Suspects {
        &self.suspects
    }

    pub(crate) fn handle_server_side(&self, event: ServerEvent) {
        self.handlers.handle(event);
    }

    /// Whether servers of another kind have this namespace, too.
    pub(crate) fn has_others(&self) -> bool {
        self.bus.registry().has_others(self.namespace())
    }

    pub(crate) fn handle(&self) -> Weak<Self> {
        self.me.get().cloned().unwrap_or_default()
    }

    pub(crate) fn leaves_node(&self, opts: &BroadcastOptions) -> bool {
        !self.bus.is_alone() && !opts.is_local(self.local.server_id())
    }

    /// Sends a request that wants no answer. The other servers carry it out; this one does so by itself.
    pub(crate) fn ask_others(
        &self,
        opts: &BroadcastOptions,
        request: impl FnOnce(Target) -> Request<'static>,
    ) {
        if self.leaves_node(opts) {
            let request = self.protocol.request(None, request(wire_target(opts)));
            self.bus.publish(request.expect("what goes to chosen sockets always has a form"));
        }
    }

    /// Who of this node is chosen. To be asked before rooms change: socketioxide makes a room even if nobody is to join it,
    /// and never removes it, and it takes the id of a socket that is gone.
    fn chosen(&self, opts: &BroadcastOptions) -> Vec<Sid> {
        self.local.fetch_sockets(opts.clone()).into_iter().map(|socket| socket.id).collect()
    }
}

pub(crate) fn event(packet: &Packet) -> Result<(&str, Option<&VecDeque<Bytes>>), EmitError> {
    match &packet.inner {
        PacketData::Event(Value::Str(json, bins), _) | PacketData::BinaryEvent(Value::Str(json, bins), _) => {
            Ok((json.as_str(), bins.as_ref()))
        }
        _ => Err(EmitError::NotAnEvent),
    }
}

impl CoreAdapter<Emitter> for Adapter {
    type Error = Infallible;
    type State = Bus;
    type AckStream = AckStream;
    type InitRes = ();

    fn new(bus: &Bus, local: Local) -> Self {
        let protocol = bus.protocol(local.path());
        Self {
            local,
            bus: bus.clone(),
            protocol,
            room_changes: AtomicU64::new(0),
            asks: Asks::default(),
            handlers: Handlers::default(),
            suspects: Suspects::default(),
            me: OnceLock::new(),
        }
    }

    /// The namespace exists at once; a client that came while Redis is slow or away would otherwise be told
    /// `Invalid namespace`, after which Socket.IO clients do not try again.
    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) {
        let _ = self.me.set(Arc::downgrade(&self));
        self.bus.routes().add(&self);
        self.bus.registry().touch();
        on_success();
    }

    async fn close(&self) -> Result<(), Infallible> {
        self.bus.routes().remove(self);
        Ok(())
    }

    async fn broadcast(&self, packet: Packet, opts: BroadcastOptions) -> Result<(), BroadcastError> {
        // Clients that could not take it are counted; the others got it, so it is no error of the broadcast.
        self.emit(packet, opts).map_err(ParserError::new)?;
        Ok(())
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        opts: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<AckStream, Infallible> {
        Ok(match self.handle().upgrade() {
            Some(adapter) => acks::stream(adapter, packet, opts, timeout),
            None => self.local.broadcast_with_ack(packet, opts, timeout).0.boxed().fuse(),
        })
    }

    async fn add_sockets(&self, opts: BroadcastOptions, rooms: impl RoomParam) -> Result<(), Infallible> {
        let rooms: Vec<String> = rooms.into_room_iter().map(Room::into_owned).collect();
        self.ask_others(&opts, |target| Request::Join(target, rooms.clone()));
        self.join_here(opts, rooms);
        Ok(())
    }

    async fn del_sockets(&self, opts: BroadcastOptions, rooms: impl RoomParam) -> Result<(), Infallible> {
        let rooms: Vec<String> = rooms.into_room_iter().map(Room::into_owned).collect();
        self.ask_others(&opts, |target| Request::Leave(target, rooms.clone()));
        self.leave_here(opts, rooms);
        Ok(())
    }

    async fn rooms(&self, opts: BroadcastOptions) -> Result<Vec<Room>, Infallible> {
        let everybody = opts.rooms.is_empty() && opts.except.is_empty() && opts.sid.is_none();
        let Some(adapter) = self.handle().upgrade().filter(|_| self.leaves_node(&opts)) else {
            return Ok(self.local.rooms(opts).into_iter().collect());
        };
        let rooms: HashSet<String> = if everybody {
            Namespace::new(adapter).all_rooms().await.items.into_iter().collect()
        } else {
            let sockets = Operator::with(adapter, opts).fetch_sockets().await;
            sockets.items.into_iter().flat_map(|socket| socket.rooms).collect()
        };
        Ok(rooms.into_iter().map(Room::Owned).collect())
    }

    /// Sockets of Node servers are not among them: their ids do not fit into socketioxide's. Use
    /// [`Operator::fetch_sockets`] for them.
    async fn fetch_sockets(&self, opts: BroadcastOptions) -> Result<Vec<RemoteSocketData>, Infallible> {
        let mut found = self.local.fetch_sockets(opts.clone());
        let Some(adapter) = self.handle().upgrade().filter(|_| self.leaves_node(&opts)) else {
            return Ok(found);
        };
        let sockets = Operator::with(adapter, opts).fetch_sockets().await;
        // Any server but this one: what is done to the socket goes over the bus, to the room of its id.
        let elsewhere = socketioxide_core::Uid::ZERO;
        let known: HashSet<Sid> = found.iter().map(|socket| socket.id).collect();
        let remote = sockets.items.iter().filter_map(|socket| socket.id.parse().ok());
        found.extend(remote.filter(|id| !known.contains(id)).map(|id| RemoteSocketData {
            id,
            server_id: elsewhere,
            ns: self.local.path().clone(),
        }));
        Ok(found)
    }

    async fn server_count(&self) -> Result<u16, Infallible> {
        let count = self.bus.count(&[self.protocol.counted().clone()]).await;
        let count = count.and_then(|counts| counts.first().copied()).unwrap_or(1).max(1);
        Ok(count.try_into().unwrap_or(u16::MAX))
    }

    async fn disconnect_socket(&self, opts: BroadcastOptions) -> Result<(), BroadcastError> {
        self.ask_others(&opts, |target| Request::Disconnect(target, false));
        self.local.disconnect_socket(opts).map_err(BroadcastError::Socket)
    }

    /// socketioxide calls this for whatever it does with rooms, and tells no more.
    fn get_local(&self) -> &Local {
        if self.bus.has_room_channels() && !self.bus.rooms_are_told() {
            self.look_at_all_rooms();
        }
        &self.local
    }
}

impl DefinedAdapter for Adapter {}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter").field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}
