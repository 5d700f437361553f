//! The JSON text and attachments of a Socket.IO packet → MessagePack for the bus, as notepack.io would have encoded
//! the same values: smallest integer forms, integral floats as integers, binary values inline.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::reader::{Reader, Token};
use super::{WireError, text};

/// Appends the translation of `json` to `out`.
///
/// Every attachment must be referred to by exactly one placeholder: clients do it so, and anything else would let a
/// small packet grow on the bus.
///
/// # Errors
/// [`WireError::Json`] and [`WireError::Placeholders`]; `out` then ends with an incomplete value.
pub fn translate(json: &str, attachments: &VecDeque<Bytes>, out: &mut Vec<u8>) -> Result<(), WireError> {
    if translate_part(json, attachments, out)? { Ok(()) } else { Err(WireError::Placeholders) }
}

/// The same for a part of a packet, whose other parts may have attachments of their own: `false` if some were not
/// referred to.
///
/// # Errors
/// As [`translate`].
pub fn translate_part(
    json: &str,
    attachments: &VecDeque<Bytes>,
    out: &mut Vec<u8>,
) -> Result<bool, WireError> {
    let mut writer = Writer { out, attachments, used: vec![false; attachments.len()], misplaced: false };
    let json = text::well_formed(json);
    let mut deserializer = serde_json::Deserializer::from_str(&json);
    let result = Value(&mut writer).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if writer.misplaced {
        return Err(WireError::Placeholders);
    }
    result.map_err(|err| WireError::Json(err.to_string()))?;
    Ok(writer.used.iter().all(|used| *used))
}

/// Appends a string.
pub fn write_str(out: &mut Vec<u8>, value: &str) {
    rmp::encode::write_str(out, value).expect("writing into memory does not fail");
}

/// Appends an integer in its smallest form.
pub fn write_uint(out: &mut Vec<u8>, value: u64) {
    rmp::encode::write_uint(out, value).expect("writing into memory does not fail");
}

/// Appends the head of an array.
pub fn write_array_len(out: &mut Vec<u8>, len: usize) {
    let at = out.len();
    out.push(0);
    close(out, at, len, &ARRAY);
}

/// Appends the head of a map of `len` pairs.
pub fn write_map_len(out: &mut Vec<u8>, len: usize) {
    let at = out.len();
    out.push(0);
    close(out, at, len, &MAP);
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    attachments: &'a VecDeque<Bytes>,
    used: Vec<bool>,
    misplaced: bool,
}

impl Writer<'_> {
    /// Replaces what was written since `start`, a placeholder object, by the attachment it stands for.
    fn attach(&mut self, start: usize, number: Option<u64>) -> bool {
        let index = number.and_then(|number| usize::try_from(number).ok());
        let Some((index, bytes)) = index.and_then(|index| Some((index, self.attachments.get(index)?))) else {
            return false;
        };
        if std::mem::replace(&mut self.used[index], true) {
            return false;
        }
        self.out.truncate(start);
        rmp::encode::write_bin(self.out, bytes).expect("writing into memory does not fail");
        true
    }
}

struct Heads {
    fix: u8,
    wide16: u8,
    wide32: u8,
}
const ARRAY: Heads = Heads { fix: 0x90, wide16: 0xdc, wide32: 0xdd };
const MAP: Heads = Heads { fix: 0x80, wide16: 0xde, wide32: 0xdf };

/// Writes the head of a collection over the byte that was left for it at `at`. Nearly all have fewer than 16
/// elements; the others pay for moving their content once.
fn close(out: &mut Vec<u8>, at: usize, len: usize, heads: &Heads) {
    if len < 16 {
        out[at] = heads.fix | len as u8;
    } else if let Ok(len) = u16::try_from(len) {
        out[at] = heads.wide16;
        out.splice(at + 1..at + 1, len.to_be_bytes());
    } else {
        out[at] = heads.wide32;
        let len = u32::try_from(len).expect("a packet is smaller than 4 GiB");
        out.splice(at + 1..at + 1, len.to_be_bytes());
    }
}

