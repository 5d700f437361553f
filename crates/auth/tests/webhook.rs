//! A backend that is asked: good, bad, slow and lying ones.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use common::{Reply, Server, now, soon, until};
use hmac::{Hmac, KeyInit, Mac};
use roomcast_auth::{
    AuthError, Credential, Fetch, HttpError, Identity, SIGNATURE_HEADER, SettingsError, TIMESTAMP_HEADER,
    Unavailable, Verifier, WebhookSettings, WebhookVerifier,
};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

const SECRET: &str = "a secret of thirty-two bytes....";

fn settings(url: String) -> WebhookSettings {
    WebhookSettings::of(url, SECRET)
}

fn verifier(settings: WebhookSettings) -> WebhookVerifier {
    WebhookVerifier::new(settings).unwrap()
}

fn client(ticket: u32) -> Credential {
    let mut credential = Credential {
        token: None,
        namespace: "/chat".into(),
        auth: json!({ "ticket": ticket }),
        client: "10.0.0.1".into(),
        transport: "websocket".into(),
        ..Credential::default()
    };
    credential.headers.insert("cookie", "a=1".parse().unwrap());
    credential.headers.insert("authorization", "hush".parse().unwrap());
    credential
}

async fn ask(verifier: &WebhookVerifier, ticket: u32) -> Result<Identity, AuthError> {
    let client = client(ticket);
    soon(verifier.identify(&client)).await
}

fn failed(error: HttpError) -> Result<Identity, AuthError> {
    Err(AuthError::Unavailable(Unavailable::Backend(error)))
}

#[tokio::test]
async fn the_backend_can_tell_who_asks_and_says_who_it_is() {
    let server = Server::start(|_, headers, body| {
        let timestamp = headers[TIMESTAMP_HEADER].to_str().unwrap();
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        let mac = mac.chain_update(timestamp).chain_update(b".").chain_update(body).finalize().into_bytes();
        let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        let signed = headers[SIGNATURE_HEADER] == format!("v1={hex}");
        let fresh = timestamp.parse::<u64>().unwrap().abs_diff(now()) < 60;
        let expected = json!({
            "namespace": "/chat",
            "auth": {"ticket": 1},
            "headers": {"cookie": "a=1"},
            "client": "10.0.0.1",
            "transport": "websocket",
        });
        let right = serde_json::from_slice::<Value>(body).unwrap() == expected;
        if signed && fresh && right && headers["content-type"] == "application/json" {
            Reply::Json(200, json!({"user": "ann", "claims": {"role": "admin"}, "expires_in": 60}))
        } else {
            Reply::Json(500, Value::Null)
        }
    })
    .await;
    let verifier = verifier(WebhookSettings { headers: vec!["Cookie".into()], ..settings(server.url()) });
    let begin = SystemTime::now();
    let ann = ask(&verifier, 1).await.unwrap();
    assert_eq!((&*ann.user, &ann.claims["role"]), ("ann", &json!("admin")));
    let lifetime = ann.expires.unwrap().duration_since(begin).unwrap();
    assert!(lifetime >= Duration::from_secs(60) && lifetime < Duration::from_secs(90), "{lifetime:?}");
    assert_eq!(verifier.stats().snapshot().fetches(Fetch::Answered), 1);
}

#[tokio::test]
async fn refusals_come_with_the_backends_message() {
    for (status, body, message) in [
        (401, json!({"message": "sign in first"}), "sign in first"),
        (403, json!({"message": "x".repeat(300)}), &*"x".repeat(200)),
        (403, json!({"message": 7}), "you are not allowed in"),
        (401, Value::Null, "you are not allowed in"),
        (403, json!({"message": "x", "y": "y".repeat(100_000)}), "you are not allowed in"),
    ] {
        let server = Server::start(move |_, _, _| Reply::Json(status, body.clone())).await;
        let error = ask(&verifier(settings(server.url())), 1).await.unwrap_err();
        assert_eq!((error.code().as_str(), error.message()), ("identity_refused", message));
        assert_eq!(server.hits(), 1);
    }
}

