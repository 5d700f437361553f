//! Responses between servers, on `P-response#N#`: JSON, except an acknowledgement, which is MessagePack. Which of the
//! JSON forms it is follows from the request that the id belongs to.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::payload::{Payload, validate};
use super::reader::{Reader, Token};
use super::{WireError, lenient, to_msgpack};

/// A response as received.
#[derive(Debug)]
pub struct Response<'a> {
    /// The request that it answers.
    pub request_id: String,
    /// The answering adapter's uid. Node does not write it; servers of this crate do when they answer each other, so that
    /// it can be told who is missing.
    pub uid: Option<String>,
    /// What it says.
    pub body: Body<'a>,
}

/// The parts that responses have; each kind of request has its own.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Body<'a> {
    /// To [`Sockets`](super::request::Request::Sockets) and [`Fetch`](super::request::Request::Fetch): a list of ids or of
    /// sockets. It can be large, so it is left as it is until it is known that somebody waits for it.
    Sockets(Payload<'a>),
    /// To [`AllRooms`](super::request::Request::AllRooms): a list of names.
    Rooms(Payload<'a>),
    /// To [`ServerSideEmit`](super::request::Request::ServerSideEmit): the callback's argument, if it had one.
    ServerSideEmit(Option<Payload<'a>>),
    /// To [`Broadcast`](super::request::Request::Broadcast), first: how many clients will acknowledge.
    ClientCount(u64),
    /// To [`Broadcast`](super::request::Request::Broadcast): a client's first ack argument, if any.
    Ack(Option<Payload<'a>>),
    /// To the requests of older versions: done.
    Done,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<u8>,
    #[serde(deserialize_with = "lenient::id")]
    request_id: String,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    sockets: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    rooms: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(borrow, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
}

/// `null` is an answer, too; only a key that is not there is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Encodes a response that is JSON. A [`Body::Ack`] is written by [`encode_ack`], straight from the client's packet.
///
/// `uid` is that of the answering adapter, for askers that look at it.
///
/// # Errors
/// [`WireError::Shape`] for a [`Body::Ack`], and for a callback's argument that is not JSON.
pub fn encode(request_id: &str, uid: Option<&str>, body: Body<'_>) -> Result<Vec<u8>, WireError> {
    let uid = uid.map(ToOwned::to_owned);
    let mut text = Text { request_id: request_id.to_owned(), uid, ..Text::default() };
    match body {
        Body::Sockets(sockets) => text.sockets = Some(json(sockets)?),
        Body::Rooms(rooms) => text.rooms = Some(json(rooms)?),
        Body::ServerSideEmit(data) => {
            text.r#type = Some(6);
            text.data = data.map(json).transpose()?;
        }
        Body::ClientCount(count) => (text.r#type, text.client_count) = (Some(8), Some(count)),
        Body::Done => {}
        Body::Ack(_) => return Err(WireError::Shape("response")),
    }
    serde_json::to_vec(&text).map_err(|err| WireError::Json(err.to_string()))
}

fn json(payload: Payload<'_>) -> Result<&RawValue, WireError> {
    match payload {
        Payload::Json(json) => validate(json),
        Payload::MsgPack(_) => Err(WireError::Shape("answer")),
    }
}

/// Encodes a client's acknowledgement; `json` is its first argument, absent if it had none.
///
/// # Errors
/// [`WireError::Json`] and [`WireError::Placeholders`] if the argument cannot be translated.
pub fn encode_ack(
    request_id: &str,
    json: Option<&str>,
    attachments: &VecDeque<Bytes>,
) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::with_capacity(64);
    to_msgpack::write_map_len(&mut out, if json.is_some() { 3 } else { 2 });
    to_msgpack::write_str(&mut out, "type");
    to_msgpack::write_uint(&mut out, 9);
    to_msgpack::write_str(&mut out, "requestId");
    to_msgpack::write_str(&mut out, request_id);
    if let Some(json) = json {
        to_msgpack::write_str(&mut out, "packet");
        // Only the first argument goes over the bus; the attachments may be those of others.
        to_msgpack::translate_part(json, attachments, &mut out)?;
    }
    Ok(out)
}

/// Decodes a response.
///
/// # Errors
/// Any [`WireError`] that malformed bytes cause.
pub fn decode(bytes: &[u8]) -> Result<Response<'_>, WireError> {
    if bytes.first() != Some(&b'{') {
        return decode_ack(bytes);
    }
    let text: Text<'_> = serde_json::from_slice(bytes).map_err(|err| WireError::Json(err.to_string()))?;
    let body = match text {
        Text { r#type: Some(6), data, .. } => {
            Body::ServerSideEmit(data.map(|data| Payload::Json(data.get())))
        }
        Text { r#type: Some(8), client_count: Some(count), .. } => Body::ClientCount(count),
        Text { sockets: Some(sockets), .. } => Body::Sockets(Payload::Json(sockets.get())),
        Text { rooms: Some(rooms), .. } => Body::Rooms(Payload::Json(rooms.get())),
        _ => Body::Done,
    };
    Ok(Response { request_id: text.request_id, uid: text.uid, body })
}

fn decode_ack(bytes: &[u8]) -> Result<Response<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    let (mut request_id, mut packet) = (None, None);
    for _ in 0..reader.map("response")? {
        match reader.str("response key")? {
            "type" => match reader.token()? {
                Token::Uint(9) => {}
                _ => return Err(WireError::Shape("response type")),
            },
            "requestId" => request_id = Some(reader.str("request id")?.to_owned()),
            "packet" => packet = Some(Payload::MsgPack(reader.skip()?)),
            _ => _ = reader.skip()?,
        }
    }
    reader.finish()?;
    let request_id = request_id.ok_or(WireError::Shape("response"))?;
    Ok(Response { request_id, uid: None, body: Body::Ack(packet) })
}
