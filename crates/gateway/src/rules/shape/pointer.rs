//! JSON Pointers (RFC 6901) in which `*` stands for each element of a list, followed through JSON text that is not taken
//! apart: what they point at can be replaced, and all the rest stays as it is.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use roomcast_adapter::wire::MAX_DEPTH;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Misshapen;

/// Most segments: no argument nests deeper.
const MAX_SEGMENTS: usize = MAX_DEPTH;

/// A pointer, by its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer(Vec<String>);

/// A text that a pointer points at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where its JSON text is, quotes included.
    pub(super) range: Range<usize>,
    /// The pointer to this one.
    pub(super) path: String,
}

impl FromStr for Pointer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "a path is such as `/0`, `/0/title` or `/0/lines/*`";
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` does not begin with `/`; {example}"));
        };
        let segments: Vec<String> = rest.split('/').map(unescaped).collect::<Result<_, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(format!("a path has at most {MAX_SEGMENTS} parts"));
        }
        if segments[0] != "*" && index(&segments[0]).is_none() {
            return Err(format!("`{text}` does not begin with the number of an argument; {example}"));
        }
        Ok(Self(segments))
    }
}

fn unescaped(segment: &str) -> Result<String, String> {
    let mut rest = segment.split('~');
    let mut text = rest.next().unwrap_or_default().to_owned();
    for part in rest {
        match part.as_bytes().first() {
            Some(b'0') => text.push('~'),
            Some(b'1') => text.push('/'),
            _ => return Err(format!("`{segment}`: `~` is written as `~0`, and `/` within a name as `~1`")),
        }
        text.push_str(&part[1..]);
    }
    Ok(text)
}

/// Appends a segment to a path.
pub(super) fn push_segment(path: &mut String, segment: &str) {
    path.push('/');
    path.push_str(&segment.replace('~', "~0").replace('/', "~1"));
}

fn index(segment: &str) -> Option<usize> {
    let is_number =
        segment.bytes().all(|byte| byte.is_ascii_digit()) && (segment == "0" || !segment.starts_with('0'));
    if is_number { segment.parse().ok() } else { None }
}

impl Pointer {
    /// The texts that it points at, in their order; what is there and no text is left out.
    pub(super) fn texts(&self, json: &str) -> Result<Vec<Found>, Misshapen> {
        let mut walk = Walk { json, path: String::new(), found: Vec::new() };
        walk.follow(json, &self.0)?;
        Ok(walk.found)
    }
}

struct Walk<'a> {
    json: &'a str,
    path: String,
    found: Vec<Found>,
}

impl<'a> Walk<'a> {
    fn follow(&mut self, value: &'a str, segments: &[String]) -> Result<(), Misshapen> {
        let Some((segment, rest)) = segments.split_first() else {
            if value.starts_with('"') {
                let start = offset(self.json, value);
                self.found.push(Found { range: start..start + value.len(), path: self.path.clone() });
            }
            return Ok(());
        };
        match value.as_bytes().first() {
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| self.malformed())?;
                let wanted = match index(segment) {
                    _ if segment == "*" => 0..items.len(),
                    Some(at) if at < items.len() => at..at + 1,
                    _ => 0..0,
                };
                for at in wanted {
                    self.step(&at.to_string(), items[at], rest)?;
                }
                Ok(())
            }
            Some(b'{') => {
                let mut reader = serde_json::Deserializer::from_str(value);
                let members = Named(segment).deserialize(&mut reader).map_err(|_| self.malformed())?;
                match members.as_slice() {
                    [] => Ok(()),
                    [member] => self.step(segment, member, rest),
                    // One reader takes the first, another one the last: then nobody has looked at what one gets.
                    _ => {
                        push_segment(&mut self.path, segment);
                        Err(Misshapen { path: self.path.clone(), message: "is there more than once".into() })
                    }
                }
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, segment: &str, value: &'a RawValue, rest: &[String]) -> Result<(), Misshapen> {
        let length = self.path.len();
        push_segment(&mut self.path, segment);
        self.follow(value.get(), rest)?;
        self.path.truncate(length);
        Ok(())
    }

    fn malformed(&self) -> Misshapen {
        Misshapen { path: self.path.clone(), message: "cannot be read".into() }
    }
}

/// Where `part` begins in `whole`, of which it is a part.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// All values that an object has by one name.
struct Named<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(name) = map.next_key::<Name<'de>>()? {
            if name.0 == self.0 {
                found.push(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A name that is copied only if it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The JSON text with other texts in these places, which are in their order.
pub(super) fn splice(json: &str, places: &[(Range<usize>, String)]) -> String {
    let mut spliced = String::with_capacity(json.len());
    let mut copied = 0;
    for (range, text) in places {
        spliced.push_str(&json[copied..range.start]);
        spliced.push_str(&Value::from(text.as_str()).to_string());
        copied = range.end;
    }
    spliced.push_str(&json[copied..]);
    spliced
}
