//! Why a client is not let in: a code and a message for the client, the exact reason for the log.

use roomcast_codes::Code;

use crate::http_client::HttpError;

/// The identity of a client was not found out. As text it is the exact reason, without any part of the token: for the
/// log. Clients get [`code`](Self::code) and [`message`](Self::message).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The client brought no token.
    #[error("there is no token")]
    TokenMissing,
    /// The token is not accepted.
    #[error("the token is invalid: {0}")]
    TokenInvalid(InvalidToken),
    /// The token was valid once.
    #[error("the token has expired")]
    TokenExpired,
    /// It cannot be told at the moment.
    #[error("the identity cannot be found out: {0}")]
    Unavailable(Unavailable),
    /// The backend says no.
    #[error("the backend refuses the client")]
    Refused {
        /// What it says to the client, at most 200 characters.
        message: Option<String>,
    },
}

/// What is wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// It is longer than allowed, and was not looked at.
    #[error("it has {0} bytes, which is more than allowed")]
    TooLong(usize),
    /// It is no signed token at all (RFC 7515, section 7.1).
    #[error("{0}")]
    Malformed(&'static str),
    /// Its algorithm is not one of those allowed, or none at all (RFC 8725, section 3.1).
    #[error("its algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// It wants extensions to be understood (`crit`, RFC 7515, section 4.1.11); none are.
    #[error("it has critical extensions, of which none is known")]
    Critical,
    /// There is another token in it (`cty`, RFC 7519, section 5.2).
    #[error("what it contains is not claims (`cty`)")]
    Nested,
    /// It is a token for another purpose (`typ`, RFC 8725, section 3.11).
    #[error("it is of a type that is not accepted (`typ`)")]
    Type,
    /// No key has its `kid`.
    #[error("the key that signed it is not known (`kid`)")]
    UnknownKey,
    /// The key that it names is of another kind, or is for another algorithm.
    #[error("its algorithm is not that of the key")]
    KeyMismatch,
    /// The signature is not of a known key over this token.
    #[error("its signature is wrong")]
    Signature,
    /// It is not valid yet (`nbf`, RFC 7519, section 4.1.5).
    #[error("it is not valid yet (`nbf`)")]
    NotYetValid,
    /// It is from the future (`iat`, RFC 7519, section 4.1.6).
    #[error("it was issued in the future (`iat`)")]
    IssuedInFuture,
    /// It is of another issuer (`iss`, RFC 7519, section 4.1.1), or says none.
    #[error("it is not of an issuer that is trusted (`iss`)")]
    Issuer,
    /// It is meant for others (`aud`, RFC 7519, section 4.1.3), or says for none.
    #[error("it is not meant for this server (`aud`)")]
    Audience,
    /// A claim is missing, or is not what it must be.
    #[error("its claim `{claim}` {what}")]
    Claim {
        /// The name of the claim.
        claim: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Why an identity cannot be found out at the moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The keys could not be fetched yet, or those that are there are too old.
    #[error("there are no keys that are fresh enough")]
    NoKeys,
    /// The key is not known, and the keys cannot be fetched.
    #[error("the key that signed the token is not known (`kid`), and the keys cannot be fetched")]
    NoNewKeys,
    /// The backend is being asked as much as it may be.
    #[error("as many requests to the backend are under way as may be")]
    Busy,
    /// The backend could not be asked.
    #[error("the backend could not be asked: {0}")]
    Backend(HttpError),
    /// The backend answered with something else than an identity.
    #[error("the backend's answer is wrong: {0}")]
    Answer(&'static str),
}

impl AuthError {
    /// The code for clients and metrics.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TokenMissing => Code::TokenMissing,
            Self::TokenInvalid(_) => Code::TokenInvalid,
            Self::TokenExpired => Code::TokenExpired,
            Self::Unavailable(_) => Code::IdentityUnavailable,
            Self::Refused { .. } => Code::IdentityRefused,
        }
    }

    /// The text for clients. It tells nothing that would help to forge a token.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::TokenMissing => "a token is required",
            Self::TokenInvalid(_) => "the token is not valid",
            Self::TokenExpired => "the token has expired",
            Self::Unavailable(_) => "who you are cannot be checked at the moment, try again later",
            Self::Refused { message } => message.as_deref().unwrap_or("you are not allowed in"),
        }
    }
}

impl From<InvalidToken> for AuthError {
    fn from(reason: InvalidToken) -> Self {
        Self::TokenInvalid(reason)
    }
}

impl From<Unavailable> for AuthError {
    fn from(reason: Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}
