//! What can be wrong with settings.

use std::time::Duration;

/// A setting that cannot be used. All that are wrong are told together. Never repeats a secret; keys and secrets are
/// counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No algorithm is allowed.
    #[error("`algorithms` is empty: say which ones are allowed, such as `RS256`")]
    NoAlgorithm,
    /// There is no such algorithm.
    #[error(
        "there is no algorithm `{0}`; there are HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 \
         and EdDSA"
    )]
    UnknownAlgorithm(String),
    /// A shared secret and algorithms with key pairs, or the other way round: whoever has the public key could sign.
    #[error("the algorithm `{algorithm}` does not go with {keys}")]
    AlgorithmDoesNotFit {
        /// The algorithm.
        algorithm: &'static str,
        /// Where the keys come from.
        keys: &'static str,
    },
    /// There are no keys.
    #[error("no key is given")]
    NoKey,
    /// There are more keys than would be tried.
    #[error("{given} keys are given, of which at most {most} can be used")]
    TooManyKeys {
        /// How many there are.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// A secret is shorter than its hash (RFC 7518, section 3.2).
    #[error("secret number {number} has {length} bytes, and `{algorithm}` needs at least {least}")]
    SecretTooShort {
        /// Which secret.
        number: usize,
        /// Its length in bytes.
        length: usize,
        /// The most demanding algorithm that is allowed.
        algorithm: &'static str,
        /// The least length, in bytes.
        least: usize,
    },
    /// A secret is said to be base64 and is not.
    #[error("secret number {0} is not valid base64")]
    SecretNotBase64(usize),
    /// A key cannot be read.
    #[error("public key number {number}: {what}")]
    PublicKey {
        /// Which key.
        number: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// None of the algorithms can be used with this key.
    #[error("public key number {0} goes with none of the algorithms that are allowed")]
    PublicKeyUnused(usize),
    /// The webhook's secret is too short.
    #[error("the webhook's secret has {0} bytes, and needs at least 32")]
    WebhookSecretTooShort(usize),
    /// A name is empty.
    #[error("`{0}` must not be empty")]
    Empty(&'static str),
    /// A number is out of bounds.
    #[error("`{setting}` is {value}, and must be from {least} to {most}")]
    Number {
        /// Its name.
        setting: &'static str,
        /// What it is.
        value: u64,
        /// What it may be at least.
        least: u64,
        /// What it may be at most.
        most: u64,
    },
    /// A duration is out of bounds.
    #[error("`{setting}` is {value:?}, and must be from {least:?} to {most:?}")]
    Duration {
        /// Its name.
        setting: &'static str,
        /// What it is.
        value: Duration,
        /// What it may be at least.
        least: Duration,
        /// What it may be at most.
        most: Duration,
    },
    /// The URL cannot be used.
    #[error("`url` {0}")]
    Url(&'static str),
    /// A header's name cannot be one.
    #[error("`{0}` is not the name of a header")]
    Header(String),
    /// The certificates cannot be read, or there are none.
    #[error("{0}")]
    Certificates(&'static str),
    /// The client for HTTP could not be made.
    #[error("no client for HTTP: {0}")]
    Client(String),
    /// There is no Tokio runtime in which keys could be fetched.
    #[error("keys are fetched in the background, which takes a Tokio runtime")]
    NoRuntime,
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Errors(pub(crate) Vec<SettingsError>);

impl Errors {
    pub(crate) fn number(&mut self, setting: &'static str, value: usize, least: u64, most: u64) {
        let value = value as u64;
        if !(least..=most).contains(&value) {
            self.0.push(SettingsError::Number { setting, value, least, most });
        }
    }

    pub(crate) fn duration(
        &mut self,
        setting: &'static str,
        value: Duration,
        least: Duration,
        most: Duration,
    ) {
        if !(least..=most).contains(&value) {
            self.0.push(SettingsError::Duration { setting, value, least, most });
        }
    }

    /// What was made, if nothing is wrong.
    pub(crate) fn give<T>(self, made: Option<T>) -> Result<T, Vec<SettingsError>> {
        match made {
            Some(made) if self.0.is_empty() => Ok(made),
            _ => Err(self.0),
        }
    }

    /// Remembers what is wrong with a part.
    pub(crate) fn take<T>(&mut self, part: Result<T, Vec<SettingsError>>) -> Option<T> {
        part.map_err(|errors| self.0.extend(errors)).ok()
    }
}
