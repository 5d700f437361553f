//! What an error of Redis means to the one who set it up, and what to do about it.

use redis::{ErrorKind, RedisError};

/// The error with a hint, where there is one to give.
pub(crate) fn explain(error: &RedisError) -> String {
    match hint(error) {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

fn hint(error: &RedisError) -> Option<&'static str> {
    let text = error.to_string();
    let has = |part: &str| text.contains(part);
    Some(match error.code() {
        Some("NOAUTH") => "Redis wants a password: redis://[user]:password@host",
        Some("WRONGPASS") => "check user and password in the URL",
        Some("NOPERM") => {
            "the ACL user needs the channels of the prefix, in the classic mode the pattern of each namespace literally \
             (such as &socket.io#/#*), the keys ~{prefix-*, and the commands of pubsub, connection, transaction, read and write"
        }
        Some("MOVED" | "CROSSSLOT") => "this is a Redis Cluster: use a redis-cluster:// URL",
        Some("NOPROTO") => "Redis 6 or newer is needed",
        Some("READONLY") => "this server is a replica",
        _ if has("unknown command") && (has("SSUBSCRIBE") || has("SPUBLISH")) => {
            "sharded Pub/Sub needs Redis 7 or newer"
        }
        _ if has("unknown command") && has("HELLO") => "Redis 6 or newer is needed",
        _ if has("cluster support disabled") => "this Redis is no cluster: use a redis:// URL",
        _ if has("AUTH") && has("without any password configured") => "leave the password out of the URL",
        _ if error.is_connection_refusal() => "is Redis running there?",
        _ if has("InvalidContentType") || has("corrupt message") => {
            "the server does not speak TLS there: use redis:// instead of rediss://"
        }
        _ if has("UnknownIssuer") || has("invalid peer certificate") => {
            "the server's certificate is not signed by a known authority, or for another name: set the CA file"
        }
        // A server that waits for more of what it takes for a command.
        _ if text == "timed out" => {
            "nothing answers there: check host and port, and whether the server speaks TLS as the URL says: use redis:// instead of rediss://, or the other way round"
        }
        _ if error.kind() == ErrorKind::AuthenticationFailed => "check user and password in the URL",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_for_what_goes_wrong_at_first() {
        let refused: RedisError = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
        assert!(explain(&refused).contains("is Redis running there?"));
        let other: RedisError = std::io::Error::other("something else").into();
        assert_eq!(explain(&other), other.to_string());
    }
}
