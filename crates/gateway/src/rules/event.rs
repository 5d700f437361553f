//! An event comes in: which rule is it, may it go, and on it goes. `emit(name, room, ...args)` reaches the others as
//! `(name, ...args, meta)`.

use std::time::{SystemTime, UNIX_EPOCH};

use roomcast_adapter::wire::text;
use serde::Serialize;
use serde_json::{Value, json};

use super::permit::Asker;
use super::{Refusal, Reply, Rule, Rules, requests, room};
use crate::codes::Code;
use crate::config::To;
use crate::sockets::{Event, Socket, push_items};

/// What receivers learn about an event; its last argument.
#[derive(Debug, Serialize)]
struct Meta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    /// The sender's socket id.
    from: String,
    /// Who the sender is, where the namespace asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    /// Milliseconds since the epoch, by this node's clock.
    at: u64,
}

/// What a client is told when nothing speaks against its event.
pub(super) enum Answer {
    Now(Value),
    /// When what other nodes send to the room arrives here.
    Joined(String, Value),
    /// With who is in the room.
    Presence(String),
    /// When it is known whose token this is.
    Refreshed(String),
}

impl Rules {
    pub(super) fn apply(&self, socket: &Socket, event: &Event) -> Result<Answer, Refusal> {
        let name = event.name().map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
        Ok(Answer::Now(match name.as_ref() {
            "join" => {
                let (room, reply) = self.join(socket, event)?;
                return Ok(Answer::Joined(room, reply));
            }
            "leave" => self.leave(socket, event)?,
            "presence" => return Ok(Answer::Presence(self.presence(socket, event)?)),
            "whoami" => self.whoami(socket),
            "refresh" => return Ok(Answer::Refreshed(requests::token(event)?)),
            name => match self.events.get(name) {
                Some(rule) => self.relay(socket, event, rule)?,
                None => {
                    return Err(Refusal::new(Code::UnknownEvent, "this namespace has no rule for the event"));
                }
            },
        }))
    }

    fn relay(&self, socket: &Socket, event: &Event, rule: &Rule) -> Reply {
        let settings = &rule.settings;
        let identity = socket.identity();
        let claims = identity.as_ref().map(|identity| &identity.claims);
        self.may_send(rule, claims)?;
        self.may_have(rule, event.size(), event.is_binary())?;
        let parts = event.parts().map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
        rule.may_nest(event.json())?;
        let (room, passed_on) = match settings.to {
            To::Namespace => (None, 1),
            To::Room => (Some(room::read(parts.get(1).copied())?), 2),
        };
        if let Some(room) = &room {
            let asker = Asker { claims, is_in: &|room| socket.is_in(room) };
            self.may_send_to(rule, room, &asker)?;
        }
        let arguments = &parts[passed_on..];
        let shaped = rule.shape.apply(arguments)?;

        let at = now_ms();
        let user = identity.as_ref().map(|identity| identity.user.as_str());
        let meta = Meta { room: room.as_deref(), from: socket.id(), user, at };
        let mut json = String::with_capacity(event.json().len() + 128);
        json.push('[');
        push_items(&mut json, &parts[..1]);
        json.push(',');
        if let Some(shaped) = shaped {
            json.push_str(&shaped);
        } else {
            push_items(&mut json, arguments);
        }
        if !arguments.is_empty() {
            json.push(',');
        }
        json.push_str(&serde_json::to_string(&meta).expect("strings and numbers always have a JSON form"));
        json.push(']');
        // Half a surrogate pair cannot go over the bus; here it becomes what it becomes there.
        let json = text::well_formed(&json).into_owned();
        socket
            .relay(room.as_deref(), json, event.attachments().clone(), settings.volatile)
            .map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
        rule.accepted.inc();
        Ok(json!({"ok": true, "at": at}))
    }
}

/// Milliseconds since the epoch.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
