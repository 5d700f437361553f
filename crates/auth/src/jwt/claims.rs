//! What a token says, once it is known who signed it. Checked here and not by the library, which takes an `iss` or `aud`
//! of the wrong type for none, and knows no `iat`.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::error::{AuthError, InvalidToken};
use crate::identity::{Identity, check_user};

#[derive(Debug)]
pub(super) struct Claims {
    pub(super) issuer: Vec<String>,
    pub(super) audience: Vec<String>,
    pub(super) leeway: Duration,
    pub(super) user_claim: String,
    pub(super) require_exp: bool,
}

impl Claims {
    /// Who it is, at a time since 1970.
    pub(super) fn check(&self, claims: Map<String, Value>, now: Duration) -> Result<Identity, AuthError> {
        let latest = now.saturating_add(self.leeway);
        let expires = match time(&claims, "exp")? {
            Some(exp) if exp.saturating_add(self.leeway) <= now => return Err(AuthError::TokenExpired),
            Some(exp) => {
                // Who is let in by the leeway stays as long, instead of coming and going until it is over.
                let end = if exp > now { exp } else { exp.saturating_add(self.leeway) };
                Some(UNIX_EPOCH.checked_add(end).ok_or_else(|| wrong("exp", "is too far away"))?)
            }
            None if self.require_exp => return Err(wrong("exp", "is missing").into()),
            None => None,
        };
        if time(&claims, "nbf")?.is_some_and(|nbf| nbf > latest) {
            return Err(InvalidToken::NotYetValid.into());
        }
        if time(&claims, "iat")?.is_some_and(|iat| iat > latest) {
            return Err(InvalidToken::IssuedInFuture.into());
        }
        if !self.issuer.is_empty() && !claims.get("iss").is_some_and(|iss| one_of(iss, &self.issuer)) {
            return Err(InvalidToken::Issuer.into());
        }
        self.check_audience(claims.get("aud"))?;
        let user = match claims.get(&self.user_claim) {
            Some(Value::String(user)) => user.clone(),
            Some(_) => return Err(wrong(&self.user_claim, "is not a string").into()),
            None => return Err(wrong(&self.user_claim, "is missing").into()),
        };
        check_user(&user).map_err(|what| wrong(&self.user_claim, what))?;
        Ok(Identity { user, claims, expires })
    }

    fn check_audience(&self, aud: Option<&Value>) -> Result<(), InvalidToken> {
        let fits = match aud {
            None => self.audience.is_empty(),
            Some(Value::Array(several)) => several.iter().any(|one| one_of(one, &self.audience)),
            Some(one) => one_of(one, &self.audience),
        };
        if fits { Ok(()) } else { Err(InvalidToken::Audience) }
    }
}

fn one_of(value: &Value, accepted: &[String]) -> bool {
    value.as_str().is_some_and(|value| accepted.iter().any(|accepted| accepted == value))
}

fn wrong(claim: &str, what: &'static str) -> InvalidToken {
    InvalidToken::Claim { claim: claim.to_owned(), what }
}

