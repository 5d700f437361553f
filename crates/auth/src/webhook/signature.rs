//! How the backend knows that it is we who ask.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// When a request was signed, in seconds since 1970. The backend refuses what is older than a few minutes, lest a request
/// that somebody has recorded be sent again.
pub const TIMESTAMP_HEADER: &str = "x-roomcast-timestamp";

/// `v1=` and HMAC-SHA256, in hexadecimal, of the timestamp, a dot, and the body as it was sent.
pub const SIGNATURE_HEADER: &str = "x-roomcast-signature";

pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
    }

    /// The values of both headers.
    pub(super) fn sign(&self, body: &[u8], now: SystemTime) -> [String; 2] {
        let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let mac = self.0.clone().chain_update(&timestamp).chain_update(".").chain_update(body);
        let mut signature = String::from("v1=");
        for byte in mac.finalize().into_bytes() {
            let _ = write!(signature, "{byte:02x}");
        }
        [timestamp, signature]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_signature_is_that_of_any_other_implementation() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac 'a secret of thirty-two bytes....'
        let signer = Signer::new(b"a secret of thirty-two bytes....");
        let [timestamp, signature] = signer.sign(b"{}", UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        assert_eq!(timestamp, "1700000000");
        assert_eq!(signature, "v1=bcf9b8ca42c4aca2aca34de15096bc55f8024413a680ba666ee9dca4747c8549");
    }
}
