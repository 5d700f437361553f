//! Every way in which a client is refused or dropped: one enum, from which come the texts that clients see, the metric
//! labels and `docs/codes.md`. A crate of its own, since all others speak of it and none of them owns it.
//!
//! ```
//! use roomcast_codes::Code;
//!
//! assert_eq!(Code::UnknownSession.as_str(), "unknown_session");
//! // As Node's Engine.IO answers: HTTP 400, {"code":1,...}.
//! assert_eq!(Code::UnknownSession.http().unwrap().engine_code, Some(1));
//! ```

use std::fmt;

/// Where a client meets a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// In the acknowledgement of an event: `{ok: false, code, message}`. The connection stays.
    Ack,
    /// In `connect_error`: the client is not let into the namespace.
    Connect,
    /// In `connect_error`, and in the acknowledgement of a `refresh`.
    ConnectOrAck,
    /// In an HTTP answer: a request was refused.
    Http(HttpAnswer),
    /// The session ends: the client sees a disconnect, and comes back by itself unless it wanted to go.
    Close,
    /// In an HTTP answer to a request of a session that ends by it.
    HttpAndClose(HttpAnswer),
}

/// The form of an HTTP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The number that Node's Engine.IO gives for it (`Server.errors`), which the body has as its `code`; without one the
    /// body has the code's text.
    pub engine_code: Option<u8>,
}

const fn http(status: u16) -> Where {
    Where::Http(HttpAnswer { status, engine_code: None })
}

const fn engine(engine_code: u8) -> Where {
    let status = if engine_code == 4 { 403 } else { 400 };
    Where::Http(HttpAnswer { status, engine_code: Some(engine_code) })
}

