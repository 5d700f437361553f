//! Which rooms clients may join, and which they are put into.

use std::borrow::Cow;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::room::MAX_ROOM_BYTES;

/// The claims of a client's identity.
pub type Claims = Map<String, Value>;

/// A room's name, in which claims of the client's identity may stand for parts of it (`user:{sub}`), or the beginning of
/// names followed by `*`.
///
/// A claim is a string or an integer; `{rooms[]}` stands for each of a list. What a claim says is taken as it is: a star or
/// a brace in it means itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    is_open: bool,
    /// Ids of sockets do not begin like this.
    is_apart: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The claim's name; names of nested objects are separated by dots.
    Claim(String),
    /// One of a list.
    Each(String),
}

/// A room pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Nothing, or more than a room's name may have.
    #[error("a room pattern has 1 to {MAX_ROOM_BYTES} bytes")]
    Length,
    /// A star that is not the last character.
    #[error("`*` may only be the last character of a room pattern, as in `room:*`")]
    InnerStar,
    /// A brace without its other, or no name between the two.
    #[error("a claim is written as `{{sub}}`, or as `{{rooms[]}}` for each of a list")]
    Braces,
    /// More than one list.
    #[error("only one claim of a room pattern may be a list")]
    Lists,
    /// The beginning could be that of a socket id. Every socket is in the room named by its id, and whoever may
    /// join that room reads what is sent to this one socket.
    #[error(
        "`{0}` would let clients join the rooms that are named by socket ids; begin with at least 4 characters, or \
         with one that ids do not have, such as `:`"
    )]
    MatchesIds(String),
}

/// Socket ids consist of 16 (here) or 20 (Node) of `A-Za-z0-9_-`.
fn may_be_in_an_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn may_be_an_id(room: &str) -> bool {
    matches!(room.len(), 16 | 20) && room.bytes().all(may_be_in_an_id)
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        if pattern.is_empty() || pattern.len() > MAX_ROOM_BYTES {
            return Err(PatternError::Length);
        }
        let (mut rest, is_open) = match pattern.strip_suffix('*') {
            Some(text) => (text, true),
            None => (pattern, false),
        };
        if rest.contains('*') {
            return Err(PatternError::InnerStar);
        }
        let mut parts = Vec::new();
        while let Some((text, behind)) = rest.split_once('{') {
            let (claim, after) = behind.split_once('}').ok_or(PatternError::Braces)?;
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            parts.push(claim_part(claim)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(['{', '}']))) {
            return Err(PatternError::Braces);
        }
        if parts.iter().filter(|part| matches!(part, Part::Each(_))).count() > 1 {
            return Err(PatternError::Lists);
        }
        // With four fixed characters the odds that a random id begins so are one to 16 million.
        let beginning = match parts.first() {
            Some(Part::Text(text)) => text.as_str(),
            _ => "",
        };
        let is_apart = beginning.len() >= 4 || !beginning.bytes().all(may_be_in_an_id);
        if is_open && !is_apart {
            return Err(PatternError::MatchesIds(pattern.to_owned()));
        }
        Ok(Self { parts, is_open, is_apart })
    }
}

fn claim_part(text: &str) -> Result<Part, PatternError> {
    let (name, is_list) = match text.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (text, false),
    };
    if name.is_empty() || name.contains(['{', '[', ']']) {
        return Err(PatternError::Braces);
    }
    Ok(if is_list { Part::Each(name.to_owned()) } else { Part::Claim(name.to_owned()) })
}

impl Pattern {
    /// Whether the pattern allows `room` to a client with these claims.
    #[must_use]
    pub fn matches(&self, room: &str, claims: Option<&Claims>) -> bool {
        self.items(claims).any(|item| {
            let Some(rest) = self.behind(room, claims, item) else { return false };
            let name = &room[..room.len() - rest.len()];
            self.is_name(name) && if self.is_open { !rest.is_empty() } else { rest.is_empty() }
        })
    }

    /// What is behind the pattern's own part of a room's name, if the room begins like that.
    fn behind<'a>(&self, room: &'a str, claims: Option<&Claims>, item: Option<&Value>) -> Option<&'a str> {
        let mut rest = room;
        for part in &self.parts {
            rest = match part {
                Part::Text(text) => rest.strip_prefix(text.as_str())?,
                Part::Claim(path) => rest.strip_prefix(&*text_of(claim(claims?, path)?)?)?,
                Part::Each(_) => rest.strip_prefix(&*text_of(item?)?)?,
            };
        }
        Some(rest)
    }

    /// Each of its list in turn; once nothing, without one.
    fn items<'a>(&'a self, claims: Option<&'a Claims>) -> impl Iterator<Item = Option<&'a Value>> {
        let list = self.parts.iter().find_map(|part| match part {
            Part::Each(name) => Some(name),
            _ => None,
        });
        let items =
            list.and_then(|name| claims.and_then(|claims| claim(claims, name)).and_then(Value::as_array));
        let none = list.is_none().then_some(None);
        none.into_iter().chain(items.into_iter().flatten().map(Some))
    }

    /// Who may choose its name could else choose the id of somebody's socket.
    fn is_name(&self, name: &str) -> bool {
        (self.is_apart || !may_be_an_id(name)) && name.len() <= MAX_ROOM_BYTES
    }

    /// The names that it stands for, for a client with these claims; of an open pattern their beginnings. None if a claim
    /// is missing or cannot be a part of a name.
    pub(super) fn expanded<'a>(&'a self, claims: Option<&'a Claims>) -> impl Iterator<Item = String> + 'a {
        self.items(claims).filter_map(move |item| self.with(claims, item))
    }

    fn with(&self, claims: Option<&Claims>, item: Option<&Value>) -> Option<String> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Claim(path) => name.push_str(&text_of(claim(claims?, path)?)?),
                Part::Each(_) => name.push_str(&text_of(item?)?),
            }
        }
        self.is_name(&name).then_some(name)
    }

    /// The rooms that it allows to a client with these claims, to be read.
    pub(super) fn described(&self, claims: Option<&Claims>) -> Vec<String> {
        let star = if self.is_open { "*" } else { "" };
        self.expanded(claims).map(|name| format!("{name}{star}")).collect()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether it needs to be known who the client is.
    pub(crate) fn has_claims(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Text(_)))
    }
}

/// A claim by its name, or by those of the objects around it.
pub(crate) fn claim<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    // Names of claims may have dots in them, such as those that are URLs (RFC 7519, 4.2).
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    let mut value = claims.get(first)?;
    for name in rest.split('.') {
        value = value.get(name)?;
    }
    Some(value)
}

fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.into()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
