//! What the fuzz targets share: an event as a client sees it, so that two ways of writing it can be compared.

use std::collections::VecDeque;

use bytes::Bytes;
use roomcast_adapter::wire::payload::Payload;
use roomcast_adapter::wire::to_json::{self, Json};
use roomcast_adapter::wire::{MAX_DEPTH, WireError, to_msgpack};
use serde_json::Value;

/// A value as a JavaScript client has it when placeholders have been replaced: one type of number, keys in order.
#[derive(Debug, PartialEq)]
pub enum Seen {
    /// `null`, `true`, `false` and strings.
    Plain(Value),
    /// Any number; as in JavaScript 5 and 5.0 are the same, and so are 0 and -0.
    Number(f64),
    /// A `Buffer`.
    Binary(Bytes),
    /// An array.
    Array(Vec<Seen>),
    /// An object. Of a key that comes twice the last value counts.
    Object(Vec<(String, Seen)>),
}

/// Up to this size events are compared as trees. Those take a hundred times the memory of the event, and the limit on
/// memory is to be for the codec.
const COMPARED: usize = 64 * 1024;

/// serde_json's word for more levels than it follows. The object of a placeholder is a level more than the binary value
/// that it stands for, so that an event at the limit has a JSON form that only others than serde_json read.
const TOO_DEEP: &str = "recursion limit exceeded";

/// What a client makes of a packet; `None` if that is too large to compare or nests deeper than serde_json follows.
///
/// # Panics
/// If the text is not JSON.
pub fn seen(text: &str, attachments: &VecDeque<Bytes>) -> Option<Seen> {
    if text.len() > COMPARED {
        return None;
    }
    match serde_json::from_str(text) {
        Ok(value) => Some(resolve(value, attachments)),
        Err(error) => {
            assert!(error.to_string().starts_with(TOO_DEEP), "{error} in {text}");
            None
        }
    }
}

fn resolve(value: Value, attachments: &VecDeque<Bytes>) -> Seen {
    match value {
        Value::Number(number) => Seen::Number(number.as_f64().expect("a JSON number is an f64")),
        Value::Array(items) => {
            Seen::Array(items.into_iter().map(|item| resolve(item, attachments)).collect())
        }
        Value::Object(map) => match attachment(&map, attachments) {
            Some(bytes) => Seen::Binary(bytes),
            None => {
                Seen::Object(map.into_iter().map(|(key, item)| (key, resolve(item, attachments))).collect())
            }
        },
        plain => Seen::Plain(plain),
    }
}

fn attachment(map: &serde_json::Map<String, Value>, attachments: &VecDeque<Bytes>) -> Option<Bytes> {
    if map.get("_placeholder") != Some(&Value::Bool(true)) {
        return None;
    }
    attachments.get(map.get("num")?.as_f64()? as usize).cloned()
}

/// The event of a message from the bus as JSON, after checking that it did not grow without measure, and that the way
/// back to the bus gives the same event. `None` if it has no JSON form.
///
/// # Panics
/// If it is not so.
pub fn event(data: Payload<'_>) -> Option<Json> {
    let json = data.to_json().ok()?;
    let Payload::MsgPack(msgpack) = data else { return Some(json) };
    // A placeholder is longer than the two bytes of an empty binary value, so attachments count apart.
    let most = 8 * msgpack.len() + 40 * json.attachments.len();
    assert!(json.text.len() <= most, "{} bytes became {}", msgpack.len(), json.text.len());
    assert!(json.attachments.iter().map(Bytes::len).sum::<usize>() <= msgpack.len());
    // `[type, placeholder]`, what becomes of an unknown extension, adds two levels to those that are counted.
    assert!(nesting(&json.text) <= MAX_DEPTH + 2, "{} levels", nesting(&json.text));

    let first = seen(&json.text, &json.attachments);
    let mut back = Vec::new();
    match to_msgpack::translate(&json.text, &json.attachments, &mut back) {
        Ok(()) => {
            let again = to_json::translate(&back).expect("what goes to the bus can be read from it");
            let second = seen(&again.text, &again.attachments);
            // Numbers may have become shorter or longer, and with that the whole too large.
            assert!(first == second || first.is_none() || second.is_none(), "{first:?}\n{second:?}");
            Some(json)
        }
        Err(WireError::Json(error)) => {
            assert!(error.starts_with(TOO_DEEP), "{error} in {}", json.text);
            None
        }
        // Data of an application that look like a placeholder cannot be told from one when there are attachments.
        Err(error) => {
            assert!(json.text.matches("\"_placeholder\"").count() > json.attachments.len(), "{error}");
            None
        }
    }
}

/// How many levels of arrays and objects JSON text has.
fn nesting(text: &str) -> usize {
    let (mut level, mut deepest, mut in_string, mut escaped) = (0, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !in_string => level -= 1,
            _ => {}
        }
    }
    deepest
}