const fn and_close(answer: Where) -> Where {
    match answer {
        Where::Http(answer) => Where::HttpAndClose(answer),
        other => other,
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal, $place:expr;)+) => {
        /// Why a client was refused or dropped. The texts are a contract: clients may compare them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The text that clients and metrics see.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// Where a client meets it.
            #[must_use]
            pub const fn place(self) -> Where {
                match self { $(Self::$variant => $place,)+ }
            }

            /// What it means and what to do about it.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The namespace has no rule for this event, and it is none of the built-in ones.
    UnknownEvent = "unknown_event", Where::Ack;
    /// Only servers may send this event (`publish = "server"`).
    ServerOnly = "server_only", Where::Ack;
    /// The room is a string, but no pattern of the namespace allows it.
    RoomNotAllowed = "room_not_allowed", Where::Ack;
    /// The room is missing, not a string, empty, or longer than 128 bytes.
    InvalidRoom = "invalid_room", Where::Ack;
    /// The socket is in as many rooms as the namespace allows (`max_rooms_per_socket`); leave one first.
    TooManyRooms = "too_many_rooms", Where::Ack;
    /// Only members may send to a room, or ask who is in it; join it first.
    NotInRoom = "not_in_room", Where::Ack;
    /// Nobody is shown to be in this room (`namespaces.presence`).
    NoPresence = "no_presence", Where::Ack;
    /// The arguments are malformed, nest too deep (`max_depth`), are too many (`max_arguments`), or are binary where the
    /// rule does not allow it.
    InvalidArguments = "invalid_arguments", Where::Ack;
    /// An argument does not have the shape that its rule asks for (`schema`, `text`). The acknowledgement also has `path`,
    /// a JSON Pointer into the arguments behind the room; `message` says what is wrong there.
    InvalidShape = "invalid_shape", Where::Ack;
    /// The event is larger than its rule allows (`max_payload_bytes`).
    PayloadTooLarge = "payload_too_large", Where::Ack;
    /// Too many events of this socket wait for a slow handler (`event_queue`); send slower.
    Busy = "busy", Where::Ack;
    /// The event takes a role that the client does not have (`roles` of the event).
    NotPermitted = "not_permitted", Where::Ack;
    /// The client sends events too often (`namespaces.limits`); the acknowledgement has `retry_after_ms`, the time after which
    /// one is let through again.
    RateLimited = "rate_limited", Where::Ack;
    /// The token of a `refresh` is of another user than the connection.
    OtherUser = "other_user", Where::Ack;
    /// The handler failed; the event may have had no effect. The node's log tells more.
    InternalError = "internal_error", Where::Ack;

    /// The namespace does not admit the client, or took too long to decide; `connect_error` has the message.
    NotAdmitted = "not_admitted", Where::Connect;
    /// The user has as many sockets in the namespace of this node as it may (`max_sockets_per_user`).
    TooManySockets = "too_many_sockets", Where::Connect;
    /// The session connects to namespaces more often than it may (`socketio.max_connects_per_second`).
    TooManyConnects = "too_many_connects", Where::Connect;
    /// The session is in as many namespaces as it may be (`socketio.max_namespaces`).
    TooManyNamespaces = "too_many_namespaces", Where::Connect;
    /// The namespace wants a token, and the client sent none. Clients sign in first.
    TokenMissing = "token_missing", Where::Connect;
    /// The token is malformed, not signed by a key that is accepted, not yet valid, or meant for others. The node's log
    /// tells which. Clients sign in anew.
    TokenInvalid = "token_invalid", Where::ConnectOrAck;
    /// The token was valid once. Clients get a new one and connect again.
    TokenExpired = "token_expired", Where::ConnectOrAck;
    /// Who the client is cannot be found out at the moment: the backend or its keys cannot be reached, or it is
    /// overloaded. Clients try again later.
    IdentityUnavailable = "identity_unavailable", Where::ConnectOrAck;
    /// The backend that knows the users does not admit the client; `connect_error` has its message.
    IdentityRefused = "identity_refused", Where::ConnectOrAck;

    /// The node has as many connections (`server.max_connections`) or sessions (`server.max_sessions`) as it may. With
    /// `Retry-After`; clients come back by themselves.
    ServerFull = "server_full", http(503);
    /// The client's address has as many connections or sessions as it may (`server.max_connections_per_address`,
    /// `server.max_sessions_per_address`), or opens more in a second than it may
    /// (`server.max_connections_per_second_per_address`, `server.max_handshakes_per_second_per_address`). With
    /// `Retry-After`.
    AddressFull = "address_full", http(429);
    /// More clients come than the node takes in a second (`server.max_handshakes_per_second`,
    /// `server.max_connections_per_second`). With `Retry-After`.
    TooManyHandshakes = "too_many_handshakes", http(503);
    /// The node is about to stop: it takes no new sessions, and closes those that it has bit by bit. Clients come back
    /// by themselves, to another node.
    Draining = "draining", and_close(http(503));
    /// The program that serves the endpoint does not tell it the client's address (`ConnectInfo`). The node's log says so.
    NoClientAddress = "no_client_address", http(500);
    /// The page of the client is of an origin that may not connect (`server.origins`).
    OriginNotAllowed = "origin_not_allowed", engine(4);
    /// The node's own checks do not admit the client; the message says why.
    Forbidden = "forbidden", engine(4);
    /// The query has no `transport`, or none that exists.
    UnknownTransport = "unknown_transport", engine(0);
    /// The transport is switched off on this server (`socketio.transports`); the message says which one to use.
    TransportOff = "transport_off", engine(0);
    /// The query has no `EIO`, or the protocol version is not served (`socketio.allow_eio3`).
    UnsupportedProtocol = "unsupported_protocol", engine(5);
    /// A session is opened by GET only.
    BadHandshakeMethod = "bad_handshake_method", engine(2);
    /// The request does not fit the session: another transport, a second upgrade, no websocket handshake, a method that is
    /// not served.
    BadRequest = "bad_request", engine(3);
    /// The websocket handshake is of another version than 13, the one of RFC 6455; `Sec-WebSocket-Version` says so.
    UnsupportedWebsocketVersion = "unsupported_websocket_version", http(426);
    /// The session id is not one of this cluster's, or its session is gone. Clients start anew. Metrics tell the reason.
    UnknownSession = "unknown_session", engine(1);
    /// The query of the request is longer than `server.max_query_bytes`.
    QueryTooLong = "query_too_long", http(414);
    /// The head of the request is larger than `server.max_header_bytes`, or has more than `server.max_headers` lines.
    HeadTooLarge = "head_too_large", http(431);
    /// What came before the first request is no TLS handshake that succeeds (`server.tls_cert_file`), or no PROXY header
    /// (`server.proxy_protocol`). The connection is closed without an answer.
    BadPreamble = "bad_preamble", http(400);
    /// What came is no HTTP/1.1. The connection is closed.
    BadHead = "bad_head", http(400);
    /// The head of a request, or a PROXY header or TLS handshake before it, did not arrive in time
    /// (`server.header_timeout_ms`). The connection is closed without an answer.
    HeadTimeout = "head_timeout", http(408);

    /// The body of a request did not arrive in time (`server.body_timeout_ms`).
    BodyTimeout = "body_timeout", and_close(http(408));
    /// The body of a request is larger than `socketio.max_payload_bytes`.
    BodyTooLarge = "body_too_large", and_close(http(413));
    /// There are more packets in the body of a request than `socketio.max_packets_per_payload`.
    TooManyPackets = "too_many_packets", and_close(engine(3));
    /// The client polled while its former poll was still waiting, or sent packets while its former ones were arriving.
    ConcurrentPoll = "concurrent_poll", and_close(engine(3));
    /// What the client sent is no packet, or none that it may send.
    BadPacket = "bad_packet", and_close(engine(3));
    /// The client sent a websocket frame larger than `socketio.max_payload_bytes`.
    PacketTooLarge = "packet_too_large", Where::Close;
    /// The client did not read what was sent to it (`server.write_stall_ms`), or too much waits for it
    /// (`socketio.send_queue_packets`). It comes back by itself, and has missed events.
    SlowConsumer = "slow_consumer", Where::Close;
    /// The client did not answer a ping (`socketio.ping_timeout_ms`).
    PingTimeout = "ping_timeout", Where::Close;
    /// The upgrade from long-polling to websocket failed or took too long (`socketio.upgrade_timeout_ms`).
    UpgradeFailed = "upgrade_failed", Where::Close;
    /// The session was in no namespace when it ended: the client went away, or its time was over
    /// (`socketio.connect_timeout_ms`).
    NeverConnected = "never_connected", Where::Close;
    /// The client closed the connection in order.
    ClientClosed = "client_closed", Where::Close;
    /// The connection broke.
    ConnectionLost = "connection_lost", Where::Close;
    /// The client's identity has ended (`namespaces.identity`). It comes back by itself, with a new token if it has one.
    IdentityExpired = "identity_expired", Where::Close;
    /// The client sent events too often, and a limit with `action = "disconnect"` counts them (`namespaces.limits`).
    Flood = "flood", Where::Close;
    /// The server closed the connection.
    ServerClosed = "server_closed", Where::Close;
}

