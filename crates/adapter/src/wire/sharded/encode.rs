//! Writing messages, byte for byte as Node does: JSON, unless a client's value holds binary. JSON values are given as
//! text and spliced in; their nesting is limited as that of what is received.
//!
//! Absent parts must not be written as null: Node takes `requestId: null` for a request id.

use std::collections::VecDeque;
use std::ops::Not;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::broadcast::{self, Target};
use super::super::payload::{Payload, validate};
use super::super::reader::{Reader, Token};
use super::super::{WireError, to_msgpack};
use super::kind;

#[derive(Serialize)]
struct Text<'a, D> {
    r#type: u64,
    data: D,
    uid: &'a str,
    nsp: &'a str,
}

/// Its order of parts is another one than that of the other messages.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BroadcastData<'a> {
    packet: Packet<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    opts: Options<'a>,
}

#[derive(Serialize)]
struct Packet<'a> {
    r#type: u64,
    data: &'a RawValue,
}

/// The parts of all other messages, in Node's order.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    opts: Option<Options<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sockets: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_count: Option<u64>,
}

#[derive(Serialize)]
struct Options<'a> {
    rooms: &'a [String],
    except: &'a [String],
    flags: TextFlags,
}

#[derive(Serialize)]
struct TextFlags {
    #[serde(skip_serializing_if = "Not::not")]
    volatile: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    compress: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
}

impl<'a> From<&'a Target> for Options<'a> {
    fn from(Target { rooms, except, flags }: &'a Target) -> Self {
        let flags = TextFlags { volatile: flags.volatile, compress: flags.compress, timeout: flags.timeout };
        Self { rooms, except, flags }
    }
}

