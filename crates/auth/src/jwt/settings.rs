//! What can be set for tokens.

use std::fmt;
use std::time::Duration;

use super::algorithm::{Algorithm, Kind};
use crate::jwks::JwksSettings;
use crate::settings_error::{Errors, SettingsError};

const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// Settings for tokens. Start from [`JwtSettings::of`]: keys and algorithms have no defaults.
#[derive(Debug, Clone)]
pub struct JwtSettings {
    /// The algorithms that are allowed. Required. Secrets go with `HS…` only, all other keys with all others.
    pub algorithms: Vec<Algorithm>,
    /// The keys.
    pub keys: KeySource,
    /// The issuers that are trusted: `iss` must be one of them (RFC 7519, section 4.1.1). If empty, `iss` is not looked at.
    pub issuer: Vec<String>,
    /// The names of this service: `aud` must have one of them (RFC 7519, section 4.1.3). If empty, a token that has an `aud`
    /// is refused, as that section demands: it is meant for somebody else.
    pub audience: Vec<String>,
    /// How much the clocks may differ, at most 60 s. Default: 5 s.
    pub leeway: Duration,
    /// The claim that is the name of the user: a string of 1 to 128 bytes. Default: `sub`.
    pub user_claim: String,
    /// Whether a token must say when it expires. Default: yes. If it says so, it is believed in any case.
    pub require_exp: bool,
    /// Types (`typ`) of tokens that are accepted, besides none at all; without `application/`, in any case of letters (RFC
    /// 7515, section 4.1.9). Default: `JWT` and `at+jwt`.
    pub types: Vec<String>,
    /// Longest token that is looked at, in bytes. Default: 8192.
    pub max_token_bytes: usize,
}

/// Where the keys come from. All are of one sort, so that a public key is never taken for a secret.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Secrets that are shared with who signs; at most 8.
    Secrets(Vec<Secret>),
    /// The public halves of key pairs; at most 8.
    PublicKeys(Vec<PublicKey>),
    /// Public keys that an identity provider publishes.
    Jwks(JwksSettings),
}

/// A shared secret.
#[derive(Clone)]
pub struct Secret {
    /// The secret, at least as long as its hash: 32 bytes for HS256, 48 for HS384, 64 for HS512.
    pub secret: String,
    /// Whether the secret is given as base64, of either alphabet, with or without padding.
    pub base64: bool,
    /// Tokens that name a key (`kid`) are tried with that one only, and with those that have no name.
    pub kid: Option<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The public half of a key pair.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// The content of a PEM file with one `PUBLIC KEY`: RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519.
    pub pem: Vec<u8>,
    /// As in [`Secret::kid`].
    pub kid: Option<String>,
}

impl JwtSettings {
    /// The defaults, with these keys. [`algorithms`](Self::algorithms) is still to be set.
    #[must_use]
    pub fn of(keys: KeySource) -> Self {
        Self {
            algorithms: Vec::new(),
            keys,
            issuer: Vec::new(),
            audience: Vec::new(),
            leeway: Duration::from_secs(5),
            user_claim: "sub".into(),
            require_exp: true,
            types: vec!["JWT".into(), "at+jwt".into()],
            max_token_bytes: 8192,
        }
    }

    pub(super) fn check(&self, errors: &mut Errors) {
        if self.algorithms.is_empty() {
            errors.0.push(SettingsError::NoAlgorithm);
        }
        let (keys, secret) = match self.keys {
            KeySource::Secrets(_) => ("shared secrets", true),
            KeySource::PublicKeys(_) => ("public keys", false),
            KeySource::Jwks(_) => ("the keys of an identity provider", false),
        };
        for algorithm in
            self.algorithms.iter().filter(|algorithm| (algorithm.kind() == Kind::Secret) != secret)
        {
            errors.0.push(SettingsError::AlgorithmDoesNotFit { algorithm: algorithm.as_str(), keys });
        }
        errors.duration("leeway", self.leeway, Duration::ZERO, MAX_LEEWAY);
        errors.number("max_token_bytes", self.max_token_bytes, 64, 1 << 20);
        for (name, empty) in [
            ("user_claim", self.user_claim.is_empty()),
            ("issuer", self.issuer.iter().any(String::is_empty)),
            ("audience", self.audience.iter().any(String::is_empty)),
        ] {
            if empty {
                errors.0.push(SettingsError::Empty(name));
            }
        }
    }
}
