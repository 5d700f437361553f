//! What nodes tell each other.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::member::{Info, Who};
use crate::settings::{MAX_BATCH, MAX_INFO_BYTES, MAX_NAME_BYTES};

/// A message of one node to all others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "this is the wire format")]
pub struct Message {
    /// The node's id.
    pub from: String,
    /// How many [`Changes`](Body::Changes) it has sent, this one included.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// What a node says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(clippy::exhaustive_enums, reason = "this is the wire format")]
pub enum Body {
    /// Members have come and gone.
    Changes {
        /// Who has come.
        #[serde(default)]
        join: Vec<Entry>,
        /// Who has gone.
        #[serde(default)]
        leave: Vec<Key>,
    },
    /// Nothing, but so the others know how far the node is.
    Digest,
    /// These nodes shall tell all that they have; all nodes if there are none.
    Ask {
        /// The ids of the nodes.
        #[serde(default)]
        to: Vec<String>,
    },
    /// A part of all that the node has. It is what was true when the part was sent.
    State {
        /// Tells the answers of one node apart.
        state: u64,
        /// The number of the part, from 0.
        part: u32,
        /// There are no more.
        last: bool,
        /// Who is there.
        entries: Vec<Entry>,
    },
}

impl Body {
    /// One word, for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Changes { .. } => "changes",
            Self::Digest => "digest",
            Self::Ask { .. } => "ask",
            Self::State { .. } => "state",
        }
    }

    /// All words.
    pub const KINDS: [&'static str; 4] = ["changes", "digest", "ask", "state"];
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "this is the wire format")]
pub struct Entry {
    /// The room and the member.
    #[serde(flatten)]
    pub key: Key,
    /// When it came, in milliseconds since 1970.
    pub since: u64,
    /// What is shown about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Map<String, Value>>,
}

/// A member of a room, by names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "this is the wire format")]
pub struct Key {
    /// The room.
    pub room: String,
    /// The user, or
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A message that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The sender has no name that a node can have.
    #[error("the message has no sender")]
    Sender,
    /// More entries than a message may have.
    #[error("the message has more than {MAX_BATCH} entries")]
    Size,
    /// A room or member without a name, or with one that is too long.
    #[error("an entry has no room or no member, or a name is too long")]
    Name,
    /// More is shown about a member than may be.
    #[error("what is shown about a member is too long")]
    Info,
    /// There are too many nodes already.
    #[error("there are too many nodes")]
    Nodes,
}

impl Message {
    /// Bounds everything that will be kept.
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        if !is_name(&self.from) {
            return Err(Malformed::Sender);
        }
        let size = match &self.body {
            Body::Changes { join, leave } => join.len() + leave.len(),
            Body::State { entries, .. } => entries.len(),
            Body::Ask { to } => to.len(),
            Body::Digest => 0,
        };
        if size > MAX_BATCH {
            return Err(Malformed::Size);
        }
        let (entries, keys): (&[Entry], &[Key]) = match &self.body {
            Body::Changes { join, leave } => (join, leave),
            Body::State { entries, .. } => (entries, &[]),
            Body::Ask { .. } | Body::Digest => (&[], &[]),
        };
        let is_key = |key: &Key| is_name(&key.room) && key.name().is_some_and(is_name);
        if !entries.iter().map(|entry| &entry.key).chain(keys).all(is_key) {
            return Err(Malformed::Name);
        }
        if entries.iter().filter_map(|entry| entry.info.as_ref()).any(is_too_long) {
            return Err(Malformed::Info);
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
}

/// Whether that is more than may be shown about a member.
pub(crate) fn is_too_long(info: &Map<String, Value>) -> bool {
    serde_json::to_string(info).map_or(true, |text| text.len() > MAX_INFO_BYTES)
}

impl Key {
    pub(crate) fn new(room: &str, who: &Who) -> Self {
        let (user, id) = match who {
            Who::User(user) => (Some(user.to_string()), None),
            Who::Socket(id) => (None, Some(id.to_string())),
        };
        Self { room: room.to_owned(), user, id }
    }

    /// The member's name.
    fn name(&self) -> Option<&str> {
        match (&self.user, &self.id) {
            (Some(name), None) | (None, Some(name)) => Some(name),
            _ => None,
        }
    }

    /// `None` without a member; such a key does not pass [`Message::check`].
    pub(crate) fn who(&self) -> Option<Who> {
        match (&self.user, &self.id) {
            (Some(user), None) => Some(Who::User(user.as_str().into())),
            (None, Some(id)) => Some(Who::Socket(id.as_str().into())),
            _ => None,
        }
    }
}

impl Entry {
    pub(crate) fn new(room: &str, who: &Who, since: u64, info: Option<&Info>) -> Self {
        Self { key: Key::new(room, who), since, info: info.map(|info| (**info).clone()) }
    }

    /// What is shown, but only what may be.
    pub(crate) fn shown(&mut self, allowed: &[String]) -> Option<Info> {
        let mut info = self.info.take()?;
        info.retain(|name, _| allowed.iter().any(|allowed| allowed == name));
        (!info.is_empty()).then(|| Arc::new(info))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Option<Message> {
        serde_json::from_value(value).ok()
    }

    #[test]
    fn messages_have_a_plain_form() {
        let entry = Entry::new("room:a", &Who::User("ann".into()), 7, None);
        let body = Body::Changes { join: vec![entry], leave: vec![Key::new("b", &Who::Socket("x".into()))] };
        let message = Message { from: "n".into(), seq: 3, body };
        let form = json!({
            "from": "n", "seq": 3, "kind": "changes",
            "join": [{"room": "room:a", "user": "ann", "since": 7}],
            "leave": [{"room": "b", "id": "x"}],
        });
        assert_eq!(serde_json::to_value(&message).unwrap(), form);
        assert_eq!(parse(form), Some(message));
        let digest = Message { from: "n".into(), seq: 3, body: Body::Digest };
        assert_eq!(parse(json!({"from": "n", "seq": 3, "kind": "digest", "later": 1})), Some(digest));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for wrong in [json!(null), json!({}), json!({"from": "n", "seq": -1, "kind": "digest"}), json!([1])] {
            assert_eq!(parse(wrong), None);
        }
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        let state = |entries: Value| json!({"from": "n", "seq": 1, "kind": "state", "state": 1, "part": 0, "last": true, "entries": entries});
        let entry = |room: &str, user: &str| json!({"room": room, "user": user, "since": 1});
        for (wrong, why) in [
            (json!({"from": "", "seq": 1, "kind": "digest"}), Malformed::Sender),
            (state(json!([entry("", "ann")])), Malformed::Name),
            (state(json!([entry("r", &long)])), Malformed::Name),
            (state(json!([{"room": "r", "since": 1}])), Malformed::Name),
            (state(json!([{"room": "r", "user": "a", "id": "b", "since": 1}])), Malformed::Name),
            (
                state(
                    json!([{"room": "r", "user": "a", "since": 1, "info": {"n": "x".repeat(MAX_INFO_BYTES)}}]),
                ),
                Malformed::Info,
            ),
            (state(json!(vec![entry("r", "ann"); MAX_BATCH + 1])), Malformed::Size),
        ] {
            assert_eq!(parse(wrong).unwrap().check(), Err(why));
        }
        assert_eq!(parse(state(json!([entry("r", "ann")]))).unwrap().check(), Ok(()));
    }
}