impl Code {
    /// The HTTP answer, for codes that have one.
    #[must_use]
    pub const fn http(self) -> Option<HttpAnswer> {
        match self.place() {
            Where::Http(answer) | Where::HttpAndClose(answer) => Some(answer),
            Where::Ack | Where::Connect | Where::ConnectOrAck | Where::Close => None,
        }
    }

    /// Whether a session may end by it.
    #[must_use]
    pub const fn closes(self) -> bool {
        matches!(self.place(), Where::Close | Where::HttpAndClose(_))
    }
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

    #[test]
    fn errors_of_engine_io_have_the_numbers_and_statuses_of_nodes() {
        let engine = |code: Code| code.http().and_then(|http| Some((http.engine_code?, http.status)));
        assert_eq!(engine(Code::UnknownTransport), Some((0, 400)));
        assert_eq!(engine(Code::UnknownSession), Some((1, 400)));
        assert_eq!(engine(Code::BadHandshakeMethod), Some((2, 400)));
        assert_eq!(engine(Code::BadRequest), Some((3, 400)));
        assert_eq!(engine(Code::Forbidden), Some((4, 403)));
        assert_eq!(engine(Code::UnsupportedProtocol), Some((5, 400)));
        assert_eq!(engine(Code::ServerFull), None);
    }
}
