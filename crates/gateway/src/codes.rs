//! Every way in which a client is refused: one enum, from which come the texts that clients see, the metric labels and
//! `docs/codes.md`.

use std::fmt;

/// Where a client meets a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// In the acknowledgement of an event: `{ok: false, code, message}`. The connection stays.
    Ack,
    /// In an HTTP answer, before there is a session.
    Http,
    /// In `connect_error`: the client is not let into the namespace.
    Connect,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:expr, $place:ident;)+) => {
        /// Why a client was refused. The texts are a contract: clients may compare them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The text that clients and metrics see.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// Where a client meets it.
            #[must_use]
            pub fn place(self) -> Where {
                match self { $(Self::$variant => Where::$place,)+ }
            }

            /// What it means and what to do about it.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The namespace has no rule for this event, and it is none of the built-in ones.
    UnknownEvent = "unknown_event", Ack;
    /// Only servers may send this event (`publish = "server"`).
    ServerOnly = "server_only", Ack;
    /// The room is a string, but no pattern of the namespace allows it.
    RoomNotAllowed = "room_not_allowed", Ack;
    /// The room is missing, not a string, empty, or longer than 128 bytes.
    InvalidRoom = "invalid_room", Ack;
    /// The socket is in as many rooms as the namespace allows (`max_rooms_per_socket`); leave one first.
    TooManyRooms = "too_many_rooms", Ack;
    /// Only members may send to a room; join it first.
    NotInRoom = "not_in_room", Ack;
    /// The arguments are malformed, nest too deep, or are binary where the rule does not allow it.
    InvalidArguments = "invalid_arguments", Ack;
    /// The event is larger than its rule allows (`max_payload_bytes`).
    PayloadTooLarge = "payload_too_large", Ack;
    /// Too many events of this socket wait for a slow handler (`event_queue`); send slower.
    Busy = "busy", Ack;
    /// The handler failed; the event may have had no effect. The node's log tells more.
    InternalError = "internal_error", Ack;
    /// The node has as many connections (`max_connections`) or sessions (`max_sessions`) as it may: HTTP 503 with
    /// `Retry-After`.
    ServerFull = roomcast_edge::SERVER_FULL, Http;
    /// The namespace does not admit the client, or took too long to decide; `connect_error` has the message.
    NotAdmitted = "not_admitted", Connect;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_list() {
        assert!(Code::ALL.iter().enumerate().all(|(at, code)| *code as usize == at));
    }

    #[test]
    fn texts_are_unique_and_snake_case() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert!(Code::ALL[at + 1..].iter().all(|other| other.as_str() != code.as_str()), "{code}");
            assert!(code.meaning().ends_with('.'), "{code}");
        }
    }
}
