//! The two ways in which servers speak over Redis, behind one face: which channels there are, what goes out on which, and
//! what it looks like. What comes in is told apart in [`routes`](crate::routes).

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;

use crate::server_side::value_of;
use crate::wire::broadcast::{self, Target};
use crate::wire::channel::Channels;
use crate::wire::payload::Payload;
use crate::wire::request::{self, Envelope, Request};
use crate::wire::response::{self, Body};
use crate::wire::{WireError, sharded, to_json};

/// How messages are laid out on Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// As Node's `@socket.io/redis-adapter` with `createAdapter`: `PUBLISH`, every server receives everything. The one
    /// that emitters of all languages speak.
    #[default]
    Classic,
    /// As Node's `createShardedAdapter`: `SPUBLISH`, for Redis 7 and Redis Cluster.
    Sharded(SubscriptionMode),
}

impl Mode {
    pub(crate) fn has_room_channels(self) -> bool {
        matches!(self, Self::Sharded(SubscriptionMode::Dynamic | SubscriptionMode::DynamicPrivate))
    }
}

/// Which rooms have a channel of their own in [`Mode::Sharded`]: a server without member of such a room does not receive
/// what is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SubscriptionMode {
    /// None: two subscriptions for each namespace, every server receives everything.
    Static,
    /// Every room but those of single sockets.
    #[default]
    Dynamic,
    /// Every room, also those of single sockets.
    DynamicPrivate,
}

/// Something to be published.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) channel: String,
    pub(crate) payload: Vec<u8>,
}

/// Who waits for an answer.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) uid: Option<String>,
    pub(crate) request_id: String,
}

/// How one namespace's adapter speaks.
#[derive(Debug)]
pub(crate) struct Protocol {
    pub(crate) mode: Mode,
    uid: String,
    namespace: String,
    pub(crate) channels: Channels,
    specific_responses: bool,
}

/// Ids of nodes begin so; Node's are shorter, or have only hexadecimal digits.
const OURS: &str = "rc";

/// A new id for a node, and for its adapters on the bus.
pub(crate) fn node_id() -> String {
    format!("{OURS}{}", crate::wire::uid::random::<14>())
}

/// Whether a server is of this kind.
pub(crate) fn is_ours(uid: &str) -> bool {
    uid.len() == 16 && uid.starts_with(OURS)
}

impl Protocol {
    pub(crate) fn new(
        mode: Mode,
        prefix: &str,
        namespace: &str,
        uid: &str,
        specific_responses: bool,
    ) -> Self {
        Self {
            mode,
            uid: uid.to_owned(),
            namespace: namespace.to_owned(),
            channels: Channels::new(prefix, namespace, uid),
            specific_responses,
        }
    }

    /// The channel to which every server of the namespace listens, once.
    pub(crate) fn counted(&self) -> &String {
        match self.mode {
            Mode::Classic => &self.channels.request,
            Mode::Sharded(_) => &self.channels.broadcast,
        }
    }

    /// The channel to which only the server `uid` listens.
    pub(crate) fn own_channel(&self, uid: &str) -> String {
        match self.mode {
            Mode::Classic => format!("{}{uid}#", self.channels.response),
            Mode::Sharded(_) => format!("{}{uid}#", self.channels.broadcast),
        }
    }

    /// Whether a room has a channel of its own to publish on. Node takes only names of 20 characters for sockets' ids;
    /// ours have 16, and go the way that is heard whether or not their channel is subscribed.
    fn has_channel(&self, room: &str) -> bool {
        match self.mode {
            Mode::Classic | Mode::Sharded(SubscriptionMode::DynamicPrivate) => true,
            Mode::Sharded(SubscriptionMode::Static) => false,
            Mode::Sharded(SubscriptionMode::Dynamic) => {
                room.chars().count() != 20 && room.parse::<socketioxide_core::Sid>().is_err()
            }
        }
    }

