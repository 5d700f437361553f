//! Reading what JavaScript servers, clients and emitters of all ages write: numbers for room names, `""` or nothing for
//! an empty list, halves of characters.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::text;

/// Stands for a name that cannot be read, such as the `null` that `io.in(undefined)` of a Node server writes. It must
/// not just be left out: a list that becomes empty by that would mean everybody. No socket is in a room of this name.
pub(super) const UNREADABLE: &str = "\0unreadable";

/// A list of room names.
pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(items) => {
            let name = |item| into_name(item).unwrap_or_else(|| UNREADABLE.to_owned());
            Ok(items.into_iter().map(name).collect())
        }
        // `new Set(null)` and `new Set("")` are empty in JavaScript, too.
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        _ => Err(D::Error::custom("not a list of names")),
    }
}

/// A list of room names that may be missing.
pub(super) fn some_names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    names(deserializer).map(Some)
}

/// A request id, which some servers write as a number.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    name(deserializer)?.ok_or_else(|| D::Error::custom("not an id"))
}

/// A list of values of any kind, which may hold halves of characters.
pub(super) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Value>>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    serde_json::from_str(&text::well_formed(raw.get())).map(Some).map_err(D::Error::custom)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct List(#[serde(deserialize_with = "names")] Vec<String>);

    #[test]
    fn a_list_that_is_not_empty_never_becomes_empty() {
        let read = |json: &str| serde_json::from_str::<List>(json).map(|list| list.0).ok();
        assert_eq!(read(r#"["a",5]"#).unwrap(), ["a", "5"]);
        assert_eq!(read(r#"[null,{},[]]"#).unwrap(), [UNREADABLE; 3]);
        for empty in ["[]", "null", r#""""#] {
            assert_eq!(read(empty).unwrap(), [""; 0], "{empty}");
        }
        for wrong in ["{}", "7", r#""abc""#, "true"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
