//! A broadcast on the bus: `[uid, {type, data, nsp}, {rooms, except, flags}]`.

use std::collections::VecDeque;

use bytes::Bytes;
use smallvec::SmallVec;

use super::payload::Payload;
use super::reader::{Reader, Token};
use super::{WireError, lenient, to_msgpack};

/// Names of rooms; few broadcasts have more than one.
pub type Rooms = SmallVec<[String; 2]>;

/// Whom a broadcast is for. A socket id is the room that its socket is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The rooms; none means every socket of the namespace.
    pub rooms: Rooms,
    /// Sockets in any of these rooms are left out.
    pub except: Rooms,
    /// The flags of the operation.
    pub flags: Flags,
}

/// The flags that Node puts on the bus, and that receivers look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// May be lost when a client is not ready to receive.
    pub volatile: bool,
    /// `compress(false)` was asked for; has no effect here.
    pub compress: Option<bool>,
    /// How long the asking server waits for acknowledgements, in milliseconds.
    pub timeout: Option<u64>,
}

/// A broadcast as received; the event's arguments are still MessagePack, so that a message nobody wants costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Broadcast<'a> {
    /// The sending adapter's uid; `emitter` for a `redis-emitter`.
    pub uid: &'a str,
    /// The event.
    pub packet: Packet<'a>,
    /// The receivers.
    pub target: Target,
}

/// The event of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Packet<'a> {
    /// The namespace; `None` if it is nil, which matches none.
    pub namespace: Option<&'a str>,
    /// `[event, ...args]`.
    pub data: Payload<'a>,
}

/// Encodes a broadcast; `json` is the packet's `[event, ...args]` text.
///
/// # Errors
/// [`WireError::Json`] and [`WireError::Placeholders`] if the event cannot be translated.
pub fn encode(
    uid: &str,
    namespace: &str,
    json: &str,
    attachments: &VecDeque<Bytes>,
    target: &Target,
) -> Result<Vec<u8>, WireError> {
    let binary: usize = attachments.iter().map(Bytes::len).sum();
    let mut out = Vec::with_capacity(json.len() + binary + 128);
    to_msgpack::write_array_len(&mut out, 3);
    to_msgpack::write_str(&mut out, uid);
    write_packet(&mut out, namespace, json, attachments)?;
    write_target(&mut out, target);
    Ok(out)
}

/// Who sent a broadcast, without reading any further; `None` if that much is malformed.
#[must_use]
pub fn sender(bytes: &[u8]) -> Option<&str> {
    let mut reader = Reader::new(bytes);
    match reader.token() {
        Ok(Token::Array(_)) => reader.str("uid").ok(),
        _ => None,
    }
}

/// Decodes a broadcast.
///
/// # Errors
/// Any [`WireError`] that malformed bytes cause.
pub fn decode(bytes: &[u8]) -> Result<Broadcast<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    // Like Node, more elements than three are ignored; fewer (very old emitters) would crash it.
    let Token::Array(len @ 3..) = reader.token()? else {
        return Err(WireError::Shape("broadcast"));
    };
    let uid = reader.str("uid")?;
    let packet = read_packet(&mut reader)?;
    let target = read_target(&mut reader)?;
    for _ in 3..len {
        reader.skip()?;
    }
    reader.finish()?;
    Ok(Broadcast { uid, packet, target })
}

pub(super) fn write_packet(
    out: &mut Vec<u8>,
    namespace: &str,
    json: &str,
    attachments: &VecDeque<Bytes>,
) -> Result<(), WireError> {
    to_msgpack::write_map_len(out, 3);
    to_msgpack::write_str(out, "type");
    // Always EVENT, with binary too: each server decides for its own clients. 5 would make Node emit `5undefined-`.
    to_msgpack::write_uint(out, 2);
    to_msgpack::write_str(out, "data");
    to_msgpack::translate(json, attachments, out)?;
    to_msgpack::write_str(out, "nsp");
    to_msgpack::write_str(out, namespace);
    Ok(())
}

