//! Keys by URL: how often they are fetched, what happens when they cannot be, and what is believed.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::{Duration, Instant};

use axum::body::Body;
use common::{Reply, Server, ann, forge, identify, jwk, sign, sign_with_secret, soon, until};
use futures_util::future::join_all;
use roomcast_auth::{
    Algorithm, AuthError, Fetch, Identity, InvalidToken, JwksSettings, JwtSettings, JwtVerifier, KeySource,
    SettingsError, Unavailable, Verifier,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

const HOUR: Duration = Duration::from_secs(3600);

/// Settings with which nothing is fetched by age within a test.
fn slow(url: String) -> JwksSettings {
    JwksSettings { max_age: HOUR, min_interval: HOUR, max_stale: HOUR, ..JwksSettings::of(url) }
}

fn jwt(jwks: JwksSettings) -> JwtSettings {
    let algorithms =
        vec![Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
    JwtSettings { algorithms, ..JwtSettings::of(KeySource::Jwks(jwks)) }
}

fn verifier(jwks: JwksSettings) -> JwtVerifier {
    JwtVerifier::new(jwt(jwks)).unwrap()
}

fn unavailable(reason: Unavailable) -> Result<Identity, AuthError> {
    Err(AuthError::Unavailable(reason))
}

fn invalid(reason: InvalidToken) -> Result<Identity, AuthError> {
    Err(AuthError::TokenInvalid(reason))
}

#[tokio::test]
async fn keys_of_every_kind_are_fetched_and_the_first_clients_wait_for_them() {
    let names = ["rsa", "p256", "p384", "ed25519"];
    let server = Server::with_keys(names.map(|name| jwk(name, Some(name))).to_vec()).await;
    let verifier = verifier(slow(server.url()));
    for (algorithm, name) in
        [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "p256"), ("ES384", "p384"), ("EdDSA", "ed25519")]
    {
        for kid in [Some(name), None] {
            let identity = identify(&verifier, sign(algorithm, name, kid, &ann())).await;
            assert_eq!(identity.map(|identity| identity.user), Ok("ann".into()), "{algorithm} {kid:?}");
        }
    }
    assert_eq!(server.hits(), 1);
    assert_eq!(verifier.stats().snapshot().fetches(Fetch::Answered), 1);
}

#[tokio::test]
async fn ten_thousand_unknown_keys_cause_one_fetch() {
    let server = Server::with_keys(vec![jwk("rsa", Some("a"))]).await;
    let verifier = verifier(slow(server.url()));
    assert!(identify(&verifier, sign("RS256", "rsa", Some("a"), &ann())).await.is_ok());
    for wave in 0..2 {
        let tokens =
            (0..10_000).map(|at| forge(&json!({"alg": "RS256", "kid": format!("{wave} {at}")}), &ann()));
        let refused = soon(join_all(tokens.map(|token| identify(&verifier, token)))).await;
        assert!(refused.iter().all(|refused| *refused == invalid(InvalidToken::UnknownKey)));
        assert_eq!(server.hits(), 2, "the first, and one for all of them together");
    }
}

#[tokio::test]
async fn unknown_keys_may_cause_a_fetch_again_after_a_while() {
    let server = Server::with_keys(vec![jwk("rsa", Some("a"))]).await;
    let interval = Duration::from_millis(100);
    let verifier = verifier(JwksSettings { min_interval: interval, ..slow(server.url()) });
    let begin = Instant::now();
    let ask = || identify(&verifier, forge(&json!({"alg": "RS256", "kid": "b"}), &ann()));
    let _ = until(ask, |_| server.hits() >= 4).await;
    // The first of all, one at once, and two more.
    assert!(begin.elapsed() >= interval * 2, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn the_first_token_with_a_new_key_is_good_within_one_fetch() {
    let server = Server::with_keys(vec![jwk("rsa", Some("a"))]).await;
    let verifier = verifier(slow(server.url()));
    assert!(identify(&verifier, sign("RS256", "rsa", Some("a"), &ann())).await.is_ok());
    server.now_has_keys(vec![jwk("rsa2", Some("b"))]);
    let token = sign("RS256", "rsa2", Some("b"), &ann());
    let all = soon(join_all((0..50).map(|_| identify(&verifier, &token)))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.hits(), 2);
    // The old one was withdrawn.
    let old = identify(&verifier, sign("RS256", "rsa", Some("a"), &ann())).await;
    assert_eq!(old, invalid(InvalidToken::UnknownKey));
    assert_eq!(server.hits(), 2);
}

#[tokio::test]
async fn a_server_that_is_down_at_start_is_asked_until_it_is_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let verifier = verifier(slow(format!("http://{address}/")));
    let token = sign("RS256", "rsa", None, &ann());
    let refused = identify(&verifier, &token).await;
    assert_eq!(refused, unavailable(Unavailable::NoKeys));
    assert_eq!(refused.unwrap_err().code().as_str(), "identity_unavailable");
    assert!(verifier.stats().snapshot().fetches(Fetch::Unreachable) >= 1);

    let server = Server::start_on(TcpListener::bind(address).await.unwrap(), |_, _, _| {
        Reply::Json(200, json!({"keys": [jwk("rsa", None)]}))
    });
    let identity = until(|| identify(&verifier, &token), Result::is_ok).await.unwrap();
    assert_eq!(identity.user, "ann");
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn old_keys_go_on_while_the_server_is_down_and_new_ones_are_unavailable() {
    let server = Server::with_keys(vec![jwk("rsa", Some("a"))]).await;
    let age = Duration::from_millis(20);
    let verifier = verifier(JwksSettings { max_age: age, min_interval: age, ..slow(server.url()) });
    let old = sign("RS256", "rsa", Some("a"), &ann());
    assert!(identify(&verifier, &old).await.is_ok());
    server.now_answers(|_, _, _| Reply::Json(500, Value::Null));
    soon(async {
        while verifier.stats().snapshot().fetches(Fetch::Status) < 2 {
            assert!(identify(&verifier, &old).await.is_ok());
            tokio::task::yield_now().await;
        }
    })
    .await;
    let new = sign("RS256", "rsa2", Some("b"), &ann());
    assert_eq!(identify(&verifier, &new).await, unavailable(Unavailable::NoNewKeys));
    server.now_has_keys(vec![jwk("rsa", Some("a")), jwk("rsa2", Some("b"))]);
    until(|| identify(&verifier, &new), Result::is_ok).await.unwrap();
}

#[tokio::test]
async fn keys_are_not_used_for_ever() {
    let server = Server::start(|number, _, _| match number {
        0 => Reply::Json(200, json!({"keys": [jwk("rsa", Some("a"))]})),
        _ => Reply::Json(500, Value::Null),
    })
    .await;
    let (age, stale) = (Duration::from_millis(20), Duration::from_secs(1));
    let verifier = verifier(JwksSettings {
        max_age: age,
        min_interval: age,
        max_stale: stale,
        ..JwksSettings::of(server.url())
    });
    let token = sign("RS256", "rsa", Some("a"), &ann());
    let begin = Instant::now();
    assert!(identify(&verifier, &token).await.is_ok());
    let _ = until(|| identify(&verifier, &token), |it| *it == unavailable(Unavailable::NoKeys)).await;
    assert!(begin.elapsed() >= stale, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn keys_are_renewed_by_age_without_any_client() {
    let server = Server::with_keys(vec![jwk("rsa", None)]).await;
    let age = Duration::from_millis(20);
    let verifier = verifier(JwksSettings { max_age: age, min_interval: age, ..slow(server.url()) });
    server.hit(4).await;
    drop(verifier);
}

#[tokio::test]
async fn the_server_may_ask_to_be_asked_more_often_but_not_too_often() {
    let server = Server::start(|_, _, _| {
        let keys = json!({"keys": [jwk("rsa", None)]}).to_string();
        Reply::Raw(200, &[("cache-control", "public, max-age=0")], Body::from(keys))
    })
    .await;
    let interval = Duration::from_millis(50);
    let begin = Instant::now();
    let _verifier = verifier(JwksSettings { min_interval: interval, ..slow(server.url()) });
    server.hit(4).await;
    assert!(begin.elapsed() >= interval * 3, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn clients_do_not_wait_for_a_renewal() {
    let (_never, held) = watch::channel(false);
    let server = Server::start(move |number, _, _| match number {
        0 => Reply::Json(200, json!({"keys": [jwk("rsa", Some("a"))]})),
        _ => Reply::Held(held.clone()),
    })
    .await;
    let age = Duration::from_millis(20);
    let timeout = Duration::from_secs(60);
    let verifier = verifier(JwksSettings { max_age: age, min_interval: age, timeout, ..slow(server.url()) });
    let token = sign("RS256", "rsa", Some("a"), &ann());
    server.hit(2).await;
    assert!(soon(identify(&verifier, &token)).await.is_ok());
}

#[tokio::test]
async fn nothing_is_fetched_any_more_for_a_verifier_that_is_gone() {
    let (never, held) = watch::channel(false);
    let server = Server::start(move |_, _, _| Reply::Held(held.clone())).await;
    // Longer than the test waits.
    let verifier = verifier(JwksSettings { timeout: Duration::from_secs(60), ..slow(server.url()) });
    server.hit(1).await;
    drop(verifier);
    // The server's half is dropped when the connection is closed, and with it what it waits with.
    server.now_answers(|_, _, _| Reply::Json(500, Value::Null));
    soon(never.closed()).await;
}

/// What the client is told, and what is counted, when the answer cannot be used.
async fn failure(server: &Server, settings: JwksSettings, outcome: Fetch) {
    let verifier = verifier(settings);
    let refused = soon(identify(&verifier, sign("RS256", "rsa", None, &ann()))).await;
    assert_eq!(refused, unavailable(Unavailable::NoKeys));
    until(async || verifier.stats().snapshot().fetches(outcome), |count| *count >= 1).await;
    assert!(server.hits() >= 1);
    assert_eq!(verifier.stats().snapshot().fetches(Fetch::Answered), 0);
}

#[tokio::test]
async fn giant_answers_are_not_read() {
    let with_length = Server::start(|_, _, _| {
        let keys = json!({"keys": [jwk("rsa", None)], "x": "x".repeat(300 * 1024)});
        Reply::Json(200, keys)
    })
    .await;
    failure(&with_length, slow(with_length.url()), Fetch::TooLarge).await;
    let endless = Server::start(|_, _, _| {
        let pieces = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 10_000]));
        Reply::Raw(200, &[], Body::from_stream(pieces))
    })
    .await;
    failure(&endless, slow(endless.url()), Fetch::TooLarge).await;
    let many = Server::with_keys(vec![jwk("p256", None); 65]).await;
    failure(&many, slow(many.url()), Fetch::Malformed).await;
}

#[tokio::test]
async fn answers_may_be_as_large_as_is_set_and_not_a_byte_larger() {
    let keys = json!({"keys": [jwk("rsa", None)]}).to_string();
    let bytes = keys.len();
    // In pieces, so that no header tells the size.
    let server = Server::start(move |_, _, _| {
        let pieces: Vec<_> = keys.bytes().map(|byte| Ok::<_, std::io::Error>(vec![byte])).collect();
        Reply::Raw(200, &[], Body::from_stream(futures_util::stream::iter(pieces)))
    })
    .await;
    let enough = verifier(JwksSettings { max_bytes: bytes, ..slow(server.url()) });
    assert!(identify(&enough, sign("RS256", "rsa", None, &ann())).await.is_ok());
    failure(&server, JwksSettings { max_bytes: bytes - 1, ..slow(server.url()) }, Fetch::TooLarge).await;
}

#[tokio::test]
async fn slow_answers_are_given_up() {
    let (_never, held) = watch::channel(false);
    let timeout = Duration::from_millis(300);
    let silent = Server::start(move |_, _, _| Reply::Held(held.clone())).await;
    failure(&silent, JwksSettings { timeout, ..slow(silent.url()) }, Fetch::Timeout).await;
    // The head comes at once, the rest never.
    let stuck = Server::start(|_, _, _| {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        Reply::Raw(200, &[], Body::from_stream(never))
    })
    .await;
    failure(&stuck, JwksSettings { timeout, ..slow(stuck.url()) }, Fetch::Timeout).await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Server::with_keys(vec![jwk("rsa", None)]).await;
    let location: &'static str = target.url().leak();
    let headers: &'static [(&str, &str)] = vec![("location", location)].leak();
    let server = Server::start(move |_, _, _| Reply::Raw(302, headers, Body::empty())).await;
    failure(&server, slow(server.url()), Fetch::Status).await;
    assert_eq!(target.hits(), 0);
}

#[tokio::test]
async fn answers_without_keys_change_nothing() {
    let server = Server::start(|number, _, _| match number {
        0 => Reply::Json(200, json!({"keys": [jwk("rsa", Some("a"))]})),
        1 => Reply::Json(200, json!({"keys": []})),
        _ => Reply::Raw(200, &[], Body::from("<html>")),
    })
    .await;
    let age = Duration::from_millis(20);
    let verifier = verifier(JwksSettings { max_age: age, min_interval: age, ..slow(server.url()) });
    server.hit(3).await;
    assert!(identify(&verifier, sign("RS256", "rsa", Some("a"), &ann())).await.is_ok());
}

#[tokio::test]
async fn a_published_secret_is_no_secret_and_a_keys_algorithm_is_the_tokens() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let secret = [7; 64];
    let oct = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret)});
    let mut only_ps = jwk("rsa", Some("p"));
    only_ps["alg"] = json!("PS256");
    let server = Server::with_keys(vec![oct, only_ps]).await;
    let verifier = verifier(slow(server.url()));
    let by_secret = sign_with_secret("HS256", &secret, &ann());
    assert_eq!(identify(&verifier, by_secret).await, invalid(InvalidToken::AlgorithmNotAllowed));
    assert!(identify(&verifier, sign("PS256", "rsa", Some("p"), &ann())).await.is_ok());
    let other = identify(&verifier, sign("RS256", "rsa", Some("p"), &ann())).await;
    assert_eq!(other, invalid(InvalidToken::KeyMismatch));
}

#[test]
fn settings_are_checked_before_anything_is_fetched() {
    let symmetric =
        JwtSettings { algorithms: vec![Algorithm::Hs256], ..jwt(slow("http://localhost/".into())) };
    let errors = JwtVerifier::new(symmetric).unwrap_err();
    let keys = "the keys of an identity provider";
    assert_eq!(errors, [SettingsError::AlgorithmDoesNotFit { algorithm: "HS256", keys }]);

    let timeout = Duration::ZERO;
    let errors =
        JwtVerifier::new(jwt(JwksSettings { timeout, ..slow("http://id.example/".into()) })).unwrap_err();
    assert!(matches!(
        errors[..],
        [SettingsError::Duration { setting: "timeout", .. }, SettingsError::Url(_)]
    ));

    let errors = JwtVerifier::new(jwt(slow("http://localhost/".into()))).unwrap_err();
    assert_eq!(errors, [SettingsError::NoRuntime]);
    assert!(!format!("{:?}", slow("http://localhost/?hush".into())).contains("hush"));
}
