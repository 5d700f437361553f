//! A broadcast from the bus → the local clients that it is for.

use socketioxide_core::adapter::BroadcastFlags;
use socketioxide_core::packet::Packet;
use socketioxide_core::{Str, Value};

use crate::adapter::{Adapter, to_rooms};
use crate::counters::Dropped;
use crate::wire::{WireError, broadcast, to_json};

/// Delivers what another server published on `channel`.
pub(crate) fn broadcast(adapter: &Adapter, channel: &str, payload: &[u8]) -> Result<(), WireError> {
    let counters = adapter.bus().counters_ref();
    // The bus gives back what this adapter published; it has been delivered here already.
    if broadcast::sender(payload) == Some(adapter.uid()) {
        return Ok(());
    }
    // The channel names the room when there is only one: if nobody is in it, that is all there is to do.
    let room = adapter.channels().room_of(channel).unwrap_or_default();
    if !room.is_empty() && adapter.members(room) == 0 {
        counters.dropped(Dropped::Unwanted, 1);
        return Ok(());
    }
    let message = broadcast::decode(payload)?;
    if message.packet.namespace != Some(adapter.namespace()) {
        counters.dropped(Dropped::OtherNamespace, 1);
        return Ok(());
    }
    let event = to_json::translate(message.packet.data)?;
    let volatile = message.target.flags.volatile;
    let mut opts = to_rooms(message.target.rooms, message.target.except);
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
