//! Handshakes over real connections, with certificates made on the spot.

use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{CertifiedKey as Made, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::{TlsConnector, client, server};

use super::*;

/// A folder with a certificate and its key; removed at the end.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("roomcast-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn cert(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    fn write(&self, cert: &str, key: &str) {
        fs::write(self.cert(), cert).unwrap();
        fs::write(self.key(), key).unwrap();
    }

    fn load(&self) -> Result<Tls, TlsError> {
        Tls::load(self.cert(), self.key())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn make() -> (Made<KeyPair>, String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    (made, cert, key)
}

type Pair = (client::TlsStream<TcpStream>, server::TlsStream<TcpStream>);

/// A connection to somebody who has these certificates for roots: both ends after the handshake.
async fn handshake(
    tls: &Tls,
    roots: &[&Made<KeyPair>],
    alpn: &[&[u8]],
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<Pair> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.cert.der().clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let connector = TlsConnector::from(Arc::new(config));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = async { tls.acceptor().accept(listener.accept().await?.0).await };
    let client = async {
        let stream = TcpStream::connect(address).await?;
        connector.connect("localhost".try_into().unwrap(), stream).await
    };
    let (server, client) = tokio::join!(server, client);
    Ok((client?, server?))
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// That bytes go both ways.
async fn assert_works((client, server): &mut Pair) {
    let mut bytes = [0; 4];
    client.write_all(b"ping").await.unwrap();
    server.read_exact(&mut bytes).await.unwrap();
    server.write_all(&bytes).await.unwrap();
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
}

fn presented(pair: &Pair) -> CertificateDer<'static> {
    pair.0.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn a_client_connects_over_each_version_and_gets_http_1() {
    let files = Files::new();
    let (made, cert, key) = make();
    files.write(&cert, &key);
    let tls = files.load().unwrap();
    for (offered, expected) in [
        (BOTH, ProtocolVersion::TLSv1_3),
        (&[&version::TLS13], ProtocolVersion::TLSv1_3),
        (&[&version::TLS12], ProtocolVersion::TLSv1_2),
    ] {
        let mut pair = handshake(&tls, &[&made], &[b"h2", b"http/1.1"], offered).await.unwrap();
        assert_works(&mut pair).await;
        let state = pair.1.get_ref().1;
        assert_eq!(
            (state.protocol_version(), state.alpn_protocol()),
            (Some(expected), Some(&b"http/1.1"[..]))
        );
    }
    // Who does not care gets no answer about it, who wants only HTTP/2 no connection.
    let pair = handshake(&tls, &[&made], &[], BOTH).await.unwrap();
    assert_eq!(pair.1.get_ref().1.alpn_protocol(), None);
    assert!(handshake(&tls, &[&made], &[b"h2"], BOTH).await.is_err());
}

#[tokio::test]
async fn a_reload_is_seen_by_the_next_handshake_only() {
    let files = Files::new();
    let (old, cert, key) = make();
    files.write(&cert, &key);
    let tls = files.load().unwrap();
    let (new, cert, key) = make();
    let both = [&old, &new];
    let mut before = handshake(&tls, &both, &[], BOTH).await.unwrap();

    files.write(&cert, &key);
    let unread = handshake(&tls, &both, &[], BOTH).await.unwrap();
    assert_eq!(presented(&unread), *old.cert.der(), "the files were read without being asked to");

    tls.reload().unwrap();
    let mut after = handshake(&tls, &both, &[], BOTH).await.unwrap();
    assert_eq!(presented(&after), *new.cert.der());
    assert_works(&mut after).await;
    assert_eq!(presented(&before), *old.cert.der());
    assert_works(&mut before).await;
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let files = Files::new();
    let (old, cert, key) = make();
    files.write(&cert, &key);
    let tls = files.load().unwrap();
    // Half of a renewal: the key is still the old one.
    files.write(&make().1, &key);
    assert!(matches!(tls.reload(), Err(TlsError::KeyMismatch { .. })));
    fs::remove_file(files.key()).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Unreadable(..))));
    let mut pair = handshake(&tls, &[&old], &[], BOTH).await.unwrap();
    assert_works(&mut pair).await;
}

/// What is said of these files: the error's text, with the names of the files cut short.
fn mistake(cert: &str, key: &str) -> String {
    let files = Files::new();
    files.write(cert, key);
    let folder = format!("{}/", files.0.display());
    files.load().unwrap_err().to_string().replace(&folder, "")
}

#[test]
fn each_mistake_names_the_file_and_what_is_wrong() {
    let (_, cert, key) = make();
    let (_, other, _) = make();
    let damaged = |kind: &str| format!("-----BEGIN {kind}-----\naGVsbG8=\n-----END {kind}-----\n");
    let cut = |pem: &str| pem[..pem.len() / 2].to_owned();
    for (cert, key, expected) in [
        ("", key.as_str(), "no certificate in `cert.pem`"),
        (&key, &key, "no certificate in `cert.pem`"),
        (&cert, "", "no private key in `key.pem`"),
        (&cert, &cert, "no private key in `key.pem`"),
        (&cert, &damaged("ENCRYPTED PRIVATE KEY"), "no private key in `key.pem`"),
        (&cut(&cert), &key, "`cert.pem` is not valid PEM"),
        (&cert, &cut(&key), "`key.pem` is not valid PEM"),
        (&damaged("CERTIFICATE"), &key, "the certificate in `cert.pem` is invalid"),
        (&cert, &damaged("PRIVATE KEY"), "the private key in `key.pem` cannot be used"),
        (&other, &key, "the private key in `key.pem` is not of the first certificate in `cert.pem`"),
    ] {
        let said = mistake(cert, key);
        assert!(said.starts_with(expected), "{said} instead of {expected}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let files = Files::new();
    let (_, cert, _) = make();
    fs::write(files.cert(), cert).unwrap();
    let error = files.load().unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read `{}`", files.key().display()));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_chain_and_its_key_may_be_in_one_file() {
    let files = Files::new();
    let (_, cert, key) = make();
    let all = [make().1, cert, key].concat();
    // The first certificate is the one that counts.
    files.write(&all, &all);
    assert!(matches!(files.load(), Err(TlsError::KeyMismatch { .. })));
    let (_, cert, key) = make();
    let all = [cert, make().1, key].concat();
    files.write(&all, &all);
    files.load().unwrap();
}

#[test]
fn debug_shows_the_files_and_not_the_key() {
    let files = Files::new();
    let (_, cert, key) = make();
    files.write(&cert, &key);
    let shown = format!("{:?}", files.load().unwrap());
    assert!(shown.starts_with("Tls { cert_file: ") && shown.ends_with("key.pem\", .. }"), "{shown}");
}
