//! Session ids that can be routed and cannot be guessed.
//!
//! The library uses the Engine.IO id as `socket.id`, which the other members of a room see. In long-polling the same id
//! is the key of the session: who knows it can read and write there. So polling clients get a longer one,
//!
//! ```text
//! <sid: 16 characters><tag: 4><mac: 22>
//! ```
//!
//! whose last part nobody can make who has not the cluster's [`Keys`]. Websocket sessions are not concerned: nobody can
//! join a websocket.
//!
//! The tag, characters 17 to 20, is that of the node that has the session. It is for load balancers, which can route by
//! the query parameter `sid` without a cookie; and by it a node forwards what came to it by mistake
//! ([`Forwarder`](crate::Forwarder)).

use std::str::FromStr;

use crate::keys::{Keys, MAC_TEXT};
use crate::tag::{TAG_LENGTH, Tag};

/// Characters of the library's ids: 12 random bytes as base64url.
const SID: usize = 16;

/// Characters before the MAC: what is signed.
const SIGNED: usize = SID + TAG_LENGTH;

const PURPOSE: &str = "sid";

/// Makes and reads the ids of one node.
#[derive(Debug, Clone)]
pub struct Sids {
    tag: Tag,
    keys: Keys,
}

/// An id of the library, taken out of one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid16([u8; SID]);

/// An id is not one of a session of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SidError {
    /// It does not look like an id.
    #[error("not a session id")]
    Malformed,
    /// It looks like one, but no node of this cluster has made it.
    #[error("a session id that was not given out")]
    Forged,
    /// Another node has the session. The id is genuine.
    #[error("a session of node {0}")]
    Foreign(Tag),
}

impl Sids {
    /// Ids of the node `tag`.
    #[must_use]
    pub fn new(tag: Tag, keys: Keys) -> Self {
        Self { tag, keys }
    }

    /// The id for the client whose session has the library's id `sid`. If that has not 16 characters, [`read`](Self::read)
    /// refuses what comes out.
    #[must_use]
    pub fn issue(&self, sid: &str) -> String {
        let mut token = String::with_capacity(SIGNED + MAC_TEXT);
        token.push_str(sid);
        token.push_str(self.tag.as_str());
        let mac = self.keys.sign_text(PURPOSE, token.as_bytes());
        token.push_str(&mac);
        token
    }

    /// The library's id in the id that a client sent.
    ///
    /// # Errors
    /// Says what is wrong with it. The MAC is checked before the tag: what is [`Foreign`](SidError::Foreign) was given
    /// out by a node of this cluster, so that nothing made up is ever forwarded.
    pub fn read(&self, token: &str) -> Result<Sid16, SidError> {
        let (signed, mac) = token.as_bytes().split_at_checked(SIGNED).ok_or(SidError::Malformed)?;
        let (sid, tag) = signed.split_first_chunk::<SID>().ok_or(SidError::Malformed)?;
        if mac.len() != MAC_TEXT || !sid.iter().chain(mac).all(is_base64url) {
            return Err(SidError::Malformed);
        }
        let tag: Tag =
            std::str::from_utf8(tag).ok().and_then(|tag| tag.parse().ok()).ok_or(SidError::Malformed)?;
        if !self.keys.verify_text(PURPOSE, signed, mac) {
            return Err(SidError::Forged);
        }
        if tag == self.tag { Ok(Sid16(*sid)) } else { Err(SidError::Foreign(tag)) }
    }
}

fn is_base64url(byte: &u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

impl FromStr for Sid16 {
    type Err = SidError;

    /// An id as the library gives it out.
    fn from_str(text: &str) -> Result<Self, SidError> {
        let id: [u8; SID] = text.as_bytes().try_into().map_err(|_| SidError::Malformed)?;
        if id.iter().all(is_base64url) { Ok(Self(id)) } else { Err(SidError::Malformed) }
    }
}

impl Sid16 {
    /// The 16 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only characters of base64url are let in")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "AAECAwQFBgcICQ_-";

    fn sids(tag: &str, keys: &Keys) -> Sids {
        Sids::new(tag.parse().unwrap(), keys.clone())
    }

    #[test]
    fn an_id_comes_back_to_its_node() {
        let sids = sids("no01", &Keys::random());
        let token = sids.issue(SID);
        assert_eq!(token.len(), 42);
        assert_eq!((&token[..16], &token[16..20]), (SID, "no01"));
        assert_eq!(sids.read(&token).unwrap().as_str(), SID);
    }

    #[test]
    fn the_id_of_another_node_says_whose_it_is() {
        let keys = Keys::random();
        let token = sids("no02", &keys).issue(SID);
        assert_eq!(sids("no01", &keys).read(&token), Err(SidError::Foreign("no02".parse().unwrap())));
    }

    #[test]
    fn an_id_with_any_character_changed_is_refused() {
        let sids = sids("no01", &Keys::random());
        let token = sids.issue(SID);
        for at in 0..token.len() {
            for other in ['a', 'Z', '0', '_'] {
                let mut forged = token.clone();
                forged.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
                if forged != token {
                    let expected = if (16..20).contains(&at) && (other == 'Z' || other == '_') {
                        SidError::Malformed
                    } else {
                        SidError::Forged
                    };
                    assert_eq!(sids.read(&forged), Err(expected), "{other} at {at}");
                }
            }
        }
    }

    #[test]
    fn nothing_made_up_is_taken_for_the_session_of_another_node() {
        let sids = sids("no01", &Keys::random());
        let stranger = self::sids("no02", &Keys::random()).issue(SID);
        assert_eq!(sids.read(&stranger), Err(SidError::Forged));
        // A genuine id, its tag exchanged.
        let moved = sids.issue(SID).replacen("no01", "no02", 1);
        assert_eq!(sids.read(&moved), Err(SidError::Forged));
    }

    #[test]
    fn the_same_bits_written_in_another_way_are_refused() {
        let sids = sids("no01", &Keys::random());
        let token = sids.issue(SID);
        // The last of 22 characters carries two bits; the other four must be zero.
        let last = token.chars().last().unwrap();
        let next = char::from(u8::try_from(last).unwrap() + 1);
        let other = format!("{}{next}", &token[..41]);
        assert_eq!(sids.read(&other), Err(SidError::Forged));
    }

    #[test]
    fn what_does_not_look_like_an_id_is_malformed() {
        let sids = sids("no01", &Keys::random());
        let token = sids.issue(SID);
        let malformed = [
            String::new(),
            SID.to_owned(),
            token[..41].to_owned(),
            format!("{token}A"),
            format!("{token}="),
            format!(" {}", &token[1..]),
            format!("é{}", &token[2..]),
            format!("{}é{}", &token[..15], &token[17..]),
            format!("{}é", &token[..40]),
            token.replacen("no01", "NO01", 1),
            sids.issue("short"),
            sids.issue("not base64url!!!"),
        ];
        for token in malformed {
            assert_eq!(sids.read(&token), Err(SidError::Malformed), "{token:?}");
        }
    }

    #[test]
    fn ids_of_before_a_rotation_are_still_read() {
        let keys = Keys::random();
        let sids = sids("no01", &keys);
        let before = sids.issue(SID);
        keys.add_primary([7; 32]).unwrap();
        assert_ne!(sids.issue(SID), before);
        assert_eq!(sids.read(&before).unwrap().as_str(), SID);
        assert_eq!(sids.read(&sids.issue(SID)).unwrap().as_str(), SID);
    }
}