/// Encodes a broadcast; `json` is `[event, ...args]`, and `request_id` is present if acknowledgements are wanted.
///
/// # Errors
/// [`WireError::Json`], [`WireError::TooDeep`], [`WireError::Placeholders`] and [`WireError::Shape`] if the event
/// cannot be written.
pub fn broadcast(
    uid: &str,
    namespace: &str,
    json: &str,
    attachments: &VecDeque<Bytes>,
    target: &Target,
    request_id: Option<&str>,
) -> Result<Vec<u8>, WireError> {
    if attachments.is_empty() {
        let packet = Packet { r#type: 2, data: event(json)? };
        let data = BroadcastData { packet, request_id, opts: target.into() };
        return text(uid, namespace, kind::BROADCAST, data);
    }
    let binary: usize = attachments.iter().map(Bytes::len).sum();
    let mut out = Vec::with_capacity(json.len() + binary + 192);
    open(&mut out, kind::BROADCAST);
    to_msgpack::write_map_len(&mut out, 2 + usize::from(request_id.is_some()));
    to_msgpack::write_str(&mut out, "packet");
    to_msgpack::write_map_len(&mut out, 2);
    to_msgpack::write_str(&mut out, "type");
    to_msgpack::write_uint(&mut out, 2);
    to_msgpack::write_str(&mut out, "data");
    let start = out.len();
    to_msgpack::translate(json, attachments, &mut out)?;
    Payload::MsgPack(&out[start..]).require_event()?;
    if let Some(id) = request_id {
        to_msgpack::write_str(&mut out, "requestId");
        to_msgpack::write_str(&mut out, id);
    }
    to_msgpack::write_str(&mut out, "opts");
    broadcast::write_target(&mut out, target);
    close(&mut out, uid, namespace);
    Ok(out)
}

/// Encodes that sockets are to join rooms.
///
/// # Errors
/// None in practice: names can always be written.
pub fn join(uid: &str, namespace: &str, target: &Target, rooms: &[String]) -> Result<Vec<u8>, WireError> {
    let data = Data { opts: Some(target.into()), rooms: Some(rooms), ..Data::default() };
    text(uid, namespace, kind::JOIN, data)
}

/// Encodes that sockets are to leave rooms.
///
/// # Errors
/// As [`join`].
pub fn leave(uid: &str, namespace: &str, target: &Target, rooms: &[String]) -> Result<Vec<u8>, WireError> {
    let data = Data { opts: Some(target.into()), rooms: Some(rooms), ..Data::default() };
    text(uid, namespace, kind::LEAVE, data)
}

/// Encodes that sockets are to be disconnected, with `close` their connections as well.
///
/// # Errors
/// As [`join`].
pub fn disconnect(uid: &str, namespace: &str, target: &Target, close: bool) -> Result<Vec<u8>, WireError> {
    let data = Data { opts: Some(target.into()), close: Some(close), ..Data::default() };
    text(uid, namespace, kind::DISCONNECT, data)
}

/// Encodes the question for sockets.
///
/// # Errors
/// As [`join`].
pub fn fetch(uid: &str, namespace: &str, target: &Target, request_id: &str) -> Result<Vec<u8>, WireError> {
    let data = Data { opts: Some(target.into()), request_id: Some(request_id), ..Data::default() };
    text(uid, namespace, kind::FETCH, data)
}

/// Encodes the sockets that were asked for; `json` is the list of them.
///
/// # Errors
/// [`WireError::Json`] and [`WireError::TooDeep`] if the list cannot be written.
pub fn fetch_response(
    uid: &str,
    namespace: &str,
    request_id: &str,
    json: &str,
) -> Result<Vec<u8>, WireError> {
    let data = Data { request_id: Some(request_id), sockets: Some(validate(json)?), ..Data::default() };
    text(uid, namespace, kind::FETCH_RESPONSE, data)
}

/// Encodes an event for the other servers; `json` is `[event, ...args]`, and `request_id` is present if answers are
/// wanted.
///
/// # Errors
/// [`WireError::Json`], [`WireError::TooDeep`], [`WireError::Placeholders`] and [`WireError::Shape`] if the event
/// cannot be written.
pub fn server_side_emit(
    uid: &str,
    namespace: &str,
    json: &str,
    attachments: &VecDeque<Bytes>,
    request_id: Option<&str>,
) -> Result<Vec<u8>, WireError> {
    event(json)?;
    value(uid, namespace, kind::SERVER_SIDE_EMIT, request_id, Some(json), attachments)
}

/// Encodes a server's answer to an event; `json` is the callback's argument, absent if it had none.
///
/// # Errors
/// [`WireError::Json`], [`WireError::TooDeep`] and [`WireError::Placeholders`] if the argument cannot be written.
pub fn server_side_emit_response(
    uid: &str,
    namespace: &str,
    request_id: &str,
    json: Option<&str>,
    attachments: &VecDeque<Bytes>,
) -> Result<Vec<u8>, WireError> {
    value(uid, namespace, kind::SERVER_SIDE_EMIT_RESPONSE, Some(request_id), json, attachments)
}

/// Encodes how many clients will acknowledge a broadcast.
///
/// # Errors
/// As [`join`].
pub fn client_count(uid: &str, namespace: &str, request_id: &str, count: u64) -> Result<Vec<u8>, WireError> {
    let data = Data { request_id: Some(request_id), client_count: Some(count), ..Data::default() };
    text(uid, namespace, kind::CLIENT_COUNT, data)
}

/// Encodes a client's acknowledgement; `json` is its first argument, absent if it had none. The attachments may be
/// those of the other arguments, which do not go over the bus.
///
/// # Errors
/// [`WireError::Json`], [`WireError::TooDeep`] and [`WireError::Placeholders`] if the argument cannot be written.
pub fn ack(
    uid: &str,
    namespace: &str,
    request_id: &str,
    json: Option<&str>,
    attachments: &VecDeque<Bytes>,
) -> Result<Vec<u8>, WireError> {
    value(uid, namespace, kind::ACK, Some(request_id), json, attachments)
}

/// A message around one value of a client or a server.
fn value(
    uid: &str,
    namespace: &str,
    kind: u64,
    request_id: Option<&str>,
    json: Option<&str>,
    attachments: &VecDeque<Bytes>,
) -> Result<Vec<u8>, WireError> {
    if let (Some(json), false) = (json, attachments.is_empty()) {
        let mut out = Vec::new();
        open(&mut out, kind);
        to_msgpack::write_map_len(&mut out, 1 + usize::from(request_id.is_some()));
        if let Some(id) = request_id {
            to_msgpack::write_str(&mut out, "requestId");
            to_msgpack::write_str(&mut out, id);
        }
        to_msgpack::write_str(&mut out, "packet");
        let start = out.len();
        to_msgpack::translate_part(json, attachments, &mut out)?;
        if holds_binary(&out[start..])? {
            close(&mut out, uid, namespace);
            return Ok(out);
        }
    }
    let packet = json.map(validate).transpose()?;
    text(uid, namespace, kind, Data { request_id, packet, ..Data::default() })
}

fn text(uid: &str, nsp: &str, r#type: u64, data: impl Serialize) -> Result<Vec<u8>, WireError> {
    serde_json::to_vec(&Text { r#type, data, uid, nsp }).map_err(|err| WireError::Json(err.to_string()))
}

fn event(json: &str) -> Result<&RawValue, WireError> {
    let raw = validate(json)?;
    Payload::Json(raw.get()).require_event()?;
    Ok(raw)
}

/// Writes the start of a MessagePack message; the value of `data` must follow.
fn open(out: &mut Vec<u8>, kind: u64) {
    to_msgpack::write_map_len(out, 4);
    to_msgpack::write_str(out, "type");
    to_msgpack::write_uint(out, kind);
    to_msgpack::write_str(out, "data");
}

fn close(out: &mut Vec<u8>, uid: &str, namespace: &str) {
    for (key, value) in [("uid", uid), ("nsp", namespace)] {
        to_msgpack::write_str(out, key);
        to_msgpack::write_str(out, value);
    }
}

fn holds_binary(msgpack: &[u8]) -> Result<bool, WireError> {
    let mut reader = Reader::new(msgpack);
    while reader.finish().is_err() {
        if matches!(reader.token()?, Token::Bin(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}
