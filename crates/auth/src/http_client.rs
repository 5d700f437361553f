//! Asking a server that is known, without trusting it: no redirects, no proxies, bounded answers.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, Url, redirect};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::settings_error::{Errors, SettingsError};
use crate::stats::Fetch;

/// Idle connections that are kept.
const IDLE: usize = 16;

/// Why there is no answer that can be used. Never contains the URL, in which there may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// It did not come in time.
    #[error("no answer in time")]
    Timeout,
    /// The server could not be reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// The status is another one than expected. Redirects are not followed.
    #[error("the status is {0}")]
    Status(u16),
    /// The body is larger than allowed.
    #[error("the answer is larger than allowed")]
    TooLarge,
    /// The body is not what it should be.
    #[error("the answer is wrong: {0}")]
    Malformed(&'static str),
}

impl HttpError {
    pub(crate) const fn outcome(&self) -> Fetch {
        match self {
            Self::Timeout => Fetch::Timeout,
            Self::Unreachable(_) => Fetch::Unreachable,
            Self::Status(_) => Fetch::Status,
            Self::TooLarge => Fetch::TooLarge,
            Self::Malformed(_) => Fetch::Malformed,
        }
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        // The outer texts say only that something went wrong while sending.
        let error = error.without_url();
        let mut innermost: &dyn Error = &error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Unreachable(innermost.to_string())
    }
}

/// Checks a URL: `https`, or `http` to this machine, or to any if that is allowed.
pub(crate) fn url(text: &str, allow_http: bool) -> Result<Url, Vec<SettingsError>> {
    let refuse = |what| Err(vec![SettingsError::Url(what)]);
    let Ok(url) = Url::parse(text) else { return refuse("is not a URL") };
    let Some(host) = url.host_str() else { return refuse("has no host") };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must not have a user or a password in it");
    }
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if here || allow_http => Ok(url),
        "http" => {
            refuse("must begin with `https://`: who is on the way could be anybody (`allow_http` permits it)")
        }
        _ => refuse("must begin with `https://`"),
    }
}

/// A client for this URL, which trusts the system's certificates and these (PEM).
///
/// # Errors
/// Everything that is wrong with the certificates.
pub fn client(url: &Url, certificates: &[u8], timeout: Duration) -> Result<Client, Vec<SettingsError>> {
    let mut errors = Errors::default();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(certificates) {
        if !certificate.is_ok_and(|certificate| roots.add(certificate).is_ok()) {
            errors.0.push(SettingsError::Certificates(
                "`ca_certificates` has something in it that is no certificate",
            ));
            break;
        }
    }
    if roots.is_empty() && errors.0.is_empty() && !certificates.is_empty() {
        errors.0.push(SettingsError::Certificates("there is no certificate in `ca_certificates`"));
    }
    if url.scheme() == "https" {
        // Some of the system's may be odd; the others do.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() && errors.0.is_empty() {
            errors.0.push(SettingsError::Certificates(
                "the system has no certificates: give some (`ca_certificates`)",
            ));
        }
    }
    let tls = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for these versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .timeout(timeout)
        .pool_max_idle_per_host(IDLE)
        .user_agent(concat!("roomcast/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| errors.0.push(SettingsError::Client(error.to_string())))
        .ok();
    errors.give(client)
}

/// The body, if it is not larger than this.
///
/// # Errors
/// [`HttpError::TooLarge`], and what can happen on the way.
pub async fn body(mut response: Response, max: usize) -> Result<Bytes, HttpError> {
    if response.content_length().is_some_and(|length| length > max as u64) {
        return Err(HttpError::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > max {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_goes_to_this_machine_only() {
        for good in [
            "https://id.example/keys?x=1",
            "http://127.0.0.1:80/",
            "http://127.9.9.9/",
            "http://[::1]:8080/",
            "http://localhost/keys",
        ] {
            assert!(url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://10.0.0.1/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "localhost:80",
            "",
        ] {
            assert!(url(bad, false).is_err(), "{bad}");
        }
        assert!(url("http://id.example/", true).is_ok());
        assert!(url("ftp://id.example/", true).is_err());
        assert!(url("https://ann:hush@id.example/", true).is_err());
    }

    #[test]
    fn broken_certificates_are_told() {
        let to = url("https://id.example/", false).unwrap();
        for bad in [&b"nothing"[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let errors = client(&to, bad, Duration::from_secs(1)).unwrap_err();
            assert!(matches!(errors[..], [SettingsError::Certificates(_)]), "{errors:?}");
        }
    }
}
