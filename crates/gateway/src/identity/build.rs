//! From the configuration to what finds out identities.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use roomcast_auth::{
    Algorithm, JwksSettings, JwtSettings, JwtVerifier, KeySource, PublicKey, Secret, SettingsError, Verifier,
    WebhookSettings, WebhookVerifier,
};

use super::{Expiry, IdentityCheck, PerUser, TokenPlace};
use crate::config::{self, IdentityKind, IdentitySettings, Settings};

/// What is wrong with the identity of a namespace: the key below `identity`, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("identity.{key}: {message}")]
pub struct Wrong {
    pub(crate) key: &'static str,
    pub(crate) message: String,
}

/// Everything that is wrong, found without a runtime: nothing is fetched.
pub(crate) fn problems(settings: &IdentitySettings) -> Vec<Wrong> {
    let mut problems = verifier(settings).err().unwrap_or_default();
    problems.retain(|wrong| wrong.message != SettingsError::NoRuntime.to_string());
    problems
}

/// How the namespaces of the configuration find out who their clients are.
///
/// # Errors
/// The first of all that is wrong; the configuration was checked before.
pub(crate) fn checks(settings: &Settings) -> Result<HashMap<String, IdentityCheck>, Wrong> {
    let mut checks = HashMap::new();
    for namespace in &settings.namespaces {
        let identity = &namespace.identity;
        let verifier = verifier(identity).map_err(|wrong| {
            let none = || Wrong { key: "kind", message: "cannot be set up".into() };
            wrong.into_iter().next().unwrap_or_else(none)
        })?;
        if let Some(verifier) = verifier {
            let place = TokenPlace::new(identity);
            let no_header = || Wrong { key: "token_name", message: "is no header name".into() };
            let place = place.ok_or_else(no_header)?;
            let check = IdentityCheck {
                verifier,
                place,
                expiry: Expiry::new(identity),
                per_user: PerUser::new(namespace.max_sockets_per_user),
            };
            checks.insert(namespace.path.clone(), check);
        }
    }
    Ok(checks)
}

/// What a namespace finds out identities with; `None` if it does not ask.
///
/// # Errors
/// Everything that is wrong.
fn verifier(settings: &IdentitySettings) -> Result<Option<Arc<dyn Verifier>>, Vec<Wrong>> {
    match settings.kind {
        IdentityKind::None => Ok(None),
        IdentityKind::Jwt => {
            let told = |errors: Vec<SettingsError>| told("jwt", errors);
            let verifier = JwtVerifier::new(jwt(&settings.jwt)?).map_err(told)?;
            Ok(Some(Arc::new(verifier)))
        }
        IdentityKind::Webhook => {
            let told = |errors: Vec<SettingsError>| told("webhook", errors);
            let verifier = WebhookVerifier::new(webhook(&settings.webhook)).map_err(told)?;
            Ok(Some(Arc::new(verifier)))
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
