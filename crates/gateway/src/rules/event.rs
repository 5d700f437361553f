//! Relaying an event: `emit(name, room, ...args)` reaches the others as `(name, ...args, meta)`.

use roomcast_edge::Code;
use serde::Serialize;
use serde_json::json;

use super::{Refusal, Reply, Rule, Rules, arguments, now_ms, room};
use crate::config::{Publish, To};
use crate::sockets::{Event, Socket, push_items};

/// What receivers learn about an event; its last argument.
#[derive(Debug, Serialize)]
struct Meta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    /// The sender's socket id.
    from: String,
    /// Milliseconds since the epoch, by this node's clock.
    at: u64,
}

impl Rules {
    pub(super) fn relay(&self, socket: &Socket, event: &Event, rule: &Rule) -> Reply {
        let settings = &rule.settings;
        if settings.publish == Publish::Server {
            return Err(Refusal::new(Code::ServerOnly, "only servers may send this event"));
        }
        let (size, max) = (event.size(), settings.max_payload_bytes);
        if size > max {
            let message = format!("the event has {size} bytes, its rule allows {max}");
            return Err(Refusal::new(Code::PayloadTooLarge, message));
        }
        if event.is_binary() && !settings.binary {
            return Err(Refusal::new(Code::InvalidArguments, "this event takes no binary arguments"));
        }
        let parts = event.parts().map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
        if arguments::too_deep(event.json()) {
            return Err(Refusal::new(Code::InvalidArguments, "the arguments nest too deep"));
        }
        let (room, passed_on) = match settings.to {
            To::Namespace => (None, 1),
            To::Room => (Some(room::read(parts.get(1).copied())?), 2),
        };
        if let Some(room) = &room {
            self.may_send(socket, room, settings.publish)?;
        }

        let at = now_ms();
        let meta = Meta { room: room.as_deref(), from: socket.id(), at };
        let mut json = String::with_capacity(event.json().len() + 128);
        json.push('[');
        push_items(&mut json, &parts[..1]);
        for argument in &parts[passed_on..] {
            json.push(',');
            json.push_str(argument.get());
        }
        json.push(',');
        json.push_str(&serde_json::to_string(&meta).expect("strings and numbers always have a JSON form"));
        json.push(']');
        socket
            .relay(room.as_deref(), json, event.attachments().clone(), settings.volatile)
            .map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
        rule.accepted.inc();
        Ok(json!({"ok": true, "at": at}))
    }

    fn may_send(&self, socket: &Socket, room: &str, publish: Publish) -> Result<(), Refusal> {
        if socket.is_in(room) {
            return Ok(());
        }
        match publish {
            // Without the rooms' patterns a client could write to any socket, by its id.
            Publish::Anyone => self.allow(room),
            Publish::Members | Publish::Server => {
                Err(Refusal::new(Code::NotInRoom, "join the room before sending to it"))
            }
        }
    }
}