/// Writes whatever value comes.
struct Value<'w, 'a>(&'w mut Writer<'a>);

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.out.push(0xc0);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.out.push(if value { 0xc3 } else { 0xc2 });
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        write_uint(self.0.out, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        rmp::encode::write_sint(self.0.out, value).expect("writing into memory does not fail");
        Ok(())
    }

    /// JavaScript has one number type: `5.0` and `5` are the same value, and notepack writes integers for it.
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        if value.fract() == 0.0 && (-LIMIT..LIMIT).contains(&value) {
            rmp::encode::write_sint(self.0.out, value as i64).expect("writing into memory does not fail");
        } else {
            rmp::encode::write_f64(self.0.out, value).expect("writing into memory does not fail");
        }
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        write_str(self.0.out, value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let start = self.0.out.len();
        self.0.out.push(0);
        let mut len = 0;
        while seq.next_element_seed(Value(self.0))?.is_some() {
            len += 1;
        }
        close(self.0.out, start, len, &ARRAY);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let start = self.0.out.len();
        self.0.out.push(0);
        let (mut len, mut placeholder, mut number) = (0, false, None);
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            let at = self.0.out.len();
            map.next_value_seed(Value(self.0))?;
            len += 1;
            // Clients write `_placeholder` and `num` in any order, so what they hold is read back when it is there.
            match key {
                KeyKind::Placeholder => placeholder = self.0.out[at..] == [0xc3],
                KeyKind::Number => {
                    number = match Reader::new(&self.0.out[at..]).token() {
                        Ok(Token::Uint(number)) => Some(number),
                        _ => None,
                    }
                }
                KeyKind::Other => {}
            }
        }
        // Without attachments such an object is a client's own data.
        if placeholder && !self.0.attachments.is_empty() {
            if !self.0.attach(start, number) {
                self.0.misplaced = true;
                return Err(A::Error::custom("misplaced placeholder"));
            }
            return Ok(());
        }
        close(self.0.out, start, len, &MAP);
        Ok(())
    }
}

enum KeyKind {
    Placeholder,
    Number,
    Other,
}

/// Writes a map's key and tells whether it is one of a placeholder's.
struct Key<'w, 'a>(&'w mut Writer<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = KeyKind;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<KeyKind, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = KeyKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, key: &str) -> Result<KeyKind, E> {
        write_str(self.0.out, key);
        Ok(match key {
            "_placeholder" => KeyKind::Placeholder,
            "num" => KeyKind::Number,
            _ => KeyKind::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_DEPTH, to_json};
    use super::*;

    fn bytes(json: &str) -> Vec<u8> {
        let mut out = Vec::new();
        translate(json, &VecDeque::new(), &mut out).unwrap();
        out
    }

    #[test]
    fn numbers_take_the_smallest_form() {
        assert_eq!(bytes("5.0"), [5]);
        assert_eq!(bytes("-0"), [0]);
        assert_eq!(bytes("1e3"), [0xcd, 3, 0xe8]);
        assert_eq!(bytes("-32"), [0xe0]);
        assert_eq!(bytes("9007199254740992"), [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes("1.5"), [0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes("1e21")[0], 0xcb);
    }

    #[test]
    fn long_collections_get_their_wide_heads() {
        let long = format!("[{}]", vec!["1"; 70_000].join(","));
        for json in
            ["[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", &long]
        {
            assert_eq!(to_json::translate(&bytes(json)).unwrap().text, json);
        }
        assert_eq!(bytes(&long)[0], 0xdd);
    }

    #[test]
    fn placeholders_become_binary_in_any_key_order() {
        let attachments = VecDeque::from([Bytes::from_static(&[1]), Bytes::from_static(&[2])]);
        let json = r#"[{"num":1,"_placeholder":true},{"a":{"_placeholder":true,"num":0}}]"#;
        let mut out = Vec::new();
        translate(json, &attachments, &mut out).unwrap();
        assert_eq!(out, [0x92, 0xc4, 1, 2, 0x81, 0xa1, b'a', 0xc4, 1, 1]);
    }

    #[test]
    fn placeholders_that_do_not_fit_are_refused() {
        let one = VecDeque::from([Bytes::from_static(&[1])]);
        for json in [
            r#"["e"]"#,
            r#"[{"_placeholder":true,"num":1}]"#,
            r#"[{"_placeholder":true,"num":-1}]"#,
            r#"[{"_placeholder":true,"num":"splice"}]"#,
            r#"[{"_placeholder":true}]"#,
            r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
        ] {
            assert_eq!(translate(json, &one, &mut Vec::new()), Err(WireError::Placeholders), "{json}");
        }
        // Not a placeholder without attachments, or when it does not say `true`.
        assert!(translate(r#"[{"_placeholder":true,"num":0}]"#, &VecDeque::new(), &mut Vec::new()).is_ok());
        assert!(
            translate(
                r#"[{"_placeholder":true,"num":0},{"_placeholder":"true","num":0}]"#,
                &one,
                &mut Vec::new()
            )
            .is_ok()
        );
    }

    #[test]
    fn half_a_character_is_replaced() {
        assert_eq!(bytes(r#""\ud83d""#), [0xa3, 0xef, 0xbf, 0xbd]);
    }

    #[test]
    fn malformed_json_and_deep_nesting_are_errors() {
        for json in ["[1,", "[1] 2", "{\"a\"}", "\"\\ud80\"", "[01]"] {
            assert!(
                matches!(translate(json, &VecDeque::new(), &mut Vec::new()), Err(WireError::Json(_))),
                "{json}"
            );
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(translate(&deep(MAX_DEPTH), &VecDeque::new(), &mut Vec::new()).is_ok());
        assert!(translate(&deep(MAX_DEPTH + 1), &VecDeque::new(), &mut Vec::new()).is_err());
    }
}
