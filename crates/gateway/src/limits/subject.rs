//! Whose events are counted together.

use std::fmt;

use roomcast_edge::ClientKey;
use socketioxide_core::Sid;

/// One of those whose events are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Socket(Sid),
    User(String),
    Address(ClientKey),
}

/// As a part of a name in Redis.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(id) => write!(f, "socket/{id}"),
            Self::User(user) => write!(f, "user/{user}"),
            Self::Address(client) => write!(f, "address/{client}"),
        }
    }
}
