//! TLS of our own, for nodes without a balancer in front that ends it. Certificates are short-lived, so the files can be
//! read again while the node runs: connections go on with what they have, new ones get the new certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig, version};

/// A certificate and its key, from two files in PEM form.
pub struct Tls {
    cert_file: PathBuf,
    key_file: PathBuf,
    config: ArcSwap<ServerConfig>,
}

/// Why the files cannot be used; each names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is not there, or may not be read.
    #[error("cannot read `{}`", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// The file has broken PEM in it.
    #[error("`{}` is not valid PEM", .0.display())]
    Malformed(PathBuf, #[source] pem::Error),
    /// The file has no certificate in it.
    #[error("no certificate in `{}`: expected `-----BEGIN CERTIFICATE-----`", .0.display())]
    NoCertificate(PathBuf),
    /// The file has no private key in it.
    #[error("no private key in `{}`: expected `-----BEGIN PRIVATE KEY-----` (not an encrypted one)", .0.display())]
    NoKey(PathBuf),
    /// The first certificate in the file cannot be read.
    #[error("the certificate in `{}` is invalid", .0.display())]
    InvalidCertificate(PathBuf, #[source] Error),
    /// The key in the file is of a kind that is not supported, or damaged.
    #[error("the private key in `{}` cannot be used", .0.display())]
    InvalidKey(PathBuf, #[source] Error),
    /// The two files do not belong together.
    #[error("the private key in `{}` is not of the first certificate in `{}`", key_file.display(), cert_file.display())]
    KeyMismatch {
        /// The file with the certificate.
        cert_file: PathBuf,
        /// The file with the key.
        key_file: PathBuf,
    },
}

impl Tls {
    /// Reads the certificate, followed by those that it was signed with, and its key.
    ///
    /// # Errors
    /// [`TlsError`] names the file that cannot be used.
    pub fn load(cert_file: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (cert_file, key_file) = (cert_file.into(), key_file.into());
        let config = ArcSwap::new(config(&cert_file, &key_file)?);
        Ok(Self { cert_file, key_file, config })
    }

    /// Reads the files again, for the handshakes to come.
    ///
    /// # Errors
    /// [`TlsError`] as for [`Tls::load`]; then the certificate stays what it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.config.store(config(&self.cert_file, &self.key_file)?);
        Ok(())
    }

    /// For one connection; the next may have another certificate.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        self.config.load_full().into()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cert_file, key_file) = (&self.cert_file, &self.key_file);
        f.debug_struct("Tls")
            .field("cert_file", cert_file)
            .field("key_file", key_file)
            .finish_non_exhaustive()
    }
}

fn config(cert_file: &Path, key_file: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = SingleCertAndKey::from(certified_key(cert_file, key_file)?);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .expect("the provider has cipher suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    // Websockets over HTTP/2 are not supported, so browsers must not choose it.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certified_key(cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(&read(cert_file)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Malformed(cert_file.into(), source))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(cert_file.into()));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key_file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(key_file.into()),
        source => TlsError::Malformed(key_file.into(), source),
    })?;
    CertifiedKey::from_der(certificates, key, &ring::default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::KeyMismatch { cert_file: cert_file.into(), key_file: key_file.into() }
        }
        source @ Error::InvalidCertificate(_) => TlsError::InvalidCertificate(cert_file.into(), source),
        source => TlsError::InvalidKey(key_file.into(), source),
    })
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|source| TlsError::Unreadable(file.into(), source))
}

#[cfg(test)]
mod tests;
