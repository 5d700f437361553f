//! The keys that signatures are checked with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Kind};
use super::settings::{PublicKey, Secret};
use super::token::Token;
use crate::der::{Spki, spki};
use crate::error::InvalidToken;
use crate::settings_error::SettingsError;

/// How many keys are tried for one token: each costs about as much as the rest of the work.
const MAX_TRIED: usize = 8;

/// One key. It is of one kind, whatever a token says.
pub(crate) struct Key {
    kid: Option<String>,
    kind: Kind,
    /// The one algorithm that it is for, if it says so.
    only: Option<Algorithm>,
    key: DecodingKey,
}

impl Key {
    fn secret(secret: &[u8]) -> Self {
        Self { kid: None, kind: Kind::Secret, only: None, key: DecodingKey::from_secret(secret) }
    }

    /// From modulus and exponent; the error says what is wrong with them.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, &'static str> {
        let (n, e) = (unsigned(n), unsigned(e));
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        // Less can be broken (RFC 7518, section 3.3), more is not done by the library.
        if !(2048..=4096).contains(&bits) {
            return Err("an RSA key must have 2048 to 4096 bits");
        }
        let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if !odd(n) || !odd(e) || e == [1] || e.len() > 4 {
            return Err("it is no RSA key: its numbers cannot be right");
        }
        let key = DecodingKey::from_rsa_raw_components(n, e);
        Ok(Self { kid: None, kind: Kind::Rsa, only: None, key })
    }

    /// From an uncompressed point.
    pub(crate) fn p256(point: &[u8]) -> Result<Self, &'static str> {
        Self::ec(Algorithm::Es256, point, 65)
    }

    /// From an uncompressed point.
    pub(crate) fn p384(point: &[u8]) -> Result<Self, &'static str> {
        Self::ec(Algorithm::Es384, point, 97)
    }

    fn ec(algorithm: Algorithm, point: &[u8], length: usize) -> Result<Self, &'static str> {
        if point.len() != length || point[0] != 4 {
            return Err("its point must be uncompressed, and of the size of its curve");
        }
        Self::tried(algorithm, DecodingKey::from_ec_der(point))
    }

    pub(crate) fn ed25519(key: &[u8]) -> Result<Self, &'static str> {
        // The library would panic for less than 32 bytes.
        if key.len() != 32 {
            return Err("an Ed25519 key has 32 bytes");
        }
        Self::tried(Algorithm::EdDsa, DecodingKey::from_ed_der(key))
    }

    /// The library looks whether the point is on the curve only when it verifies.
    fn tried(algorithm: Algorithm, key: DecodingKey) -> Result<Self, &'static str> {
        jsonwebtoken::crypto::verify("", b"", &key, algorithm.of_library())
            .map_err(|_| "it is not a point on its curve")?;
        Ok(Self { kid: None, kind: algorithm.kind(), only: None, key })
    }

    fn pem(pem: &[u8]) -> Result<Self, &'static str> {
        let mut keys = SubjectPublicKeyInfoDer::pem_slice_iter(pem);
        let key = match (keys.next(), keys.next()) {
            (Some(Ok(key)), None) => key,
            (Some(Ok(_)), Some(_)) => return Err("there is more than one key in it; give each by itself"),
            (Some(Err(_)), _) => return Err("it is not valid PEM"),
            (None, _) => {
                return Err(
                    "there is no `-----BEGIN PUBLIC KEY-----` in it; `openssl pkey -pubout` writes it so",
                );
            }
        };
        match spki(&key) {
            Some(Spki::Rsa { n, e }) => Self::rsa(n, e),
            Some(Spki::P256(point)) => Self::p256(point),
            Some(Spki::P384(point)) => Self::p384(point),
            Some(Spki::Ed25519(key)) => Self::ed25519(key),
            None => Err("it is of no kind that is known: RSA, P-256, P-384 and Ed25519 are"),
        }
    }

    pub(crate) fn named(self, kid: Option<String>) -> Self {
        Self { kid, ..self }
    }

    pub(crate) fn only(self, only: Option<Algorithm>) -> Self {
        Self { only, ..self }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    fn goes_with(&self, algorithm: Algorithm) -> bool {
        self.kind == algorithm.kind() && self.only.is_none_or(|only| only == algorithm)
    }

    /// The claims, if this key signed them.
    fn verify(&self, token: &Token<'_>) -> Result<Map<String, Value>, InvalidToken> {
        let mut validation = Validation::new(token.algorithm.of_library());
        // The claims are checked by `Claims`.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        match jsonwebtoken::decode(token.text, &self.key, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => InvalidToken::Signature,
                ErrorKind::Base64(_) => InvalidToken::Malformed("it is not base64url"),
                // The library wants the header in order as well, such as a `jwk` that is one.
                ErrorKind::Json(_) => {
                    InvalidToken::Malformed("its header or its claims are not what they must be")
                }
                _ => InvalidToken::KeyMismatch,
            }),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Keys of one source.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Key>);

