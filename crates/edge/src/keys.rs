//! The secrets by which session ids and forwarded requests are authenticated.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How many secrets are accepted at the same time.
const MAX_SECRETS: usize = 4;

/// Least length of a secret, in bytes.
const MIN_SECRET: usize = 32;

/// Length of a MAC, in bytes: 128 bits of HMAC-SHA-256.
const MAC: usize = 16;

/// Bytes of a fingerprint: enough that two secrets of a cluster do not have the same.
const FINGERPRINT: usize = 6;

/// The length of a MAC as text.
pub(crate) const MAC_TEXT: usize = 22;

/// The secrets of a cluster. One signs, up to four are accepted; clones share them.
///
/// All nodes must have the same: the ids of one are checked by the others. To change a secret without losing sessions,
/// every node must accept the new one before any signs with it: it stands second in the configuration of all nodes
/// first, and is moved to the front after that.
#[derive(Clone)]
pub struct Keys {
    /// The first signs. Behind an `Arc`, so that nobody computes while holding the lock.
    accepted: Arc<RwLock<Arc<[Hmac<Sha256>]>>>,
}

/// The secrets cannot be used. Never repeats them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// There is none.
    #[error("no secret is given")]
    Missing,
    /// One is too short; they are counted from 1.
    #[error("secret number {0} has less than 32 bytes")]
    TooShort(usize),
    /// There are more than can be accepted.
    #[error("more than 4 secrets are given")]
    TooMany,
}

impl Keys {
    /// One secret that nobody else knows: for a node alone.
    ///
    /// # Panics
    /// When the operating system cannot give random bytes: nothing in a server could go on then.
    #[must_use]
    pub fn random() -> Self {
        let mut secret = [0; MIN_SECRET];
        getrandom::fill(&mut secret).expect("the operating system gives random bytes");
        Self::of([key(&secret)].into())
    }

    /// A secret to share with others, as a text.
    ///
    /// # Panics
    /// As [`random`](Self::random).
    #[must_use]
    pub fn random_text() -> String {
        let mut secret = [0; MIN_SECRET];
        getrandom::fill(&mut secret).expect("the operating system gives random bytes");
        URL_SAFE_NO_PAD.encode(secret)
    }

    /// The secrets of a configuration: the first signs, all are accepted.
    ///
    /// # Errors
    /// If there are none or more than four, or one has less than 32 bytes.
    pub fn from_texts(secrets: &[String]) -> Result<Self, KeysError> {
        match secrets.len() {
            0 => return Err(KeysError::Missing),
            1..=MAX_SECRETS => {}
            _ => return Err(KeysError::TooMany),
        }
        if let Some(short) = secrets.iter().position(|secret| secret.len() < MIN_SECRET) {
            return Err(KeysError::TooShort(short + 1));
        }
        Ok(Self::of(secrets.iter().map(|secret| key(secret.as_bytes())).collect()))
    }

    fn of(accepted: Arc<[Hmac<Sha256>]>) -> Self {
        Self { accepted: Arc::new(RwLock::new(accepted)) }
    }

    /// From now on `secret` signs. The former ones stay accepted, four in all; the oldest goes. A secret that is known
    /// already moves to the front.
    ///
    /// # Errors
    /// If it has less than 32 bytes.
    pub fn add_primary(&self, secret: impl AsRef<[u8]>) -> Result<(), KeysError> {
        let secret = secret.as_ref();
        if secret.len() < MIN_SECRET {
            return Err(KeysError::TooShort(1));
        }
        let new = key(secret);
        let same = mac(&new, "same", b"");
        let mut accepted = self.accepted.write().unwrap_or_else(PoisonError::into_inner);
        let former = accepted.iter().filter(|key| !is_of(key, "same", b"", &same)).cloned();
        *accepted = std::iter::once(new).chain(former).take(MAX_SECRETS).collect();
        Ok(())
    }

