//! Requests of other servers and of emitters, carried out on this node's sockets.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use socketioxide_core::Value;
use socketioxide_core::adapter::BroadcastOptions;
use tracing::debug;

use crate::adapter::Adapter;
use crate::chosen::{room_of, to_rooms};
use crate::inbound;
use crate::metrics::Dropped;
use crate::profile;
use crate::protocol::{Asker, Outgoing};
use crate::server_side::ServerEvent;
use crate::wire::broadcast::Target;
use crate::wire::payload::Payload;
use crate::wire::request::Request;
use crate::wire::response::Body;
use crate::wire::{WireError, to_json};

/// Longest wait for a client's acknowledgement that another server may ask for; each costs a task and an entry here.
const LONGEST_ACK: Duration = Duration::from_secs(60);

/// Carries a request out and answers it, if somebody waits for that.
pub(crate) fn request(
    adapter: &Adapter,
    asker: Option<Asker>,
    request: Request<'_>,
) -> Result<(), WireError> {
    let local = adapter.local();
    let list;
    let answer = match request {
        Request::Join(target, rooms) => {
            adapter.join_here(options(target), rooms);
            None
        }
        Request::Leave(target, rooms) => {
            adapter.leave_here(options(target), rooms);
            None
        }
        Request::Disconnect(target, close) => {
            disconnect(adapter, options(target), close);
            None
        }
        Request::JoinOne(sid, room) => owned(adapter, &sid, |opts| adapter.join_here(opts, vec![room])),
        Request::LeaveOne(sid, room) => owned(adapter, &sid, |opts| adapter.leave_here(opts, vec![room])),
        Request::DisconnectOne(sid, close) => owned(adapter, &sid, |opts| disconnect(adapter, opts, close)),
        Request::Sockets(rooms) => {
            let sids = local.sockets(to_rooms(rooms, []));
            list = json_list(sids.into_iter().map(|sid| Json::String(room_of(sid))));
            Some(Body::Sockets(Payload::Json(&list)))
        }
        Request::AllRooms => {
            list = json_list(adapter.rooms_here().into_iter().map(Json::String));
            Some(Body::Rooms(Payload::Json(&list)))
        }
        Request::Fetch(target) => {
            let sids = local.sockets(options(target));
            list = json_list(sids.into_iter().map(|sid| profile::entry(adapter, sid)));
            Some(Body::Sockets(Payload::Json(&list)))
        }
        Request::Broadcast(packet, target) => {
            let event = packet.data.to_json()?;
            let wanted = packet.namespace == Some(adapter.namespace());
            if let (true, Some(asker)) = (wanted, asker) {
                broadcast_with_ack(adapter, event, target, asker);
            }
            return Ok(());
        }
        Request::ServerSideEmit(event) => {
            let event = ServerEvent::new(event.to_json()?, asker, adapter)?;
            adapter.handle_server_side(event);
            return Ok(());
        }
    };
    if let (Some(body), Some(asker)) = (answer, asker) {
        respond(adapter, adapter.protocol().respond(&asker, body));
    }
    Ok(())
}

fn json_list(items: impl Iterator<Item = Json>) -> String {
    Json::Array(items.collect()).to_string()
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

/// Disconnects sockets of this node from the namespace; `close` means the whole connection, so from every namespace. A
/// client without any closes its connection by itself; whoever does not is closed by the program, if it
/// [can](crate::Bus::on_close).
pub(crate) fn disconnect(adapter: &Adapter, opts: BroadcastOptions, close: bool) {
    let sids = adapter.local().sockets(opts.clone());
    if sids.is_empty() {
        return;
    }
    // Found now: they are not there any more when they are to be closed.
    let connections = if close { adapter.bus().connections(adapter.namespace(), &sids) } else { None };
    let everywhere = if close { adapter.bus().routes().all() } else { Vec::new() };
    let mut refused = adapter.local().disconnect_socket(opts).map_or_else(|errors| errors.len(), |()| 0);
    for other in everywhere.iter().filter(|other| other.namespace() != adapter.namespace()) {
        let result = other.local().disconnect_socket(to_rooms(sids.iter().copied().map(room_of), []));
        refused += result.map_or_else(|errors| errors.len(), |()| 0);
    }
    if refused > 0 {
        adapter.bus().metrics().dropped(Dropped::ClientQueue, refused as u64);
    }
    if let Some(close) = connections {
        close();
    }
}

/// Node waits for exactly one count from every server, then for that many acks.
fn broadcast_with_ack(adapter: &Adapter, event: to_json::Json, target: Target, asker: Asker) {
    let timeout = target.flags.timeout.map(|millis| Duration::from_millis(millis).min(LONGEST_ACK));
    let packet = inbound::packet(adapter, event);
    let (acks, count) = adapter.local().broadcast_with_ack(packet, options(target), timeout);
    respond(adapter, adapter.protocol().respond(&asker, Body::ClientCount(count.into())));
    if count == 0 {
        return;
    }
    let adapter = adapter.handle();
    tokio::spawn(async move {
        let mut acks = std::pin::pin!(acks);
        while let Some((_, ack)) = acks.next().await {
            let Some(adapter) = adapter.upgrade() else { return };
            // An ack that did not come in time is simply not answered; the asker has its own timeout.
            if let Ok(Value::Str(args, attachments)) = ack {
                let first = first_argument(&args);
                let attachments = attachments.unwrap_or_default();
                respond(&adapter, adapter.protocol().acknowledge(&asker, first, &attachments));
            }
        }
    });
}

/// The first of a client's `[...args]`.
pub(crate) fn first_argument(args: &str) -> Option<&str> {
    let args: Vec<&RawValue> = serde_json::from_str(args).ok()?;
    args.first().map(|first| first.get())
}

pub(crate) fn respond(adapter: &Adapter, response: Result<Outgoing, WireError>) {
    match response {
        Ok(outgoing) => adapter.bus().publish(outgoing),
        Err(error) => debug!(%error, "response cannot be encoded"),
    }
}
