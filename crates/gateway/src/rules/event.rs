//! An event comes in: which rule is it, may it go, and on it goes. `emit(name, room, ...args)` reaches the others as
//! `(name, ...args, meta)`.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use roomcast_adapter::wire::{MAX_DEPTH, text};
use serde::Serialize;
use serde_json::{Value, json};

use super::pattern::claim;
use super::{Refusal, Reply, Rule, Rules, requests, room};
use crate::codes::Code;
use crate::config::{Publish, To};
use crate::sockets::{Event, Flow, Handler, Refused, Socket, push_items};

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

impl Handler for Rules {
    /// Puts the client into the rooms that it is in from the beginning, before anybody knows of it.
    fn admit(&self, socket: &Socket, _: &Value) -> BoxFuture<'static, Result<(), Refused>> {
        let identity = socket.identity();
        let claims = identity.as_ref().map(|identity| &identity.claims);
        let rooms = self.auto_join.iter().flat_map(|pattern| pattern.expanded(claims));
        let mut joined = rooms.map(|room| socket.join_up_to(&room, self.max_rooms.saturating_add(1)));
        let result = match joined.find_map(Result::err) {
            None => Ok(()),
            Some(error) => Err(Refused(format!("{}: {error}", Code::NotAdmitted))),
        };
        Box::pin(std::future::ready(result))
    }

    fn event(&self, socket: &Socket, event: Event) -> Flow {
        match self.apply(socket, &event) {
            Ok(Answer::Now(reply)) => event.ack().send(reply),
            Ok(Answer::Joined(room, reply)) => {
                return requests::joined(socket.clone(), room, event.ack().clone(), reply);
            }
            Ok(Answer::Refreshed(token)) => {
                return requests::refreshed(socket.clone(), token, event.ack().clone());
            }
            Err(refusal) => socket.refuse(event.ack(), refusal.code, &refusal.message),
        }
        Flow::Done
    }
}

/// What a client is told when nothing speaks against its event.
enum Answer {
    Now(Value),
    /// When what other nodes send to the room arrives here.
    Joined(String, Value),
    /// When it is known whose token this is.
    Refreshed(String),
}

impl Rules {
    fn apply(&self, socket: &Socket, event: &Event) -> Result<Answer, Refusal> {
        let name = event.name().map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
        Ok(Answer::Now(match name.as_ref() {
            "join" => {
                let (room, reply) = self.join(socket, event)?;
                return Ok(Answer::Joined(room, reply));
            }
            "leave" => self.leave(socket, event)?,
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
        if settings.publish == Publish::Server {
            return Err(Refusal::new(Code::ServerOnly, "only servers may send this event"));
        }
        if !self.has_role(socket, &settings.roles) {
            return Err(Refusal::new(Code::NotPermitted, "this event takes a role that you do not have"));
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
        if text::is_deeper(event.json(), MAX_DEPTH) {
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
        let identity = socket.identity();
        let user = identity.as_ref().map(|identity| identity.user.as_str());
        let meta = Meta { room: room.as_deref(), from: socket.id(), user, at };
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
        // Half a surrogate pair cannot go over the bus; here it becomes what it becomes there.
        let json = text::well_formed(&json).into_owned();
        socket
            .relay(room.as_deref(), json, event.attachments().clone(), settings.volatile)
            .map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
        rule.accepted.inc();
        Ok(json!({"ok": true, "at": at}))
    }

    /// Whether the client has one of these roles, or none is needed.
    fn has_role(&self, socket: &Socket, roles: &[String]) -> bool {
        if roles.is_empty() {
            return true;
        }
        let is_wanted = |role: &Value| role.as_str().is_some_and(|role| roles.iter().any(|one| one == role));
        socket.identity().is_some_and(|identity| match claim(&identity.claims, &self.roles_claim) {
            Some(Value::Array(held)) => held.iter().any(is_wanted),
            Some(held) => is_wanted(held),
            None => false,
        })
    }

    fn may_send(&self, socket: &Socket, room: &str, publish: Publish) -> Result<(), Refusal> {
        if socket.is_in(room) {
            return Ok(());
        }
        match publish {
            // Without the rooms' patterns a client could write to any socket, by its id.
            Publish::Anyone => self.allow(socket, room),
            Publish::Members | Publish::Server => {
                Err(Refusal::new(Code::NotInRoom, "join the room before sending to it"))
            }
        }
    }
}

/// Milliseconds since the epoch.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
