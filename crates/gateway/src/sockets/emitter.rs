//! Events from the program itself, to clients of all nodes.

use roomcast_adapter::{Bus, EmitError};
use socketioxide_core::adapter::{BroadcastFlags, BroadcastOptions, Room};
use socketioxide_core::packet::Packet;

use super::arguments::Arguments;

/// Sends events from the program to a room or a namespace, on all nodes, as Node's `io.of(..).to(..).emit(..)`. No
/// rule applies: what clients may not send (`publish = "server"`) is sent like this.
#[derive(Debug, Clone)]
pub struct Emitter {
    bus: Bus,
}

/// An event that went nowhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitFailed {
    /// This node does not have the namespace.
    #[error("there is no namespace `{0}`")]
    NoNamespace(String),
    /// The event cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EmitError),
}

impl Emitter {
    pub(crate) fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// Sends an event to the clients in `room`, or to all of the namespace. A socket id is the room of that socket.
    ///
    /// # Errors
    /// [`EmitFailed`]; then nobody got it.
    pub fn emit(
        &self,
        namespace: &str,
        room: Option<&str>,
        event: &str,
        arguments: impl Into<Arguments>,
    ) -> Result<(), EmitFailed> {
        let adapter =
            self.bus.adapter(namespace).ok_or_else(|| EmitFailed::NoNamespace(namespace.to_owned()))?;
        let mut opts = BroadcastOptions::default();
        opts.add_flag(BroadcastFlags::Broadcast);
        opts.rooms.extend(room.map(|room| Room::Owned(room.to_owned())));
        let data = arguments.into().into_event_value(event);
        // Clients that could not take it are counted by the adapter.
        adapter.emit(Packet::event(adapter.local().path().clone(), data), opts)?;
        Ok(())
    }
}
