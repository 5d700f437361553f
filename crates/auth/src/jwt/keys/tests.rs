use super::*;

fn secrets(secrets: &[(&str, bool)], algorithms: &[Algorithm]) -> Result<KeySet, Vec<SettingsError>> {
    let secrets: Vec<_> = secrets
        .iter()
        .map(|(secret, base64)| Secret { secret: (*secret).into(), base64: *base64, kid: None })
        .collect();
    KeySet::of_secrets(&secrets, algorithms)
}

fn pem(pem: &[u8], algorithms: &[Algorithm]) -> Result<KeySet, Vec<SettingsError>> {
    KeySet::of_public_keys(&[PublicKey { pem: pem.into(), kid: None }], algorithms)
}

#[test]
fn secrets_are_as_long_as_the_longest_hash() {
    for (algorithm, least) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        let (short, enough) = ("a".repeat(least - 1), "a".repeat(least));
        assert!(secrets(&[(&enough, false)], &[algorithm]).is_ok());
        let error = SettingsError::SecretTooShort {
            number: 2,
            length: least - 1,
            algorithm: algorithm.as_str(),
            least,
        };
        let errors = secrets(&[(&enough, false), (&short, false)], &[algorithm]).unwrap_err();
        assert_eq!(errors, [error]);
    }
    let errors = secrets(&[(&"a".repeat(32), false)], &[Algorithm::Hs256, Algorithm::Hs512]).unwrap_err();
    assert!(matches!(errors[..], [SettingsError::SecretTooShort { least: 64, .. }]));
}

#[test]
fn base64_is_of_either_alphabet_and_counts_decoded() {
    // 32 bytes of 0xfb, 0xff.
    for text in
        ["+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8=", "-__7__v_-__7__v_-__7__v_-__7__v_-__7__v_-_8"]
    {
        assert!(secrets(&[(text, true)], &[Algorithm::Hs256]).is_ok(), "{text}");
    }
    let errors = secrets(&[(&"a".repeat(40), true)], &[Algorithm::Hs256]).unwrap_err();
    assert!(matches!(errors[..], [SettingsError::SecretTooShort { length: 30, .. }]));
    let errors = secrets(&[("not base64, hush", true)], &[Algorithm::Hs256]).unwrap_err();
    assert_eq!(errors, [SettingsError::SecretNotBase64(1)]);
    assert!(!format!("{errors:?} {}", errors[0]).contains("hush"));
}

#[test]
fn there_are_one_to_eight_keys() {
    let secret = "a".repeat(32);
    assert_eq!(secrets(&[], &[Algorithm::Hs256]).unwrap_err(), [SettingsError::NoKey]);
    assert!(secrets(&[(&secret[..], false); 8], &[Algorithm::Hs256]).is_ok());
    let errors = secrets(&[(&secret[..], false); 9], &[Algorithm::Hs256]).unwrap_err();
    assert_eq!(errors, [SettingsError::TooManyKeys { given: 9, most: 8 }]);
}

#[test]
fn keys_that_cannot_be_used_are_refused_at_once() {
    let all = Algorithm::ALL;
    let wrong = |bytes: &[u8]| match &pem(bytes, all).unwrap_err()[..] {
        [SettingsError::PublicKey { number: 1, what }] => *what,
        other => panic!("{other:?}"),
    };
    let rsa = include_bytes!("../../../tests/keys/rsa.public.pem");
    assert!(wrong(include_bytes!("../../../tests/keys/rsa1024.public.pem")).contains("2048"));
    assert!(wrong(include_bytes!("../../../tests/keys/k256.public.pem")).contains("no kind"));
    assert!(wrong(include_bytes!("../../../tests/keys/p521.public.pem")).contains("no kind"));
    assert!(wrong(include_bytes!("../../../tests/keys/rsa.private.pem")).contains("BEGIN PUBLIC KEY"));
    assert!(wrong(include_bytes!("../../../tests/keys/rsa.pkcs1.pem")).contains("BEGIN PUBLIC KEY"));
    assert!(wrong(b"").contains("BEGIN PUBLIC KEY"));
    assert!(wrong(b"-----BEGIN PUBLIC KEY-----\n*\n-----END PUBLIC KEY-----\n").contains("PEM"));
    assert!(wrong(&[&rsa[..], rsa].concat()).contains("more than one"));
}

#[test]
fn a_key_without_an_algorithm_is_an_error() {
    let p256 = include_bytes!("../../../tests/keys/p256.public.pem");
    assert!(pem(p256, &[Algorithm::Rs256, Algorithm::Es256]).is_ok());
    let errors = pem(p256, &[Algorithm::Rs256, Algorithm::Es384]).unwrap_err();
    assert_eq!(errors, [SettingsError::PublicKeyUnused(1)]);
}

#[test]
fn raw_keys_of_wrong_sizes_or_off_the_curve_are_errors_and_no_panics() {
    for length in 0..140 {
        let bytes = vec![4; length];
        assert!(Key::p256(&bytes).is_err() && Key::p384(&bytes).is_err(), "{length}");
        assert_eq!(Key::ed25519(&bytes).is_ok(), length == 32 && Key::ed25519(&[4; 32]).is_ok(), "{length}");
    }
    assert!(Key::rsa(&[0xff; 256], &[1, 0, 1]).is_ok());
    assert!(Key::rsa(&[0xff; 257], &[0, 1, 0, 1]).is_ok(), "2056 bits, and a zero in front");
    for (n, e) in
        [(&[0xff; 255][..], &[3][..]), (&[0xff; 513], &[3]), (&[0xff; 256], &[1]), (&[0xfe; 256], &[3])]
    {
        assert!(Key::rsa(n, e).is_err(), "{} {e:?}", n.len());
    }
    assert!(Key::rsa(&[], &[]).is_err() && Key::rsa(&[0xff; 256], &[]).is_err());
    assert!(Key::rsa(&[0xff; 256], &[1, 0, 0, 0, 1]).is_err());
}

#[test]
fn a_public_key_is_never_a_secret() {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let public = include_bytes!("../../../tests/keys/rsa.public.pem");
    let keys = pem(public, &[Algorithm::Rs256]).unwrap();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let text = format!("{header}.e30.AAAA");
    // Even if the list of algorithms were not looked at.
    let token = Token::read(&text, 8192, &[]).unwrap();
    assert_eq!(keys.verify(&token), Err(InvalidToken::KeyMismatch));
}

#[test]
fn eight_keys_are_tried_for_a_token_that_names_none() {
    let tokens = include_str!("../../../tests/keys/node.txt");
    let text = tokens.lines().find_map(|line| line.strip_prefix("RS256 ")).unwrap();
    let token = Token::read(text, 8192, &["JWT".into()]).unwrap();
    let keys = |before: usize| {
        let mut keys: Vec<_> = (0..before).map(|_| Key::rsa(&[0xff; 256], &[3]).unwrap()).collect();
        // Those of other kinds do not count.
        keys.push(Key::secret(&[7; 32]));
        keys.push(Key::pem(include_bytes!("../../../tests/keys/rsa.public.pem")).unwrap());
        KeySet::new(keys)
    };
    assert!(keys(0).verify(&token).is_ok());
    assert!(keys(7).verify(&token).is_ok());
    assert_eq!(keys(8).verify(&token), Err(InvalidToken::Signature));
}
