//! Reading messages. The two forms differ only in how the parts are found; what they must be is checked once.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::broadcast::{self, Flags, Target};
use super::super::payload::Payload;
use super::super::reader::{Reader, Token};
use super::super::{WireError, lenient, to_json};
use super::{Envelope, Message, kind};

/// Decodes a message.
///
/// # Errors
/// Any [`WireError`] that malformed bytes cause. Of the clients' values only the outermost shape is checked, the rest
/// is left to [`Payload::to_json`].
pub fn decode(bytes: &[u8]) -> Result<Envelope<'_>, WireError> {
    if bytes.first() == Some(&b'{') { decode_text(bytes) } else { decode_msgpack(bytes) }
}

#[derive(Deserialize)]
struct Text<'a> {
    r#type: u64,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    uid: String,
    nsp: Option<String>,
}

/// The parts that messages have; each type has its own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Data<'a> {
    #[serde(borrow, deserialize_with = "text_payload")]
    packet: Option<Payload<'a>>,
    request_id: RequestId,
    #[serde(borrow, deserialize_with = "text_payload")]
    opts: Option<Payload<'a>>,
    rooms: Names,
    close: Option<bool>,
    #[serde(borrow, deserialize_with = "text_payload")]
    sockets: Option<Payload<'a>>,
    client_count: Option<u64>,
}

/// The packet of a broadcast. Its namespace is that of the envelope, whatever it says itself.
#[derive(Deserialize)]
struct TextPacket<'a> {
    r#type: Option<u64>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    rooms: Names,
    except: Names,
    #[serde(deserialize_with = "flags")]
    flags: Flags,
}

#[derive(Default, Deserialize)]
struct Names(#[serde(deserialize_with = "lenient::names")] Vec<String>);

#[derive(Default, Deserialize)]
struct RequestId(#[serde(deserialize_with = "request_id")] Option<String>);

/// Unlike with an `Option` of serde's, null is a value: a callback's argument may be null, or absent.
fn text_payload<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload<'a>>, D::Error> {
    <&'a RawValue>::deserialize(deserializer).map(|raw| Some(Payload::Json(raw.get())))
}

fn request_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(id) => Ok(Some(id)),
        Value::Number(id) => Ok(Some(id.to_string())),
        Value::Null => Ok(None),
        _ => Err(D::Error::custom("request id is neither a string nor a number")),
    }
}

/// As in a classic broadcast, a flag of an unexpected type is as good as absent.
fn flags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Flags, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    if raw == "{}" {
        return Ok(Flags::default());
    }
    match serde_json::from_str(raw).map_err(D::Error::custom)? {
        Value::Object(flags) => Ok(Flags {
            volatile: flags.get("volatile").and_then(Value::as_bool).unwrap_or(false),
            compress: flags.get("compress").and_then(Value::as_bool),
            timeout: flags.get("timeout").and_then(Value::as_u64),
        }),
        Value::Null => Ok(Flags::default()),
        Value::String(text) if text.is_empty() => Ok(Flags::default()),
        _ => Err(D::Error::custom("flags are not an object")),
    }
}

fn decode_text(bytes: &[u8]) -> Result<Envelope<'_>, WireError> {
    let text = std::str::from_utf8(bytes).map_err(|_| WireError::Utf8)?;
    let Text { r#type, data, uid, nsp } = serde_json::from_str(text).map_err(json_error)?;
    let message = match data {
        _ if !is_known(r#type) => Message::Unknown(r#type),
        Some(data) => message(r#type, object(data.get(), "message data")?)?,
        None => return Err(WireError::Shape("message data")),
    };
    Ok(Envelope { uid, namespace: nsp, message })
}

fn decode_msgpack(bytes: &[u8]) -> Result<Envelope<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    let (mut kind, mut data, mut uid, mut namespace) = (None, None, None, None);
    for _ in 0..reader.map("message")? {
        match reader.str("message key")? {
            "type" => match reader.token()? {
                Token::Uint(number) => kind = Some(number),
                _ => return Err(WireError::Shape("message type")),
            },
            "data" => data = Some(reader.skip()?),
            "uid" => uid = Some(reader.str("uid")?.to_owned()),
            "nsp" => {
                namespace = match reader.token()? {
                    Token::Str(name) => Some(name.to_owned()),
                    Token::Nil => None,
                    _ => return Err(WireError::Shape("namespace")),
                }
            }
            _ => _ = reader.skip()?,
        }
    }
    reader.finish()?;
    let kind = kind.ok_or(WireError::Shape("message type"))?;
    let uid = uid.ok_or(WireError::Shape("uid"))?;
    let message = match data {
        _ if !is_known(kind) => Message::Unknown(kind),
        Some(data) => message(kind, read_data(data)?)?,
        None => return Err(WireError::Shape("message data")),
    };
    Ok(Envelope { uid, namespace, message })
}

/// All but the client's value goes the way of the JSON form: it is small, and comes as MessagePack only now and then.
fn read_data(bytes: &[u8]) -> Result<Data<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    let mut data = Data::default();
    for _ in 0..reader.map("message data")? {
        let key = reader.str("message data key")?;
        let value = reader.skip()?;
        match key {
            "packet" => data.packet = Some(Payload::MsgPack(value)),
            "requestId" => data.request_id = through_json(value)?,
            "opts" => data.opts = Some(Payload::MsgPack(value)),
            "rooms" => data.rooms = through_json(value)?,
            "close" => data.close = through_json(value)?,
            "sockets" => data.sockets = Some(Payload::MsgPack(value)),
            "clientCount" => data.client_count = through_json(value)?,
            _ => {}
        }
    }
    Ok(data)
}

