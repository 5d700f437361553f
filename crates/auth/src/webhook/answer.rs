//! What the backend says. It is trusted to know its users, not to be free of faults.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::identity::{Identity, check_user};

/// Longest message for a client, in characters.
const MAX_MESSAGE: usize = 200;

/// Ten years: who means more means something else, such as milliseconds or a date.
const MAX_EXPIRES_IN: f64 = 10.0 * 365.0 * 24.0 * 60.0 * 60.0;

#[derive(Debug)]
pub(super) enum Answer {
    Identity(Identity),
    /// With a message for the client.
    Refusal(Option<String>),
}

/// Who it is; the error says what is wrong with the answer.
pub(super) fn identity(body: &[u8], now: SystemTime) -> Result<Identity, &'static str> {
    let mut answer: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "it is not a JSON object")?;
    let user = match answer.remove("user") {
        Some(Value::String(user)) => user,
        Some(_) => return Err("`user` is not a string"),
        None => return Err("`user` is missing"),
    };
    check_user(&user).map_err(|what| match what {
        "is empty" => "`user` is empty",
        _ => "`user` is longer than 128 bytes",
    })?;
    let claims = match answer.remove("claims") {
        Some(Value::Object(claims)) => claims,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err("`claims` is not an object"),
    };
    let expires = match answer.remove("expires_in") {
        Some(Value::Number(seconds)) => Some(expiry(seconds.as_f64(), now)?),
        None | Some(Value::Null) => None,
        Some(_) => return Err("`expires_in` is not a number"),
    };
    Ok(Identity { user, claims, expires })
}

fn expiry(seconds: Option<f64>, now: SystemTime) -> Result<SystemTime, &'static str> {
    let seconds = seconds.filter(|seconds| *seconds > 0.0).ok_or("`expires_in` is not more than 0")?;
    let fits = Some(seconds).filter(|seconds| *seconds <= MAX_EXPIRES_IN);
    let duration = fits.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .and_then(|duration| now.checked_add(duration))
        .ok_or("`expires_in` is more than ten years in seconds")
}

/// The message for a client, if there is one: without control characters, and cut.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let Some(Value::String(message)) = answer.remove("message") else { return None };
    let message: String = message.chars().filter(|char| !char.is_control()).take(MAX_MESSAGE).collect();
    Some(message).filter(|message| !message.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Identity, &'static str> {
        identity(body.as_bytes(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn good_answers_are_identities() {
        let ann = read(r#"{"user":"ann"}"#).unwrap();
        assert_eq!((&*ann.user, ann.claims.len(), ann.expires), ("ann", 0, None));
        let ann = read(r#"{"user":"ann","claims":{"a":1},"expires_in":1.5,"more":[]}"#).unwrap();
        assert_eq!(ann.claims["a"], 1);
        assert_eq!(ann.expires, Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)));
        assert!(read(r#"{"user":"ann","claims":null,"expires_in":null}"#).unwrap().expires.is_none());
    }

    #[test]
    fn every_lie_is_told() {
        let huge = format!(r#"{{"user":"{}"}}"#, "a".repeat(129));
        for (body, what) in [
            ("", "it is not a JSON object"),
            ("[]", "it is not a JSON object"),
            ("\"ann\"", "it is not a JSON object"),
            (r#"{"user":"ann"} {}"#, "it is not a JSON object"),
            ("{}", "`user` is missing"),
            (r#"{"user":7}"#, "`user` is not a string"),
            (r#"{"user":null}"#, "`user` is not a string"),
            (r#"{"user":""}"#, "`user` is empty"),
            (&*huge, "`user` is longer than 128 bytes"),
            (r#"{"user":"ann","claims":[]}"#, "`claims` is not an object"),
            (r#"{"user":"ann","claims":"a"}"#, "`claims` is not an object"),
            (r#"{"user":"ann","expires_in":"60"}"#, "`expires_in` is not a number"),
            (r#"{"user":"ann","expires_in":0}"#, "`expires_in` is not more than 0"),
            (r#"{"user":"ann","expires_in":-1}"#, "`expires_in` is not more than 0"),
            (r#"{"user":"ann","expires_in":1e300}"#, "`expires_in` is more than ten years in seconds"),
            (
                r#"{"user":"ann","expires_in":1800000000000}"#,
                "`expires_in` is more than ten years in seconds",
            ),
        ] {
            assert_eq!(read(body), Err(what), "{body}");
        }
    }

    #[test]
    fn messages_are_cut_and_clean() {
        assert_eq!(message(br#"{"message":"not\nyou\u0000"}"#).unwrap(), "notyou");
        let long = format!(r#"{{"message":"{}"}}"#, "\u{e9}".repeat(300));
        assert_eq!(message(long.as_bytes()).unwrap(), "\u{e9}".repeat(200));
        for none in [r#"{"message":5}"#, "{}", "", "[]", r#"{"message":""}"#, "<html>"] {
            assert_eq!(message(none.as_bytes()), None, "{none}");
        }
    }
}
