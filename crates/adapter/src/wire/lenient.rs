//! Reading what JavaScript servers, clients and emitters of all ages write: numbers for room names, `""` or nothing for
//! an empty list, halves of characters.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Stands for a name that cannot be read, such as the `null` that `io.in(undefined)` of a Node server writes. It must
/// not just be left out: a list that becomes empty by that would mean everybody. No socket is in a room of this name.
pub(super) const UNREADABLE: &str = "\0unreadable";

/// Most names in a list. A list that is longer is a mistake, and would take many times its own size here.
pub(super) const MAX_NAMES: u32 = 1_000_000;

/// A list of room names.
pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(Names { most: MAX_NAMES as usize })
}

/// Without a tree of values in between: a message may consist of nothing but names.
struct Names {
    most: usize,
}

impl<'de> Visitor<'de> for Names {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(Name(name)) = items.next_element()? {
            if names.len() == self.most {
                return Err(A::Error::custom("too many names"));
            }
            names.push(name.unwrap_or_else(|| UNREADABLE.to_owned()));
        }
        Ok(names)
    }

    // `new Set(null)` and `new Set("")` are empty in JavaScript, too.
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() { Ok(Vec::new()) } else { Err(E::custom("not a list of names")) }
    }
}

/// One item of a list; `None` if it cannot be a name.
struct Name(Option<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        // Nearly all names are what stands between the quotes.
        let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if let Some(name) = plain.filter(|name| !name.contains('\\')) {
            return Ok(Self(Some(name.to_owned())));
        }
        Ok(Self(match raw.as_bytes().first() {
            Some(b'"' | b'-' | b'0'..=b'9') => {
                into_name(serde_json::from_str(raw).map_err(D::Error::custom)?)
            }
            _ => None,
        }))
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
    fn a_list_has_a_bound() {
        let most = MAX_NAMES as usize;
        let list = |len: usize| format!("[0{}]", ",0".repeat(len - 1));
        assert_eq!(serde_json::from_str::<List>(&list(most)).unwrap().0.len(), most);
        assert!(serde_json::from_str::<List>(&list(most + 1)).is_err());
    }

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