impl KeySet {
    pub(crate) fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    pub(super) fn of_secrets(
        secrets: &[Secret],
        algorithms: &[Algorithm],
    ) -> Result<Self, Vec<SettingsError>> {
        let mut errors = count(secrets.len());
        let hardest = algorithms.iter().copied().max_by_key(|algorithm| algorithm.least_secret());
        let mut keys = Vec::new();
        for (secret, number) in secrets.iter().zip(1..) {
            let Some(bytes) = bytes_of(secret) else {
                errors.push(SettingsError::SecretNotBase64(number));
                continue;
            };
            if let Some(hardest) = hardest.filter(|hardest| bytes.len() < hardest.least_secret()) {
                let (algorithm, least) = (hardest.as_str(), hardest.least_secret());
                errors.push(SettingsError::SecretTooShort { number, length: bytes.len(), algorithm, least });
            }
            keys.push(Key::secret(&bytes).named(secret.kid.clone()));
        }
        if errors.is_empty() { Ok(Self(keys)) } else { Err(errors) }
    }

    pub(super) fn of_public_keys(
        given: &[PublicKey],
        algorithms: &[Algorithm],
    ) -> Result<Self, Vec<SettingsError>> {
        let mut errors = count(given.len());
        let mut keys = Vec::new();
        for (PublicKey { pem, kid }, number) in given.iter().zip(1..) {
            match Key::pem(pem) {
                Err(what) => errors.push(SettingsError::PublicKey { number, what }),
                Ok(key) if !algorithms.iter().any(|algorithm| key.goes_with(*algorithm)) => {
                    errors.push(SettingsError::PublicKeyUnused(number));
                }
                Ok(key) => keys.push(key.named(kid.clone())),
            }
        }
        if errors.is_empty() { Ok(Self(keys)) } else { Err(errors) }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a key has this name.
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The claims, if one of the keys signed them: one with the token's `kid`, or without a name; for a token that names
    /// none, all.
    pub(crate) fn verify(&self, token: &Token<'_>) -> Result<Map<String, Value>, InvalidToken> {
        let named = |key: &&Key| match (&token.kid, &key.kid) {
            (Some(wanted), Some(kid)) => wanted == kid,
            _ => true,
        };
        let mut refused = InvalidToken::UnknownKey;
        let mut tried = 0;
        for key in self.0.iter().filter(named) {
            if !key.goes_with(token.algorithm) {
                if tried == 0 {
                    refused = InvalidToken::KeyMismatch;
                }
                continue;
            }
            if tried == MAX_TRIED {
                break;
            }
            tried += 1;
            match key.verify(token) {
                Ok(claims) => return Ok(claims),
                Err(reason) => refused = reason,
            }
        }
        Err(refused)
    }
}

fn count(given: usize) -> Vec<SettingsError> {
    match given {
        0 => vec![SettingsError::NoKey],
        1..=MAX_TRIED => Vec::new(),
        _ => vec![SettingsError::TooManyKeys { given, most: MAX_TRIED }],
    }
}

fn bytes_of(secret: &Secret) -> Option<Vec<u8>> {
    if !secret.base64 {
        return Some(secret.secret.clone().into_bytes());
    }
    let standard = secret.secret.trim_end_matches('=').replace('-', "+").replace('_', "/");
    STANDARD_NO_PAD.decode(standard).ok()
}

/// Numbers are written with and without zeros in front.
fn unsigned(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

#[cfg(test)]
mod tests;
