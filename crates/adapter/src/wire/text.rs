//! JSON text as it stands in packets, looked at without parsing it.

use std::borrow::Cow;

/// JSON text whose strings are Unicode. A JavaScript string can end in the middle of a character, as an emoji that
/// `slice` has cut, and `JSON.stringify` writes the half as an escape, `\ud83d`. No UTF-8 can hold it, so U+FFFD takes
/// its place. Node does so for strings of more than 32 units; in shorter ones notepack makes another character of it.
#[must_use]
pub fn well_formed(json: &str) -> Cow<'_, str> {
    if !json.contains("\\ud") && !json.contains("\\uD") {
        return Cow::Borrowed(json);
    }
    let bytes = json.as_bytes();
    let (mut mended, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        at += match unit(&bytes[at..]) {
            Some(0xd800..=0xdbff) if matches!(unit(&bytes[at + 6..]), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                mended.push_str(&json[copied..at]);
                mended.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            Some(_) => 6,
            // Not further than the end: text may end with a backslash.
            None => 2.min(bytes.len() - at),
        };
    }
    mended.push_str(&json[copied..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit of the escape that stands first.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether arrays and objects nest deeper than `max` in valid JSON text.
#[must_use]
pub fn is_deeper(json: &str, max: usize) -> bool {
    // Most text has not even so many brackets, and counting them takes next to no time.
    json.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > max && depth(json) > max
}

/// How deep arrays and objects nest in valid JSON text.
#[must_use]
pub fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn halves_of_characters_are_replaced() {
        for (json, mended) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#"["a\uD83Db","\udc00é"]"#, r#"["a\ufffdb","\ufffdé"]"#),
            (r#""\udc00\ud83d\ud83d\ude00\ud83d\n""#, r#""\ufffd\ufffd\ud83d\ude00\ufffd\n""#),
        ] {
            assert_eq!(well_formed(json), mended);
            assert!(serde_json::from_str::<Value>(&well_formed(json)).is_ok(), "{json}");
        }
        // whole ones, an escaped backslash, and what is no JSON
        for json in [
            r#""\ud83d\ude00""#,
            r#""\\ud83d""#,
            r#""\\\\ud83d""#,
            r#""\ud83""#,
            r#"\ude\"#,
            r#""\ud83d\ude00\é""#,
        ] {
            assert_eq!(well_formed(json), json);
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(depth(&deep(128)), 128);
        assert_eq!(depth(&format!("\"{}\"", "[".repeat(1000))), 0);
        assert_eq!(depth(&format!("[\"\\\"{}\"]", "[".repeat(1000))), 1);
        assert_eq!(depth(&"[],".repeat(1000)), 1);
    }
}
