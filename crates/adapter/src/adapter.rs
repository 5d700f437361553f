//! The adapter of one namespace: what socketioxide calls, and what the gateway calls directly.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use socketioxide::adapter::Emitter;
use socketioxide_core::adapter::errors::BroadcastError;
use socketioxide_core::adapter::{
    BroadcastFlags, BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, Room, RoomParam,
    SocketEmitter,
};
use socketioxide_core::packet::{Packet, PacketData};
use socketioxide_core::parser::ParserError;
use socketioxide_core::{Sid, Value};

use crate::bus::Bus;
use crate::counters::Dropped;
use crate::wire::broadcast::{self, Flags, Target};
use crate::wire::channel::Channels;
use crate::wire::request::{self, Envelope, Request};
use crate::wire::{WireError, uid};

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
}

/// A namespace's adapter over a [`Bus`]; see the crate's documentation.
pub struct Adapter {
    local: Local,
    bus: Bus,
    uid: String,
    channels: Channels,
    room_changes: AtomicU64,
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
            let payload =
                broadcast::encode(&self.uid, self.namespace(), json, attachments.unwrap_or(&none), &target)?;
            if leaves_node {
                self.bus.publish(self.channels.for_rooms(&target.rooms), payload);
            }
        }
        Ok(self.emit_local(packet, opts))
    }

    /// Gives an event to the local clients only. Returns how many could not take it.
    pub fn emit_local(&self, packet: Packet, opts: BroadcastOptions) -> usize {
        let lost = self.local.broadcast(packet, opts).map_or_else(|errors| errors.len(), |()| 0);
        if lost > 0 {
            self.bus.counters_ref().dropped(Dropped::ClientQueue, lost as u64);
        }
        lost
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

    /// Makes the chosen sockets of this node join rooms.
    pub(crate) fn join_here(&self, opts: BroadcastOptions, rooms: impl RoomParam) {
        if !self.has_any(&opts) {
            return;
        }
        self.local.add_sockets(opts, rooms);
        self.room_changes.fetch_add(1, Ordering::Release);
    }

    /// Makes the chosen sockets of this node leave rooms.
    pub(crate) fn leave_here(&self, opts: BroadcastOptions, rooms: impl RoomParam) {
        if !self.has_any(&opts) {
            return;
        }
        self.local.del_sockets(opts, rooms);
        self.room_changes.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    pub(crate) fn channels(&self) -> &Channels {
        &self.channels
    }

    fn leaves_node(&self, opts: &BroadcastOptions) -> bool {
        !self.bus.is_memory() && !opts.is_local(self.local.server_id())
    }

    /// Sends a request that wants no answer. The other servers carry it out; this one does so by itself.
    fn ask_others(&self, opts: &BroadcastOptions, request: impl FnOnce(Target) -> Request<'static>) {
        if self.leaves_node(opts) {
            let request = request(wire_target(opts));
            let envelope = Envelope { uid: Some(self.uid.clone()), request_id: None, request };
            let payload = request::encode(&envelope).expect("only a broadcast request has no text form");
            self.bus.publish(self.channels.request.clone(), payload);
        }
    }

    /// Whether anybody of this node is chosen. To be asked before rooms change: socketioxide makes a room even if nobody
    /// is to join it, and never removes it, and it takes the id of a socket that is gone.
    fn has_any(&self, opts: &BroadcastOptions) -> bool {
        !self.local.fetch_sockets(opts.clone()).is_empty()
    }
}

/// Options for "everybody in these rooms (or in the namespace), but not who is in those".
pub(crate) fn to_rooms(
    rooms: impl IntoIterator<Item = String>,
    except: impl IntoIterator<Item = String>,
) -> BroadcastOptions {
    let mut opts = BroadcastOptions::default();
    // Without the flag socketioxide takes "no rooms" for nobody; in Node it is everybody.
    opts.add_flag(BroadcastFlags::Broadcast);
    opts.rooms.extend(rooms.into_iter().map(Room::Owned));
    opts.except.extend(except.into_iter().map(Room::Owned));
    opts
}

/// The receivers in the words of the bus, where a socket is the room named by its id.
fn wire_target(opts: &BroadcastOptions) -> Target {
    let names = |rooms: &[Room]| rooms.iter().map(ToString::to_string).collect();
    let mut target = Target {
        rooms: names(&opts.rooms),
        except: names(&opts.except),
        flags: Flags { volatile: opts.has_flag(BroadcastFlags::Volatile), ..Flags::default() },
    };
    match opts.sid {
        Some(sender) if opts.has_flag(BroadcastFlags::Broadcast) => target.except.push(sender.to_string()),
        Some(receiver) if target.rooms.is_empty() => target.rooms.push(receiver.to_string()),
        _ => {}
    }
    target
}

fn event(packet: &Packet) -> Result<(&str, Option<&VecDeque<Bytes>>), EmitError> {
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
    type AckStream = <Emitter as SocketEmitter>::AckStream;
    type InitRes = ();

    fn new(bus: &Bus, local: Local) -> Self {
        let uid = uid::random::<6>();
        let channels = bus.channels(local.path(), &uid);
        Self { local, bus: bus.clone(), uid, channels, room_changes: AtomicU64::new(0) }
    }

    /// The namespace exists at once; a client that came while Redis is slow or away would otherwise be told
    /// `Invalid namespace`, after which Socket.IO clients do not try again.
    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) {
        self.bus.routes().add(&self);
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
    ) -> Result<Self::AckStream, Infallible> {
        Ok(self.local.broadcast_with_ack(packet, opts, timeout).0)
    }

    async fn add_sockets(&self, opts: BroadcastOptions, rooms: impl RoomParam) -> Result<(), Infallible> {
        let rooms: Vec<Room> = rooms.into_room_iter().collect();
        self.ask_others(&opts, |target| {
            Request::Join(target, rooms.iter().map(ToString::to_string).collect())
        });
        self.join_here(opts, rooms);
        Ok(())
    }

    async fn del_sockets(&self, opts: BroadcastOptions, rooms: impl RoomParam) -> Result<(), Infallible> {
        let rooms: Vec<Room> = rooms.into_room_iter().collect();
        self.ask_others(&opts, |target| {
            Request::Leave(target, rooms.iter().map(ToString::to_string).collect())
        });
        self.leave_here(opts, rooms);
        Ok(())
    }

    async fn disconnect_socket(&self, opts: BroadcastOptions) -> Result<(), BroadcastError> {
        self.ask_others(&opts, |target| Request::Disconnect(target, false));
        self.local.disconnect_socket(opts).map_err(BroadcastError::Socket)
    }

    fn get_local(&self) -> &Local {
        &self.local
    }
}

impl DefinedAdapter for Adapter {}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter")
            .field("namespace", &self.namespace())
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

/// The room that a socket is alone in.
pub(crate) fn own_room(sid: Sid) -> String {
    sid.to_string()
}
