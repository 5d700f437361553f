//! What a node tells the others of itself, in its entry of the registry: `<tag>@<host:port>#<keys>`.

use std::fmt;
use std::net::SocketAddr;

use roomcast_edge::{Keys, Tag};

use crate::config::Settings;

/// Stands for the key that the nodes agree on through Redis. No fingerprint looks like it.
const AGREED: &str = "redis";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advert {
    pub(super) tag: Tag,
    /// Where its internal listener is reached; empty if nowhere.
    pub(super) place: String,
    /// Fingerprints of the keys that it accepts, or that they are agreed on.
    keys: Vec<String>,
}

impl Advert {
    pub(crate) fn new(settings: &Settings, tag: Tag, keys: &Keys) -> Self {
        let internal = &settings.internal;
        // Other machines do not reach a loopback address, and who runs several nodes on one says so.
        let fixed = |listen: &SocketAddr| {
            !listen.ip().is_unspecified() && !listen.ip().is_loopback() && listen.port() != 0
        };
        let place = if internal.advertise.is_empty() {
            internal.listen.parse().ok().filter(fixed).map(|listen| listen.to_string()).unwrap_or_default()
        } else {
            internal.advertise.clone()
        };
        let keys = if settings.server.session_keys.is_empty() {
            vec![AGREED.to_owned()]
        } else {
            keys.fingerprints()
        };
        Self { tag, place, keys }
    }

    /// What another node told; `None` if it is no node of this kind.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (tag, rest) = text.split_once('@')?;
        let (place, keys) = rest.rsplit_once('#')?;
        let keys = keys.split(',').map(str::to_owned).collect();
        Some(Self { tag: tag.parse().ok()?, place: place.to_owned(), keys })
    }

    pub(crate) fn is_reachable(&self) -> bool {
        !self.place.is_empty()
    }

    /// Whether what each of the two signs can be checked by the other. The first key signs.
    pub(super) fn understands(&self, other: &Self) -> bool {
        let knows = |one: &Self, key: Option<&String>| key.is_some_and(|key| one.keys.contains(key));
        knows(other, self.keys.first()) && knows(self, other.keys.first())
    }

    /// The setting that its keys come from.
    pub(super) fn setting(&self) -> &'static str {
        if self.keys.iter().any(|key| key == AGREED) { "redis.url" } else { "server.session_keys" }
    }
}

impl fmt::Display for Advert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.tag, self.place, self.keys.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advert(keys: &[char]) -> Advert {
        let mut settings = Settings::default();
        settings.internal.advertise = "gateway-1:3100".into();
        settings.server.session_keys =
            keys.iter().map(|letter| std::iter::repeat_n(*letter, 32).collect()).collect();
        let texts = &settings.server.session_keys;
        let keys = if texts.is_empty() { Keys::random() } else { Keys::from_texts(texts).unwrap() };
        Advert::new(&settings, "n001".parse().unwrap(), &keys)
    }

    #[test]
    fn what_is_told_is_read() {
        for told in [advert(&[]), advert(&['a']), advert(&['a', 'b'])] {
            assert_eq!(Advert::read(&told.to_string()), Some(told));
        }
        assert_eq!(advert(&[]).to_string(), "n001@gateway-1:3100#redis");
        for junk in ["", "n001", "n001@x:1", "n0@x:1#redis", "@x:1#redis"] {
            assert_eq!(Advert::read(junk), None, "{junk}");
        }
    }

    #[test]
    fn no_key_is_told() {
        assert!(!advert(&['a']).to_string().contains("aaaa"));
    }

    #[test]
    fn nodes_find_out_whether_each_accepts_what_the_other_signs() {
        let (agreed, a, ab) = (advert(&[]), advert(&['a']), advert(&['a', 'b']));
        let (ba, bc, c) = (advert(&['b', 'a']), advert(&['b', 'c']), advert(&['c']));
        assert!(agreed.understands(&advert(&[])));
        // A new key is first added behind the old one everywhere, and then put in front.
        assert!(a.understands(&ab) && ab.understands(&a) && ab.understands(&ba) && ba.understands(&ab));
        assert!(!ba.understands(&a) && !a.understands(&ba), "too early: nobody else has the new key");
        assert!(!ab.understands(&bc) && !bc.understands(&ab) && !bc.understands(&c));
        assert!(!ab.understands(&agreed) && !agreed.understands(&ab));
        assert_eq!((agreed.setting(), ab.setting()), ("redis.url", "server.session_keys"));
    }

    #[test]
    fn a_listener_that_others_cannot_reach_is_not_told() {
        let place = |listen: &str| {
            let mut settings = Settings::default();
            settings.internal.listen = listen.into();
            Advert::new(&settings, "n001".parse().unwrap(), &Keys::random()).place
        };
        assert_eq!(place("10.0.0.5:3100"), "10.0.0.5:3100");
        for nowhere in ["0.0.0.0:3100", "[::]:3100", "127.0.0.1:3100", "10.0.0.5:0", ""] {
            assert_eq!(place(nowhere), "", "{nowhere}");
        }
    }
}
