//! The Socket.IO packets of a namespace as text: built from JSON, and told apart by their first bytes, without parsing.

/// Engine.IO's heartbeat.
pub(crate) const PING: &str = "2";
/// The answer to it.
pub(crate) const PONG: &str = "3";

/// Digits of a number that an argument begins with.
pub(crate) const DIGITS: usize = 20;

/// How the packets of one namespace begin.
#[derive(Debug, Clone)]
pub(crate) struct Packets {
    connect: String,
    connect_error: String,
    event: String,
    ack: String,
}

impl Packets {
    /// For a namespace other than `/`.
    pub(crate) fn of(namespace: &str) -> Self {
        let begin = |kind: &str| format!("{kind}{namespace},");
        Self { connect: begin("40"), connect_error: begin("44"), event: begin("42"), ack: begin("43") }
    }

    /// Asks to be connected.
    pub(crate) fn connect(&self) -> &str {
        &self.connect
    }

    pub(crate) fn is_connected(&self, packet: &str) -> bool {
        packet.starts_with(&self.connect)
    }

    pub(crate) fn is_refused(&self, packet: &str) -> bool {
        packet.starts_with(&self.connect_error)
    }

    /// An event, `[name, ...args]` as JSON, with the number of its acknowledgement if one is wanted.
    pub(crate) fn event(&self, ack: Option<u64>, json: &str) -> String {
        match ack {
            Some(number) => format!("{}{number}{json}", self.event),
            None => format!("{}{json}", self.event),
        }
    }

    /// How an event of this name begins when it arrives, up to its first argument.
    pub(crate) fn start_of(&self, name: &str) -> String {
        format!("{}[\"{name}\",", self.event)
    }

    /// The number of an acknowledgement, and its arguments as JSON.
    pub(crate) fn acknowledgement<'a>(&self, packet: &'a str) -> Option<(u64, &'a str)> {
        let rest = packet.strip_prefix(&self.ack)?;
        let (number, arguments) = rest.split_at(rest.find('[')?);
        Some((number.parse().ok()?, arguments))
    }
}

/// Whether an acknowledgement's arguments are `{ok: true, …}`.
pub(crate) fn is_ok(arguments: &str) -> bool {
    arguments.contains("\"ok\":true")
}

/// A JSON string of this many bytes, its quotes included, that begins with a number.
pub(crate) fn argument(number: u64, bytes: usize) -> String {
    format!("\"{number:0DIGITS$}{:x<1$}\"", "", bytes.saturating_sub(DIGITS + 2))
}

/// The number that an event's first argument begins with; `start` is that of [`Packets::start_of`].
pub(crate) fn number(packet: &str, start: &str) -> Option<u64> {
    packet.strip_prefix(start)?.strip_prefix('"')?.get(..DIGITS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_those_of_socket_io() {
        let chat = Packets::of("/chat");
        assert_eq!(chat.connect(), "40/chat,");
        assert_eq!(chat.event(None, r#"["a",1]"#), r#"42/chat,["a",1]"#);
        assert_eq!(chat.event(Some(7), r#"["a",1]"#), r#"42/chat,7["a",1]"#);
        assert!(chat.is_connected(r#"40/chat,{"sid":"x"}"#) && !chat.is_connected(r#"40/news,{"sid":"x"}"#));
        assert!(chat.is_refused(r#"44/chat,{"message":"x"}"#));
    }

    #[test]
    fn acknowledgements_have_a_number_and_say_whether_it_went_well() {
        let chat = Packets::of("/chat");
        let (number, arguments) = chat.acknowledgement(r#"43/chat,17[{"ok":true,"at":1}]"#).unwrap();
        assert_eq!((number, is_ok(arguments)), (17, true));
        let (_, refused) = chat.acknowledgement(r#"43/chat,18[{"ok":false,"code":"busy"}]"#).unwrap();
        assert!(!is_ok(refused));
        for other in [r#"42/chat,["a"]"#, "43/chat,", "43/chat,[1]", "43/news,1[]", "2"] {
            assert_eq!(chat.acknowledgement(other), None, "{other}");
        }
    }

    #[test]
    fn an_argument_has_its_size_and_carries_a_number() {
        assert_eq!(argument(42, 100).len(), 100);
        assert_eq!(argument(u64::MAX, 32).len(), 32);
        let start = Packets::of("/chat").start_of("message");
        let arrived = format!("{start}{},{{\"from\":\"x\"}}]", argument(u64::MAX, 32));
        assert_eq!(number(&arrived, &start), Some(u64::MAX));
        assert_eq!(number(r#"42/chat,["message","short"]"#, &start), None);
        assert_eq!(number(r#"42/chat,["typing",1]"#, &start), None);
    }
}
