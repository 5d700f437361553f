//! Requests between servers, on `P-request#N#`: JSON, except [`Request::Broadcast`], which is MessagePack. The first
//! byte tells which.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::broadcast::{Flags, Packet, Rooms, Target};
use super::payload::{Payload, validate};
use super::reader::{Reader, Token};
use super::{WireError, broadcast, lenient, to_msgpack};

/// A request with who asks.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// The asking adapter's uid; a `redis-emitter` leaves it out.
    pub uid: Option<String>,
    /// Ties responses to the request; absent where none is wanted.
    pub request_id: Option<String>,
    /// What is asked.
    pub request: Request<'a>,
}

/// What one server asks the others. The numbers are the `type` on the wire.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request<'a> {
    /// 0: the ids of the sockets in these rooms; sent by adapters up to 7.x.
    Sockets(Rooms),
    /// 1: the names of all rooms.
    AllRooms,
    /// 2: make sockets join rooms.
    Join(Target, Vec<String>),
    /// 3: make sockets leave rooms.
    Leave(Target, Vec<String>),
    /// 2 of older versions: one socket, one room; its owner confirms.
    JoinOne(String, String),
    /// 3 of older versions.
    LeaveOne(String, String),
    /// 4: disconnect sockets; `true` closes their connection as well.
    Disconnect(Target, bool),
    /// 4 of older versions.
    DisconnectOne(String, bool),
    /// 5: the sockets with all that is known of them.
    Fetch(Target),
    /// 6: `[event, ...args]` for the other servers.
    ServerSideEmit(Payload<'a>),
    /// 7: a broadcast whose acknowledgements are wanted.
    Broadcast(Packet<'a>, Target),
}

/// The JSON form, with Node's order of keys. Absent keys must not be written as null: Node takes `requestId: null`
/// for a request id.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "options")]
    opts: Option<TextTarget>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::some_names")]
    rooms: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::name")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::name")]
    room: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct TextTarget {
    #[serde(deserialize_with = "lenient::names")]
    rooms: Vec<String>,
    #[serde(deserialize_with = "lenient::names")]
    except: Vec<String>,
}

/// Only an object: serde would read `[]` as a target without rooms, which means everybody. What is falsy in JavaScript
/// marks the form of older versions.
fn options<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<TextTarget>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    match raw {
        "null" | "false" | "0" | "\"\"" => Ok(None),
        _ if raw.starts_with('{') => serde_json::from_str(raw).map(Some).map_err(serde::de::Error::custom),
        _ => Err(serde::de::Error::custom("options must be an object")),
    }
}

impl From<TextTarget> for Target {
    fn from(text: TextTarget) -> Self {
        Self { rooms: text.rooms.into(), except: text.except.into(), flags: Flags::default() }
    }
}

impl From<&Target> for TextTarget {
    fn from(target: &Target) -> Self {
        Self { rooms: target.rooms.to_vec(), except: target.except.to_vec() }
    }
}

/// Encodes a request. A [`Request::Broadcast`] is written by [`encode_broadcast`] instead, straight from its packet.
///
/// # Errors
/// [`WireError::Shape`] for a [`Request::Broadcast`], and for a server-side event that is not JSON.
pub fn encode(envelope: &Envelope<'_>) -> Result<Vec<u8>, WireError> {
    let mut text =
        Text { uid: envelope.uid.clone(), request_id: envelope.request_id.clone(), ..Text::default() };
    let (kind, opts) = match &envelope.request {
        Request::Sockets(rooms) => {
            text.rooms = Some(rooms.to_vec());
            (0, None)
        }
        Request::AllRooms => (1, None),
        Request::Join(target, rooms) | Request::Leave(target, rooms) => {
            text.rooms = Some(rooms.clone());
            (if matches!(envelope.request, Request::Join(..)) { 2 } else { 3 }, Some(target))
        }
        Request::JoinOne(sid, room) | Request::LeaveOne(sid, room) => {
            (text.sid, text.room) = (Some(sid.clone()), Some(room.clone()));
            (if matches!(envelope.request, Request::JoinOne(..)) { 2 } else { 3 }, None)
        }
        Request::Disconnect(target, close) => {
            text.close = Some(*close);
            (4, Some(target))
        }
        Request::DisconnectOne(sid, close) => {
            (text.sid, text.close) = (Some(sid.clone()), Some(*close));
            (4, None)
        }
        Request::Fetch(target) => (5, Some(target)),
        Request::ServerSideEmit(data) => {
            let Payload::Json(json) = data else { return Err(WireError::Shape("server-side event")) };
            text.data = Some(validate(json)?);
            (6, None)
        }
        Request::Broadcast(..) => return Err(WireError::Shape("request")),
    };
    text.r#type = Some(kind);
    text.opts = opts.map(TextTarget::from);
    serde_json::to_vec(&text).map_err(|err| WireError::Json(err.to_string()))
}

