//! What can be set for the webhook.

use std::fmt;
use std::time::Duration;

use crate::settings_error::{Errors, SettingsError};

/// Settings for a backend that is asked. Start from [`WebhookSettings::of`].
#[derive(Clone)]
pub struct WebhookSettings {
    /// The backend: `https`, or `http` on this machine. Redirects are not followed.
    pub url: String,
    /// Signs the requests; at least 32 bytes. The backend has the same.
    pub secret: String,
    /// Headers of the client's request that the backend is to see, such as `cookie`. Default: none.
    pub headers: Vec<String>,
    /// Whether `http` to other machines is allowed: cookies and tokens then go over the wire for all to see. Default: no.
    pub allow_http: bool,
    /// Certificates (PEM) that are trusted besides those of the system. Default: none.
    pub ca_certificates: Vec<u8>,
    /// How long an answer may take, with all repetitions. Default: 3 s.
    pub timeout: Duration,
    /// How often a request is repeated whose connection failed, or that was answered with a status from 500. Default: 1.
    pub retries: u32,
    /// Most requests under way; further clients are told at once to come back. Default: 256.
    pub max_concurrent: usize,
    /// Largest request, in bytes. Clients that send more are refused. Default: 64 KiB.
    pub max_request_bytes: usize,
    /// Largest answer, in bytes. Default: 64 KiB.
    pub max_answer_bytes: usize,
    /// How long a refusal is remembered, so that clients that come back with the same do not reach the backend; 0 turns it
    /// off. Default: 5 s.
    pub refusal_ttl: Duration,
    /// Most refusals that are remembered. Default: 10 000.
    pub max_refusals: usize,
}

impl WebhookSettings {
    /// The defaults, with this URL and secret.
    #[must_use]
    pub fn of(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secret: secret.into(),
            headers: Vec::new(),
            allow_http: false,
            ca_certificates: Vec::new(),
            timeout: Duration::from_secs(3),
            retries: 1,
            max_concurrent: 256,
            max_request_bytes: 64 * 1024,
            max_answer_bytes: 64 * 1024,
            refusal_ttl: Duration::from_secs(5),
            max_refusals: 10_000,
        }
    }

    pub(super) fn check(&self, errors: &mut Errors) {
        const MINUTE: Duration = Duration::from_secs(60);
        if self.secret.len() < 32 {
            errors.0.push(SettingsError::WebhookSecretTooShort(self.secret.len()));
        }
        errors.duration("timeout", self.timeout, Duration::from_millis(1), MINUTE);
        errors.number("retries", self.retries as usize, 0, 5);
        errors.number("max_concurrent", self.max_concurrent, 1, 65_536);
        errors.number("max_request_bytes", self.max_request_bytes, 256, 16 << 20);
        errors.number("max_answer_bytes", self.max_answer_bytes, 16, 16 << 20);
        errors.duration("refusal_ttl", self.refusal_ttl, Duration::ZERO, 60 * MINUTE);
        errors.number("max_refusals", self.max_refusals, 1, 1 << 20);
    }
}

// Without the secret, and without the URL, in which there may be one.
impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
