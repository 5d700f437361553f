//! Who clients are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[namespaces.identity]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdentitySettings {
    /// How it is found out who a client is, before it is let in. `none`: not at all, everybody may come. `jwt`: by a
    /// signed token. `webhook`: a backend is asked.
    pub kind: IdentityKind,
    /// Where clients put their token. `auth`: in the `auth` object of Socket.IO. `header` and `cookie`: in a header or
    /// cookie of the request that opens the connection, which browsers send by themselves only if it is a cookie.
    pub token_from: TokenFrom,
    /// The name of that field, header or cookie. In the header `authorization` the word `Bearer` before it is left out.
    pub token_name: String,
    /// The claim that has the client's roles, for `roles` of events: a text, or a list of texts.
    pub roles_claim: String,
    /// What happens when an identity ends. `disconnect`: the connection is closed (`identity_expired`), and clients come
    /// back with a new token. `refresh`: before that the client hears the event `identity_expiring`, with the time in
    /// milliseconds that is left, and stays if it sends a new token of the same user in time, by the event `refresh`.
    pub expire: Expire,
    /// How long before the end that event comes, in milliseconds.
    pub expire_warning_ms: u64,
    /// The tokens, with `kind = "jwt"`.
    pub jwt: JwtSettings,
    /// The backend, with `kind = "webhook"`.
    pub webhook: WebhookSettings,
}

/// How identities are found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum IdentityKind {
    None,
    Jwt,
    Webhook,
}

/// Where a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum TokenFrom {
    Auth,
    Header,
    Cookie,
}

/// What happens at an identity's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum Expire {
    Disconnect,
    Refresh,
}

/// `[namespaces.identity.jwt]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JwtSettings {
    /// The algorithms that tokens may be signed with: `HS256`, `HS384`, `HS512` with `secrets`; `RS256`, `RS384`, `RS512`,
    /// `PS256`, `PS384`, `PS512`, `ES256`, `ES384` and `EdDSA` with the other kinds of keys. `none` is never accepted.
    pub algorithms: Vec<String>,
    /// Shared secrets, at least as long as the algorithm's hash (32 bytes for `HS256`); each is tried.
    pub secrets: Vec<String>,
    /// The secrets are base64.
    pub secrets_base64: bool,
    /// PEM files with public keys; each that fits the algorithm is tried.
    pub public_key_files: Vec<String>,
    /// Where an identity provider publishes its keys (JWKS). They are fetched again when they are old or when a token
    /// has an unknown `kid`.
    pub jwks_url: String,
    /// Keys of `jwks_url` are fetched again after this time, in milliseconds.
    pub jwks_max_age_ms: u64,
    /// While `jwks_url` does not answer, the keys that are there are used for so long, in milliseconds.
    pub jwks_max_stale_ms: u64,
    /// Unknown `kid`s cause one fetch in this time, in milliseconds, however many there are.
    pub jwks_min_interval_ms: u64,
    /// Longest time for a fetch, in milliseconds.
    pub jwks_timeout_ms: u64,
    /// `jwks_url` may be `http:` also where that is another machine; who is between the two can then sign in as anybody.
    pub jwks_allow_http: bool,
    /// The claim `iss` must be one of these; empty: it may be any.
    pub issuers: Vec<String>,
    /// The claim `aud` must have one of these; empty: a token that says it is for somebody in particular is refused.
    pub audiences: Vec<String>,
    /// How far the clocks may differ, in milliseconds, at most 60000.
    pub leeway_ms: u64,
    /// The claim that names the user.
    pub user_claim: String,
    /// Tokens without an end (`exp`) are refused.
    pub require_exp: bool,
    /// Longest token, in bytes.
    pub max_token_bytes: usize,
}

/// `[namespaces.identity.webhook]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// The backend's URL. It gets a POST for each client that connects, and answers 200 with `{user, claims?,
    /// expires_in?}`, or 401 or 403 with `{message?}`.
    pub url: String,
    /// `url` may be `http:` also where that is another machine; who is between the two can then sign in as anybody.
    pub allow_http: bool,
    /// Signs the requests, at least 32 bytes: the header `X-Roomcast-Signature` is `v1=` and the HMAC-SHA-256, in
    /// hexadecimal digits, of the header `X-Roomcast-Timestamp`, a dot and the body.
    pub secret: String,
    /// Headers of the client's request that the backend is told.
    pub headers: Vec<String>,
    /// Longest time for an answer, repeated attempts included, in milliseconds.
    pub timeout_ms: u64,
    /// How often a request is repeated that failed for a reason that may go by.
    pub retries: u32,
    /// Most requests under way at the same time; clients beyond that are refused (`identity_unavailable`).
    pub max_requests: usize,
    /// A refusal is remembered for so long, in milliseconds: clients that ask again and again do not reach the backend.
    pub refusal_ttl_ms: u64,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            kind: IdentityKind::None,
            token_from: TokenFrom::Auth,
            token_name: "token".into(),
            roles_claim: "roles".into(),
            expire: Expire::Disconnect,
            expire_warning_ms: 30_000,
            jwt: JwtSettings::default(),
            webhook: WebhookSettings::default(),
        }
    }
}

impl Default for JwtSettings {
    fn default() -> Self {
        Self {
            algorithms: vec![],
            secrets: vec![],
            secrets_base64: false,
            public_key_files: vec![],
            jwks_url: String::new(),
            jwks_max_age_ms: 300_000,
            jwks_max_stale_ms: 24 * 3_600_000,
            jwks_min_interval_ms: 30_000,
            jwks_timeout_ms: 3_000,
            jwks_allow_http: false,
            issuers: vec![],
            audiences: vec![],
            leeway_ms: 5_000,
            user_claim: "sub".into(),
            require_exp: true,
            max_token_bytes: 8_192,
        }
    }
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            allow_http: false,
            secret: String::new(),
            headers: vec![],
            timeout_ms: 3_000,
            retries: 1,
            max_requests: 256,
            refusal_ttl_ms: 5_000,
        }
    }
}
