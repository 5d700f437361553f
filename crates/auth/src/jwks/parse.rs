//! The keys in an answer. Those that are not understood are passed over, so that a provider can add others (RFC 7517,
//! section 5).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::jwt::{Algorithm, Key, KeySet};

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// A key (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2), as far as it is of use. `k` is not among its
/// members: a secret that is published is none, and taking it for one is what attackers hope for.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys that can be used; the error says why the answer cannot be.
pub(super) fn parse(body: &[u8], max_keys: usize) -> Result<KeySet, &'static str> {
    let set: Set = serde_json::from_slice(body).map_err(|_| "it is not a JSON object with a list `keys`")?;
    if set.keys.len() > max_keys {
        return Err("there are more keys in it than allowed");
    }
    let keys: Vec<_> = set.keys.into_iter().filter_map(|key| key_of(Jwk::deserialize(key).ok()?)).collect();
    // A provider that has lost its keys is more likely than one that wants nobody to get in.
    if keys.is_empty() { Err("there is no key in it that can be used") } else { Ok(KeySet::new(keys)) }
}

fn key_of(jwk: Jwk) -> Option<Key> {
    let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
    let verifies =
        jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
    if !signs || !verifies {
        return None;
    }
    let key = match (&*jwk.kty, jwk.crv.as_deref()) {
        ("RSA", _) => Key::rsa(&bytes(jwk.n.as_deref())?, &bytes(jwk.e.as_deref())?),
        ("EC", Some("P-256")) => Key::p256(&point(&jwk, 32)?),
        ("EC", Some("P-384")) => Key::p384(&point(&jwk, 48)?),
        ("OKP", Some("Ed25519")) => Key::ed25519(&bytes(jwk.x.as_deref())?),
        _ => return None,
    };
    let key = key.ok()?;
    let only = match jwk.alg {
        // A key for an algorithm that is not known, or not of its kind, is not for any other.
        Some(name) => Some(name.parse::<Algorithm>().ok().filter(|only| only.kind() == key.kind())?),
        None => None,
    };
    Some(key.only(only).named(jwk.kid))
}

fn bytes(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// Both halves have the size of the curve (RFC 7518, section 6.2.1.2).
fn point(jwk: &Jwk, size: usize) -> Option<Vec<u8>> {
    let (x, y) = (bytes(jwk.x.as_deref())?, bytes(jwk.y.as_deref())?);
    (x.len() == size && y.len() == size).then(|| [&[4], &x[..], &y].concat())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rsa() -> Value {
        json!({"kty": "RSA", "kid": "r", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQAB"})
    }

    /// How many of the keys can be used.
    fn usable(keys: &[Value]) -> usize {
        parse(json!({ "keys": keys }).to_string().as_bytes(), 64).map_or(0, |set| set.len())
    }

    fn with(name: &str, value: Value) -> Value {
        let mut key = rsa();
        key[name] = value;
        key
    }

    #[test]
    fn keys_for_other_purposes_are_passed_over() {
        assert_eq!(usable(&[rsa()]), 1);
        assert_eq!(usable(&[with("use", json!("sig")), with("key_ops", json!(["verify"]))]), 2);
        assert_eq!(usable(&[with("alg", json!("PS512"))]), 1);
        for (name, value) in [
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("key_ops", json!([])),
            ("alg", json!("RSA-OAEP")),
            ("alg", json!("HS256")),
            ("alg", json!("ES256")),
            ("alg", json!("none")),
            ("kty", json!("rsa")),
            ("kty", json!("oct")),
            ("kid", json!(5)),
            ("n", json!("AQAB")),
            ("n", json!("*")),
            ("e", json!("")),
        ] {
            assert_eq!(usable(&[with(name, value.clone()), rsa()]), 1, "{name} {value}");
        }
    }

    #[test]
    fn secrets_and_what_is_not_known_are_passed_over() {
        let oct = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode([7; 64])});
        let x448 = json!({"kty": "OKP", "crv": "Ed448", "x": URL_SAFE_NO_PAD.encode([7; 57])});
        let short = json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"});
        let off_curve = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([7; 32]),
            "y": URL_SAFE_NO_PAD.encode([7; 32])});
        let bent = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([7; 31]),
            "y": URL_SAFE_NO_PAD.encode([7; 33])});
        assert_eq!(usable(&[oct, x448, short, off_curve, bent, json!(null), json!("key"), rsa()]), 1);
    }

    #[test]
    fn answers_that_are_none_are_told() {
        assert!(parse(b"<html>", 64).unwrap_err().contains("JSON"));
        assert!(parse(br#"{"keys":{}}"#, 64).unwrap_err().contains("JSON"));
        assert!(parse(br#"{"keys":[]}"#, 64).unwrap_err().contains("no key"));
        let many = |count| json!({ "keys": vec![rsa(); count] }).to_string();
        assert_eq!(parse(many(64).as_bytes(), 64).unwrap().len(), 64);
        assert!(parse(many(65).as_bytes(), 64).unwrap_err().contains("more keys"));
        let deep = format!(r#"{{"keys":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(deep.as_bytes(), 64).is_err());
    }
}
