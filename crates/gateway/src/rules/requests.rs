//! What clients ask of the node itself: `join`, `leave`, `whoami`, `refresh`.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tracing::debug;

use super::{Refusal, Reply, Rules, presence, room};
use crate::codes::Code;
use crate::identity::ms_until;
use crate::sockets::{Ack, Event, Flow, JoinError, NotRefreshed, Socket};

/// Longest wait for a room's channel to be subscribed.
const SLOW: Duration = Duration::from_secs(1);

/// Answers a join when what other nodes send to the room arrives here: a client that has the answer may count on it. With
/// channels for single rooms that takes a round trip to Redis, otherwise no time at all.
pub(super) fn joined(socket: Socket, room: String, ack: Ack, reply: Value) -> Flow {
    let mut answer = Box::pin(async move {
        let subscribed = socket.adapter().until_subscribed(&room);
        // Redis may be slow; the client is in the room all the same.
        if tokio::time::timeout(SLOW, subscribed).await.is_err() {
            debug!(namespace = socket.namespace(), "a room was joined before its channel was subscribed");
        }
        presence::answer(&socket, room, reply, ack).await;
    });
    if answer.as_mut().now_or_never().is_some() { Flow::Done } else { Flow::Later(answer) }
}

/// The only argument of `refresh`.
pub(super) fn token(event: &Event) -> Result<String, Refusal> {
    let parts = event.parts().map_err(|error| Refusal::new(Code::InvalidArguments, error.to_string()))?;
    match parts[1..] {
        [token] => serde_json::from_str(token.get()).ok(),
        _ => None,
    }
    .ok_or_else(|| Refusal::new(Code::InvalidArguments, "a token is expected"))
}

/// Answers with the new end of the client's identity. Its further events wait: they are of the new one.
pub(super) fn refreshed(socket: Socket, token: String, ack: Ack) -> Flow {
    Flow::Later(Box::pin(async move {
        let (code, message) = match socket.refresh(token).await {
            Ok(expires) => {
                let expires_in = expires.map(ms_until);
                return ack.send(json!({"ok": true, "expires_in": expires_in}));
            }
            Err(NotRefreshed::NoIdentity) => (Code::UnknownEvent, "this namespace asks for no identity"),
            Err(NotRefreshed::OtherUser) => (Code::OtherUser, "the token is of another user"),
            Err(NotRefreshed::Auth(error)) => return socket.refuse(&ack, error.code(), error.message()),
        };
        socket.refuse(&ack, code, message);
    }))
}

impl Rules {
    /// The room, and the answer.
    pub(super) fn join(&self, socket: &Socket, event: &Event) -> Result<(String, Value), Refusal> {
        let room = room::only_argument(event)?;
        self.may_be_in(socket, &room)?;
        // One more than configured: the room named by the socket's own id.
        match socket.join_up_to(&room, self.settings.max_rooms_per_socket.saturating_add(1)) {
            Ok(()) => {
                let reply = json!({"ok": true, "room": room, "members": socket.adapter().members(&room)});
                Ok((room, reply))
            }
            Err(JoinError::TooMany) => {
                let message = format!(
                    "a socket may be in {} rooms, leave one first",
                    self.settings.max_rooms_per_socket
                );
                Err(Refusal::new(Code::TooManyRooms, message))
            }
            Err(JoinError::Gone) => Err(Refusal::new(Code::InternalError, "the socket has disconnected")),
        }
    }

    pub(super) fn leave(&self, socket: &Socket, event: &Event) -> Reply {
        let room = room::only_argument(event)?;
        // A room that a server chose may be left, too; only the socket's own room may not.
        if room == socket.id() || !socket.is_in(&room) {
            self.may_be_in(socket, &room)?;
        }
        socket.leave(&room);
        Ok(json!({"ok": true, "room": room, "members": socket.adapter().members(&room)}))
    }

    pub(super) fn whoami(&self, socket: &Socket) -> Value {
        let id = socket.id();
        let mut rooms = socket.rooms();
        rooms.retain(|room| *room != id);
        rooms.sort_unstable();
        let mut reply =
            json!({"ok": true, "id": id, "node": self.node, "namespace": socket.namespace(), "rooms": rooms});
        if let Some(identity) = socket.identity() {
            reply["user"] = identity.user.as_str().into();
            reply["expires_in"] = identity.expires.map(ms_until).into();
        }
        reply
    }

    fn may_be_in(&self, socket: &Socket, room: &str) -> Result<(), Refusal> {
        let identity = socket.identity();
        self.may_join(room, identity.as_ref().map(|identity| &identity.claims))
    }
}
