//! Identifiers on the bus.

/// Letters of an id: those of the packages `uid2` and `base64id`, which Node's servers use.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A random id of `N` characters. Node uses 6 for an adapter's uid and for request ids.
///
/// # Panics
/// When the operating system cannot give random bytes: nothing in a server could go on then.
#[must_use]
pub fn random<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_long_enough_and_differ() {
        let (a, b) = (super::random::<6>(), super::random::<6>());
        assert_eq!(a.len(), 6);
        assert_ne!(a, b);
    }
}