    pub(crate) fn broadcast(
        &self,
        json: &str,
        attachments: &VecDeque<Bytes>,
        target: &Target,
    ) -> Result<Outgoing, WireError> {
        let channel = match &*target.rooms {
            [room] if self.has_channel(room) => self.channels.for_rooms(&target.rooms),
            _ => self.channels.broadcast.clone(),
        };
        let payload = match self.mode {
            Mode::Classic => broadcast::encode(&self.uid, &self.namespace, json, attachments, target),
            Mode::Sharded(_) => {
                sharded::encode::broadcast(&self.uid, &self.namespace, json, attachments, target, None)
            }
        }?;
        Ok(Outgoing { channel, payload })
    }

    pub(crate) fn broadcast_with_ack(
        &self,
        request_id: &str,
        json: &str,
        attachments: &VecDeque<Bytes>,
        target: &Target,
    ) -> Result<Outgoing, WireError> {
        let (uid, namespace) = (&*self.uid, &*self.namespace);
        let payload = match self.mode {
            Mode::Classic => request::encode_broadcast(uid, request_id, namespace, json, attachments, target),
            Mode::Sharded(_) => {
                sharded::encode::broadcast(uid, namespace, json, attachments, target, Some(request_id))
            }
        }?;
        Ok(Outgoing { channel: self.counted().clone(), payload })
    }

    /// Any other request; one without id wants no answer.
    pub(crate) fn request(&self, id: Option<&str>, request: Request<'_>) -> Result<Outgoing, WireError> {
        let (uid, namespace) = (&*self.uid, &*self.namespace);
        let needed = || id.ok_or(WireError::Shape("request id"));
        let payload = match self.mode {
            Mode::Classic => {
                let request_id = id.map(ToOwned::to_owned);
                request::encode(&Envelope { uid: Some(self.uid.clone()), request_id, request })
            }
            Mode::Sharded(_) => match &request {
                Request::Join(target, rooms) => sharded::encode::join(uid, namespace, target, rooms),
                Request::Leave(target, rooms) => sharded::encode::leave(uid, namespace, target, rooms),
                Request::Disconnect(target, close) => {
                    sharded::encode::disconnect(uid, namespace, target, *close)
                }
                Request::Fetch(target) => sharded::encode::fetch(uid, namespace, target, needed()?),
                _ => Err(WireError::Shape("request")),
            },
        }?;
        Ok(Outgoing { channel: self.counted().clone(), payload })
    }

    pub(crate) fn respond(&self, to: &Asker, body: Body<'_>) -> Result<Outgoing, WireError> {
        let (uid, namespace, id) = (&*self.uid, &*self.namespace, &*to.request_id);
        let asker = to.uid.as_deref();
        match self.mode {
            Mode::Classic => {
                // Node answers server-side events where everybody hears it, whatever is set.
                let specific = self.specific_responses && !matches!(body, Body::ServerSideEmit(_));
                let channel = match asker {
                    Some(asker) if specific => self.own_channel(asker),
                    _ => self.channels.response.clone(),
                };
                // Servers of this kind want to know who has answered; Node is given what Node gives.
                let signature = asker.is_some_and(is_ours).then_some(uid);
                Ok(Outgoing { channel, payload: response::encode(id, signature, body)? })
            }
            Mode::Sharded(_) => {
                let payload = match body {
                    Body::Sockets(Payload::Json(sockets)) => {
                        sharded::encode::fetch_response(uid, namespace, id, sockets)
                    }
                    Body::ClientCount(count) => sharded::encode::client_count(uid, namespace, id, count),
                    _ => Err(WireError::Shape("response")),
                }?;
                Ok(Outgoing { channel: self.own_channel(asker.unwrap_or("undefined")), payload })
            }
        }
    }

    /// An event for the other servers; one without id wants no answer.
    pub(crate) fn server_side_emit(
        &self,
        id: Option<&str>,
        json: &str,
        attachments: &VecDeque<Bytes>,
    ) -> Result<Outgoing, WireError> {
        if self.mode == Mode::Classic {
            let json = with_buffers(json, attachments)?;
            return self.request(id, Request::ServerSideEmit(Payload::Json(&json)));
        }
        let payload = sharded::encode::server_side_emit(&self.uid, &self.namespace, json, attachments, id)?;
        Ok(Outgoing { channel: self.counted().clone(), payload })
    }

