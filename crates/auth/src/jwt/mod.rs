//! JSON Web Tokens (RFC 7519), signed (RFC 7515), with the advice of RFC 8725.

mod algorithm;
mod claims;
mod keys;
mod settings;
mod token;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::error::AuthError;
use crate::identity::{Credential, Identity};
use crate::jwks::Jwks;
use crate::settings_error::{Errors, SettingsError};
use crate::stats::Stats;
use crate::verifier::{BoxFuture, Verifier, note};

pub use algorithm::Algorithm;
use claims::Claims;
pub(crate) use keys::{Key, KeySet};
pub use settings::{JwtSettings, KeySource, PublicKey, Secret};
pub(crate) use token::Token;

/// Verifies tokens.
#[derive(Debug)]
pub struct JwtVerifier {
    algorithms: Vec<Algorithm>,
    keys: Keys,
    claims: Claims,
    types: Vec<String>,
    max_token_bytes: usize,
    stats: Stats,
}

#[derive(Debug)]
enum Keys {
    Fixed(KeySet),
    Fetched(Jwks),
}

impl JwtVerifier {
    /// With these settings. With keys by URL it starts to fetch them at once, in the background, until it is dropped.
    ///
    /// # Errors
    /// All that is wrong with the settings.
    pub fn new(settings: JwtSettings) -> Result<Self, Vec<SettingsError>> {
        Self::with_stats(settings, Stats::default())
    }

    /// The same; it counts where another verifier has counted before it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_stats(settings: JwtSettings, stats: Stats) -> Result<Self, Vec<SettingsError>> {
        // Of the library's own two backends only this one is built in. If the program has both, the library would not know
        // which to take, and panic; if the program has chosen one already, that is fine.
        let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();

        let mut errors = Errors::default();
        settings.check(&mut errors);
        let keys = match &settings.keys {
            // Only if all else is well: it starts a task.
            KeySource::Jwks(jwks) if errors.0.is_empty() => {
                errors.take(Jwks::start(jwks.clone(), stats.clone())).map(Keys::Fetched)
            }
            keys => fixed(keys, &settings.algorithms, &mut errors).map(Keys::Fixed),
        };
        let keys = errors.give(keys)?;
        let JwtSettings { algorithms, types, max_token_bytes, .. } = settings;
        let claims = Claims {
            issuer: settings.issuer,
            audience: settings.audience,
            leeway: settings.leeway,
            user_claim: settings.user_claim,
            require_exp: settings.require_exp,
        };
        Ok(Self { algorithms, keys, claims, types, max_token_bytes, stats })
    }

    /// All that is wrong with the settings; nothing is fetched to find it out.
    #[must_use]
    pub fn problems(settings: &JwtSettings) -> Vec<SettingsError> {
        let mut errors = Errors::default();
        settings.check(&mut errors);
        fixed(&settings.keys, &settings.algorithms, &mut errors);
        errors.0
    }

    async fn verify(&self, credential: &Credential) -> Result<Identity, AuthError> {
        let text = credential.token.as_deref().filter(|token| !token.is_empty());
        let token = Token::read(text.ok_or(AuthError::TokenMissing)?, self.max_token_bytes, &self.types)?;
        if !self.algorithms.contains(&token.algorithm) {
            return Err(crate::InvalidToken::AlgorithmNotAllowed.into());
        }
        let claims: Map<String, Value> = match &self.keys {
            Keys::Fixed(keys) => keys.verify(&token)?,
            Keys::Fetched(jwks) => jwks.verify(&token).await?,
        };
        // A clock before 1970 makes all tokens come from the future, which is as well.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.claims.check(claims, now)
    }
}

/// The keys that are there without asking anybody.
fn fixed(keys: &KeySource, algorithms: &[Algorithm], errors: &mut Errors) -> Option<KeySet> {
    match keys {
        KeySource::Secrets(secrets) => errors.take(KeySet::of_secrets(secrets, algorithms)),
        KeySource::PublicKeys(keys) => errors.take(KeySet::of_public_keys(keys, algorithms)),
        KeySource::Jwks(jwks) => errors.take(jwks.check()).and(None),
    }
}

impl Verifier for JwtVerifier {
    fn identify<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Identity, AuthError>> {
        Box::pin(async move { note(&self.stats, self.verify(credential).await) })
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }
}
