//! Tokens with keys from the settings.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{SECRET, ann, file, forge, identify, key_name, now, public, sign, sign_with_secret};
use roomcast_auth::{
    Algorithm, AuthError, Credential, InvalidToken, JwtSettings, JwtVerifier, KeySource, Secret,
    SettingsError, Verification, Verifier,
};
use serde_json::{Value, json};

fn secret() -> Secret {
    Secret { secret: SECRET.into(), base64: false, kid: None }
}

/// A verifier for one algorithm, with the key of `tests/keys` that goes with it.
fn verifier(algorithm: Algorithm) -> JwtVerifier {
    JwtVerifier::new(settings(algorithm)).unwrap()
}

fn settings(algorithm: Algorithm) -> JwtSettings {
    let keys = match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => KeySource::Secrets(vec![secret()]),
        other => KeySource::PublicKeys(vec![public(key_name(other.as_str()))]),
    };
    JwtSettings { algorithms: vec![algorithm], ..JwtSettings::of(keys) }
}

fn signed(algorithm: Algorithm, claims: &Value) -> String {
    let name = algorithm.as_str();
    if name.starts_with("HS") {
        return sign_with_secret(name, SECRET.as_bytes(), claims);
    }
    sign(name, key_name(name), None, claims)
}

fn invalid(reason: InvalidToken) -> AuthError {
    AuthError::TokenInvalid(reason)
}

#[tokio::test]
async fn every_algorithm_verifies_and_one_bit_less_does_not() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let verifier = verifier(algorithm);
        let token = signed(algorithm, &ann());
        assert_eq!(identify(&verifier, &token).await.unwrap().user, "ann", "{algorithm}");

        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for at in [0, signature.len() / 2, signature.len() - 1] {
            signature[at] ^= 1;
            let flipped = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&signature));
            let refused = identify(&verifier, flipped).await;
            assert_eq!(refused, Err(invalid(InvalidToken::Signature)), "{algorithm}, byte {at}");
            signature[at] ^= 1;
        }
        for end in [0, 1, signature.len() - 1] {
            let cut = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&signature[..end]));
            let refused = identify(&verifier, cut).await;
            assert_eq!(refused, Err(invalid(InvalidToken::Signature)), "{algorithm}, {end} bytes");
        }
        // The same signature for somebody else.
        let (header, _) = message.split_once('.').unwrap();
        let bob = URL_SAFE_NO_PAD.encode(json!({"sub": "bob", "exp": now() + 60}).to_string());
        let stolen = format!("{header}.{bob}.{}", URL_SAFE_NO_PAD.encode(&signature));
        assert_eq!(identify(&verifier, stolen).await, Err(invalid(InvalidToken::Signature)), "{algorithm}");
    }
}

#[tokio::test]
async fn tokens_of_another_implementation_verify() {
    let tokens = String::from_utf8(file("node.txt")).unwrap();
    let mut seen = 0;
    for line in tokens.lines() {
        let (algorithm, token) = line.split_once(' ').unwrap();
        let settings = settings(algorithm.parse().unwrap());
        let verifier = JwtVerifier::new(JwtSettings {
            issuer: vec!["node".into()],
            audience: vec!["chat".into()],
            ..settings
        });
        assert_eq!(identify(&verifier.unwrap(), token).await.unwrap().user, "ann", "{algorithm}");
        seen += 1;
    }
    assert_eq!(seen, Algorithm::ALL.len());
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let verifier = JwtVerifier::new(JwtSettings {
        issuer: vec!["us".into()],
        audience: vec!["chat".into()],
        ..settings(Algorithm::Es256)
    })
    .unwrap();
    let good = json!({"sub": "ann", "exp": now() + 60, "iss": "us", "aud": ["chat"]});
    assert!(identify(&verifier, signed(Algorithm::Es256, &good)).await.is_ok());
    for (name, value, code) in [
        ("exp", json!(now() - 60), "token_expired"),
        ("exp", json!(null), "token_invalid"),
        ("nbf", json!(now() + 60), "token_invalid"),
        ("iat", json!(now() + 60), "token_invalid"),
        ("iss", json!("them"), "token_invalid"),
        ("aud", json!("mail"), "token_invalid"),
        ("sub", json!(null), "token_invalid"),
        ("sub", json!(7), "token_invalid"),
        ("sub", json!(""), "token_invalid"),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        let error = identify(&verifier, signed(Algorithm::Es256, &claims)).await.unwrap_err();
        assert_eq!(error.code().as_str(), code, "{claims}");
    }
    let nothing = verifier.identify(&Credential::default()).await.unwrap_err();
    assert_eq!(nothing.code().as_str(), "token_missing");
    assert_eq!(identify(&verifier, "").await, Err(AuthError::TokenMissing));

    let counted = verifier.stats().snapshot();
    assert_eq!(counted.verifications(Verification::Identified), 1);
    assert_eq!(counted.verifications(Verification::TokenExpired), 1);
    assert_eq!(counted.verifications(Verification::TokenInvalid), 8);
    assert_eq!(counted.verifications(Verification::TokenMissing), 2);
}

