//! Keys over TLS: only from who has a certificate that is trusted.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;

use common::{ann, identify, jwk, sign, until};
use roomcast_auth::{Algorithm, Fetch, JwksSettings, JwtSettings, JwtVerifier, KeySource, Verifier};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

#[tokio::test]
async fn only_trusted_servers_are_believed() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let body = json!({"keys": [jwk("rsa", None)]}).to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let with = |certificates: &str| {
        let mut jwks = JwksSettings::of(format!("https://localhost:{port}/"));
        jwks.ca_certificates = certificates.into();
        let settings = JwtSettings::of(KeySource::Jwks(jwks));
        JwtVerifier::new(JwtSettings { algorithms: vec![Algorithm::Rs256], ..settings }).unwrap()
    };
    let token = sign("RS256", "rsa", None, &ann());

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let wary = with(&other.cert.pem());
    assert_eq!(identify(&wary, &token).await.unwrap_err().code().as_str(), "identity_unavailable");
    assert!(wary.stats().snapshot().fetches(Fetch::Unreachable) >= 1);

    let trusting = with(&own.cert.pem());
    until(|| identify(&trusting, &token), Result::is_ok).await.unwrap();
}
