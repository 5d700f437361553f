//! Refusals of a moment ago: clients that are refused come back at once, often many times.

use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::Cache;
use sha2::Sha256;

/// A keyed hash of a request: what clients send is not kept, and nobody can make two requests that have the same.
pub(super) type Key = [u8; 32];

pub(super) struct Refusals {
    hash: Hmac<Sha256>,
    cache: Cache<Key, (Instant, Option<String>)>,
    ttl: Duration,
}

impl Refusals {
    pub(super) fn new(most: usize, ttl: Duration) -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("the operating system gives random bytes");
        let hash = Hmac::new_from_slice(&secret).expect("HMAC takes keys of any length");
        Self { hash, cache: Cache::new(most), ttl }
    }

    pub(super) fn key(&self, body: &[u8]) -> Key {
        self.hash.clone().chain_update(body).finalize().into_bytes().into()
    }

    /// The message of the refusal, if there was one.
    pub(super) fn get(&self, key: &Key) -> Option<Option<String>> {
        let (at, message) = self.cache.get(key)?;
        if at.elapsed() < self.ttl {
            return Some(message);
        }
        self.cache.remove(key);
        None
    }

    pub(super) fn put(&self, key: Key, message: Option<String>) {
        if !self.ttl.is_zero() {
            self.cache.insert(key, (Instant::now(), message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_bounded_and_of_one_request() {
        let refusals = Refusals::new(100, Duration::from_secs(60));
        for number in 0..1000 {
            refusals.put(refusals.key(format!("{number}").as_bytes()), Some("no".into()));
        }
        assert!(refusals.cache.len() <= 100, "{}", refusals.cache.len());
        let key = refusals.key(b"new");
        assert_eq!(refusals.get(&key), None);
        refusals.put(key, None);
        assert_eq!(refusals.get(&key), Some(None));
        assert_ne!(key, Refusals::new(1, Duration::ZERO).key(b"new"), "every process has its own hash");
    }

    #[test]
    fn refusals_are_forgotten() {
        for ttl in [Duration::ZERO, Duration::from_nanos(1)] {
            let refusals = Refusals::new(100, ttl);
            let key = refusals.key(b"x");
            refusals.put(key, None);
            assert_eq!(refusals.get(&key), None);
            assert_eq!(refusals.cache.len(), 0);
        }
    }
}
