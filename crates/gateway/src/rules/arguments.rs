//! The shape of what clients send.

use roomcast_adapter::wire::MAX_DEPTH;

/// Whether well-formed JSON nests deeper than may be passed on. Clients and the bus would choke on it.
pub(super) fn too_deep(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Replaces `\\uD800` to `\\uDFFF` that are not a pair by `\\uFFFD`. JavaScript strings may hold them, half an emoji cut
/// in two for example, but they are no Unicode and cannot go over the bus. `json` must be well-formed.
pub(super) fn without_lone_surrogates(json: String) -> String {
    if !json.contains("\\u") {
        return json;
    }
    // The code unit of an escape at this place, if there is one.
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(json.len());
    let (mut at, mut kept) = (0, 0);
    while let Some(found) = json[at..].find('\\').map(|offset| at + offset) {
        at = match unit(found) {
            None => found + 2,
            Some(0xD800..=0xDBFF) if matches!(unit(found + 6), Some(0xDC00..=0xDFFF)) => found + 12,
            Some(0xD800..=0xDFFF) => {
                out.push_str(&json[kept..found]);
                out.push_str("\\uFFFD");
                kept = found + 6;
                kept
            }
            Some(_) => found + 6,
        };
    }
    out.push_str(&json[kept..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_stay() {
        let cases = [
            (r#"["\ud83d\ude00"]"#, r#"["\ud83d\ude00"]"#),
            (r#"["\ud83dx"]"#, r#"["\uFFFDx"]"#),
            (r#"["\ude00\ud83d"]"#, r#"["\uFFFD\uFFFD"]"#),
            (r#"["\ud83d\ud83d\ude00é\u0041"]"#, r#"["\uFFFD\ud83d\ude00é\u0041"]"#),
            (r#"["\\ud83d\n"]"#, r#"["\\ud83d\n"]"#),
            ("[\"plain\"]", "[\"plain\"]"),
        ];
        for (json, expected) in cases {
            let repaired = without_lone_surrogates(json.to_owned());
            assert_eq!(repaired, expected);
            assert!(serde_json::from_str::<serde_json::Value>(&repaired).is_ok());
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!too_deep(&deep(MAX_DEPTH)));
        assert!(too_deep(&deep(MAX_DEPTH + 1)));
        assert!(!too_deep(&format!("\"{}\"", "[".repeat(1000))));
        assert!(!too_deep(&format!("\"\\\"{}\"", "[".repeat(1000))));
        assert!(!too_deep(&"[],".repeat(1000)));
    }
}
