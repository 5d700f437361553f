//! Events from server to server: no client gets them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::adapter::{Adapter, EmitError, event};
use crate::operator::packet;
use crate::protocol::Asker;
use crate::wire::to_json::Json;
use crate::wire::{WireError, text, to_json};

/// An event that another server has sent with `serverSideEmit`.
#[derive(Debug)]
pub struct ServerEvent {
    name: String,
    arguments: Vec<Value>,
    json: Json,
    asker: Option<Asker>,
    adapter: Weak<Adapter>,
}

impl ServerEvent {
    pub(crate) fn new(json: Json, asker: Option<Asker>, adapter: &Adapter) -> Result<Self, WireError> {
        let Value::Array(mut arguments) = value_of(&json)? else {
            return Err(WireError::Shape("server-side event"));
        };
        if arguments.is_empty() {
            return Err(WireError::Shape("server-side event"));
        }
        let Value::String(name) = arguments.remove(0) else {
            return Err(WireError::Shape("server-side event"));
        };
        Ok(Self { name, arguments, json, asker, adapter: adapter.handle() })
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments. Binary stands as JavaScript's `Buffer` in JSON: `{"type": "Buffer", "data": [1, 2]}`.
    #[must_use]
    pub fn arguments(&self) -> &[Value] {
        &self.arguments
    }

    /// The whole event, `[name, ...arguments]`, with its binary values.
    #[must_use]
    pub fn message(&self) -> Reply {
        Reply { json: self.json.clone() }
    }

    /// Whether the sender waits for an answer.
    #[must_use]
    pub fn wants_answer(&self) -> bool {
        self.asker.is_some()
    }

    /// Answers the sender, now or later; without effect if it does not wait for an answer.
    ///
    /// # Errors
    /// [`EmitError`] if the value cannot be encoded; then the sender gets no answer.
    pub fn answer<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EmitError> {
        let (Some(asker), Some(adapter)) = (self.asker, self.adapter.upgrade()) else { return Ok(()) };
        // As the one argument of an event, however many elements it has.
        let packet = packet(&adapter, "answer", &(value,))?;
        let (json, attachments) = event(&packet)?;
        let none = VecDeque::new();
        let parts: Vec<&RawValue> =
            serde_json::from_str(json).map_err(|error| WireError::Json(error.to_string()))?;
        let value = parts.get(1).map_or("null", |value| value.get());
        let answer = adapter.protocol().server_side_answer(&asker, value, attachments.unwrap_or(&none))?;
        adapter.bus().publish(answer);
        Ok(())
    }
}

/// A tree, for the few values that are not passed on to clients.
pub(crate) fn value_of(json: &Json) -> Result<Value, WireError> {
    let mut value = serde_json::from_str(&text::well_formed(&json.text))
        .map_err(|error| WireError::Json(error.to_string()))?;
    if !json.attachments.is_empty() {
        put_buffers(&mut value, &json.attachments);
    }
    Ok(value)
}

/// Binary as Node writes it into JSON.
fn put_buffers(value: &mut Value, attachments: &VecDeque<Bytes>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| put_buffers(item, attachments)),
        Value::Object(map) => {
            let index = (map.get("_placeholder") == Some(&Value::Bool(true)))
                .then(|| map.get("num").and_then(Value::as_u64))
                .flatten();
            let bytes = index.and_then(|index| attachments.get(usize::try_from(index).ok()?));
            match bytes {
                Some(bytes) => *value = serde_json::json!({"type": "Buffer", "data": &bytes[..]}),
                None => map.values_mut().for_each(|item| put_buffers(item, attachments)),
            }
        }
        _ => {}
    }
}

type Handler = Arc<dyn Fn(ServerEvent) + Send + Sync>;

/// Who handles the events of other servers in one namespace.
#[derive(Default)]
pub(crate) struct Handlers {
    by_name: RwLock<HashMap<String, Handler>>,
}

impl Handlers {
    pub(crate) fn set(&self, event: String, handler: Handler) {
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).insert(event, handler);
    }

    pub(crate) fn handle(&self, event: ServerEvent) {
        let handler =
            self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(event.name()).map(Arc::clone);
        if let Some(handler) = handler {
            handler(event);
        }
    }
}

/// A client's or a server's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    json: Json,
}

impl Reply {
    /// `None`, no argument at all, is JavaScript's `undefined`, which becomes null in a list of answers.
    pub(crate) fn new(json: Option<to_json::Json>) -> Self {
        let null = || Json { text: "null".into(), attachments: VecDeque::new() };
        Self { json: json.unwrap_or_else(null) }
    }

    /// The JSON text; binary stands as `{"_placeholder": true, "num": N}`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.json.text
    }

    /// The binary values, by the numbers in the text.
    #[must_use]
    pub fn attachments(&self) -> &VecDeque<Bytes> {
        &self.json.attachments
    }

    /// The answer as a tree, binary as in [`ServerEvent::arguments`].
    #[must_use]
    pub fn value(&self) -> Value {
        value_of(&self.json).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn binary_in_trees_is_a_buffer() {
        let json = Json {
            text: r#"["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":7},{"a":[{"_placeholder":true,"num":1}]}]"#.into(),
            attachments: VecDeque::from([Bytes::from_static(&[1, 2]), Bytes::from_static(&[])]),
        };
        assert_eq!(
            value_of(&json).unwrap(),
            json!([
                "e",
                {"type": "Buffer", "data": [1, 2]},
                {"_placeholder": true, "num": 7},
                {"a": [{"type": "Buffer", "data": []}]},
            ])
        );
    }
}