pub(super) fn write_target(out: &mut Vec<u8>, target: &Target) {
    let Flags { volatile, compress, timeout } = target.flags;
    to_msgpack::write_map_len(out, 3);
    for (key, names) in [("rooms", &target.rooms), ("except", &target.except)] {
        to_msgpack::write_str(out, key);
        to_msgpack::write_array_len(out, names.len());
        for name in names {
            to_msgpack::write_str(out, name);
        }
    }
    to_msgpack::write_str(out, "flags");
    let count = usize::from(volatile) + usize::from(compress.is_some()) + usize::from(timeout.is_some());
    to_msgpack::write_map_len(out, count);
    let flag = |value: bool| if value { 0xc3 } else { 0xc2 };
    if volatile {
        to_msgpack::write_str(out, "volatile");
        out.push(flag(true));
    }
    if let Some(compress) = compress {
        to_msgpack::write_str(out, "compress");
        out.push(flag(compress));
    }
    if let Some(timeout) = timeout {
        to_msgpack::write_str(out, "timeout");
        to_msgpack::write_uint(out, timeout);
    }
}

pub(super) fn read_packet<'a>(reader: &mut Reader<'a>) -> Result<Packet<'a>, WireError> {
    // A missing namespace means `/`, a nil one means none.
    let (mut namespace, mut data) = (Some("/"), None);
    for _ in 0..reader.map("packet")? {
        match reader.str("packet key")? {
            // 5 and its like come from old emitters; what counts is whether there are attachments.
            "type" => match reader.token()? {
                Token::Uint(2 | 5) => {}
                _ => return Err(WireError::Shape("packet type")),
            },
            "nsp" => {
                namespace = match reader.token()? {
                    Token::Str(name) => Some(name),
                    Token::Nil => None,
                    _ => return Err(WireError::Shape("packet namespace")),
                }
            }
            "data" => data = Some(reader.skip()?),
            _ => _ = reader.skip()?,
        }
    }
    let data = Payload::MsgPack(data.ok_or(WireError::Shape("packet data"))?);
    data.require_event()?;
    Ok(Packet { namespace, data })
}

pub(super) fn read_target(reader: &mut Reader<'_>) -> Result<Target, WireError> {
    let mut target = Target::default();
    for _ in 0..reader.map("options")? {
        match reader.str("options key")? {
            "rooms" => target.rooms = read_names(reader)?,
            "except" => target.except = read_names(reader)?,
            "flags" => target.flags = read_flags(reader)?,
            _ => _ = reader.skip()?,
        }
    }
    Ok(target)
}

/// A list of names; old emitters write `""` or nil for an empty one, applications may use numbers.
fn read_names(reader: &mut Reader<'_>) -> Result<Rooms, WireError> {
    let len = match reader.token()? {
        Token::Array(len) if len <= lenient::MAX_NAMES => len,
        Token::Nil | Token::Str("") => 0,
        _ => return Err(WireError::Shape("rooms")),
    };
    let mut names = Rooms::new();
    for _ in 0..len {
        let item = reader.skip()?;
        names.push(match Reader::new(item).token()? {
            Token::Str(name) => name.to_owned(),
            Token::Uint(name) => name.to_string(),
            Token::Int(name) => name.to_string(),
            Token::Float(name) => name.to_string(),
            // Such as the nil that `io.to(undefined)` of a Node server writes: a room that nobody is in.
            _ => lenient::UNREADABLE.to_owned(),
        });
    }
    Ok(names)
}

fn read_flags(reader: &mut Reader<'_>) -> Result<Flags, WireError> {
    let len = match reader.token()? {
        Token::Map(len) => len,
        Token::Nil | Token::Str("") => 0,
        _ => return Err(WireError::Shape("flags")),
    };
    let mut flags = Flags::default();
    for _ in 0..len {
        let key = reader.str("flag")?;
        let value = reader.skip()?;
        match (key, Reader::new(value).token()?) {
            ("volatile", Token::Bool(value)) => flags.volatile = value,
            ("compress", Token::Bool(value)) => flags.compress = Some(value),
            ("timeout", Token::Uint(value)) => flags.timeout = Some(value),
            _ => {}
        }
    }
    Ok(flags)
}
