//! Which rooms clients may join.

use std::str::FromStr;

use super::room::MAX_ROOM_BYTES;

/// A room's name, or the beginning of names followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    open: bool,
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

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        if pattern.is_empty() || pattern.len() > MAX_ROOM_BYTES {
            return Err(PatternError::Length);
        }
        let (text, open) = match pattern.strip_suffix('*') {
            Some(text) => (text, true),
            None => (pattern, false),
        };
        if text.contains('*') {
            return Err(PatternError::InnerStar);
        }
        // With four fixed characters the odds that a random id begins so are one to 16 million.
        if open && text.len() < 4 && text.bytes().all(may_be_in_an_id) {
            return Err(PatternError::MatchesIds(pattern.to_owned()));
        }
        Ok(Self { text: text.to_owned(), open })
    }
}

impl Pattern {
    /// Whether the pattern allows `room`.
    #[must_use]
    pub fn matches(&self, room: &str) -> bool {
        if self.open {
            room.len() > self.text.len() && room.starts_with(&self.text)
        } else {
            room == self.text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<Pattern, PatternError> {
        text.parse()
    }

    #[test]
    fn names_and_beginnings() {
        assert!(pattern("paris").unwrap().matches("paris"));
        assert!(!pattern("paris").unwrap().matches("paris2"));
        let rooms = pattern("room:*").unwrap();
        assert!(rooms.matches("room:1") && rooms.matches("room:a*b"));
        assert!(!rooms.matches("room:") && !rooms.matches("Room:1"));
    }

    #[test]
    fn patterns_that_are_none() {
        assert_eq!(pattern(""), Err(PatternError::Length));
        assert_eq!(pattern(&"a".repeat(129)), Err(PatternError::Length));
        assert_eq!(pattern("a*b"), Err(PatternError::InnerStar));
        assert_eq!(pattern("a**"), Err(PatternError::InnerStar));
    }

    #[test]
    fn private_rooms_of_sockets_stay_private() {
        for open in ["*", "a*", "ab_*"] {
            assert_eq!(pattern(open), Err(PatternError::MatchesIds(open.into())));
        }
        assert!(pattern("#*").is_ok() && pattern("team*").is_ok());
    }
}
