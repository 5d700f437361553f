//! Values with binary, which the driver writes as `{"$bin": "<base64>"}`.

use std::collections::VecDeque;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use roomcast_adapter::Reply;
use serde::Serialize;
use serde::ser::{SerializeTuple, Serializer};
use serde_json::{Value, json};
use socketioxide_core::Value as Packed;

/// `[event, ...args]` as a packet carries it.
pub(crate) fn event(args: &[Value]) -> anyhow::Result<Packed> {
    let mut args = Value::Array(args.to_vec());
    let mut attachments = VecDeque::new();
    take_out(&mut args, &mut attachments)?;
    let attachments = (!attachments.is_empty()).then_some(attachments);
    Ok(Packed::Str(args.to_string().into(), attachments))
}

fn take_out(value: &mut Value, attachments: &mut VecDeque<Bytes>) -> anyhow::Result<()> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| take_out(item, attachments)),
        Value::Object(map) => {
            let Some(Value::String(text)) = map.get("$bin") else {
                return map.values_mut().try_for_each(|item| take_out(item, attachments));
            };
            let bytes = BASE64_STANDARD.decode(text)?;
            *value = json!({"_placeholder": true, "num": attachments.len()});
            attachments.push_back(bytes.into());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An answer as the driver reads it.
pub(crate) fn reply(reply: &Reply) -> Value {
    let mut value = serde_json::from_str(reply.text()).unwrap_or_default();
    put_in(&mut value, reply.attachments());
    value
}

fn put_in(value: &mut Value, attachments: &VecDeque<Bytes>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| put_in(item, attachments)),
        Value::Object(map) => {
            let index = map.get("_placeholder").and_then(|_| map.get("num")).and_then(Value::as_u64);
            match index.and_then(|index| attachments.get(index as usize)) {
                Some(bytes) => *value = json!({"$bin": BASE64_STANDARD.encode(bytes)}),
                None => map.values_mut().for_each(|item| put_in(item, attachments)),
            }
        }
        _ => {}
    }
}

/// Several arguments whose number is only known now: a tuple to socketioxide.
pub(crate) struct Tuple<'a>(pub(crate) &'a [Value]);

impl Serialize for Tuple<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for item in self.0 {
            tuple.serialize_element(&Binary(item))?;
        }
        tuple.end()
    }
}

/// A value whose binary parts are serialised as such.
pub(crate) struct Binary<'a>(pub(crate) &'a Value);

impl Serialize for Binary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => serializer.collect_seq(items.iter().map(Binary)),
            Value::Object(map) => match map.get("$bin") {
                Some(Value::String(text)) => {
                    let bytes = BASE64_STANDARD.decode(text).map_err(serde::ser::Error::custom)?;
                    serializer.serialize_bytes(&bytes)
                }
                _ => serializer.collect_map(map.iter().map(|(key, item)| (key, Binary(item)))),
            },
            plain => plain.serialize(serializer),
        }
    }
}
