//! The built-in behaviour of a namespace that the configuration declares: who may join which rooms, and which events
//! are relayed where.
//!
//! A refusal never costs the connection: it is counted, and goes into the acknowledgement if the client asked for one.

mod arguments;
mod event;
mod pattern;
mod room;

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use roomcast_edge::Code;
use serde_json::{Value, json};

pub use pattern::{Pattern, PatternError};

use crate::config::{EventSettings, NamespaceSettings};
use crate::metrics::NamespaceMetrics;
use crate::sockets::{Event, Flow, Handler, JoinError, Socket};

/// The rules of one namespace, ready to be applied.
#[derive(Debug)]
pub struct Rules {
    node: String,
    rooms: Vec<Pattern>,
    max_rooms: usize,
    events: HashMap<String, Rule>,
}

#[derive(Debug)]
struct Rule {
    settings: EventSettings,
    accepted: Counter,
}

/// Why an event was refused.
#[derive(Debug)]
struct Refusal {
    code: Code,
    message: String,
}

impl Refusal {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

type Reply = Result<Value, Refusal>;

impl Rules {
    /// Compiles the rules of a namespace.
    ///
    /// # Errors
    /// [`PatternError`] for a room pattern that is none.
    pub(crate) fn new(
        node: &str,
        settings: &NamespaceSettings,
        metrics: &NamespaceMetrics,
    ) -> Result<Self, PatternError> {
        let rule = |event: &EventSettings| {
            let accepted = metrics.event(&event.name);
            (event.name.clone(), Rule { settings: event.clone(), accepted })
        };
        Ok(Self {
            node: node.to_owned(),
            rooms: settings.rooms.iter().map(|room| room.parse()).collect::<Result<_, _>>()?,
            max_rooms: settings.max_rooms_per_socket,
            events: settings.events.iter().map(rule).collect(),
        })
    }

    fn apply(&self, socket: &Socket, event: &Event) -> Reply {
        let name = event.name().map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
        match name.as_ref() {
            "join" => self.join(socket, event),
            "leave" => self.leave(socket, event),
            "whoami" => Ok(self.whoami(socket)),
            name => match self.events.get(name) {
                Some(rule) => self.relay(socket, event, rule),
                None => Err(Refusal::new(Code::UnknownEvent, "this namespace has no rule for the event")),
            },
        }
    }

    fn join(&self, socket: &Socket, event: &Event) -> Reply {
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

    fn leave(&self, socket: &Socket, event: &Event) -> Reply {
        let room = room::only_argument(event)?;
        self.allow(&room)?;
        socket.leave(&room);
        Ok(json!({"ok": true, "room": room, "members": socket.adapter().members(&room)}))
    }

    fn whoami(&self, socket: &Socket) -> Value {
        let id = socket.id();
        let mut rooms = socket.rooms();
        rooms.retain(|room| *room != id);
        rooms.sort_unstable();
        json!({"ok": true, "id": id, "node": self.node, "namespace": socket.namespace(), "rooms": rooms})
    }

    fn allow(&self, room: &str) -> Result<(), Refusal> {
        if self.rooms.iter().any(|pattern| pattern.matches(room)) {
            Ok(())
        } else {
            Err(Refusal::new(Code::RoomNotAllowed, "this namespace does not allow the room"))
        }
    }
}

impl Handler for Rules {
    fn event(&self, socket: &Socket, event: Event) -> Flow {
        match self.apply(socket, &event) {
            Ok(reply) => event.ack().send(reply),
            Err(refusal) => socket.refuse(event.ack(), refusal.code, &refusal.message),
        }
        Flow::Done
    }
}

/// Milliseconds since the epoch.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
