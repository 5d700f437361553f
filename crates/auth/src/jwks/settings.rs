//! What can be set for keys by URL.

use std::fmt;
use std::time::Duration;

use crate::http_client;
use crate::settings_error::{Errors, SettingsError};

/// Settings for keys that are fetched. Start from [`JwksSettings::of`].
#[derive(Clone)]
pub struct JwksSettings {
    /// Where the keys are: `https`, or `http` on this machine. Redirects are not followed.
    pub url: String,
    /// Whether `http` to other machines is allowed. Whoever is on the way can then say which keys are good. Default: no.
    pub allow_http: bool,
    /// Certificates (PEM) that are trusted besides those of the system. Default: none.
    pub ca_certificates: Vec<u8>,
    /// Keys of this age are fetched anew; clients do not wait for it. The server may ask for less (`Cache-Control`, RFC
    /// 9111, section 5.2), but not for less than [`min_interval`](Self::min_interval). Default: 5 min.
    pub max_age: Duration,
    /// How long keys are used if no newer ones can be had. Default: 24 h.
    pub max_stale: Duration,
    /// Tokens with a key that is not known cause one fetch in this time, all of them together. Default: 30 s.
    pub min_interval: Duration,
    /// How long a fetch may take, and a client wait for one. Default: 3 s.
    pub timeout: Duration,
    /// Longest wait between attempts if the server fails; the first is 250 ms. Default: 10 s.
    pub max_backoff: Duration,
    /// Largest answer, in bytes. Default: 256 KiB.
    pub max_bytes: usize,
    /// Most keys in an answer, used or not. Default: 64.
    pub max_keys: usize,
}

impl JwksSettings {
    /// The defaults, with this URL.
    #[must_use]
    pub fn of(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            allow_http: false,
            ca_certificates: Vec::new(),
            max_age: Duration::from_secs(5 * 60),
            max_stale: Duration::from_secs(24 * 60 * 60),
            min_interval: Duration::from_secs(30),
            timeout: Duration::from_secs(3),
            max_backoff: Duration::from_secs(10),
            max_bytes: 256 * 1024,
            max_keys: 64,
        }
    }

    /// All that is wrong.
    pub(crate) fn check(&self) -> Result<(), Vec<SettingsError>> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        const SHORTEST: Duration = Duration::from_millis(1);
        let mut errors = Errors::default();
        errors.duration("min_interval", self.min_interval, SHORTEST, DAY);
        errors.duration("max_age", self.max_age, self.min_interval.min(DAY), DAY);
        errors.duration("max_stale", self.max_stale, self.max_age, DAY * 30);
        errors.duration("timeout", self.timeout, SHORTEST, Duration::from_secs(60));
        errors.duration(
            "max_backoff",
            self.max_backoff,
            Duration::from_millis(250),
            Duration::from_secs(600),
        );
        errors.number("max_bytes", self.max_bytes, 1, 16 << 20);
        errors.number("max_keys", self.max_keys, 1, 1024);
        let url = errors.take(http_client::url(&self.url, self.allow_http));
        errors.give(url).map(drop)
    }
}

// Without the URL: there may be a secret in its query.
impl fmt::Debug for JwksSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksSettings").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}
