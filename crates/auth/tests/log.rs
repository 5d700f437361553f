//! What is logged. By itself, since tests without a subscriber switch off log lines for those that have one.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::{Arc, Mutex};

use common::{Reply, SECRET, Server, credential, identify, now, sign_with_secret};
use roomcast_auth::{
    Algorithm, AuthError, Fetch, JwtSettings, JwtVerifier, KeySource, Secret, Unavailable, Verifier,
    WebhookSettings, WebhookVerifier,
};
use serde_json::json;
use tracing::Level;
use tracing::subscriber::DefaultGuard;

#[tokio::test]
async fn the_log_has_the_exact_reason_and_nothing_of_the_token() {
    let (log, _guard) = Log::begin();
    let secret = Secret { secret: SECRET.into(), base64: false, kid: None };
    let settings = JwtSettings::of(KeySource::Secrets(vec![secret]));
    let verifier = JwtVerifier::new(JwtSettings { algorithms: vec![Algorithm::Hs256], ..settings }).unwrap();
    let claims = json!({"sub": "hush-ann", "exp": now() + 60, "aud": "hush-mail"});
    let token = sign_with_secret("HS256", SECRET.as_bytes(), &claims);
    let error = identify(&verifier, &token).await.unwrap_err();
    assert_eq!(error.message(), "the token is not valid");
    let text = log.text();
    assert!(text.contains("token_invalid") && text.contains("not meant for this server"), "{text}");
    for part in token.split('.').chain(["hush"]) {
        assert!(!text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn a_lying_backend_is_told_in_the_log_and_nothing_else_is() {
    let server = Server::start(|number, _, _| {
        let answer = match number {
            0 => json!({"user": 7}),
            1 => json!({"user": "x".repeat(5000)}),
            2 => json!({"user": "ann", "claims": [1]}),
            3 => json!({"user": "ann", "expires_in": -5}),
            4 => json!({"user": "ann", "expires_in": 1e18}),
            _ => json!(["ann"]),
        };
        Reply::Json(200, answer)
    })
    .await;
    let (log, _guard) = Log::begin();
    let mut client = credential("hush, token");
    client.auth = json!({"ticket": "hush, ticket"});
    for what in [
        "`user` is not a string",
        "`user` is longer than 128 bytes",
        "`claims` is not an object",
        "`expires_in` is not more than 0",
        "`expires_in` is more than ten years in seconds",
        "it is not a JSON object",
    ] {
        // A new one each time, since only one line in ten seconds is logged.
        let verifier = WebhookVerifier::new(WebhookSettings::of(server.url(), SECRET)).unwrap();
        let error = verifier.identify(&client).await.unwrap_err();
        assert_eq!(error, AuthError::Unavailable(Unavailable::Answer(what)));
        assert!(!error.message().contains("user"), "the client is told about the backend");
        assert_eq!(verifier.stats().snapshot().fetches(Fetch::Malformed), 1);
        assert!(log.text().contains(what), "{}", log.text());
    }
    assert!(!log.text().contains("hush") && !log.text().contains(SECRET));
}

/// What is logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// From now on, in this thread.
    pub(crate) fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
