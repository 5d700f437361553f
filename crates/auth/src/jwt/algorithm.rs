//! The algorithms, and which keys they go with.

use std::fmt;
use std::str::FromStr;

use crate::settings_error::SettingsError;

macro_rules! algorithms {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal, $kind:expr, $of:ident;)+) => {
        /// How a token is signed (RFC 7518, section 3.1; RFC 8037, section 3.1). There is no `none`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Algorithm { $($(#[doc = $doc])+ $variant,)+ }

        impl Algorithm {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in tokens and settings. Letters' case matters.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// The kind of key that it goes with.
            pub(crate) const fn kind(self) -> Kind {
                match self { $(Self::$variant => $kind,)+ }
            }

            pub(super) const fn of_library(self) -> jsonwebtoken::Algorithm {
                match self { $(Self::$variant => jsonwebtoken::Algorithm::$of,)+ }
            }
        }
    };
}

algorithms! {
    /// HMAC with SHA-256.
    Hs256 = "HS256", Kind::Secret, HS256;
    /// HMAC with SHA-384.
    Hs384 = "HS384", Kind::Secret, HS384;
    /// HMAC with SHA-512.
    Hs512 = "HS512", Kind::Secret, HS512;
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256 = "RS256", Kind::Rsa, RS256;
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384 = "RS384", Kind::Rsa, RS384;
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512 = "RS512", Kind::Rsa, RS512;
    /// RSASSA-PSS with SHA-256.
    Ps256 = "PS256", Kind::Rsa, PS256;
    /// RSASSA-PSS with SHA-384.
    Ps384 = "PS384", Kind::Rsa, PS384;
    /// RSASSA-PSS with SHA-512.
    Ps512 = "PS512", Kind::Rsa, PS512;
    /// ECDSA on P-256 with SHA-256.
    Es256 = "ES256", Kind::P256, ES256;
    /// ECDSA on P-384 with SHA-384.
    Es384 = "ES384", Kind::P384, ES384;
    /// Ed25519.
    EdDsa = "EdDSA", Kind::Ed25519, EdDSA;
}

/// The kinds of keys. A key is of one kind, and goes with the algorithms of that kind only: nobody can make a secret of a
/// public key by saying `HS256` (RFC 8725, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    /// The least length of a secret, in bytes: that of the hash (RFC 7518, section 3.2).
    pub(super) const fn least_secret(self) -> usize {
        match self {
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = SettingsError;

    fn from_str(name: &str) -> Result<Self, SettingsError> {
        let found = Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name);
        found.ok_or_else(|| SettingsError::UnknownAlgorithm(name.into()))
    }
}