#[tokio::test]
async fn what_was_refused_is_not_asked_again_for_a_while() {
    let server = Server::start(|_, _, _| Reply::Json(403, json!({"message": "no"}))).await;
    let patient = verifier(settings(server.url()));
    for _ in 0..100 {
        assert_eq!(ask(&patient, 1).await.unwrap_err().message(), "no");
    }
    assert_eq!((server.hits(), patient.stats().snapshot().remembered), (1, 99));
    assert!(ask(&patient, 2).await.is_err());
    assert_eq!(server.hits(), 2, "somebody else was refused unasked");

    let forgetful =
        verifier(WebhookSettings { refusal_ttl: Duration::from_millis(50), ..settings(server.url()) });
    let _ = until(|| ask(&forgetful, 1), |_| server.hits() >= 4).await;
    let heedless = verifier(WebhookSettings { refusal_ttl: Duration::ZERO, ..settings(server.url()) });
    for _ in 0..3 {
        assert!(ask(&heedless, 1).await.is_err());
    }
    assert_eq!(server.hits(), 7);
}

#[tokio::test]
async fn only_refusals_are_remembered() {
    let server = Server::start(|number, _, _| match number {
        0 => Reply::Json(404, Value::Null),
        _ => Reply::Json(200, json!({"user": "ann"})),
    })
    .await;
    let verifier = verifier(settings(server.url()));
    assert_eq!(ask(&verifier, 1).await, failed(HttpError::Status(404)));
    assert_eq!(server.hits(), 1, "404 will not pass, so it is not repeated");
    for hits in [2, 3] {
        assert!(ask(&verifier, 1).await.is_ok());
        assert_eq!(server.hits(), hits, "who was let in is asked about again");
    }
}

