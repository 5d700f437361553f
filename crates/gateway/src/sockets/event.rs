//! An event that a client sent.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::value::RawValue;
use socketioxide_core::{Str, Value};

use super::ack::Ack;
use super::arguments::{Arguments, Malformed};
use super::known::Place;
use super::socket::Socket;

/// An event as it came in; nothing is parsed before somebody asks.
#[derive(Debug)]
pub struct Event {
    /// `[event, ...args]` as JSON text; not yet known to be well-formed behind the name.
    json: Str,
    attachments: VecDeque<Bytes>,
    ack: Ack,
}

impl Event {
    pub(super) fn new(data: Value, ack: Ack) -> Self {
        match data {
            Value::Str(json, attachments) => Self { json, attachments: attachments.unwrap_or_default(), ack },
            // Only the common parser is in use, which has no such packets.
            Value::Bytes(_) => Self { json: Str::from("[]"), attachments: VecDeque::new(), ack },
        }
    }

    /// An event that has just come in: which one it is, and whether it gets a span.
    pub(super) fn arrived(socket: &Socket, data: Value, ack: Option<i64>) -> Self {
        let entry = &socket.core.entry;
        let mut event = Self::new(data, Ack::new(socket, ack));
        let known = event.name().ok().and_then(|name| entry.events.find(&name));
        event.ack.known = known;
        event.ack.trace = entry.sampling.event(&entry.path, &entry.events, known);
        event
    }

    /// Its place among the events that the namespace knows.
    pub(crate) fn known(&self) -> Place {
        self.ack.known
    }

    /// Where the answer goes, if the client asked for one.
    #[must_use]
    pub fn ack(&self) -> &Ack {
        &self.ack
    }

    /// Bytes of the event, name and binary values included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.json.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there are binary values.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        !self.attachments.is_empty()
    }

    /// The name, without a look at the arguments.
    ///
    /// # Errors
    /// [`Malformed`] if there is none; socketioxide closes such a connection before anybody sees the event.
    pub fn name(&self) -> Result<Cow<'_, str>, Malformed> {
        let text = self.behind_bracket();
        // Most names have no escapes and can be taken as they stand.
        if let Some((name, _)) = plain(text) {
            return Ok(Cow::Borrowed(name));
        }
        first(text).map(Cow::Owned).ok_or_else(|| Malformed("the event has no name".into()))
    }

    /// The first argument if it is a string, without a look at the others.
    pub(crate) fn first_text(&self) -> Option<Cow<'_, str>> {
        let (_, rest) = plain(self.behind_bracket())?;
        let text = rest.trim_start().strip_prefix(',')?.trim_start();
        plain(text).map(|(text, _)| Cow::Borrowed(text)).or_else(|| first(text).map(Cow::Owned))
    }

    fn behind_bracket(&self) -> &str {
        self.json.as_str().trim_start().strip_prefix('[').unwrap_or_default().trim_start()
    }

    /// The event's parts as JSON texts: the name first, then the arguments.
    ///
    /// # Errors
    /// [`Malformed`] if it is not well-formed JSON.
    pub(crate) fn parts(&self) -> Result<Vec<&RawValue>, Malformed> {
        serde_json::from_str(&self.json).map_err(|error| Malformed(format!("malformed arguments: {error}")))
    }

    /// The JSON text of the whole event.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// The binary values, in the order of their placeholders' numbers.
    pub(crate) fn attachments(&self) -> &VecDeque<Bytes> {
        &self.attachments
    }

    /// The arguments without the name.
    ///
    /// # Errors
    /// [`Malformed`] if the event is not well-formed JSON.
    pub fn arguments(&self) -> Result<Arguments, Malformed> {
        let parts = self.parts()?;
        Ok(Arguments::from_raw(parts.get(1..).unwrap_or_default(), self.attachments.clone()))
    }
}

/// A JSON string without escapes, and what is behind it.
fn plain(text: &str) -> Option<(&str, &str)> {
    let (text, rest) = text.strip_prefix('"')?.split_once('"')?;
    (!text.contains('\\')).then_some((text, rest))
}

/// Any JSON string.
fn first(text: &str) -> Option<String> {
    serde_json::Deserializer::from_str(text).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &'static str) -> Event {
        Event::new(Value::Str(json.into(), None), Ack::none())
    }

    #[test]
    fn names_with_and_without_escapes() {
        assert_eq!(event(r#"["message","x"]"#).name().unwrap(), "message");
        assert_eq!(event(r#" [ "a" ]"#).name().unwrap(), "a");
        assert_eq!(event(r#"["a\"b\u00e9"]"#).name().unwrap(), "a\"bé");
        assert!(event("[1]").name().is_err());
        assert!(event("[]").name().is_err());
    }

    #[test]
    fn the_first_argument_is_found_without_the_others() {
        assert_eq!(event(r#"["message","paris",{]"#).first_text().unwrap(), "paris");
        assert_eq!(event(r#" [ "m" , "a\"\u00e9" ]"#).first_text().unwrap(), "a\"é");
        for none in [r#"["m"]"#, r#"["m",1,"x"]"#, r#"["m","#, r#"["m",["x"]]"#, "[]"] {
            assert_eq!(event(none).first_text(), None, "{none}");
        }
    }

    #[test]
    fn arguments_are_all_but_the_name() {
        assert_eq!(event(r#"["e", {"a":1} ,"x"]"#).arguments().unwrap().json(), r#"[{"a":1},"x"]"#);
        assert_eq!(event(r#"["e"]"#).arguments().unwrap().json(), "[]");
        assert!(event(r#"["e",{]"#).arguments().is_err());
    }
}
