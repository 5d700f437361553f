//! What clients ask of the node itself: `join`, `leave`, `whoami`.

use serde_json::{Value, json};

use super::{Refusal, Reply, Rules, room};
use crate::codes::Code;
use crate::sockets::{Event, JoinError, Socket};

impl Rules {
    pub(super) fn join(&self, socket: &Socket, event: &Event) -> Reply {
        let room = room::only_argument(event)?;
        self.allow(&room)?;
        // One more than configured: the room named by the socket's own id.
        match socket.join_up_to(&room, self.max_rooms.saturating_add(1)) {
            Ok(()) => Ok(json!({"ok": true, "room": room, "members": socket.adapter().members(&room)})),
            Err(JoinError::TooMany) => {
                let message = format!("a socket may be in {} rooms, leave one first", self.max_rooms);
                Err(Refusal::new(Code::TooManyRooms, message))
            }
            Err(JoinError::Gone) => Err(Refusal::new(Code::InternalError, "the socket has disconnected")),
        }
    }

    pub(super) fn leave(&self, socket: &Socket, event: &Event) -> Reply {
        let room = room::only_argument(event)?;
        // A room that a server chose may be left, too; only the socket's own room may not.
        if room == socket.id() || !socket.is_in(&room) {
            self.allow(&room)?;
        }
        socket.leave(&room);
        Ok(json!({"ok": true, "room": room, "members": socket.adapter().members(&room)}))
    }

    pub(super) fn whoami(&self, socket: &Socket) -> Value {
        let id = socket.id();
        let mut rooms = socket.rooms();
        rooms.retain(|room| *room != id);
        rooms.sort_unstable();
        json!({"ok": true, "id": id, "node": self.node, "namespace": socket.namespace(), "rooms": rooms})
    }

    pub(super) fn allow(&self, room: &str) -> Result<(), Refusal> {
        if self.rooms.iter().any(|pattern| pattern.matches(room)) {
            Ok(())
        } else {
            Err(Refusal::new(Code::RoomNotAllowed, "this namespace does not allow the room"))
        }
    }
}