    /// Forgets the secrets that do not sign.
    pub fn forget_former(&self) {
        let mut accepted = self.accepted.write().unwrap_or_else(PoisonError::into_inner);
        *accepted = accepted.iter().take(1).cloned().collect();
    }

    /// A short text for each accepted secret, by which nodes find out whether they have one in common. It does not tell
    /// the secret, if that is no guessable one.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        let short = |key| URL_SAFE_NO_PAD.encode(&mac(key, "fingerprint", b"")[..FINGERPRINT]);
        self.accepted().iter().map(short).collect()
    }

    /// The MAC of `message`. What is signed for one purpose is not accepted for another.
    #[must_use]
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; MAC] {
        mac(&self.accepted()[0], purpose, message)
    }

    /// Whether `mac` was made by [`sign`](Self::sign) with one of the accepted secrets. Takes the same time for every
    /// wrong one.
    #[must_use]
    pub fn verify(&self, purpose: &str, message: &[u8], mac: &[u8]) -> bool {
        // All secrets are tried, lest the time tell which one it was.
        self.accepted().iter().fold(false, |valid, key| is_of(key, purpose, message, mac) | valid)
    }

    /// [`sign`](Self::sign), as base64url.
    pub(crate) fn sign_text(&self, purpose: &str, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.sign(purpose, message))
    }

    /// [`verify`](Self::verify), of base64url.
    pub(crate) fn verify_text(&self, purpose: &str, message: &[u8], text: &[u8]) -> bool {
        URL_SAFE_NO_PAD.decode(text).is_ok_and(|mac| self.verify(purpose, message, &mac))
    }

    fn accepted(&self) -> Arc<[Hmac<Sha256>]> {
        Arc::clone(&self.accepted.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("accepted", &self.accepted().len()).finish()
    }
}

