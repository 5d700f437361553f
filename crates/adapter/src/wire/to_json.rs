//! MessagePack from the bus → the JSON text and attachments of a Socket.IO packet, as a Node server would have
//! encoded the same values for its own clients.

use std::collections::VecDeque;

use bytes::Bytes;

use super::reader::{Reader, Token};
use super::{MAX_DEPTH, WireError};

/// Event arguments as a Socket.IO packet carries them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Json {
    /// JSON text; binary values stand as `{"_placeholder":true,"num":N}`.
    pub text: String,
    /// The binary values, in the order of their numbers.
    pub attachments: VecDeque<Bytes>,
}

/// Translates one MessagePack value.
///
/// # Errors
/// Any [`WireError`] that malformed bytes cause.
pub fn translate(msgpack: &[u8]) -> Result<Json, WireError> {
    let mut reader = Reader::new(msgpack);
    let mut writer =
        Writer { out: Vec::with_capacity(msgpack.len() * 5 / 4 + 16), attachments: VecDeque::new() };
    writer.value(&mut reader, 0)?;
    reader.finish()?;
    let text = String::from_utf8(writer.out).map_err(|_| WireError::Utf8)?;
    Ok(Json { text, attachments: writer.attachments })
}

/// Whether the value was JavaScript's `undefined`: a map drops such an entry, an array keeps `null` in its place.
type IsUndefined = bool;

struct Writer {
    out: Vec<u8>,
    attachments: VecDeque<Bytes>,
}

