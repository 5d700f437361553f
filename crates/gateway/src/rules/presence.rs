//! Who is in a room: with the acknowledgement of a join, and whenever a member asks.

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::{Refusal, Rules, room};
use crate::codes::Code;
use crate::sockets::{Ack, Event, Flow, Socket};

/// Answers with who is in the room, if that is shown.
pub(super) async fn answer(socket: &Socket, room: String, reply: Value, ack: Ack) {
    match socket.presence().filter(|presence| presence.covers(&room)) {
        Some(presence) => presence.answer(socket.sid(), room, reply, ack).await,
        None => ack.send(reply),
    }
}

/// The same as an answer of its own.
pub(super) fn asked(socket: Socket, room: String, ack: Ack) -> Flow {
    let reply = json!({"ok": true, "room": room});
    let mut answer = Box::pin(async move { answer(&socket, room, reply, ack).await });
    if answer.as_mut().now_or_never().is_some() { Flow::Done } else { Flow::Later(answer) }
}

impl Rules {
    /// The room that a member asks about.
    pub(super) fn presence(&self, socket: &Socket, event: &Event) -> Result<String, Refusal> {
        let Some(presence) = socket.presence() else {
            return Err(Refusal::new(Code::UnknownEvent, "this namespace shows nobody who is in a room"));
        };
        let room = room::only_argument(event)?;
        if !socket.is_in(&room) {
            // Also where nobody is shown: who is no member learns nothing of a room.
            return Err(Refusal::new(Code::NotInRoom, "join the room before asking who is there"));
        }
        if !presence.covers(&room) {
            return Err(Refusal::new(Code::NoPresence, "nobody is shown to be in this room"));
        }
        Ok(room)
    }
}