/// Encodes a broadcast that wants acknowledgements.
///
/// # Errors
/// As [`broadcast::encode`].
pub fn encode_broadcast(
    uid: &str,
    request_id: &str,
    namespace: &str,
    json: &str,
    attachments: &VecDeque<Bytes>,
    target: &Target,
) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::with_capacity(json.len() + 160);
    to_msgpack::write_map_len(&mut out, 5);
    for (key, value) in [("uid", uid), ("requestId", request_id)] {
        to_msgpack::write_str(&mut out, key);
        to_msgpack::write_str(&mut out, value);
    }
    to_msgpack::write_str(&mut out, "type");
    to_msgpack::write_uint(&mut out, 7);
    to_msgpack::write_str(&mut out, "packet");
    broadcast::write_packet(&mut out, namespace, json, attachments)?;
    to_msgpack::write_str(&mut out, "opts");
    broadcast::write_target(&mut out, target);
    Ok(out)
}

/// Decodes a request.
///
/// # Errors
/// Any [`WireError`] that malformed bytes cause; an unknown type is [`WireError::Shape`].
pub fn decode(bytes: &[u8]) -> Result<Envelope<'_>, WireError> {
    if bytes.first() == Some(&b'{') { decode_text(bytes) } else { decode_broadcast(bytes) }
}

fn decode_text(bytes: &[u8]) -> Result<Envelope<'_>, WireError> {
    let text: Text<'_> = serde_json::from_slice(bytes).map_err(|err| WireError::Json(err.to_string()))?;
    let Text { uid, request_id, r#type: kind, opts, rooms, sid, room, close, data } = text;
    let rooms = rooms.unwrap_or_default();
    // Rooms to join or leave, unlike rooms to address, can just be left out.
    let readable = || rooms.iter().filter(|room| *room != lenient::UNREADABLE).cloned().collect();
    let close = close.unwrap_or(false);
    // The present form has `opts`, that of older versions names one socket.
    let kind = kind.ok_or(WireError::Shape("request type"))?;
    let request = match (kind, opts.map(Target::from), sid, room) {
        (0, ..) => Request::Sockets(rooms.clone().into()),
        (1, ..) => Request::AllRooms,
        (2, Some(target), ..) => Request::Join(target, readable()),
        (2, None, Some(sid), Some(room)) => Request::JoinOne(sid, room),
        (3, Some(target), ..) => Request::Leave(target, readable()),
        (3, None, Some(sid), Some(room)) => Request::LeaveOne(sid, room),
        (4, Some(target), ..) => Request::Disconnect(target, close),
        (4, None, Some(sid), _) => Request::DisconnectOne(sid, close),
        (5, Some(target), ..) => Request::Fetch(target),
        (6, ..) => {
            let data = Payload::Json(data.ok_or(WireError::Shape("request data"))?.get());
            data.require_event()?;
            Request::ServerSideEmit(data)
        }
        _ => return Err(WireError::Shape("request")),
    };
    Ok(Envelope { uid, request_id, request })
}

fn decode_broadcast(bytes: &[u8]) -> Result<Envelope<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    let (mut uid, mut request_id, mut packet, mut target) = (None, None, None, None);
    for _ in 0..reader.map("request")? {
        match reader.str("request key")? {
            "uid" => uid = Some(reader.str("uid")?.to_owned()),
            "requestId" => request_id = Some(reader.str("request id")?.to_owned()),
            "type" => match reader.token()? {
                Token::Uint(7) => {}
                _ => return Err(WireError::Shape("request type")),
            },
            "packet" => packet = Some(broadcast::read_packet(&mut reader)?),
            "opts" => target = Some(broadcast::read_target(&mut reader)?),
            _ => _ = reader.skip()?,
        }
    }
    reader.finish()?;
    let (Some(packet), Some(target)) = (packet, target) else {
        return Err(WireError::Shape("request"));
    };
    Ok(Envelope { uid, request_id, request: Request::Broadcast(packet, target) })
}