fn through_json<T: DeserializeOwned>(msgpack: &[u8]) -> Result<T, WireError> {
    serde_json::from_str(&to_json::translate(msgpack)?.text).map_err(json_error)
}

fn is_known(kind: u64) -> bool {
    (kind::BROADCAST..=kind::ACK).contains(&kind)
}

fn message(kind: u64, data: Data<'_>) -> Result<Message<'_>, WireError> {
    let Data { packet, request_id: RequestId(id), opts, rooms, close, sockets, client_count } = data;
    // Without options nobody is meant, rather than everybody.
    let target = || opts.map_or(Err(WireError::Shape("options")), read_options);
    let packet_or = || packet.ok_or(WireError::Shape("packet"));
    let required = |id: Option<String>| id.ok_or(WireError::Shape("request id"));
    // Rooms to join or leave, unlike rooms to address, can just be left out.
    let readable = || rooms.0.into_iter().filter(|room| room != lenient::UNREADABLE).collect();
    Ok(match kind {
        kind::BROADCAST => {
            Message::Broadcast { data: broadcast_data(packet_or()?)?, target: target()?, request_id: id }
        }
        kind::JOIN => Message::Join(target()?, readable()),
        kind::LEAVE => Message::Leave(target()?, readable()),
        kind::DISCONNECT => Message::Disconnect(target()?, close.unwrap_or(false)),
        kind::FETCH => Message::Fetch { target: target()?, request_id: required(id)? },
        kind::FETCH_RESPONSE => Message::FetchResponse {
            request_id: required(id)?,
            sockets: sockets.ok_or(WireError::Shape("sockets"))?,
        },
        kind::SERVER_SIDE_EMIT => {
            let data = packet_or()?;
            data.require_event()?;
            Message::ServerSideEmit { data, request_id: id }
        }
        kind::SERVER_SIDE_EMIT_RESPONSE => {
            Message::ServerSideEmitResponse { request_id: required(id)?, data: packet }
        }
        kind::CLIENT_COUNT => Message::ClientCount {
            request_id: required(id)?,
            count: client_count.ok_or(WireError::Shape("client count"))?,
        },
        kind::ACK => Message::Ack { request_id: required(id)?, data: packet },
        other => Message::Unknown(other),
    })
}

fn read_options(opts: Payload<'_>) -> Result<Target, WireError> {
    let Options { rooms, except, flags } = match opts {
        Payload::Json(text) => object(text, "options")?,
        Payload::MsgPack(bytes) => return broadcast::read_target(&mut Reader::new(bytes)),
    };
    Ok(Target { rooms: rooms.0.into(), except: except.0.into(), flags })
}

/// `[event, ...args]` of a broadcast's packet.
fn broadcast_data(packet: Payload<'_>) -> Result<Payload<'_>, WireError> {
    match packet {
        Payload::Json(text) => {
            let TextPacket { r#type, data } = object(text, "packet")?;
            if !matches!(r#type, None | Some(2 | 5)) {
                return Err(WireError::Shape("packet type"));
            }
            let data = Payload::Json(data.get());
            data.require_event()?;
            Ok(data)
        }
        Payload::MsgPack(bytes) => Ok(broadcast::read_packet(&mut Reader::new(bytes))?.data),
    }
}

/// Parses an object; `what` names it in the error. A derived `Deserialize` alone would take an array as well, and
/// read an empty one as options that mean everybody.
fn object<'a, T: Deserialize<'a>>(text: &'a str, what: &'static str) -> Result<T, WireError> {
    if !text.starts_with('{') {
        return Err(WireError::Shape(what));
    }
    serde_json::from_str(text).map_err(json_error)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn json_error(err: serde_json::Error) -> WireError {
    WireError::Json(err.to_string())
}
