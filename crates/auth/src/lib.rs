//! Who is this? What a client brings along is turned into an [`Identity`], or refused with a code that clients see.
//!
//! * [`JwtVerifier`] reads JSON Web Tokens (RFC 7519): signed with shared secrets, with key pairs, or by an identity
//!   provider that publishes its keys (JWKS, RFC 7517).
//! * [`WebhookVerifier`] asks a backend that knows the users.
//!
//! Both are a [`Verifier`]. Nothing here knows of namespaces' rules, of Socket.IO or of connections; who calls takes the
//! token from where the client put it.
//!
//! The way of a token: `jwt/token` (length, header), `jwt/keys` or `jwks` (which key, signature), `jwt/claims` (times,
//! issuer, audience, user). The way of a question to the backend: `webhook`, with `webhook/answer` for what comes back.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use roomcast_auth::{Algorithm, AuthError, Credential, JwtSettings, JwtVerifier, KeySource, Secret, Verifier};
//!
//! let secret = Secret { secret: "not a good secret, but a long one".into(), base64: false, kid: None };
//! let verifier = JwtVerifier::new(JwtSettings {
//!     algorithms: vec![Algorithm::Hs256],
//!     audience: vec!["chat".into()],
//!     ..JwtSettings::of(KeySource::Secrets(vec![secret]))
//! })
//! .unwrap();
//!
//! let credential = Credential { token: Some("e30.e30.e30".into()), ..Credential::default() };
//! let error = verifier.identify(&credential).await.unwrap_err();
//! assert_eq!(error.code().as_str(), "token_invalid");
//! // What the client is told, and what the log is told.
//! assert_eq!(error.message(), "the token is not valid");
//! assert_eq!(error.to_string(), "the token is invalid: its header has no algorithm");
//! # }
//! ```

#![forbid(unsafe_code)]

mod backoff;
mod der;
mod error;
pub mod http_client;
mod identity;
mod jwks;
mod jwt;
mod sampled;
mod settings_error;
mod stats;
mod verifier;
mod webhook;

pub use error::{AuthError, InvalidToken, Unavailable};
pub use http_client::HttpError;
pub use identity::{Credential, Identity, MAX_USER_BYTES};
pub use jwks::JwksSettings;
pub use jwt::{Algorithm, JwtSettings, JwtVerifier, KeySource, PublicKey, Secret};
pub use settings_error::SettingsError;
pub use stats::{Fetch, Stats, StatsSnapshot, Verification};
pub use verifier::{BoxFuture, Verifier};
pub use webhook::{SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookSettings, WebhookVerifier};