/// A `NumericDate`: seconds since 1970, maybe with a fraction (RFC 7519, section 2).
fn time(claims: &Map<String, Value>, claim: &str) -> Result<Option<Duration>, InvalidToken> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let whole = value.as_u64().map(Duration::from_secs);
    let time = whole.or_else(|| Duration::try_from_secs_f64(value.as_f64()?).ok());
    time.map(Some).ok_or_else(|| wrong(claim, "is not a time in seconds since 1970"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn claims() -> Claims {
        Claims {
            issuer: vec!["one".into(), "two".into()],
            audience: vec!["chat".into(), "game".into()],
            leeway: Duration::from_secs(5),
            user_claim: "sub".into(),
            require_exp: true,
        }
    }

    /// The outcome for good claims with some of them changed; `null` takes one away.
    fn check(claims: &Claims, change: &Value) -> Result<Identity, AuthError> {
        let mut all = json!({"sub": "ann", "iss": "two", "aud": "chat", "exp": NOW + 60});
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                all.as_object_mut().unwrap().remove(name);
            } else {
                all[name] = value.clone();
            }
        }
        let Value::Object(all) = all else { unreachable!() };
        claims.check(all, Duration::from_secs(NOW))
    }

    fn claim(claim: &str, what: &'static str) -> Result<Identity, AuthError> {
        Err(wrong(claim, what).into())
    }

    #[test]
    fn good_claims_are_an_identity() {
        let identity = check(&claims(), &json!({"role": "admin"})).unwrap();
        assert_eq!(identity.user, "ann");
        assert_eq!(identity.claims["role"], "admin");
        assert_eq!(identity.expires, Some(UNIX_EPOCH + Duration::from_secs(NOW + 60)));
    }

    #[test]
    fn times_are_checked_with_leeway() {
        let claims = claims();
        let at = |claim: &str, time: Value| check(&claims, &json!({ claim: time }));
        let late = at("exp", json!(NOW - 4)).unwrap();
        assert_eq!(late.expires, Some(UNIX_EPOCH + Duration::from_secs(NOW + 1)), "it has the leeway");
        assert!(at("exp", json!(NOW as f64 - 4.5)).is_ok());
        assert_eq!(at("exp", json!(NOW - 5)), Err(AuthError::TokenExpired));
        assert_eq!(at("exp", json!(0)), Err(AuthError::TokenExpired));
        assert!(at("nbf", json!(NOW + 5)).is_ok());
        assert_eq!(at("nbf", json!(NOW + 6)), Err(InvalidToken::NotYetValid.into()));
        assert!(at("iat", json!(NOW + 5)).is_ok());
        assert_eq!(at("iat", json!(NOW + 6)), Err(InvalidToken::IssuedInFuture.into()));
        assert_eq!(at("exp", json!(u64::MAX)), claim("exp", "is too far away"));
        for name in ["exp", "nbf", "iat"] {
            for bad in [json!("1900000000"), json!(-1), json!([]), json!(1e300), json!(true)] {
                let refused = at(name, bad.clone());
                assert_eq!(refused, claim(name, "is not a time in seconds since 1970"), "{name} {bad}");
            }
        }
    }

    #[test]
    fn exp_is_required_unless_set_otherwise_and_believed_in_any_case() {
        assert_eq!(check(&claims(), &json!({"exp": null})), claim("exp", "is missing"));
        let lenient = Claims { require_exp: false, ..claims() };
        assert_eq!(check(&lenient, &json!({"exp": null})).unwrap().expires, None);
        assert_eq!(check(&lenient, &json!({"exp": 1})), Err(AuthError::TokenExpired));
    }

    #[test]
    fn issuer_and_audience_must_be_given_and_match() {
        let claims = claims();
        for bad in [json!("three"), json!(null), json!(["one"]), json!(5), json!("")] {
            assert_eq!(check(&claims, &json!({ "iss": bad })), Err(InvalidToken::Issuer.into()));
        }
        assert!(check(&claims, &json!({"aud": ["x", "game"]})).is_ok());
        for bad in [json!("x"), json!(null), json!(["x"]), json!([]), json!(5), json!([["chat"]])] {
            assert_eq!(check(&claims, &json!({ "aud": bad })), Err(InvalidToken::Audience.into()));
        }
    }

    #[test]
    fn without_an_audience_of_our_own_a_token_with_one_is_meant_for_others() {
        let nobody = Claims { issuer: Vec::new(), audience: Vec::new(), ..claims() };
        assert_eq!(check(&nobody, &json!({})), Err(InvalidToken::Audience.into()));
        assert_eq!(check(&nobody, &json!({"aud": []})), Err(InvalidToken::Audience.into()));
        assert!(check(&nobody, &json!({"aud": null, "iss": null})).is_ok());
    }

    #[test]
    fn the_user_is_a_string_of_at_most_128_bytes() {
        let claims = claims();
        assert_eq!(check(&claims, &json!({"sub": null})), claim("sub", "is missing"));
        assert_eq!(check(&claims, &json!({"sub": 7})), claim("sub", "is not a string"));
        assert_eq!(check(&claims, &json!({"sub": ""})), claim("sub", "is empty"));
        assert_eq!(
            check(&claims, &json!({"sub": "a".repeat(129)})),
            claim("sub", "is longer than 128 bytes")
        );
        let by_mail = Claims { user_claim: "email".into(), ..claims };
        assert_eq!(check(&by_mail, &json!({"email": "a@b", "sub": null})).unwrap().user, "a@b");
    }
}
