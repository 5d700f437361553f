//! A message from the bus → the local clients, a request to carry out, or an answer that somebody waits for.

use socketioxide_core::adapter::BroadcastFlags;
use socketioxide_core::packet::Packet;
use socketioxide_core::{Str, Value};

use crate::adapter::Adapter;
use crate::chosen::to_rooms;
use crate::metrics::Dropped;
use crate::protocol::Asker;
use crate::routes::Kind;
use crate::serve;
use crate::wire::broadcast::Target;
use crate::wire::payload::Payload;
use crate::wire::request::{self, Request};
use crate::wire::response::{self, Body};
use crate::wire::sharded::{self, Message};
use crate::wire::{WireError, broadcast, to_json};

/// Handles what came on `channel`, by a subscription of this kind.
pub(crate) fn message(adapter: &Adapter, kind: Kind, channel: &str, payload: &[u8]) -> Result<(), WireError> {
    match kind {
        Kind::Broadcast => classic_broadcast(adapter, channel, payload),
        Kind::Request => {
            let request::Envelope { uid, request_id, request } = request::decode(payload)?;
            // What this node asked it has done already.
            if uid.as_deref() == Some(adapter.uid()) {
                return Ok(());
            }
            let asker = request_id.map(|request_id| Asker { uid, request_id });
            serve::request(adapter, asker, request)
        }
        Kind::Response => {
            let response::Response { request_id, uid, body } = response::decode(payload)?;
            adapter.asks().heard(&request_id, uid, body)
        }
        Kind::Sharded | Kind::Room => sharded_message(adapter, payload),
    }
}

/// Nobody here is in any of the rooms that the message is for, so there is nothing to do; this is the normal fate of most.
fn is_unwanted<'a>(adapter: &Adapter, rooms: impl IntoIterator<Item = &'a str>) -> bool {
    let mut rooms = rooms.into_iter().filter(|room| !room.is_empty()).peekable();
    let unwanted = rooms.peek().is_some() && !rooms.any(|room| adapter.has_members(room));
    if unwanted {
        adapter.bus().metrics().dropped(Dropped::Unwanted, 1);
    }
    unwanted
}

fn classic_broadcast(adapter: &Adapter, channel: &str, payload: &[u8]) -> Result<(), WireError> {
    // The bus gives back what this adapter published; it has been delivered here already.
    if broadcast::sender(payload) == Some(adapter.uid()) {
        return Ok(());
    }
    // The channel names the room when there is only one.
    if is_unwanted(adapter, adapter.protocol().channels.room_of(channel)) {
        return Ok(());
    }
    let message = broadcast::decode(payload)?;
    if is_foreign(adapter, message.packet.namespace) {
        return Ok(());
    }
    if message.target.rooms.len() > 1 && is_unwanted(adapter, message.target.rooms.iter().map(String::as_str))
    {
        return Ok(());
    }
    deliver(adapter, message.packet.data, message.target)
}

fn is_foreign(adapter: &Adapter, namespace: Option<&str>) -> bool {
    let foreign = namespace != Some(adapter.namespace());
    if foreign {
        adapter.bus().metrics().dropped(Dropped::OtherNamespace, 1);
    }
    foreign
}

fn sharded_message(adapter: &Adapter, payload: &[u8]) -> Result<(), WireError> {
    let sharded::Envelope { uid, namespace, message } = sharded::decode(payload)?;
    if uid == adapter.uid() || is_foreign(adapter, namespace.as_deref()) {
        return Ok(());
    }
    adapter.bus().registry().heard_from(adapter, &uid);
    let asker = |request_id| Asker { uid: Some(uid.clone()), request_id };
    let (request_id, request) = match message {
        Message::Broadcast { data, target, request_id: None } => {
            // Where the room has no channel of its own, or there are several.
            if is_unwanted(adapter, target.rooms.iter().map(String::as_str)) {
                return Ok(());
            }
            return deliver(adapter, data, target);
        }
        Message::Broadcast { data, target, request_id } => {
            let packet = broadcast::Packet { namespace: namespace.as_deref(), data };
            return serve::request(adapter, request_id.map(asker), Request::Broadcast(packet, target));
        }
        Message::Join(target, rooms) => (None, Request::Join(target, rooms)),
        Message::Leave(target, rooms) => (None, Request::Leave(target, rooms)),
        Message::Disconnect(target, close) => (None, Request::Disconnect(target, close)),
        Message::Fetch { target, request_id } => (Some(request_id), Request::Fetch(target)),
        Message::ServerSideEmit { data, request_id } => (request_id, Request::ServerSideEmit(data)),
        Message::FetchResponse { request_id, sockets } => {
            return adapter.asks().heard(&request_id, Some(uid), Body::Sockets(sockets));
        }
        Message::ServerSideEmitResponse { request_id, data } => {
            return adapter.asks().heard(&request_id, Some(uid), Body::ServerSideEmit(data));
        }
        Message::ClientCount { request_id, count } => {
            return adapter.asks().heard(&request_id, Some(uid), Body::ClientCount(count));
        }
        Message::Ack { request_id, data } => {
            return adapter.asks().heard(&request_id, Some(uid), Body::Ack(data));
        }
        Message::Unknown(_) => return Ok(()),
    };
    serve::request(adapter, request_id.map(asker), request)
}

/// Delivers an event of another server to the local clients that it is for.
fn deliver(adapter: &Adapter, data: Payload<'_>, target: Target) -> Result<(), WireError> {
    let event = data.to_json()?;
    let volatile = target.flags.volatile;
    let mut opts = to_rooms(target.rooms, target.except);
    if volatile {
        opts.add_flag(BroadcastFlags::Volatile);
    }
    adapter.emit_local(packet(adapter, event), opts);
    Ok(())
}

/// A packet for local clients.
pub(crate) fn packet(adapter: &Adapter, event: to_json::Json) -> Packet {
    let attachments = (!event.attachments.is_empty()).then_some(event.attachments);
    Packet::event(Str::copy_from_slice(adapter.namespace()), Value::Str(event.text.into(), attachments))
}