#[tokio::test]
async fn other_algorithms_are_refused_even_with_a_good_signature() {
    let verifier = verifier(Algorithm::Rs256);
    for other in [Algorithm::Rs512, Algorithm::Ps256] {
        let refused = identify(&verifier, signed(other, &ann())).await;
        assert_eq!(refused, Err(invalid(InvalidToken::AlgorithmNotAllowed)), "{other}");
    }
    // The oldest trick: the public key, known to all, as a secret.
    let public = file("rsa.public.pem");
    let confused = sign_with_secret("HS256", &public, &ann());
    assert_eq!(identify(&verifier, confused).await, Err(invalid(InvalidToken::AlgorithmNotAllowed)));
}

#[tokio::test]
async fn no_spelling_of_none_gets_in() {
    for verifier in [verifier(Algorithm::Hs256), verifier(Algorithm::Rs256)] {
        for none in ["none", "None", "NONE", "nOnE", "none ", ""] {
            let forged = forge(&json!({"alg": none, "typ": "JWT"}), &ann());
            let without = format!("{}.", forged.rsplit_once('.').unwrap().0);
            for token in [forged, without] {
                let refused = identify(&verifier, token).await;
                assert_eq!(refused, Err(invalid(InvalidToken::AlgorithmNotAllowed)), "{none}");
            }
        }
    }
    let forged = forge(&json!({"alg": "HS256"}), &ann());
    let without = format!("{}.", forged.rsplit_once('.').unwrap().0);
    let refused = identify(&verifier(Algorithm::Hs256), without).await;
    assert_eq!(refused, Err(invalid(InvalidToken::Signature)), "no signature at all");
}

#[tokio::test]
async fn large_and_deep_tokens_are_refused() {
    let verifier = verifier(Algorithm::Hs256);
    let large = signed(Algorithm::Hs256, &json!({"sub": "ann", "exp": now() + 60, "x": "x".repeat(1 << 20)}));
    assert_eq!(identify(&verifier, &large).await, Err(invalid(InvalidToken::TooLong(large.len()))));

    let nested = |levels: usize| {
        let claims = format!(
            r#"{{"sub":"ann","exp":{},"x":{}{}}}"#,
            now() + 60,
            "[".repeat(levels),
            "]".repeat(levels)
        );
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims));
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        let mac =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        format!("{message}.{mac}")
    };
    assert!(identify(&verifier, nested(50)).await.is_ok());
    let refused = identify(&verifier, nested(2500)).await.unwrap_err();
    assert!(matches!(refused, AuthError::TokenInvalid(InvalidToken::Malformed(_))), "{refused}");
}

#[tokio::test]
async fn several_keys_are_tried_and_names_are_heeded() {
    let named = |name: &str, kid: Option<&str>| {
        let mut key = public(name);
        key.kid = kid.map(str::to_owned);
        key
    };
    let of = |keys| {
        let algorithms = vec![Algorithm::Rs256, Algorithm::Es256];
        JwtVerifier::new(JwtSettings { algorithms, ..JwtSettings::of(KeySource::PublicKeys(keys)) }).unwrap()
    };
    let verifier = of(vec![named("rsa", Some("a")), named("p256", Some("b")), named("rsa2", Some("c"))]);
    for (algorithm, name, kid) in [
        ("RS256", "rsa", None),
        ("RS256", "rsa2", None),
        ("ES256", "p256", None),
        ("RS256", "rsa2", Some("c")),
        ("ES256", "p256", Some("b")),
    ] {
        assert!(identify(&verifier, sign(algorithm, name, kid, &ann())).await.is_ok(), "{name} {kid:?}");
    }
    let refused = |kid| identify(&verifier, sign("RS256", "rsa2", Some(kid), &ann()));
    let [a, b, d] = [refused("a").await, refused("b").await, refused("d").await];
    assert_eq!(a, Err(invalid(InvalidToken::Signature)));
    assert_eq!(b, Err(invalid(InvalidToken::KeyMismatch)));
    assert_eq!(d, Err(invalid(InvalidToken::UnknownKey)));
    // A key without a name may be of any.
    let nameless = of(vec![named("rsa", Some("a")), named("rsa2", None)]);
    assert!(identify(&nameless, sign("RS256", "rsa2", Some("d"), &ann())).await.is_ok());
}

