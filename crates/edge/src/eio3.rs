//! Long-polling for clients of Socket.IO 2.x (Engine.IO 3), with binary.
//!
//! engineioxide 0.17.9 writes the attachments of an event as it does for Engine.IO 4: `b` and base64. Engine.IO 3 wants
//! the type of the packet in between, `b4`. Clients then fail to read the payload and lose the event, so the payload is
//! repaired on its way out. Websockets are not affected.

use axum::body::Bytes;
use http::{HeaderMap, header};

/// Whether the packets of an answer are framed as bytes, not as text.
pub(crate) fn is_binary(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet-stream"))
}

/// Repairs the answer to a poll. What is not understood stays as it is.
pub(crate) fn repair(headers: &HeaderMap, body: Bytes) -> Bytes {
    let repaired = if is_binary(headers) {
        repair_binary(&body)
    } else {
        std::str::from_utf8(&body).ok().and_then(repair_text)
    };
    repaired.unwrap_or(body)
}

/// How many packets a payload of text has; `None` if it is none.
pub(crate) fn count_text(payload: &[u8]) -> Option<usize> {
    let mut rest = std::str::from_utf8(payload).ok()?;
    let mut packets = 0;
    while !rest.is_empty() {
        let (length, after) = rest.split_once(':')?;
        rest = &after[utf16_offset(after, length.parse().ok()?)?..];
        packets += 1;
    }
    Some(packets)
}

/// The same for a payload with binary framing.
pub(crate) fn count_binary(payload: &[u8]) -> Option<usize> {
    let mut rest = payload;
    let mut packets = 0;
    while let [_, after @ ..] = rest {
        let digits = after.iter().position(|byte| *byte == 255)?;
        let add = |sum: usize, digit: &u8| sum.checked_mul(10)?.checked_add(usize::from(*digit));
        let length = after[..digits].iter().try_fold(0, add)?;
        rest = after[digits + 1..].get(length..)?;
        packets += 1;
    }
    Some(packets)
}

/// A payload of text: each packet behind its length in UTF-16 units and a colon. `None` if it is not one.
fn repair_text(payload: &str) -> Option<Bytes> {
    let mut out = String::with_capacity(payload.len() + 16);
    let mut rest = payload;
    while !rest.is_empty() {
        let (length, after) = rest.split_once(':')?;
        let length: usize = length.parse().ok()?;
        let end = utf16_offset(after, length)?;
        let (packet, next) = after.split_at(end);
        match packet.strip_prefix('b') {
            Some(base64) => out.push_str(&format!("{}:b4{base64}", length + 1)),
            None => out.push_str(&format!("{length}:{packet}")),
        }
        rest = next;
    }
    Some(out.into())
}

/// A payload with binary framing: 0 for text (1 for bytes), the digits of the length, 255, the packet.
fn repair_binary(payload: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(payload.len() + 16);
    let mut rest = payload;
    while let [kind, after @ ..] = rest {
        let digits = after.iter().position(|byte| *byte == 255)?;
        let length = after[..digits]
            .iter()
            .try_fold(0usize, |sum, digit| sum.checked_mul(10)?.checked_add(usize::from(*digit)))?;
        let (packet, next) = after[digits + 1..].split_at_checked(length)?;
        let base64 = packet.strip_prefix(b"b").filter(|_| *kind == 0);
        let length = length + usize::from(base64.is_some());
        out.push(*kind);
        out.extend(length.to_string().bytes().map(|digit| digit - b'0'));
        out.push(255);
        match base64 {
            Some(base64) => {
                out.extend_from_slice(b"b4");
                out.extend_from_slice(base64);
            }
            None => out.extend_from_slice(packet),
        }
        rest = next;
    }
    Some(out.into())
}

/// Where the text has that many UTF-16 units; JavaScript counts in them.
fn utf16_offset(text: &str, units: usize) -> Option<usize> {
    let mut seen = 0;
    for (at, char) in text.char_indices() {
        if seen == units {
            return Some(at);
        }
        seen += char.len_utf16();
    }
    (seen == units).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_payloads() {
        let repaired = |text| repair_text(text).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        // "4𝕊b" has four UTF-16 units, and a `b` inside a packet is no attachment.
        assert_eq!(repaired("5:bAQID4:4𝕊b9:bAQIDBA==").as_deref(), Some("6:b4AQID4:4𝕊b10:b4AQIDBA=="));
        assert_eq!(repaired("1:6").as_deref(), Some("1:6"));
        for malformed in ["5", "x:1", "9:b", "2:𝕊𝕊", "1:𝕊"] {
            assert_eq!(repaired(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn binary_payloads() {
        let payload =
            [&[0, 3, 255][..], b"42x", &[0, 9, 255], b"bAQIDBA==", &[1, 2, 255], &[4, b'b']].concat();
        let expected =
            [&[0, 3, 255][..], b"42x", &[0, 1, 0, 255], b"b4AQIDBA==", &[1, 2, 255], &[4, b'b']].concat();
        assert_eq!(repair_binary(&payload).as_deref(), Some(&expected[..]));
        assert_eq!(repair_binary(&[0, 9, 255, b'b']), None);
        assert_eq!(repair_binary(&[0, 1]), None);
    }

    #[test]
    fn packets_are_counted() {
        assert_eq!(count_text("5:bAQID4:4𝕊b1:6".as_bytes()), Some(3));
        assert_eq!((count_text(b""), count_text(b"nonsense"), count_text(b"9:1")), (Some(0), None, None));
        let binary = [&[0, 3, 255][..], b"42x", &[1, 1, 0, 255], &[4; 10]].concat();
        assert_eq!(count_binary(&binary), Some(2));
        assert_eq!(
            (count_binary(b""), count_binary(&binary[..5]), count_binary(&[0, 1])),
            (Some(0), None, None)
        );
    }
}
