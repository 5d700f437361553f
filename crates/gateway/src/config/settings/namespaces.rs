//! What clients may do, namespace by namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity::IdentitySettings;
use super::limits::LimitSettings;
use super::presence::PresenceSettings;
use super::text::TextSettings;

/// `[[namespaces]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceSettings {
    /// Path of the namespace; starts with `/`. Namespaces hear nothing of each other.
    pub path: String,
    /// Rooms that clients may join: names, or beginnings followed by `*` such as `room:*`. Claims of the client's identity
    /// may stand for parts of them: `user:{sub}`, `team:{team}:*`, and `{rooms[]}` for each of a list.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// Rooms that clients are in from the beginning, of the same form without `*`. They need not be in `rooms`.
    #[serde(default)]
    pub auto_join: Vec<String>,
    /// Most sockets that one user may have in the namespace, on each node; 0 for no limit. More are refused
    /// (`too_many_sockets`).
    #[serde(default)]
    pub max_sockets_per_user: usize,
    /// Most rooms one socket may be in. Joining more is refused (`too_many_rooms`).
    #[serde(default = "default_max_rooms")]
    pub max_rooms_per_socket: usize,
    /// Who clients are.
    #[serde(default)]
    pub identity: IdentitySettings,
    /// Who is shown to be in a room.
    #[serde(default)]
    pub presence: PresenceSettings,
    /// The events that clients may send, besides the built-in `join`, `leave`, `whoami`, `refresh` and `presence`.
    #[serde(default)]
    pub events: Vec<EventSettings>,
    /// How often clients may send events. Each limit counts for itself, in this order; an event must pass all of them.
    #[serde(default)]
    pub limits: Vec<LimitSettings>,
}

/// `[[namespaces.events]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// Name of the event.
    pub name: String,
    /// Who gets it. `room`: the other members of the room that is its first argument. `namespace`: everybody else in
    /// the namespace.
    #[serde(default = "default_to")]
    pub to: To,
    /// Who may send it. `members`: who has joined the room. `anyone`: every client, to any room that `rooms` allows.
    /// `server`: no client, only other servers and emitters.
    #[serde(default = "default_publish")]
    pub publish: Publish,
    /// Who sends it must have one of these roles (`identity.roles_claim`); empty: none is needed.
    #[serde(default)]
    pub roles: Vec<String>,
    /// A receiver that is not ready loses it instead of queueing it: only the latest counts.
    #[serde(default)]
    pub volatile: bool,
    /// Binary arguments are allowed.
    #[serde(default)]
    pub binary: bool,
    /// Largest size of the event, in bytes: its JSON text and its binary values.
    #[serde(default = "default_event_bytes")]
    pub max_payload_bytes: usize,
    /// How deep its arguments may nest, at most 127. Their list counts: 2 allows lists and objects of plain values.
    #[serde(default = "default_depth")]
    pub max_depth: usize,
    /// Most arguments, the room not counted; 0: none.
    #[serde(default = "default_arguments")]
    pub max_arguments: usize,
    /// JSON Schema of the list of its arguments, the room not counted, as JSON text. `$schema` chooses the draft, without
    /// it that is 2020-12. What does not fit is refused (`invalid_shape`). Empty: no schema.
    #[serde(default)]
    pub schema: String,
    /// File with that schema, instead of `schema`.
    #[serde(default)]
    pub schema_file: String,
    /// What is done with texts among its arguments, one rule after the other, before the schema is asked.
    #[serde(default)]
    pub text: Vec<TextSettings>,
}

/// Who gets an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum To {
    Room,
    Namespace,
}

/// Who may send an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum Publish {
    Members,
    Anyone,
    Server,
}

fn default_depth() -> usize {
    32
}
fn default_arguments() -> usize {
    16
}
fn default_max_rooms() -> usize {
    100
}
fn default_to() -> To {
    To::Room
}
fn default_publish() -> Publish {
    Publish::Members
}
fn default_event_bytes() -> usize {
    65_536
}

impl NamespaceSettings {
    /// A namespace without rooms and events.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            rooms: vec![],
            auto_join: vec![],
            max_sockets_per_user: 0,
            max_rooms_per_socket: default_max_rooms(),
            identity: IdentitySettings::default(),
            presence: PresenceSettings::default(),
            events: vec![],
            limits: vec![],
        }
    }
}

impl EventSettings {
    /// An event from members of a room to its other members.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            to: default_to(),
            publish: default_publish(),
            roles: vec![],
            volatile: false,
            binary: false,
            max_payload_bytes: default_event_bytes(),
            max_depth: default_depth(),
            max_arguments: default_arguments(),
            schema: String::new(),
            schema_file: String::new(),
            text: vec![],
        }
    }
}

/// A lobby, a chat, and a place where only servers speak.
pub(super) fn default_namespaces() -> Vec<NamespaceSettings> {
    let strings = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    vec![
        NamespaceSettings {
            events: vec![EventSettings { to: To::Namespace, ..EventSettings::new("message") }],
            ..NamespaceSettings::new("/")
        },
        NamespaceSettings {
            rooms: strings(&["paris", "lyon", "room:*"]),
            events: vec![
                EventSettings::new("message"),
                EventSettings { volatile: true, ..EventSettings::new("typing") },
                EventSettings { binary: true, max_payload_bytes: 700_000, ..EventSettings::new("file") },
                // The demo page tells by it who is in a room.
                EventSettings::new("here"),
            ],
            ..NamespaceSettings::new("/chat")
        },
        NamespaceSettings {
            events: vec![EventSettings {
                to: To::Namespace,
                publish: Publish::Server,
                ..EventSettings::new("announcement")
            }],
            ..NamespaceSettings::new("/public")
        },
    ]
}
