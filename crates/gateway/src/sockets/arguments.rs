//! The arguments of an event or acknowledgement.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use socketioxide_core::Value;

/// Arguments as a packet carries them: the JSON text of an array, with placeholders for binary values, and these.
/// Passed on unread they cost nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    json: String,
    attachments: VecDeque<Bytes>,
}

/// Arguments that are not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

impl Arguments {
    /// No arguments.
    #[must_use]
    pub fn none() -> Self {
        Self { json: "[]".into(), attachments: VecDeque::new() }
    }

    /// One argument.
    ///
    /// # Errors
    /// [`Malformed`] if the value cannot be serialised, for example a map with keys that are no strings.
    pub fn one<T: Serialize + ?Sized>(value: &T) -> Result<Self, Malformed> {
        serde_json::to_string(&[value])
            .map(|json| Self { json, attachments: VecDeque::new() })
            .map_err(|error| Malformed(error.to_string()))
    }

    /// Several arguments: the elements of a tuple or list, `Arguments::each(&("table", 5))`.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not serialised as a list.
    pub fn each<T: Serialize + ?Sized>(values: &T) -> Result<Self, Malformed> {
        match serde_json::to_string(values) {
            Ok(json) if json.starts_with('[') => Ok(Self { json, attachments: VecDeque::new() }),
            Ok(_) => Err(Malformed("several arguments must be given as a tuple or list".into())),
            Err(error) => Err(Malformed(error.to_string())),
        }
    }

    /// The arguments as typed values: a tuple, or an array of one type. Binary values are not represented.
    ///
    /// # Errors
    /// [`Malformed`] if they do not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        serde_json::from_str(&self.json).map_err(|error| Malformed(error.to_string()))
    }

    /// The JSON text of the array.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The binary values, in the order of their placeholders' numbers.
    #[must_use]
    pub fn attachments(&self) -> &VecDeque<Bytes> {
        &self.attachments
    }

    pub(super) fn from_raw(items: &[&RawValue], attachments: VecDeque<Bytes>) -> Self {
        let mut json =
            String::with_capacity(items.iter().map(|item| item.get().len() + 1).sum::<usize>() + 2);
        json.push('[');
        push_items(&mut json, items);
        json.push(']');
        Self { json, attachments }
    }

    /// The packet's data without an event name, as in an acknowledgement.
    pub(super) fn into_value(self) -> Value {
        value(self.json, self.attachments)
    }

    /// The packet's data with an event name.
    pub(crate) fn into_event_value(self, event: &str) -> Value {
        let name = serde_json::Value::from(event).to_string();
        let rest = self.json.trim_start().strip_prefix('[').unwrap_or("]");
        let comma = if rest.trim_start().starts_with(']') { "" } else { "," };
        value(format!("[{name}{comma}{rest}"), self.attachments)
    }
}

/// No arguments.
impl Default for Arguments {
    fn default() -> Self {
        Self::none()
    }
}

/// One argument.
impl From<serde_json::Value> for Arguments {
    fn from(value: serde_json::Value) -> Self {
        Self { json: format!("[{value}]"), attachments: VecDeque::new() }
    }
}

/// Appends `items`, separated by commas.
pub(crate) fn push_items(json: &mut String, items: &[&RawValue]) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        json.push_str(item.get());
    }
}

pub(super) fn value(json: String, attachments: VecDeque<Bytes>) -> Value {
    Value::Str(json.into(), (!attachments.is_empty()).then_some(attachments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_name_and_its_arguments() {
        let text = |arguments: Arguments| arguments.into_event_value("e\"").as_str().unwrap().to_string();
        assert_eq!(text(Arguments::none()), r#"["e\""]"#);
        assert_eq!(text(Arguments::one(&1).unwrap()), r#"["e\"",1]"#);
        assert_eq!(text(Arguments::each(&("a", 5)).unwrap()), r#"["e\"","a",5]"#);
        assert!(Arguments::each(&5).is_err());
        assert_eq!(text(Arguments::from(serde_json::json!({"a": []}))), r#"["e\"",{"a":[]}]"#);
    }

    #[test]
    fn arguments_parse_into_tuples() {
        let arguments = Arguments { json: r#"["a",2]"#.into(), attachments: VecDeque::new() };
        assert_eq!(arguments.parse::<(String, u8)>().unwrap(), ("a".into(), 2));
        assert!(arguments.parse::<(u8,)>().is_err());
    }
}
