//! Asking a backend that knows the users.
//!
//! It gets a POST with the JSON object `{namespace, auth, headers, client, transport}`, signed so that it can tell who asks,
//! and answers one of:
//!
//! * 200, `{"user": "ann", "claims": {...}, "expires_in": 3600}`: who it is; `claims` and `expires_in` (seconds) may be left
//!   out.
//! * 401 or 403, `{"message": "..."}`: the client is refused; the message, which may be left out, is for the client.
//!
//! Anything else is a failure of the backend: the client is told to come back.

mod answer;
mod refusals;
mod request;
mod settings;
mod signature;

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Url};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::error::{AuthError, InvalidToken, Unavailable};
use crate::http_client::{self, HttpError};
use crate::identity::{Credential, Identity};
use crate::sampled::Sampled;
use crate::settings_error::{Errors, SettingsError};
use crate::stats::{Fetch, Stats};
use crate::verifier::{BoxFuture, Verifier, note};

use answer::Answer;
use refusals::Refusals;
use request::AllowedHeaders;
pub use settings::WebhookSettings;
use signature::Signer;
pub use signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER};

/// Wait before the first repetition; it grows with each.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks a backend.
pub struct WebhookVerifier {
    settings: WebhookSettings,
    url: Url,
    client: Client,
    signer: Signer,
    headers: AllowedHeaders,
    places: Semaphore,
    refusals: Refusals,
    stats: Stats,
    failed: Sampled,
}

impl WebhookVerifier {
    /// With these settings.
    ///
    /// # Errors
    /// All that is wrong with the settings.
    pub fn new(settings: WebhookSettings) -> Result<Self, Vec<SettingsError>> {
        Self::with_stats(settings, Stats::default())
    }

    /// The same; it counts where another verifier has counted before it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_stats(settings: WebhookSettings, stats: Stats) -> Result<Self, Vec<SettingsError>> {
        let mut errors = Errors::default();
        settings.check(&mut errors);
        let headers = errors.take(AllowedHeaders::new(&settings.headers));
        let url = errors.take(http_client::url(&settings.url, settings.allow_http));
        let parts = url.and_then(|url| {
            let client = http_client::client(&url, &settings.ca_certificates, settings.timeout);
            Some((url, errors.take(client)?, headers?))
        });
        let (url, client, headers) = errors.give(parts)?;
        Ok(Self {
            url,
            client,
            headers,
            signer: Signer::new(settings.secret.as_bytes()),
            places: Semaphore::new(settings.max_concurrent),
            refusals: Refusals::new(settings.max_refusals, settings.refusal_ttl),
            stats,
            failed: Sampled::default(),
            settings,
        })
    }

    async fn verify(&self, credential: &Credential) -> Result<Identity, AuthError> {
        let body = request::body(credential, &self.headers);
        if body.len() > self.settings.max_request_bytes {
            return Err(InvalidToken::TooLong(body.len()).into());
        }
        let key = self.refusals.key(&body);
        if let Some(message) = self.refusals.get(&key) {
            self.stats.remembered();
            return Err(AuthError::Refused { message });
        }
        let Ok(_place) = self.places.try_acquire() else { return Err(self.unavailable(Unavailable::Busy)) };
        // All attempts and pauses together.
        let answer = timeout(self.settings.timeout, self.ask(body.into())).await;
        let answer = answer.unwrap_or_else(|_| {
            self.stats.fetched(Fetch::Timeout);
            Err(Unavailable::Backend(HttpError::Timeout))
        });
        match answer {
            Ok(Answer::Identity(identity)) => Ok(identity),
            Ok(Answer::Refusal(message)) => {
                self.refusals.put(key, message.clone());
                Err(AuthError::Refused { message })
            }
            Err(reason) => Err(self.unavailable(reason)),
        }
    }

    fn unavailable(&self, reason: Unavailable) -> AuthError {
        // One of many, since all clients see the same backend.
        if self.failed.now() {
            warn!(%reason, "the webhook cannot tell who a client is");
        }
        reason.into()
    }

    async fn ask(&self, body: Bytes) -> Result<Answer, Unavailable> {
        let mut repetitions = 0;
        loop {
            let outcome = self.ask_once(body.clone()).await;
            let error = match outcome {
                Ok(answer) => {
                    self.stats.fetched(if answer.is_ok() { Fetch::Answered } else { Fetch::Malformed });
                    return answer.map_err(Unavailable::Answer);
                }
                Err(error) => error,
            };
            self.stats.fetched(error.outcome());
            let may_pass = matches!(error, HttpError::Unreachable(_) | HttpError::Status(500..));
            if !may_pass || repetitions == self.settings.retries {
                return Err(Unavailable::Backend(error));
            }
            repetitions += 1;
            sleep(PAUSE * repetitions).await;
        }
    }

    /// The outer error is one of the connection or the status, the inner one of what the backend says.
    async fn ask_once(&self, body: Bytes) -> Result<Result<Answer, &'static str>, HttpError> {
        let [timestamp, signature] = self.signer.sign(&body, SystemTime::now());
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(TIMESTAMP_HEADER, timestamp)
            .header(SIGNATURE_HEADER, signature)
            .body(body);
        let response = request.send().await?;
        match response.status().as_u16() {
            200 => {
                let body = http_client::body(response, self.settings.max_answer_bytes).await?;
                Ok(answer::identity(&body, SystemTime::now()).map(Answer::Identity))
            }
            // The status says it all; a message is only good to have.
            401 | 403 => {
                let body = http_client::body(response, self.settings.max_answer_bytes).await.ok();
                Ok(Ok(Answer::Refusal(body.and_then(|body| answer::message(&body)))))
            }
            status => Err(HttpError::Status(status)),
        }
    }
}

impl Verifier for WebhookVerifier {
    fn identify<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Identity, AuthError>> {
        Box::pin(async move { note(&self.stats, self.verify(credential).await) })
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl fmt::Debug for WebhookVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookVerifier").field("settings", &self.settings).finish_non_exhaustive()
    }
}
