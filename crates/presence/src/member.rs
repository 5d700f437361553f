//! Who is in a room.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// A member's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "there is no third kind of member")]
pub enum Who {
    /// A user, by its name: one member, however many sockets it has.
    User(Arc<str>),
    /// A socket, by its id, where users are not known.
    Socket(Arc<str>),
}

/// What is shown about a member besides its name.
pub type Info = Arc<Map<String, Value>>;

/// A member as clients see it: `{user}` or `{id}`, with `since` and, if there is any, `info`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// Its name.
    pub who: Who,
    /// When it came, in milliseconds since 1970.
    pub since: u64,
    /// What is shown about it.
    pub info: Option<Info>,
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.who {
            Who::User(user) => map.serialize_entry("user", &**user)?,
            Who::Socket(id) => map.serialize_entry("id", &**id)?,
        }
        map.serialize_entry("since", &self.since)?;
        if let Some(info) = &self.info {
            map.serialize_entry("info", &**info)?;
        }
        map.end()
    }
}
