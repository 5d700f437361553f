//! As much DER as it takes to read a public key (RFC 5280, section 4.1.2.7).

/// The content of a public key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spki<'a> {
    /// RSA (RFC 8017, appendix A.1.1): modulus and exponent, maybe with zeros in front.
    Rsa { n: &'a [u8], e: &'a [u8] },
    /// A point on P-256 (RFC 5480, section 2.2), uncompressed.
    P256(&'a [u8]),
    /// A point on P-384, uncompressed.
    P384(&'a [u8]),
    /// Ed25519 (RFC 8410, section 4).
    Ed25519(&'a [u8]),
}

// What stands in `AlgorithmIdentifier`: object identifier and parameters.
const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];
const P256: &[u8] =
    &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 5, 0x2b, 0x81, 4, 0, 0x22];
const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// Reads a `SubjectPublicKeyInfo`; `None` if it is none, or of a kind that is not known.
pub(crate) fn spki(der: &[u8]) -> Option<Spki<'_>> {
    let mut outer = Reader(der);
    let mut spki = Reader(outer.next(SEQUENCE)?);
    let algorithm = spki.next(SEQUENCE)?;
    // The first byte counts the bits that are not used: always none.
    let (0, key) = spki.next(BIT_STRING)?.split_first()? else { return None };
    if !outer.0.is_empty() || !spki.0.is_empty() {
        return None;
    }
    match algorithm {
        RSA => {
            let mut outer = Reader(key);
            let mut pair = Reader(outer.next(SEQUENCE)?);
            let (n, e) = (pair.next(INTEGER)?, pair.next(INTEGER)?);
            (outer.0.is_empty() && pair.0.is_empty()).then_some(Spki::Rsa { n, e })
        }
        P256 => Some(Spki::P256(key)),
        P384 => Some(Spki::P384(key)),
        ED25519 => Some(Spki::Ed25519(key)),
        _ => None,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element, which must have this tag.
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
            0x82 => rest
                .split_first_chunk()
                .map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?,
            // No key that is accepted has 64 KiB.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::SubjectPublicKeyInfoDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn der(pem: &[u8]) -> Vec<u8> {
        SubjectPublicKeyInfoDer::from_pem_slice(pem).unwrap().to_vec()
    }

    #[test]
    fn keys_of_openssl_are_read() {
        let rsa = der(include_bytes!("../tests/keys/rsa.public.pem"));
        assert!(matches!(spki(&rsa), Some(Spki::Rsa { n, e: [1, 0, 1] }) if n.len() == 257));
        let p256 = der(include_bytes!("../tests/keys/p256.public.pem"));
        assert!(matches!(spki(&p256), Some(Spki::P256([4, point @ ..])) if point.len() == 64));
        let p384 = der(include_bytes!("../tests/keys/p384.public.pem"));
        assert!(matches!(spki(&p384), Some(Spki::P384([4, point @ ..])) if point.len() == 96));
        let ed25519 = der(include_bytes!("../tests/keys/ed25519.public.pem"));
        assert!(matches!(spki(&ed25519), Some(Spki::Ed25519(key)) if key.len() == 32));
    }

    #[test]
    fn other_curves_are_not_taken_for_those_of_the_same_size() {
        assert_eq!(spki(&der(include_bytes!("../tests/keys/k256.public.pem"))), None);
        assert_eq!(spki(&der(include_bytes!("../tests/keys/p521.public.pem"))), None);
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_refused() {
        let key = der(include_bytes!("../tests/keys/rsa.public.pem"));
        for end in 0..key.len() {
            assert_eq!(spki(&key[..end]), None, "{end}");
        }
        assert_eq!(spki(&[&key[..], b"\0"].concat()), None);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let key = der(include_bytes!("../tests/keys/rsa.public.pem"));
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..100_000 {
            let mut key = key.clone();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..40);
                key[at] = random.u8(..);
            }
            spki(&key);
        }
    }
}
