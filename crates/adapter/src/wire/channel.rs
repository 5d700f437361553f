//! Names of the Redis channels of one namespace.
//!
//! Nothing in a name is escaped by the protocol: `P#N#` + room + `#` with prefix `P` and namespace `N`, so rooms may
//! contain `#`. A name is therefore only ever read with the namespace known.

/// The channels of one namespace's adapter.
#[derive(Debug, Clone)]
pub struct Channels {
    /// Broadcasts to the whole namespace or to several rooms, and the prefix of the room channels: `P#N#`.
    pub broadcast: String,
    /// Pattern that matches [`broadcast`](Self::broadcast) and every room channel.
    pub pattern: String,
    /// Requests to all servers: `P-request#N#`.
    pub request: String,
    /// Responses, for every server to see: `P-response#N#`.
    pub response: String,
    /// Responses to this adapter only: `P-response#N#U#`.
    pub own_response: String,
}

impl Channels {
    /// The channels of `namespace` under `prefix` for the adapter `uid`.
    #[must_use]
    pub fn new(prefix: &str, namespace: &str, uid: &str) -> Self {
        let broadcast = format!("{prefix}#{namespace}#");
        Self {
            pattern: format!("{}*", escape_glob(&broadcast)),
            broadcast,
            request: format!("{prefix}-request#{namespace}#"),
            response: format!("{prefix}-response#{namespace}#"),
            own_response: format!("{prefix}-response#{namespace}#{uid}#"),
        }
    }

    /// The channel for a broadcast: the room's own when there is exactly one room.
    #[must_use]
    pub fn for_rooms<R: AsRef<str>>(&self, rooms: &[R]) -> String {
        match rooms {
            [room] => format!("{}{}#", self.broadcast, room.as_ref()),
            _ => self.broadcast.clone(),
        }
    }

    /// The room that `channel` stands for; `Some("")` for the namespace's own channel, `None` for a foreign one.
    /// As in Node exactly one last character is cut, whatever it is.
    #[must_use]
    pub fn room_of<'a>(&self, channel: &'a str) -> Option<&'a str> {
        let rest = channel.strip_prefix(&self.broadcast)?;
        let mut chars = rest.chars();
        chars.next_back();
        Some(chars.as_str())
    }
}

/// Redis reads `* ? [ ] \` in a pattern as glob; Node does not escape them, we must not depend on that.
fn escape_glob(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for char in name.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_node() {
        let channels = Channels::new("socket.io", "/chat", "AAAAAA");
        assert_eq!(channels.for_rooms::<&str>(&[]), "socket.io#/chat#");
        assert_eq!(channels.for_rooms(&["paris"]), "socket.io#/chat#paris#");
        assert_eq!(channels.for_rooms(&["paris", "lyon"]), "socket.io#/chat#");
        assert_eq!(channels.request, "socket.io-request#/chat#");
        assert_eq!(channels.own_response, "socket.io-response#/chat#AAAAAA#");
    }

    #[test]
    fn a_room_may_contain_the_separator() {
        let channels = Channels::new("socket.io", "/", "AAAAAA");
        assert_eq!(channels.room_of("socket.io#/#a#b#"), Some("a#b"));
        assert_eq!(channels.room_of("socket.io#/#"), Some(""));
        assert_eq!(channels.room_of("socket.io#/chat#"), None);
        assert_eq!(channels.room_of("socket.io#/#é"), Some(""));
    }

    #[test]
    fn glob_characters_are_literal() {
        assert_eq!(Channels::new("a*b", "/[x]?", "U").pattern, "a\\*b#/\\[x\\]\\?#*");
    }
}
