//! What goes in and what comes out.

use std::fmt;
use std::time::SystemTime;

use http::HeaderMap;
use serde_json::{Map, Value};

/// Longest name of a user, in bytes. It is a key of maps, and part of room names and log lines.
pub const MAX_USER_BYTES: usize = 128;

/// Who the client is.
#[derive(Clone, PartialEq)]
pub struct Identity {
    /// The name of the user: not empty, at most [`MAX_USER_BYTES`].
    pub user: String,
    /// All that the token or the backend says about the user.
    pub claims: Map<String, Value>,
    /// When it ends; without it, never.
    pub expires: Option<SystemTime>,
}

// Claims are personal data, and this may end up in a log line.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("claims", &self.claims.len())
            .field("expires", &self.expires)
            .finish()
    }
}

/// What a client brings along, and where it comes from. Tokens are verified from [`token`](Self::token) alone; the rest
/// is for a backend.
#[derive(Clone, Default)]
pub struct Credential {
    /// The token, wherever the client put it.
    pub token: Option<String>,
    /// The namespace that the client wants into.
    pub namespace: String,
    /// What the client sent along with its wish to connect.
    pub auth: Value,
    /// The headers of the request that opened the session.
    pub headers: HeaderMap,
    /// The client's address.
    pub client: String,
    /// How the client is connected: `websocket` or `polling`.
    pub transport: String,
}

// What is left out are secrets: token, auth, cookies.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("namespace", &self.namespace)
            .field("client", &self.client)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// Whether it can be the name of a user; else what is wrong.
pub(crate) fn check_user(user: &str) -> Result<(), &'static str> {
    match user.len() {
        0 => Err("is empty"),
        1..=MAX_USER_BYTES => Ok(()),
        _ => Err("is longer than 128 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_tells_no_secret() {
        let mut credential = Credential {
            token: Some("hush".into()),
            auth: Value::String("hush".into()),
            ..Credential::default()
        };
        credential.headers.insert("cookie", "hush".parse().unwrap());
        assert!(!format!("{credential:?}").contains("hush"));
        let claims = Map::from_iter([("email".into(), Value::String("hush".into()))]);
        assert!(!format!("{:?}", Identity { user: "ann".into(), claims, expires: None }).contains("hush"));
    }

    #[test]
    fn names_of_users_are_bounded() {
        assert_eq!(check_user(&"a".repeat(128)), Ok(()));
        assert_eq!(check_user(&"a".repeat(129)), Err("is longer than 128 bytes"));
        assert_eq!(check_user(""), Err("is empty"));
    }
}
