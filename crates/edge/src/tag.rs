//! The short name of a node.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// How many characters a tag has.
pub(crate) const TAG_LENGTH: usize = 4;

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The short name of a node in session ids: four of `a-z0-9`. No two nodes of a cluster may have the same.
///
/// ```
/// use roomcast_edge::Tag;
///
/// let tag: Tag = "no01".parse()?;
/// assert_eq!(tag.to_string(), "no01");
/// # Ok::<(), roomcast_edge::InvalidTag>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag([u8; TAG_LENGTH]);

/// The text is no [`Tag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node's tag has exactly four characters, each of them a-z or 0-9")]
pub struct InvalidTag;

impl Tag {
    /// The tag of the node with this name: the same on every machine and in every version. There are 36⁴ of them, so
    /// that among 100 nodes two have the same with a probability of 0.3 %; then one needs a tag of its own.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let hash = Sha256::digest(name.as_bytes());
        let mut rest = hash[..8].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let mut tag = [0; TAG_LENGTH];
        for digit in tag.iter_mut().rev() {
            // Below 36, whatever the width of `usize`.
            *digit = ALPHABET[(rest % 36) as usize];
            rest /= 36;
        }
        Self(tag)
    }

    /// The four characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a tag has only letters and digits of ASCII")
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let tag: [u8; TAG_LENGTH] = text.as_bytes().try_into().map_err(|_| InvalidTag)?;
        if tag.iter().all(|byte| ALPHABET.contains(byte)) { Ok(Self(tag)) } else { Err(InvalidTag) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_four_small_letters_or_digits() {
        for good in ["no01", "abcd", "0000", "zzzz"] {
            let tag: Tag = good.parse().unwrap();
            assert_eq!((tag.to_string().as_str(), tag.as_str()), (good, good));
        }
        for bad in ["", "abc", "abcde", "abcD", "ab-d", "ab_d", "ab d", "abé", "éé", "ab\n1"] {
            assert_eq!(bad.parse::<Tag>(), Err(InvalidTag), "{bad:?}");
        }
    }

    #[test]
    fn the_tag_of_a_name_never_changes() {
        // The first eight bytes of `printf %s node-1 | sha256sum`, modulo 36^4, in base 36.
        assert_eq!(Tag::of_name("node-1").as_str(), "3xai");
        assert_eq!(Tag::of_name("node-2").as_str(), "wkxi");
        assert_eq!(Tag::of_name("").as_str(), "33tg");
    }
}
