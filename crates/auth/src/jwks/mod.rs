//! Keys that an identity provider publishes (JWKS, RFC 7517): fetched in the background, so that clients wait for them
//! only where there is nothing else to go by.

mod fetch;
mod parse;
mod refresh;
mod settings;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::error::{AuthError, InvalidToken, Unavailable};
use crate::http_client;
use crate::jwt::Token;
use crate::settings_error::SettingsError;
use crate::stats::Stats;

use refresh::{Fetched, Round, Shared};
pub use settings::JwksSettings;

/// The keys of one URL.
pub(crate) struct Jwks {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Jwks {
    /// Begins to fetch.
    pub(crate) fn start(settings: JwksSettings, stats: Stats) -> Result<Self, Vec<SettingsError>> {
        settings.check()?;
        let url = http_client::url(&settings.url, settings.allow_http)?;
        let client = http_client::client(&url, &settings.ca_certificates, settings.timeout)?;
        let runtime = Handle::try_current().map_err(|_| vec![SettingsError::NoRuntime])?;
        let shared = Arc::new(Shared::new(settings, url, client, stats));
        let task = runtime.spawn(Arc::clone(&shared).run()).abort_handle();
        Ok(Self { shared, task })
    }

    /// The claims, if one of the keys signed them.
    pub(crate) async fn verify(&self, token: &Token<'_>) -> Result<Map<String, Value>, AuthError> {
        let keys = match self.shared.keys() {
            Some(keys) => keys,
            None => self.first_keys().await?,
        };
        let refused = match keys.set.verify(token) {
            Ok(claims) => return Ok(claims),
            Err(refused) => refused,
        };
        match &token.kid {
            Some(kid) if !keys.set.has(kid) => self.verify_with_newer(token, &keys, refused).await,
            _ => Err(refused.into()),
        }
    }

    /// For when there are none: waits if some are on their way.
    async fn first_keys(&self) -> Result<Arc<Fetched>, AuthError> {
        if let Some(mut round) = self.shared.join() {
            self.wait(&mut round).await;
        }
        self.shared.keys().ok_or_else(|| Unavailable::NoKeys.into())
    }

    /// For a key that is not among these: maybe there are new ones.
    async fn verify_with_newer(
        &self,
        token: &Token<'_>,
        former: &Arc<Fetched>,
        refused: InvalidToken,
    ) -> Result<Map<String, Value>, AuthError> {
        let answered = match self.shared.demand() {
            Some(mut round) => self.wait(&mut round).await,
            None => true,
        };
        // They may also have come while nobody waited.
        let refused = match self.shared.keys() {
            Some(newer) if !Arc::ptr_eq(&newer, former) => match newer.set.verify(token) {
                Ok(claims) => return Ok(claims),
                Err(refused) => refused,
            },
            _ => refused,
        };
        // Only who has the newest keys can say that one does not exist.
        if answered && !self.shared.failing() {
            return Err(refused.into());
        }
        Err(Unavailable::NoNewKeys.into())
    }

    /// Whether the round came to its end in time.
    async fn wait(&self, round: &mut Round) -> bool {
        timeout(self.shared.settings.timeout, round.changed()).await.is_ok_and(|changed| changed.is_ok())
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.shared.keys().map_or(0, |keys| keys.set.len());
        f.debug_struct("Jwks").field("keys", &keys).field("failing", &self.shared.failing()).finish()
    }
}

impl Drop for Jwks {
    fn drop(&mut self) {
        self.task.abort();
    }
}
