//! The events that are encoded and decoded: as the gateway relays them, the sender's meta included.

use std::collections::VecDeque;

use bytes::Bytes;
use roomcast_adapter::wire::broadcast::Target;
use serde_json::json;

/// Node ids and socket ids have this length.
pub(super) const UID: &str = "rcAAAAAAAAAAAAAA";
pub(super) const NAMESPACE: &str = "/chat";
pub(super) const ROOM: &str = "room:bench";
const SENDER: &str = "BBBBBBBBBBBBBBBB";

/// An event.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    /// Whether the targets are meant for it.
    pub(super) is_typical: bool,
    /// `[event, ...args]`.
    pub(super) json: String,
    pub(super) attachments: VecDeque<Bytes>,
}

impl Sample {
    pub(super) fn all() -> [Self; 3] {
        [
            Self::text("100 B JSON", true, 100),
            Self::text("1 kB JSON", false, 1000),
            Self::binary("100 B binary", true, 100),
        ]
    }

    fn text(name: &'static str, is_typical: bool, bytes: usize) -> Self {
        let payload = payload(bytes);
        let json = format!("[\"message\",{payload},{}]", meta());
        Self { name, is_typical, json, attachments: VecDeque::new() }
    }

    fn binary(name: &'static str, is_typical: bool, bytes: usize) -> Self {
        let placeholder = json!({"_placeholder": true, "num": 0});
        let json = format!("[\"file\",{placeholder},{}]", meta());
        Self { name, is_typical, json, attachments: VecDeque::from([Bytes::from(vec![7; bytes])]) }
    }
}

/// The other members of a room.
pub(super) fn target() -> Target {
    Target {
        rooms: vec![ROOM.to_owned()].into(),
        except: vec![SENDER.to_owned()].into(),
        ..Target::default()
    }
}

/// A JSON object of so many bytes, with values of several types.
fn payload(bytes: usize) -> String {
    let with = |text: &str| json!({"id": 123_456, "price": 12.5, "sent": true, "text": text}).to_string();
    let text = "x".repeat(bytes.saturating_sub(with("").len()));
    with(&text)
}

fn meta() -> serde_json::Value {
    json!({"room": ROOM, "from": SENDER, "at": 1_700_000_000_123_u64})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_as_large_as_they_are_called() {
        assert_eq!((payload(100).len(), payload(1000).len()), (100, 1000));
        for sample in Sample::all() {
            let json: serde_json::Value = serde_json::from_str(&sample.json).unwrap();
            assert_eq!(json[2]["from"], SENDER);
            assert_eq!(json[1].get("_placeholder").is_some(), !sample.attachments.is_empty());
        }
    }
}
