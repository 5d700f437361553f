//! Requests of other servers and of emitters, carried out on this node's sockets.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use socketioxide_core::adapter::{BroadcastOptions, Room};
use socketioxide_core::{Sid, Value};
use tracing::debug;

use crate::adapter::{Adapter, own_room, to_rooms};
use crate::bus::Bus;
use crate::counters::Dropped;
use crate::inbound;
use crate::routes::Routes;
use crate::wire::broadcast::Target;
use crate::wire::request::{self, Request};
use crate::wire::response::{self, Body};
use crate::wire::{WireError, to_json};

/// Longest wait for a client's acknowledgement that another server may ask for; each costs a task and an entry here.
const LONGEST_ACK: Duration = Duration::from_secs(60);

/// Carries a request out and answers it.
pub(crate) fn request(adapter: &Adapter, routes: &Routes, payload: &[u8]) -> Result<(), WireError> {
    let envelope = request::decode(payload)?;
    // What this node asked it has done already.
    if envelope.uid.as_deref() == Some(adapter.uid()) {
        return Ok(());
    }
    let local = adapter.local();
    let answer = match envelope.request {
        Request::Join(target, rooms) => {
            adapter.join_here(options(target), rooms);
            None
        }
        Request::Leave(target, rooms) => {
            adapter.leave_here(options(target), rooms);
            None
        }
        Request::Disconnect(target, close) => {
            disconnect(adapter, routes, options(target), close);
            None
        }
        Request::JoinOne(sid, room) => owned(adapter, &sid, |opts| adapter.join_here(opts, room)),
        Request::LeaveOne(sid, room) => owned(adapter, &sid, |opts| adapter.leave_here(opts, room)),
        Request::DisconnectOne(sid, close) => {
            owned(adapter, &sid, |opts| disconnect(adapter, routes, opts, close))
        }
        Request::Sockets(rooms) => {
            let sids = local.sockets(to_rooms(rooms, []));
            Some(Body::Sockets(sids.into_iter().map(|sid| Json::String(own_room(sid))).collect()))
        }
        Request::AllRooms => {
            let rooms = local.rooms(to_rooms([], []));
            Some(Body::Rooms(rooms.into_iter().map(Room::into_owned).collect()))
        }
        Request::Fetch(target) => {
            let sids = local.sockets(options(target));
            Some(Body::Sockets(sids.into_iter().map(|sid| details(adapter, sid)).collect()))
        }
        Request::Broadcast(packet, target) => {
            let event = to_json::translate(packet.data)?;
            let wanted = packet.namespace == Some(adapter.namespace());
            if let (true, Some(request_id)) = (wanted, &envelope.request_id) {
                broadcast_with_ack(adapter, event, target, request_id);
            }
            None
        }
        // There is nothing on this node yet that could handle or answer it; Node's asker times out with what came.
        Request::ServerSideEmit(_) => None,
    };
    if let (Some(body), Some(request_id)) = (answer, envelope.request_id) {
        respond(adapter.bus(), &adapter.channels().response, response::encode(&request_id, body));
    }
    Ok(())
}

fn options(target: Target) -> BroadcastOptions {
    to_rooms(target.rooms, target.except)
}

/// Requests of older versions name one socket, and only the server that has it answers.
fn owned(adapter: &Adapter, sid: &str, act: impl FnOnce(BroadcastOptions)) -> Option<Body<'static>> {
    let opts = to_rooms([sid.to_owned()], []);
    if adapter.local().sockets(opts.clone()).is_empty() {
        return None;
    }
    act(opts);
    Some(Body::Done)
}

/// Disconnects from the namespace; `close` means the whole connection, so from every namespace: a client without any
/// closes its connection by itself.
fn disconnect(adapter: &Adapter, routes: &Routes, opts: BroadcastOptions, close: bool) {
    let sids = adapter.local().sockets(opts.clone());
    if sids.is_empty() {
        return;
    }
    let everywhere = if close { routes.all() } else { Vec::new() };
    let mut refused = adapter.local().disconnect_socket(opts).map_or_else(|errors| errors.len(), |()| 0);
    for other in everywhere.iter().filter(|other| other.namespace() != adapter.namespace()) {
        let result = other.local().disconnect_socket(to_rooms(sids.iter().copied().map(own_room), []));
        refused += result.map_or_else(|errors| errors.len(), |()| 0);
    }
    if refused > 0 {
        adapter.bus().counters_ref().dropped(Dropped::ClientQueue, refused as u64);
    }
}

/// A socket as Node's `fetchSockets` shows it. The handshake is not known here yet; Node needs it to be an object.
fn details(adapter: &Adapter, sid: Sid) -> Json {
    let rooms: Vec<Room> = adapter.local().socket_rooms(sid).into_iter().collect();
    json!({
        "id": own_room(sid),
        "handshake": {"headers": {}, "query": {}, "auth": {}},
        "rooms": rooms,
        "data": {},
    })
}

/// Node waits for exactly one count from every server, then for that many acks.
fn broadcast_with_ack(adapter: &Adapter, event: to_json::Json, target: Target, request_id: &str) {
    let timeout = target.flags.timeout.map(|millis| Duration::from_millis(millis).min(LONGEST_ACK));
    let packet = inbound::packet(adapter, event);
    let (acks, count) = adapter.local().broadcast_with_ack(packet, options(target), timeout);
    let (bus, channel) = (adapter.bus(), &adapter.channels().response);
    respond(bus, channel, response::encode(request_id, Body::ClientCount(count.into())));
    if count == 0 {
        return;
    }
    let (bus, channel, request_id) = (bus.clone(), channel.clone(), request_id.to_owned());
    tokio::spawn(async move {
        let mut acks = std::pin::pin!(acks);
        while let Some((_, ack)) = acks.next().await {
            // An ack that did not come in time is simply not answered; the asker has its own timeout.
            if let Ok(Value::Str(args, attachments)) = ack {
                let first = serde_json::from_str::<Vec<&RawValue>>(&args).ok();
                let first = first.as_ref().and_then(|args| args.first()).map(|first| first.get());
                let encoded = response::encode_ack(&request_id, first, &attachments.unwrap_or_default());
                respond(&bus, &channel, encoded);
            }
        }
    });
}

fn respond(bus: &Bus, channel: &str, encoded: Result<Vec<u8>, WireError>) {
    match encoded {
        Ok(payload) => bus.publish(channel.to_owned(), payload),
        Err(error) => debug!(%error, "response cannot be encoded"),
    }
}
