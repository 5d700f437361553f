//! Tokens, and servers that answer as they are told.
#![allow(dead_code)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use roomcast_auth::{AuthError, Credential, Identity, PublicKey, Verifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A file of `tests/keys`.
pub(crate) fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The name of the key that an algorithm goes with.
pub(crate) fn key_name(algorithm: &str) -> &'static str {
    match algorithm {
        "ES256" => "p256",
        "ES384" => "p384",
        "EdDSA" => "ed25519",
        _ => "rsa",
    }
}

pub(crate) fn public(name: &str) -> PublicKey {
    PublicKey { pem: file(&format!("{name}.public.pem")), kid: None }
}

fn private(name: &str) -> EncodingKey {
    let pem = file(&format!("{name}.private.pem"));
    match name {
        "p256" | "p384" => EncodingKey::from_ec_pem(&pem),
        "ed25519" => EncodingKey::from_ed_pem(&pem),
        _ => EncodingKey::from_rsa_pem(&pem),
    }
    .unwrap()
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that are good for a minute.
pub(crate) fn ann() -> Value {
    json!({"sub": "ann", "exp": now() + 60})
}

/// Signed with a shared secret.
pub(crate) fn sign_with_secret(algorithm: &str, secret: &[u8], claims: &Value) -> String {
    let header = Header::new(algorithm.parse().unwrap());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// Signed with a key of `tests/keys`.
pub(crate) fn sign(algorithm: &str, name: &str, kid: Option<&str>, claims: &Value) -> String {
    let mut header = Header::new(algorithm.parse().unwrap());
    header.kid = kid.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, &private(name)).unwrap()
}

/// Put together by hand; what is not a signature is not one.
pub(crate) fn forge(header: &Value, claims: &Value) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([7; 256]))
}

/// A key of `tests/keys` as its provider would publish it.
pub(crate) fn jwk(name: &str, kid: Option<&str>) -> Value {
    use rustls::pki_types::SubjectPublicKeyInfoDer;
    use rustls::pki_types::pem::PemObject;

    let der = SubjectPublicKeyInfoDer::from_pem_slice(&file(&format!("{name}.public.pem"))).unwrap();
    let tail = |bytes: usize| URL_SAFE_NO_PAD.encode(&der[der.len() - bytes..]);
    let mut jwk = match name {
        // The modulus stands before the exponent, three bytes with a head of two.
        "rsa" | "rsa2" => {
            let n = &der[der.len() - 5 - 256..der.len() - 5];
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": tail(3)})
        }
        "p256" => json!({"kty": "EC", "crv": "P-256", "y": tail(32),
            "x": URL_SAFE_NO_PAD.encode(&der[der.len() - 64..der.len() - 32])}),
        "p384" => json!({"kty": "EC", "crv": "P-384", "y": tail(48),
            "x": URL_SAFE_NO_PAD.encode(&der[der.len() - 96..der.len() - 48])}),
        "ed25519" => json!({"kty": "OKP", "crv": "Ed25519", "x": tail(32)}),
        _ => unreachable!("{name}"),
    };
    if let Some(kid) = kid {
        jwk["kid"] = json!(kid);
    }
    jwk
}

pub(crate) fn credential(token: impl Into<String>) -> Credential {
    Credential { token: Some(token.into()), ..Credential::default() }
}

pub(crate) async fn identify(
    verifier: &dyn Verifier,
    token: impl Into<String>,
) -> Result<Identity, AuthError> {
    verifier.identify(&credential(token)).await
}

/// Fails if it takes as long as only a hang does.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it hangs")
}

/// Asks again and again until the answer is the one that is waited for.
pub(crate) async fn until<T, F: Future<Output = T>>(
    mut ask: impl FnMut() -> F,
    good: impl Fn(&T) -> bool,
) -> T {
    soon(async {
        loop {
            let answer = ask().await;
            if good(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// How a server answers.
pub(crate) type Answer = Arc<dyn Fn(usize, &HeaderMap, &[u8]) -> Reply + Send + Sync>;

/// An answer.
pub(crate) enum Reply {
    Json(u16, Value),
    Raw(u16, &'static [(&'static str, &'static str)], Body),
    /// None, until the program says so.
    Held(watch::Receiver<bool>),
}

/// A server on this machine.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) hits: watch::Sender<usize>,
    answer: Arc<Mutex<Answer>>,
}

impl Server {
    pub(crate) async fn start(
        answer: impl Fn(usize, &HeaderMap, &[u8]) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    pub(crate) fn start_on(
        listener: TcpListener,
        answer: impl Fn(usize, &HeaderMap, &[u8]) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let server =
            Self { address, hits: watch::Sender::new(0), answer: Arc::new(Mutex::new(Arc::new(answer))) };
        let app = Router::new().fallback(reply).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        server
    }

    /// One that publishes these keys.
    pub(crate) async fn with_keys(keys: Vec<Value>) -> Self {
        Self::start(move |_, _, _| Reply::Json(200, json!({ "keys": keys }))).await
    }

    pub(crate) fn now_answers(
        &self,
        answer: impl Fn(usize, &HeaderMap, &[u8]) -> Reply + Send + Sync + 'static,
    ) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    pub(crate) fn now_has_keys(&self, keys: Vec<Value>) {
        self.now_answers(move |_, _, _| Reply::Json(200, json!({ "keys": keys })));
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn hits(&self) -> usize {
        *self.hits.borrow()
    }

    /// Until so many requests have come.
    pub(crate) async fn hit(&self, times: usize) {
        soon(self.hits.subscribe().wait_for(|hits| *hits >= times)).await.unwrap();
    }
}

async fn reply(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    let mut number = 0;
    server.hits.send_modify(|hits| {
        number = *hits;
        *hits += 1;
    });
    let answer = Arc::clone(&server.answer.lock().unwrap());
    let response = Response::builder();
    match answer(number, &headers, &body) {
        Reply::Json(status, body) => response.status(status).body(Body::from(body.to_string())),
        Reply::Raw(status, headers, body) => headers
            .iter()
            .fold(response.status(status), |it, (name, value)| it.header(*name, *value))
            .body(body),
        Reply::Held(mut until) => {
            let _ = until.wait_for(|now| *now).await;
            response.body(Body::from(r#"{"user":"held"}"#))
        }
    }
    .unwrap()
}