#[tokio::test]
async fn one_failure_is_forgiven() {
    let flaky = || {
        Server::start(|number, _, _| match number {
            0 => Reply::Json(503, Value::Null),
            _ => Reply::Json(200, json!({"user": "ann"})),
        })
    };
    let server = flaky().await;
    let forgiving = verifier(settings(server.url()));
    assert_eq!(ask(&forgiving, 1).await.unwrap().user, "ann");
    assert_eq!(server.hits(), 2);
    let counted = forgiving.stats().snapshot();
    assert_eq!((counted.fetches(Fetch::Status), counted.fetches(Fetch::Answered)), (1, 1));

    let server = flaky().await;
    let strict = verifier(WebhookSettings { retries: 0, ..settings(server.url()) });
    assert_eq!(ask(&strict, 1).await, failed(HttpError::Status(503)));
    let down = Server::start(|_, _, _| Reply::Json(500, Value::Null)).await;
    assert_eq!(ask(&verifier(settings(down.url())), 1).await, failed(HttpError::Status(500)));
    assert_eq!(down.hits(), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_is_forgiven_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = watch::Sender::new(0);
    let counter = accepted.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counter.send_modify(|number| *number += 1);
            if *counter.borrow() == 1 {
                continue;
            }
            let _ = stream.read(&mut [0; 4096]).await;
            let answer =
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 14\r\n\r\n{\"user\":\"ann\"}";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let verifier = verifier(settings(format!("http://{address}/")));
    assert_eq!(ask(&verifier, 1).await.unwrap().user, "ann");
    assert_eq!(*accepted.borrow(), 2);
    assert_eq!(verifier.stats().snapshot().fetches(Fetch::Unreachable), 1);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_timeout() {
    let (_never, held) = watch::channel(false);
    let server = Server::start(move |_, _, _| Reply::Held(held.clone())).await;
    let timeout = Duration::from_millis(300);
    let slow = verifier(WebhookSettings { timeout, retries: 5, ..settings(server.url()) });
    assert_eq!(ask(&slow, 1).await, failed(HttpError::Timeout));
    assert_eq!(server.hits(), 1, "it took all the time there was");
    assert_eq!(slow.stats().snapshot().fetches(Fetch::Timeout), 1);
    let stuck = Server::start(|_, _, _| {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        Reply::Raw(200, &[], Body::from_stream(never))
    })
    .await;
    let slow = verifier(WebhookSettings { timeout, ..settings(stuck.url()) });
    assert_eq!(ask(&slow, 1).await, failed(HttpError::Timeout));
}

#[tokio::test]
async fn redirects_are_not_followed_and_large_answers_not_read() {
    let target = Server::start(|_, _, _| Reply::Json(200, json!({"user": "eve"}))).await;
    let headers: &'static [(&str, &str)] = vec![("location", &*target.url().leak())].leak();
    for status in [301, 302, 307, 308] {
        let server = Server::start(move |_, _, _| Reply::Raw(status, headers, Body::empty())).await;
        assert_eq!(ask(&verifier(settings(server.url())), 1).await, failed(HttpError::Status(status)));
    }
    assert_eq!(target.hits(), 0);
    let large =
        Server::start(|_, _, _| Reply::Json(200, json!({"user": "ann", "x": "x".repeat(70_000)}))).await;
    assert_eq!(ask(&verifier(settings(large.url())), 1).await, failed(HttpError::TooLarge));
    assert_eq!(large.hits(), 1);
}

#[tokio::test]
async fn more_requests_than_may_be_are_turned_away_at_once() {
    let (release, held) = watch::channel(false);
    let server = Server::start(move |_, _, _| Reply::Held(held.clone())).await;
    let settings = settings(server.url());
    let verifier = Arc::new(verifier(WebhookSettings {
        max_concurrent: 2,
        timeout: Duration::from_secs(30),
        ..settings
    }));
    let waiting: Vec<_> = (0..2)
        .map(|ticket| {
            let verifier = Arc::clone(&verifier);
            tokio::spawn(async move { ask(&verifier, ticket).await })
        })
        .collect();
    server.hit(2).await;
    for ticket in 2..50 {
        let refused = ask(&verifier, ticket).await;
        assert_eq!(refused, Err(AuthError::Unavailable(Unavailable::Busy)));
    }
    assert_eq!(server.hits(), 2);
    release.send_replace(true);
    for waiting in waiting {
        assert_eq!(soon(waiting).await.unwrap().unwrap().user, "held");
    }
    assert!(ask(&verifier, 3).await.is_ok(), "the places are free again");
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let (_never, held) = watch::channel(false);
    let server = Server::start(move |number, _, _| match number {
        0 => Reply::Held(held.clone()),
        _ => Reply::Json(200, json!({"user": "ann"})),
    })
    .await;
    let verifier = verifier(WebhookSettings { max_concurrent: 1, ..settings(server.url()) });
    let gone = client(1);
    tokio::select! {
        _ = verifier.identify(&gone) => panic!("it was answered"),
        () = server.hit(1) => {}
    }
    assert!(ask(&verifier, 2).await.is_ok());
}

#[tokio::test]
async fn clients_that_send_too_much_do_not_reach_the_backend() {
    let server = Server::start(|_, _, _| Reply::Json(200, json!({"user": "ann"}))).await;
    let verifier = verifier(settings(server.url()));
    let mut large = client(1);
    large.auth = json!("x".repeat(70_000));
    assert_eq!(verifier.identify(&large).await.unwrap_err().code().as_str(), "token_invalid");
    assert_eq!(server.hits(), 0);
}

#[test]
fn all_that_is_wrong_with_settings_is_told_together() {
    let errors = WebhookVerifier::new(WebhookSettings {
        headers: vec!["not a header".into()],
        retries: 6,
        ..WebhookSettings::of("http://backend.example/", "hush")
    })
    .unwrap_err();
    assert!(matches!(
        errors[..],
        [
            SettingsError::WebhookSecretTooShort(4),
            SettingsError::Number { setting: "retries", value: 6, .. },
            SettingsError::Header(_),
            SettingsError::Url(_),
        ]
    ));
    let verifier = verifier(settings("http://localhost/?hush".into()));
    assert!(!format!("{errors:?} {verifier:?}").contains("hush"));
    assert!(!format!("{verifier:?}").contains(SECRET));
}