impl Writer {
    fn value(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<IsUndefined, WireError> {
        match reader.token()? {
            Token::Nil => self.out.extend_from_slice(b"null"),
            Token::Bool(true) => self.out.extend_from_slice(b"true"),
            Token::Bool(false) => self.out.extend_from_slice(b"false"),
            Token::Uint(value) => self.scalar(&value),
            Token::Int(value) => self.scalar(&value),
            Token::Float(value) => self.float(value),
            Token::Str(value) => self.scalar(value),
            Token::Garbled(value) => self.scalar(&*String::from_utf8_lossy(value)),
            Token::Bin(value) => self.binary(value),
            Token::Ext { kind, data, fixed } => return Ok(self.ext(kind, data, fixed)),
            Token::Array(len) => self.array(reader, len, depth)?,
            Token::Map(len) => self.map(reader, len, depth)?,
        }
        Ok(false)
    }

    fn array(&mut self, reader: &mut Reader<'_>, len: u32, depth: usize) -> Result<(), WireError> {
        let depth = deeper(depth)?;
        self.out.push(b'[');
        for index in 0..len {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(reader, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, reader: &mut Reader<'_>, len: u32, depth: usize) -> Result<(), WireError> {
        let depth = deeper(depth)?;
        self.out.push(b'{');
        let mut first = true;
        for _ in 0..len {
            let entry = self.out.len();
            if !first {
                self.out.push(b',');
            }
            match reader.token()? {
                Token::Str(key) => self.scalar(key),
                Token::Garbled(key) => self.scalar(&*String::from_utf8_lossy(key)),
                // Other emitters than JavaScript's may use numbers; a JavaScript object has only string keys.
                Token::Uint(key) => self.scalar(key.to_string().as_str()),
                Token::Int(key) => self.scalar(key.to_string().as_str()),
                _ => return Err(WireError::Shape("map key")),
            }
            self.out.push(b':');
            if self.value(reader, depth)? {
                self.out.truncate(entry);
            } else {
                first = false;
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn scalar<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        serde_json::to_writer(&mut self.out, value)
            .expect("strings and numbers always serialise into memory");
    }

    /// `JSON.stringify` writes integral numbers without a fraction, and `null` for what JSON cannot say.
    fn float(&mut self, value: f64) {
        const SAFE: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() < SAFE {
            self.scalar(&(value as i64));
        } else {
            self.scalar(&value);
        }
    }

    fn binary(&mut self, value: &[u8]) {
        let index = self.attachments.len();
        self.out.extend_from_slice(format!("{{\"_placeholder\":true,\"num\":{index}}}").as_bytes());
        self.attachments.push_back(Bytes::copy_from_slice(value));
    }

    /// Extension types as notepack.io 3.x decodes them, including the legacy forms of 2.x.
    fn ext(&mut self, kind: i8, data: &[u8], fixed: bool) -> IsUndefined {
        match (kind, fixed) {
            (-1, _) => self.date(timestamp_millis(data)),
            (0, true) if data.len() == 1 => {
                self.out.extend_from_slice(b"null");
                return true;
            }
            (0, true) if data.len() == 8 => {
                self.date(data.try_into().ok().map(|millis| i64::from_be_bytes(millis) as f64));
            }
            (0, false) => self.binary(data),
            _ => {
                self.out.push(b'[');
                self.scalar(&kind);
                self.out.push(b',');
                self.binary(data);
                self.out.push(b']');
            }
        }
        false
    }

    /// A `Date` reaches a JSON client as what `toJSON` gives: ISO 8601 with milliseconds, `null` if invalid.
    fn date(&mut self, millis: Option<f64>) {
        match millis.and_then(iso8601) {
            Some(text) => self.scalar(text.as_str()),
            None => self.out.extend_from_slice(b"null"),
        }
    }
}

fn deeper(depth: usize) -> Result<usize, WireError> {
    if depth >= MAX_DEPTH { Err(WireError::TooDeep) } else { Ok(depth + 1) }
}

/// The three lengths of the MessagePack timestamp extension, in milliseconds since the epoch, by notepack's arithmetic.
fn timestamp_millis(data: &[u8]) -> Option<f64> {
    let (seconds, nanos) = match data.len() {
        4 => (u32::from_be_bytes(data.try_into().ok()?).into(), 0),
        8 => {
            let packed = u64::from_be_bytes(data.try_into().ok()?);
            ((packed & 0x3_ffff_ffff) as f64, (packed >> 34) as u32)
        }
        12 => {
            let (nanos, seconds) = data.split_first_chunk::<4>()?;
            (i64::from_be_bytes(seconds.try_into().ok()?) as f64, u32::from_be_bytes(*nanos))
        }
        _ => return None,
    };
    Some(seconds * 1e3 + f64::from(nanos) / 1e6)
}

/// A point in time as JavaScript writes it; `None` outside of what a `Date` can hold.
fn iso8601(millis: f64) -> Option<String> {
    const FARTHEST: f64 = 8.64e15;
    // The calendar repeats itself after 400 years. JavaScript's goes to the year 275760, jiff's only to 9999.
    const CYCLE: i64 = 146_097 * 86_400_000;
    if millis.abs() > FARTHEST {
        return None;
    }
    let millis = millis as i64;
    let text = format!("{:.3}", jiff::Timestamp::from_millisecond(millis.rem_euclid(CYCLE)).ok()?);
    let (year, rest) = text.split_at(4);
    let year = year.parse::<i64>().ok()? + 400 * millis.div_euclid(CYCLE);
    Some(if (0..=9999).contains(&year) { format!("{year:04}{rest}") } else { format!("{year:+07}{rest}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        translate(bytes).unwrap().text
    }

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        assert_eq!(text(&[0xcb, 0x40, 0x14, 0, 0, 0, 0, 0, 0]), "5");
        assert_eq!(text(&[0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), "1.5");
        assert_eq!(text(&[0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]), "null");
        assert_eq!(text(&[0xca, 0x3f, 0xc0, 0, 0]), "1.5");
        assert_eq!(text(&[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), "-2");
    }

    #[test]
    fn legacy_extensions_are_read() {
        // {"a": undefined, "b": 1} and [undefined]
        assert_eq!(text(&[0x82, 0xa1, b'a', 0xd4, 0, 0, 0xa1, b'b', 1]), r#"{"b":1}"#);
        assert_eq!(text(&[0x91, 0xd4, 0, 0]), "[null]");
        assert_eq!(text(&[0xd7, 0, 0, 0, 0, 0, 0, 0, 3, 0xe8]), r#""1970-01-01T00:00:01.000Z""#);
        let buffer = translate(&[0xc7, 2, 0, 7, 8]).unwrap();
        assert_eq!(buffer.attachments, [Bytes::from_static(&[7, 8])]);
        let unknown = translate(&[0xd5, 5, 7, 8]).unwrap();
        assert_eq!(unknown.text, r#"[5,{"_placeholder":true,"num":0}]"#);
    }

    #[test]
    fn dates_of_all_lengths() {
        assert_eq!(text(&[0xd6, 0xff, 0, 0, 0, 1]), r#""1970-01-01T00:00:01.000Z""#);
        let negative = [0xc7, 12, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(text(&negative), r#""1969-12-31T23:59:59.000Z""#);
        assert_eq!(text(&[0xd5, 0xff, 0, 0]), "null");
    }

    #[test]
    fn dates_reach_as_far_as_those_of_javascript() {
        let date = |seconds: i64, nanos: u32| {
            text(&[&[0xc7, 12, 0xff][..], &nanos.to_be_bytes(), &seconds.to_be_bytes()].concat())
        };
        assert_eq!(date(253_402_300_799, 999_000_000), r#""9999-12-31T23:59:59.999Z""#);
        assert_eq!(date(253_402_300_800, 0), r#""+010000-01-01T00:00:00.000Z""#);
        assert_eq!(date(8_640_000_000_000, 0), r#""+275760-09-13T00:00:00.000Z""#);
        assert_eq!(date(8_640_000_000_000, 1_000_000), "null");
        assert_eq!(date(-62_167_219_200, 0), r#""0000-01-01T00:00:00.000Z""#);
        assert_eq!(date(-62_167_219_201, 0), r#""-000001-12-31T23:59:59.000Z""#);
        assert_eq!(date(-8_640_000_000_000, 0), r#""-271821-04-20T00:00:00.000Z""#);
        assert_eq!(date(i64::MIN, 0), "null");
        // what is finer than a millisecond is cut off towards 1970
        assert_eq!(date(-1, 999_500_000), r#""1970-01-01T00:00:00.000Z""#);
        assert_eq!(text(&[&[0xd7, 0][..], &i64::MAX.to_be_bytes()].concat()), "null");
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        // "あ" cut short, as a value and as a key
        assert_eq!(text(&[0x81, 0xa2, 0xe3, 0x81, 0xa3, 0xe3, 0x81, b'x']), "{\"\u{fffd}\":\"\u{fffd}x\"}");
    }

    #[test]
    fn nesting_is_limited() {
        let mut bytes = vec![0x91; MAX_DEPTH];
        bytes.push(0xc0);
        assert!(translate(&bytes).is_ok());
        bytes.insert(0, 0x91);
        assert_eq!(translate(&bytes), Err(WireError::TooDeep));
    }
}
