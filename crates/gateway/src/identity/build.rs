//! From the configuration to what finds out identities.

use std::sync::Arc;
use std::time::Duration;

use roomcast_auth::{
    Algorithm, JwksSettings, JwtSettings, JwtVerifier, KeySource, PublicKey, Secret, SettingsError, Stats,
    Verifier, WebhookSettings, WebhookVerifier,
};

use super::{Expiry, IdentityCheck, TokenPlace};
use crate::config::{self, IdentityKind, IdentitySettings};

/// What is wrong with the identity of a namespace: the key below `identity`, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("identity.{key}: {message}")]
pub struct Wrong {
    pub(crate) key: &'static str,
    pub(crate) message: String,
}

/// Everything that is wrong; nothing is fetched to find it out.
pub(crate) fn problems(settings: &IdentitySettings) -> Vec<Wrong> {
    match settings.kind {
        IdentityKind::None => Vec::new(),
        IdentityKind::Jwt => match jwt(&settings.jwt) {
            Ok(jwt) => told("jwt", JwtVerifier::problems(&jwt)),
            Err(wrong) => wrong,
        },
        IdentityKind::Webhook => WebhookVerifier::new(webhook(&settings.webhook))
            .err()
            .map_or_else(Vec::new, |errors| told("webhook", errors)),
    }
}

/// How a namespace of these settings finds out who its clients are; `None` if it does not ask.
///
/// # Errors
/// The first of all that is wrong; the configuration was checked before.
pub(super) fn check(settings: &IdentitySettings, stats: &Stats) -> Result<Option<IdentityCheck>, Wrong> {
    let wrong = |wrong: Vec<Wrong>| {
        let none = || Wrong { key: "kind", message: "cannot be set up".into() };
        wrong.into_iter().next().unwrap_or_else(none)
    };
    let Some(verifier) = verifier(settings, stats).map_err(wrong)? else { return Ok(None) };
    let no_header = || Wrong { key: "token_name", message: "is no header name".into() };
    let place = TokenPlace::new(settings).ok_or_else(no_header)?;
    Ok(Some(IdentityCheck { verifier, place, expiry: Expiry::new(settings) }))
}

/// What a namespace finds out identities with; `None` if it does not ask.
///
/// # Errors
/// Everything that is wrong.
fn verifier(settings: &IdentitySettings, stats: &Stats) -> Result<Option<Arc<dyn Verifier>>, Vec<Wrong>> {
    match settings.kind {
        IdentityKind::None => Ok(None),
        IdentityKind::Jwt => {
            let verifier = JwtVerifier::with_stats(jwt(&settings.jwt)?, stats.clone());
            Ok(Some(Arc::new(verifier.map_err(|errors| told("jwt", errors))?)))
        }
        IdentityKind::Webhook => {
            let verifier = WebhookVerifier::with_stats(webhook(&settings.webhook), stats.clone());
            Ok(Some(Arc::new(verifier.map_err(|errors| told("webhook", errors))?)))
        }
    }
}

fn told(key: &'static str, errors: Vec<SettingsError>) -> Vec<Wrong> {
    errors.into_iter().map(|error| Wrong { key, message: error.to_string() }).collect()
}

fn jwt(settings: &config::JwtSettings) -> Result<JwtSettings, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut algorithms: Vec<Algorithm> = Vec::new();
    for name in &settings.algorithms {
        match name.parse::<Algorithm>() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(error) => wrong.push(Wrong { key: "jwt.algorithms", message: error.to_string() }),
        }
    }
    let keys = keys(settings).map_err(|error| wrong.push(error));
    let (Ok(keys), true) = (keys, wrong.is_empty()) else { return Err(wrong) };
    Ok(JwtSettings {
        algorithms,
        issuer: settings.issuers.clone(),
        audience: settings.audiences.clone(),
        leeway: Duration::from_millis(settings.leeway_ms),
        user_claim: settings.user_claim.clone(),
        require_exp: settings.require_exp,
        max_token_bytes: settings.max_token_bytes,
        ..JwtSettings::of(keys)
    })
}

fn keys(settings: &config::JwtSettings) -> Result<KeySource, Wrong> {
    let given =
        [!settings.secrets.is_empty(), !settings.public_key_files.is_empty(), !settings.jwks_url.is_empty()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        // Of different kinds, so that a public key is never taken for a secret.
        let message = "needs exactly one of secrets, public_key_files and jwks_url".to_owned();
        return Err(Wrong { key: "jwt", message });
    }
    if !settings.secrets.is_empty() {
        let secret =
            |secret: &String| Secret { secret: secret.clone(), base64: settings.secrets_base64, kid: None };
        return Ok(KeySource::Secrets(settings.secrets.iter().map(secret).collect()));
    }
    if !settings.jwks_url.is_empty() {
        return Ok(KeySource::Jwks(JwksSettings {
            allow_http: settings.jwks_allow_http,
            max_age: Duration::from_millis(settings.jwks_max_age_ms),
            max_stale: Duration::from_millis(settings.jwks_max_stale_ms),
            min_interval: Duration::from_millis(settings.jwks_min_interval_ms),
            timeout: Duration::from_millis(settings.jwks_timeout_ms),
            ..JwksSettings::of(settings.jwks_url.as_str())
        }));
    }
    let read = |file: &String| match std::fs::read(file) {
        Ok(pem) => Ok(PublicKey { pem, kid: None }),
        Err(error) => {
            Err(Wrong { key: "jwt.public_key_files", message: format!("`{file}` cannot be read: {error}") })
        }
    };
    Ok(KeySource::PublicKeys(settings.public_key_files.iter().map(read).collect::<Result<_, _>>()?))
}

fn webhook(settings: &config::WebhookSettings) -> WebhookSettings {
    WebhookSettings {
        headers: settings.headers.clone(),
        allow_http: settings.allow_http,
        timeout: Duration::from_millis(settings.timeout_ms),
        retries: settings.retries,
        max_concurrent: settings.max_requests,
        refusal_ttl: Duration::from_millis(settings.refusal_ttl_ms),
        ..WebhookSettings::of(settings.url.as_str(), settings.secret.as_str())
    }
}