fn key(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn keyed(key: &Hmac<Sha256>, purpose: &str, message: &[u8]) -> Hmac<Sha256> {
    // With its length in front, no purpose can run into the message.
    key.clone().chain_update((purpose.len() as u64).to_be_bytes()).chain_update(purpose).chain_update(message)
}

fn mac(key: &Hmac<Sha256>, purpose: &str, message: &[u8]) -> [u8; MAC] {
    let full = keyed(key, purpose, message).finalize().into_bytes();
    std::array::from_fn(|at| full[at])
}

fn is_of(key: &Hmac<Sha256>, purpose: &str, message: &[u8], mac: &[u8]) -> bool {
    // The library would accept a shorter piece as well.
    mac.len() == MAC && keyed(key, purpose, message).verify_truncated_left(mac).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(letter: char) -> String {
        std::iter::repeat_n(letter, MIN_SECRET).collect()
    }

    fn keys(letters: &str) -> Keys {
        Keys::from_texts(&letters.chars().map(secret).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_was_signed_is_accepted_and_nothing_else() {
        let keys = keys("a");
        let mac = keys.sign("sid", b"message");
        assert!(keys.verify("sid", b"message", &mac));
        assert!(!keys.verify("sid", b"messagf", &mac));
        assert!(!keys.verify("sid", b"message", &mac[..15]), "a piece of a MAC was accepted");
        assert!(!keys.verify("sid", b"message", &[]));
        assert!(!keys.verify("sid", b"message", &[&mac[..], b"\0"].concat()));
        for at in 0..MAC {
            let mut other = mac;
            other[at] ^= 1;
            assert!(!keys.verify("sid", b"message", &other), "byte {at}");
        }
        assert!(!self::keys("b").verify("sid", b"message", &mac));
    }

    #[test]
    fn the_mac_is_that_of_any_other_implementation() {
        // hmac.new(b"a" * 32, (3).to_bytes(8, "big") + b"sid" + b"message", "sha256").digest()[:16]
        assert_eq!(keys("a").sign_text("sid", b"message"), "0O1PdAP3rpjjJHT8AZ4d2g");
    }

    #[test]
    fn purposes_are_kept_apart() {
        let keys = keys("a");
        let mac = keys.sign("sid", b"message");
        assert!(!keys.verify("forward", b"message", &mac));
        assert!(!keys.verify("si", b"dmessage", &mac));
        assert!(!keys.verify("sidm", b"essage", &mac));
    }

    #[test]
    fn the_first_signs_and_all_are_accepted() {
        let (old, new, both) = (keys("a"), keys("b"), keys("ba"));
        assert_eq!(both.sign("sid", b"x"), new.sign("sid", b"x"));
        assert!(both.verify("sid", b"x", &old.sign("sid", b"x")));
        assert!(both.verify("sid", b"x", &new.sign("sid", b"x")));
        assert!(!old.verify("sid", b"x", &both.sign("sid", b"x")));
    }

    #[test]
    fn a_new_secret_signs_at_once_for_all_clones_and_the_oldest_goes() {
        let keys = keys("a");
        let clone = keys.clone();
        for letter in ['b', 'c', 'd'] {
            clone.add_primary(secret(letter)).unwrap();
        }
        assert_eq!(keys.sign("sid", b"x"), self::keys("d").sign("sid", b"x"));
        assert!(keys.verify("sid", b"x", &self::keys("a").sign("sid", b"x")));
        clone.add_primary(secret('e')).unwrap();
        assert!(!keys.verify("sid", b"x", &self::keys("a").sign("sid", b"x")));
        assert!(keys.verify("sid", b"x", &self::keys("b").sign("sid", b"x")));
    }

    #[test]
    fn a_secret_that_is_known_already_pushes_none_out() {
        let keys = keys("abcd");
        for _ in 0..5 {
            keys.add_primary(secret('c')).unwrap();
        }
        assert_eq!(keys.sign("sid", b"x"), self::keys("c").sign("sid", b"x"));
        for letter in ["a", "b", "c", "d"] {
            assert!(keys.verify("sid", b"x", &self::keys(letter).sign("sid", b"x")), "{letter}");
        }
    }

    #[test]
    fn fingerprints_tell_which_secrets_are_the_same_and_nothing_more() {
        let (ab, bc) = (keys("ab").fingerprints(), keys("bc").fingerprints());
        assert_eq!((ab.len(), bc.len()), (2, 2));
        assert_eq!(ab[1], bc[0]);
        assert!(ab[0] != bc[0] && ab[0] != bc[1]);
        assert!(ab.iter().all(|text| text.len() == 8), "{ab:?}");
        // No beginning of what is signed for another purpose.
        assert!(!keys("a").sign_text("sid", b"").starts_with(&ab[0]));
    }

    #[test]
    fn former_secrets_can_be_forgotten() {
        let keys = keys("ab");
        keys.forget_former();
        assert_eq!(keys.sign("sid", b"x"), self::keys("a").sign("sid", b"x"));
        assert!(keys.verify("sid", b"x", &self::keys("a").sign("sid", b"x")));
        assert!(!keys.verify("sid", b"x", &self::keys("b").sign("sid", b"x")));
    }

    #[test]
    fn bad_secrets_are_refused_without_being_repeated() {
        let short = "hush, a secret".to_owned();
        let error = Keys::from_texts(&[secret('a'), short.clone()]).unwrap_err();
        assert_eq!(error, KeysError::TooShort(2));
        assert!(!format!("{error} {error:?}").contains("hush"), "{error} {error:?}");
        assert_eq!(keys("a").add_primary(&short).unwrap_err(), KeysError::TooShort(1));
        assert_eq!(Keys::from_texts(&[]).unwrap_err(), KeysError::Missing);
        assert_eq!(Keys::from_texts(&vec![secret('a'); 5]).unwrap_err(), KeysError::TooMany);
    }

    #[test]
    fn debug_output_tells_no_secret() {
        assert_eq!(format!("{:?}", keys("ab")), "Keys { accepted: 2 }");
    }

    #[test]
    fn random_secrets_differ() {
        assert_ne!(Keys::random().sign("sid", b"x"), Keys::random().sign("sid", b"x"));
    }
}
