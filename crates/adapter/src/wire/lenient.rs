//! Reading what JavaScript servers and emitters of all ages write: numbers for room names, `""` or nothing for an
//! empty list.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A list of room names.
pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => items.into_iter().filter_map(into_name).collect(),
        other => into_name(other).filter(|name| !name.is_empty()).into_iter().collect(),
    })
}

/// One room name or socket id.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Value::deserialize(deserializer).map(into_name)
}

fn into_name(value: Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