#[test]
fn all_that_is_wrong_with_settings_is_told_together() {
    let short = Secret { secret: "hush".into(), base64: false, kid: None };
    let errors = JwtVerifier::new(JwtSettings {
        algorithms: vec![Algorithm::Hs256, Algorithm::Rs256],
        leeway: Duration::from_secs(61),
        user_claim: String::new(),
        ..JwtSettings::of(KeySource::Secrets(vec![short]))
    })
    .unwrap_err();
    assert!(matches!(
        errors[..],
        [
            SettingsError::AlgorithmDoesNotFit { algorithm: "RS256", keys: "shared secrets" },
            SettingsError::Duration { setting: "leeway", .. },
            SettingsError::Empty("user_claim"),
            SettingsError::SecretTooShort { number: 1, length: 4, .. },
        ]
    ));
    assert!(!format!("{errors:?}").contains("hush"));

    let errors = JwtVerifier::new(JwtSettings::of(KeySource::PublicKeys(Vec::new()))).unwrap_err();
    assert_eq!(errors, [SettingsError::NoAlgorithm, SettingsError::NoKey]);
    let mixed =
        JwtSettings { algorithms: vec![Algorithm::Rs256, Algorithm::Hs256], ..settings(Algorithm::Rs256) };
    let errors = JwtVerifier::new(mixed).unwrap_err();
    assert_eq!(errors, [SettingsError::AlgorithmDoesNotFit { algorithm: "HS256", keys: "public keys" }]);
    assert!("none".parse::<Algorithm>().is_err() && "rs256".parse::<Algorithm>().is_err());
}

#[test]
fn debug_output_tells_no_secret() {
    let settings = settings(Algorithm::Hs256);
    assert!(!format!("{settings:?}").contains(&SECRET[..8]));
    assert!(!format!("{:?}", JwtVerifier::new(settings).unwrap()).contains(&SECRET[..8]));
}

/// What is not the token itself never verifies, and nothing panics.
#[tokio::test]
async fn random_and_mutated_tokens_never_verify() {
    let mut random = fastrand::Rng::with_seed(0x00a0_7465);
    for (algorithm, times) in [(Algorithm::Hs256, 20_000), (Algorithm::Es256, 300), (Algorithm::Rs256, 300)] {
        let verifier = verifier(algorithm);
        let token = signed(algorithm, &ann());
        assert!(identify(&verifier, &token).await.is_ok());
        for _ in 0..times {
            let mut bytes = token.clone().into_bytes();
            for _ in 0..random.usize(1..4) {
                if bytes.len() < 2 {
                    break;
                }
                let at = random.usize(..bytes.len());
                match random.u8(..5) {
                    0 => bytes[at] ^= 1 << random.u8(..7),
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, *random.choice(b"A-_=.+/ \0").unwrap()),
                    3 => bytes.truncate(at.max(1)),
                    _ => bytes[at] = *random.choice(b"ABCXYZabcxyz0189-_.").unwrap(),
                }
            }
            let mutated = String::from_utf8_lossy(&bytes).into_owned();
            let outcome = identify(&verifier, &mutated).await;
            assert!(outcome.is_err() || mutated == token, "{mutated}");
        }
        for _ in 0..times {
            let length = random.usize(1..300);
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            assert!(identify(&verifier, String::from_utf8_lossy(&bytes)).await.is_err());
            // With a header that gets further.
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm.as_str()}).to_string());
            let (claims, signature) = bytes.split_at(random.usize(..=length));
            let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
            let token = format!("{header}.{}.{}", encode(claims), encode(signature));
            assert!(identify(&verifier, token).await.is_err());
        }
    }
}
