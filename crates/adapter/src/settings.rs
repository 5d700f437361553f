//! How to reach Redis, and the limits while it cannot be reached.

use std::time::Duration;

use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::bus::BusError;

/// Settings of a [`Bus`](crate::Bus) over Redis. Start from [`new`](Self::new) and change what differs.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisSettings {
    /// `redis://[user[:password]@]host[:port][/db]`; no other scheme.
    pub url: String,
    /// Prefix of all channels; Node's adapters and emitters call it `key`. Default `socket.io`.
    pub prefix: String,
    /// Longest wait for a connection to be set up, or for an answer. Default 5 s.
    pub timeout: Duration,
    /// How often the subscriber connection is asked for a sign of life. Default 5 s.
    pub ping_interval: Duration,
    /// Most messages that wait to be published. Default 10 000.
    pub outbox_messages: usize,
    /// Most bytes that wait to be published. Default 16 MiB.
    pub outbox_bytes: usize,
    /// A message that waited longer is not published any more. Default 30 s.
    pub outbox_age: Duration,
}

impl RedisSettings {
    /// The defaults, with this URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "socket.io".into(),
            timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(5),
            outbox_messages: 10_000,
            outbox_bytes: 16 * 1024 * 1024,
            outbox_age: Duration::from_secs(30),
        }
    }

    /// Whether the URL makes sense; Redis is not asked.
    ///
    /// # Errors
    /// [`BusError`] if it does not.
    pub fn check(&self) -> Result<(), BusError> {
        self.connection_info()?;
        Ok(())
    }

    pub(crate) fn connection_info(&self) -> Result<ConnectionInfo, BusError> {
        // The library also reads URLs of sockets, with the password in the query, where nobody would look for one.
        if !self.url.starts_with("redis://") {
            return Err(BusError::Scheme);
        }
        Ok(self.url.as_str().into_connection_info()?)
    }
}

impl std::fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("RedisSettings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
