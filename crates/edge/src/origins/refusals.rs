//! Origins that were refused before: the operator should see each of them once, since the cure is a line in the
//! configuration, and not a line of the log for each try of a page that never gives up.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;

/// Origins that are remembered; after them none is news.
const MAX_SEEN: usize = 256;

/// Remembers which origins were refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    hasher: RandomState,
    /// Hashes, since a client chooses the length of its origin.
    seen: Mutex<HashSet<u64>>,
}

impl Refusals {
    /// Whether this origin is refused for the first time. `false` for all new ones once there were very many.
    pub(crate) fn first_time(&self, origin: &HeaderValue) -> bool {
        let hash = self.hasher.hash_one(origin.as_bytes());
        // Nothing panics while the lock is held.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.len() < MAX_SEEN && seen.insert(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(name: &str) -> HeaderValue {
        HeaderValue::try_from(format!("https://{name}.example.com")).unwrap()
    }

    #[test]
    fn each_origin_is_news_once() {
        let refusals = Refusals::default();
        assert!(refusals.first_time(&origin("a")));
        assert!(refusals.first_time(&origin("b")));
        assert!(!refusals.first_time(&origin("a")));
    }

    #[test]
    fn a_flood_of_origins_is_no_news_and_takes_no_memory() {
        let refusals = Refusals::default();
        let news = (0..10_000).filter(|n| refusals.first_time(&origin(&n.to_string()))).count();
        assert_eq!((news, refusals.seen.lock().unwrap().len()), (MAX_SEEN, MAX_SEEN));
    }
}
