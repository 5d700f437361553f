//! A client's value on a bus that has two forms: JSON text, or MessagePack where there is binary.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use super::reader::{Reader, Token};
use super::to_json::{self, Json};
use super::{MAX_DEPTH, WireError, text};

/// One JSON or MessagePack value as it stood on the bus. Decoders only find its end, so that a message nobody wants
/// costs little; what it holds is checked by [`to_json`](Self::to_json).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Payload<'a> {
    /// JSON text that is known to be valid, as decoders find it.
    Json(&'a str),
    /// MessagePack, with binary inline.
    MsgPack(&'a [u8]),
}

impl Payload<'_> {
    /// The value as a Socket.IO packet carries it. JSON text has no attachments: what looks like a placeholder in it
    /// is an application's own data.
    ///
    /// # Errors
    /// Any [`WireError`] that malformed text or bytes cause.
    pub fn to_json(self) -> Result<Json, WireError> {
        match self {
            Self::Json(text) if text::is_deeper(text, MAX_DEPTH) => Err(WireError::TooDeep),
            Self::Json(text) => Ok(Json { text: text.to_owned(), attachments: VecDeque::new() }),
            Self::MsgPack(bytes) => to_json::translate(bytes),
        }
    }

    /// Fails unless this is `[event, ...args]`: a client cannot read anything else.
    pub(super) fn require_event(self) -> Result<(), WireError> {
        let is_event = match self {
            Self::Json(text) => {
                let first = text.strip_prefix('[').map(str::trim_ascii_start);
                first.is_some_and(|first| first.starts_with('"'))
            }
            Self::MsgPack(bytes) => {
                let mut head = Reader::new(bytes);
                matches!((head.token()?, head.token()?), (Token::Array(1..), Token::Str(_)))
            }
        };
        if is_event { Ok(()) } else { Err(WireError::Shape("event")) }
    }
}

/// Checks that `json` is one JSON value that does not nest too deep, without building a tree. Half of a surrogate pair
/// (`"\ud83d"`) passes, as Node writes it and browsers read it.
pub(super) fn validate(json: &str) -> Result<&RawValue, WireError> {
    let raw: &RawValue = serde_json::from_str(json).map_err(|err| WireError::Json(err.to_string()))?;
    // A raw value is skipped over without recursion, so `serde_json` does not apply its limit.
    if text::is_deeper(raw.get(), MAX_DEPTH) { Err(WireError::TooDeep) } else { Ok(raw) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_validated_and_kept() {
        for json in [r#"["e",1.0,"[{\"\\"]"#, "null", r#""\ud83d""#, r#"[{"_placeholder":true,"num":0}]"#] {
            let translated = Payload::Json(json).to_json().unwrap();
            assert_eq!((translated.text.as_str(), translated.attachments.len()), (json, 0));
        }
        assert_eq!(validate(" [1] ").unwrap().get(), "[1]");
        for json in ["", "[1", "[1] 2", "{\"a\"}", "[01]", "\"\u{1}\"", "undefined"] {
            assert!(matches!(validate(json), Err(WireError::Json(_))), "{json}");
        }
    }

    #[test]
    fn nesting_is_limited_in_both_forms() {
        let text = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Payload::Json(&text(MAX_DEPTH)).to_json().is_ok());
        assert_eq!(Payload::Json(&text(MAX_DEPTH + 1)).to_json(), Err(WireError::TooDeep));
        assert_eq!(Payload::Json(&text(100_000)).to_json(), Err(WireError::TooDeep));
        let bytes = [vec![0x91; 1000], vec![0xc0]].concat();
        assert_eq!(Payload::MsgPack(&bytes).to_json(), Err(WireError::TooDeep));
        // Side by side, or within a string, is not deep.
        assert!(Payload::Json(&format!("[{}1]", "[],".repeat(1000))).to_json().is_ok());
        assert!(Payload::Json(&format!(r#"["\"{}"]"#, "[".repeat(1000))).to_json().is_ok());
    }

    #[test]
    fn an_event_is_an_array_that_starts_with_a_name() {
        for json in [r#"["e"]"#, r#"[ "e" , 1]"#] {
            assert_eq!(Payload::Json(json).require_event(), Ok(()), "{json}");
        }
        for json in ["[]", "[1]", r#""e""#, r#"{"e":1}"#, "null"] {
            assert_eq!(Payload::Json(json).require_event(), Err(WireError::Shape("event")), "{json}");
        }
        assert_eq!(Payload::MsgPack(&[0x91, 0xa1, b'e']).require_event(), Ok(()));
        for bytes in [&[0x90][..], &[0x91, 1], &[0xa1, b'e'], &[0x81, 0xa1, b'e', 1], &[]] {
            assert!(Payload::MsgPack(bytes).require_event().is_err(), "{bytes:?}");
        }
    }
}
