//! Who may do what. Nothing here knows of sockets, so that the same decisions can be explained and tested.

use roomcast_adapter::wire::{MAX_DEPTH, text};
use serde_json::Value;

use super::pattern::{Claims, claim};
use super::{Refusal, Rule, Rules};
use crate::codes::Code;
use crate::config::Publish;

/// The client that asks.
pub(super) struct Asker<'a> {
    pub(super) claims: Option<&'a Claims>,
    pub(super) is_in: &'a dyn Fn(&str) -> bool,
}

impl Rule {
    /// Whether a list of arguments, as JSON text, is not too deep.
    pub(super) fn may_nest(&self, list: &str) -> Result<(), Refusal> {
        if text::is_deeper(list, self.settings.max_depth.min(MAX_DEPTH)) {
            return Err(Refusal::new(Code::InvalidArguments, "the arguments nest too deep"));
        }
        Ok(())
    }
}

impl Rules {
    /// Whether clients of these claims may send such events at all.
    pub(super) fn may_send(&self, rule: &Rule, claims: Option<&Claims>) -> Result<(), Refusal> {
        if rule.settings.publish == Publish::Server {
            return Err(Refusal::new(Code::ServerOnly, "only servers may send this event"));
        }
        if !self.has_role(&rule.settings.roles, claims) {
            return Err(Refusal::new(Code::NotPermitted, "this event takes a role that you do not have"));
        }
        Ok(())
    }

    /// Whether the client may send such events to this room.
    pub(super) fn may_send_to(&self, rule: &Rule, room: &str, asker: &Asker<'_>) -> Result<(), Refusal> {
        if (asker.is_in)(room) {
            return Ok(());
        }
        match rule.settings.publish {
            // Without the rooms' patterns a client could write to any socket, by its id.
            Publish::Anyone => self.may_join(room, asker.claims),
            Publish::Members | Publish::Server => {
                Err(Refusal::new(Code::NotInRoom, "join the room before sending to it"))
            }
        }
    }

    /// Whether clients of these claims may join the room.
    pub(super) fn may_join(&self, room: &str, claims: Option<&Claims>) -> Result<(), Refusal> {
        if self.rooms.iter().any(|pattern| pattern.matches(room, claims)) {
            Ok(())
        } else {
            Err(Refusal::new(Code::RoomNotAllowed, "this namespace does not allow the room"))
        }
    }

    /// The size and kind of an event.
    pub(super) fn may_have(&self, rule: &Rule, size: usize, is_binary: bool) -> Result<(), Refusal> {
        let max = rule.settings.max_payload_bytes;
        if size > max {
            let message = format!("the event has {size} bytes, its rule allows {max}");
            return Err(Refusal::new(Code::PayloadTooLarge, message));
        }
        if is_binary && !rule.settings.binary {
            return Err(Refusal::new(Code::InvalidArguments, "this event takes no binary arguments"));
        }
        Ok(())
    }

    /// Whether there is one of these roles among the claims, or none is needed.
    fn has_role(&self, roles: &[String], claims: Option<&Claims>) -> bool {
        let is_wanted = |role: &Value| role.as_str().is_some_and(|role| roles.iter().any(|one| one == role));
        let held = claims.and_then(|claims| claim(claims, &self.settings.identity.roles_claim));
        roles.is_empty()
            || match held {
                Some(Value::Array(held)) => held.iter().any(is_wanted),
                Some(held) => is_wanted(held),
                None => false,
            }
    }
}