    /// The answer to such an event.
    pub(crate) fn server_side_answer(
        &self,
        to: &Asker,
        json: &str,
        attachments: &VecDeque<Bytes>,
    ) -> Result<Outgoing, WireError> {
        if self.mode == Mode::Classic {
            let json = with_buffers(json, attachments)?;
            return self.respond(to, Body::ServerSideEmit(Some(Payload::Json(&json))));
        }
        let (uid, namespace, id) = (&*self.uid, &*self.namespace, &*to.request_id);
        let payload =
            sharded::encode::server_side_emit_response(uid, namespace, id, Some(json), attachments)?;
        Ok(Outgoing { channel: self.own_channel(to.uid.as_deref().unwrap_or("undefined")), payload })
    }

    /// A client's acknowledgement, of which only the first argument goes over the bus.
    pub(crate) fn acknowledge(
        &self,
        to: &Asker,
        json: Option<&str>,
        attachments: &VecDeque<Bytes>,
    ) -> Result<Outgoing, WireError> {
        let id = &*to.request_id;
        let asker = to.uid.as_deref();
        Ok(match self.mode {
            Mode::Classic => Outgoing {
                channel: match asker {
                    Some(asker) if self.specific_responses => self.own_channel(asker),
                    _ => self.channels.response.clone(),
                },
                payload: response::encode_ack(id, json, attachments)?,
            },
            Mode::Sharded(_) => Outgoing {
                channel: self.own_channel(asker.unwrap_or("undefined")),
                payload: sharded::encode::ack(&self.uid, &self.namespace, id, json, attachments)?,
            },
        })
    }
}

/// The classic adapter has only JSON for events between servers, and with that no binary but as Node writes it.
fn with_buffers<'a>(json: &'a str, attachments: &VecDeque<Bytes>) -> Result<Cow<'a, str>, WireError> {
    if attachments.is_empty() {
        return Ok(Cow::Borrowed(json));
    }
    let json = to_json::Json { text: json.to_owned(), attachments: attachments.clone() };
    Ok(Cow::Owned(value_of(&json)?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(mode: SubscriptionMode, rooms: &[&str]) -> String {
        let protocol = Protocol::new(Mode::Sharded(mode), "socket.io", "/", "rc00000000000000", false);
        let target =
            Target { rooms: rooms.iter().map(|room| (*room).to_owned()).collect(), ..Target::default() };
        protocol.broadcast(r#"["e"]"#, &VecDeque::new(), &target).unwrap().channel
    }

    #[test]
    fn rooms_have_the_channels_that_their_members_listen_to() {
        use SubscriptionMode::{Dynamic, DynamicPrivate, Static};
        for mode in [Static, Dynamic, DynamicPrivate] {
            assert_eq!(channel(mode, &[]), "socket.io#/#");
            assert_eq!(channel(mode, &["a", "b"]), "socket.io#/#");
        }
        assert_eq!(channel(Static, &["paris"]), "socket.io#/#");
        assert_eq!(channel(Dynamic, &["paris"]), "socket.io#/#paris#");
        // Node's id, and one of ours.
        assert_eq!(channel(Dynamic, &["01234567890123456789"]), "socket.io#/#");
        assert_eq!(channel(Dynamic, &["0123456789012345"]), "socket.io#/#");
        assert_eq!(channel(DynamicPrivate, &["01234567890123456789"]), "socket.io#/#01234567890123456789#");
    }

    #[test]
    fn only_servers_of_this_kind_get_signed_answers() {
        let protocol = Protocol::new(Mode::Classic, "socket.io", "/", "rc00000000000000", false);
        let answer = |uid: &str| {
            let to = Asker { uid: Some(uid.into()), request_id: "r".into() };
            String::from_utf8(protocol.respond(&to, Body::ClientCount(1)).unwrap().payload).unwrap()
        };
        assert_eq!(answer("AAAAAA"), r#"{"type":8,"requestId":"r","clientCount":1}"#);
        assert_eq!(
            answer(&node_id()),
            r#"{"type":8,"requestId":"r","clientCount":1,"uid":"rc00000000000000"}"#
        );
    }
}
