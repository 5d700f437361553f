//! A token before it is known who signed it: nothing in it is to be trusted, and its claims are not looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use crate::error::InvalidToken;

/// A token whose header is in order.
pub(crate) struct Token<'a> {
    /// All of it.
    pub(crate) text: &'a str,
    pub(crate) algorithm: Algorithm,
    /// The name of the key that is said to have signed it.
    pub(crate) kid: Option<String>,
}

impl<'a> Token<'a> {
    pub(crate) fn read(text: &'a str, longest: usize, types: &[String]) -> Result<Self, InvalidToken> {
        if text.len() > longest {
            return Err(InvalidToken::TooLong(text.len()));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidToken::Malformed("it has not three parts"));
        };
        let header = URL_SAFE_NO_PAD
            .decode(header)
            .map_err(|_| InvalidToken::Malformed("its header is not base64url"))?;
        let header: Map<String, Value> = serde_json::from_slice(&header)
            .map_err(|_| InvalidToken::Malformed("its header is not a JSON object"))?;

        // None is known. Among these is `b64`, which would change what is signed (RFC 7797).
        if header.contains_key("crit") {
            return Err(InvalidToken::Critical);
        }
        // What is in it would be another token, or something that is not claims.
        if header.contains_key("cty") {
            return Err(InvalidToken::Nested);
        }
        if let Some(found) = string(&header, "typ", "its `typ` is not a string")? {
            let found = strip_application(found);
            if !types.iter().any(|accepted| strip_application(accepted).eq_ignore_ascii_case(found)) {
                return Err(InvalidToken::Type);
            }
        }
        let algorithm = string(&header, "alg", "its `alg` is not a string")?
            .ok_or(InvalidToken::Malformed("its header has no algorithm"))?
            .parse()
            .map_err(|_| InvalidToken::AlgorithmNotAllowed)?;
        let kid = string(&header, "kid", "its `kid` is not a string")?.map(str::to_owned);
        Ok(Self { text, algorithm, kid })
    }
}

fn string<'a>(
    header: &'a Map<String, Value>,
    name: &str,
    otherwise: &'static str,
) -> Result<Option<&'a str>, InvalidToken> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(InvalidToken::Malformed(otherwise)),
    }
}

/// A media type may leave out its beginning (RFC 7515, section 4.1.9).
fn strip_application(media_type: &str) -> &str {
    const PREFIX: &str = "application/";
    match media_type.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &media_type[PREFIX.len()..],
        _ => media_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Result<(Algorithm, Option<String>), InvalidToken> {
        let text = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
        let types = ["JWT".to_owned(), "at+jwt".to_owned()];
        Token::read(&text, 8192, &types).map(|token| (token.algorithm, token.kid))
    }

    #[test]
    fn headers_in_order_are_read() {
        assert_eq!(read(r#"{"alg":"RS256"}"#), Ok((Algorithm::Rs256, None)));
        let kid = Some("a".to_owned());
        assert_eq!(read(r#"{"alg":"EdDSA","typ":"jwt","kid":"a"}"#), Ok((Algorithm::EdDsa, kid)));
        assert!(read(r#"{"alg":"RS256","typ":"Application/AT+JWT"}"#).is_ok());
        assert!(read(r#"{"alg":"RS256","jku":"http://evil.example/"}"#).is_ok(), "it is ignored");
    }

    #[test]
    fn no_spelling_of_none_is_an_algorithm() {
        for none in ["none", "None", "NONE", "nOnE", "", " none", "none\\u0000", "rs256", "ES512", "RS1"] {
            let refused = read(&format!(r#"{{"alg":"{none}"}}"#));
            assert_eq!(refused, Err(InvalidToken::AlgorithmNotAllowed), "{none}");
        }
        let no_string = Err(InvalidToken::Malformed("its `alg` is not a string"));
        assert_eq!(read(r#"{"alg":null}"#), no_string);
        assert_eq!(read(r#"{"alg":["RS256"]}"#), no_string);
    }

    #[test]
    fn what_is_nested_critical_or_of_another_type_is_refused() {
        for crit in [r#"["exp"]"#, r#"["b64"]"#, "[]", "null", "5"] {
            let refused = read(&format!(r#"{{"alg":"RS256","crit":{crit}}}"#));
            assert_eq!(refused, Err(InvalidToken::Critical), "{crit}");
        }
        assert_eq!(read(r#"{"alg":"RS256","cty":"JWT"}"#), Err(InvalidToken::Nested));
        for other in ["dpop+jwt", "logout+jwt", "JOSE", "application/", ""] {
            let refused = read(&format!(r#"{{"alg":"RS256","typ":"{other}"}}"#));
            assert_eq!(refused, Err(InvalidToken::Type), "{other}");
        }
    }

    #[test]
    fn the_length_comes_first() {
        let token = ".".repeat(1 << 20);
        assert_eq!(Token::read(&token, 8192, &[]).err(), Some(InvalidToken::TooLong(1 << 20)));
        let parts = Some(InvalidToken::Malformed("it has not three parts"));
        for text in ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "...."] {
            assert_eq!(Token::read(text, 8192, &[]).err(), parts, "{text}");
        }
    }
}
