//! The accept loop's limits, seen from outside.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use roomcast_codes::Code;
use roomcast_edge::{Server, ServerSettings, Stats, Tls, TrustedProxies};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn serve(settings: ServerSettings) -> (std::net::SocketAddr, Stats) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    let (address, stats) = (server.local_addr().unwrap(), server.stats());
    let app = Router::new().route("/", get(|| async { "hello" }));
    tokio::spawn(server.serve(app, std::future::pending()));
    (address, stats)
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let settings = ServerSettings { max_connections: 1, ..ServerSettings::default() };
    let (address, stats) = serve(settings);

    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    first.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answer = read_all(&mut second).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 5"), "{answer}");
    assert!(answer.contains("\"code\":\"server_full\""), "{answer}");
    assert_eq!((stats.snapshot().open, stats.snapshot().refused(Code::ServerFull)), (1, 1));

    // The place is free again when the first has gone.
    drop(first);
    let comes_in = async {
        loop {
            let mut third = TcpStream::connect(address).await.unwrap();
            third.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
            if read_all(&mut third).await.starts_with("HTTP/1.1 200 ") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), comes_in).await.unwrap();
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let settings = ServerSettings { header_timeout: Duration::from_millis(100), ..ServerSettings::default() };
    let (address, _) = serve(settings);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut [0; 64])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "the connection was left open: {ended:?}");
}

#[tokio::test]
async fn a_taken_port_says_so() {
    let (address, _) = serve(ServerSettings::default());
    let error = Server::bind(address, ServerSettings::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
    assert!(std::error::Error::source(&error).is_some());
}

async fn ask(address: std::net::SocketAddr, before: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{before}GET / HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    (stream, String::from_utf8_lossy(&head[9..]).into_owned())
}

#[tokio::test]
async fn an_address_has_no_more_connections_than_it_may() {
    let settings = ServerSettings { max_connections_per_address: 1, ..ServerSettings::default() };
    let (address, stats) = serve(settings);
    let (_held, status) = ask(address, "").await;
    assert_eq!(status, "200");
    let (mut second, status) = ask(address, "").await;
    assert_eq!(status, "429");
    let answer = read_all(&mut second).await;
    assert!(answer.contains("retry-after: 5") && answer.contains("\"code\":\"address_full\""), "{answer}");
    assert_eq!(stats.snapshot().refused(Code::AddressFull), 1);
}

#[tokio::test]
async fn clients_behind_a_proxy_are_told_apart_by_its_header() {
    let proxies = TrustedProxies::parse(&["127.0.0.1".to_owned()]).unwrap();
    let settings = ServerSettings {
        max_connections_per_address: 1,
        trusted_proxies: proxies,
        proxy_protocol: true,
        ..ServerSettings::default()
    };
    // Of both families: the proxy's address is then one of the newer.
    let server = Server::bind("[::]:0".parse().unwrap(), settings).unwrap();
    let port = server.local_addr().unwrap().port();
    let app = Router::new().route(
        "/",
        get(|ConnectInfo(client): ConnectInfo<std::net::SocketAddr>| async move { client.ip().to_string() }),
    );
    tokio::spawn(server.serve(app, std::future::pending()));
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let of = |client: &str| format!("PROXY TCP4 {client} 10.0.0.1 4000 80\r\n");

    let (mut ann, status) = ask(address, &of("192.0.2.1")).await;
    assert_eq!(status, "200");
    let mut rest = vec![0; 1000];
    let read = ann.read(&mut rest).await.unwrap();
    assert!(String::from_utf8_lossy(&rest[..read]).ends_with("192.0.2.1"));
    assert_eq!(ask(address, &of("192.0.2.1")).await.1, "429");
    assert_eq!(ask(address, &of("192.0.2.2")).await.1, "200");
}

#[tokio::test]
async fn a_full_node_tells_it_through_a_proxy() {
    let settings = ServerSettings {
        max_connections: 1,
        trusted_proxies: TrustedProxies::parse(&["127.0.0.1".to_owned()]).unwrap(),
        proxy_protocol: true,
        ..ServerSettings::default()
    };
    let (address, _) = serve(settings);
    let header = "PROXY TCP4 192.0.2.1 10.0.0.1 4000 80\r\n";
    let (_held, status) = ask(address, header).await;
    assert_eq!(status, "200");
    assert_eq!(ask(address, header).await.1, "503");
}

/// Waits until so many were refused for this reason.
async fn refused(stats: &Stats, code: Code, count: u64) {
    let counted = async {
        while stats.snapshot().refused(code) != count {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), counted).await;
    assert!(in_time.is_ok(), "{code}: {}", stats.snapshot().refused(code));
}

/// Asks again and again until this is the status.
async fn ask_until(address: std::net::SocketAddr, before: &str, wanted: &str) -> TcpStream {
    let asking = async {
        loop {
            let (stream, status) = ask(address, before).await;
            if status == wanted {
                return stream;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap()
}

#[tokio::test]
async fn an_address_that_connects_too_often_is_told_when_to_come_back() {
    let settings = ServerSettings { max_connections_per_second_per_address: 1, ..ServerSettings::default() };
    let (address, stats) = serve(settings);
    assert_eq!(ask(address, "").await.1, "200");
    let answer = read_all(&mut ask_until(address, "", "429").await).await;
    assert!(answer.contains("retry-after: 1") && answer.contains("\"code\":\"address_full\""), "{answer}");
    assert_eq!(stats.snapshot().refused(Code::AddressFull), 1);
    ask_until(address, "", "200").await;
}

#[tokio::test]
async fn what_one_address_asks_for_in_vain_does_not_count_against_others() {
    let settings = ServerSettings {
        max_connections_per_second: 100,
        max_connections_per_second_per_address: 1,
        trusted_proxies: TrustedProxies::parse(&["127.0.0.1".to_owned()]).unwrap(),
        proxy_protocol: true,
        ..ServerSettings::default()
    };
    let (address, stats) = serve(settings);
    let of = |client: &str| format!("PROXY TCP4 {client} 10.0.0.1 4000 80\r\n");
    // More than all clients together may, had it been admitted.
    for _ in 0..150 {
        ask(address, &of("192.0.2.1")).await;
    }
    assert!(stats.snapshot().refused(Code::AddressFull) > 100);
    assert_eq!(ask(address, &of("192.0.2.2")).await.1, "200");
    // The proxy itself, with its health checks, is nobody's address.
    for _ in 0..5 {
        assert_eq!(ask(address, "PROXY UNKNOWN\r\n").await.1, "200");
    }
    assert_eq!(stats.snapshot().refused(Code::TooManyHandshakes), 0);
}

#[tokio::test]
async fn a_node_takes_so_many_connections_in_a_second() {
    let settings = ServerSettings {
        max_connections_per_second: 1,
        trusted_proxies: TrustedProxies::parse(&["127.0.0.1".to_owned()]).unwrap(),
        max_connections_per_second_per_address: 1,
        ..ServerSettings::default()
    };
    let (address, stats) = serve(settings);
    assert_eq!(ask(address, "").await.1, "200");
    // A proxy is excepted from the limits of an address, and not from those of the node.
    let answer = read_all(&mut ask_until(address, "", "503").await).await;
    assert!(answer.contains("retry-after: 1"), "{answer}");
    assert!(answer.contains("\"code\":\"too_many_handshakes\""), "{answer}");
    assert_eq!(stats.snapshot().refused(Code::TooManyHandshakes), 1);
}

#[tokio::test]
async fn what_comes_before_http_has_a_code_of_its_own() {
    let proxies = TrustedProxies::parse(&["127.0.0.1".to_owned()]).unwrap();
    let settings = ServerSettings {
        header_timeout: Duration::from_millis(300),
        trusted_proxies: proxies,
        proxy_protocol: true,
        ..ServerSettings::default()
    };
    let (address, stats) = serve(settings);
    let mut wrong = TcpStream::connect(address).await.unwrap();
    wrong.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    refused(&stats, Code::BadPreamble, 1).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    refused(&stats, Code::HeadTimeout, 1).await;
    assert_eq!(stats.snapshot().refused(Code::BadHead), 0);
    // What follows a good header is a head as any other.
    let mut bad = TcpStream::connect(address).await.unwrap();
    bad.write_all(b"PROXY TCP4 192.0.2.1 10.0.0.1 4000 80\r\nnonsense\r\n\r\n").await.unwrap();
    refused(&stats, Code::BadHead, 1).await;
    assert_eq!(stats.snapshot().refused(Code::BadPreamble), 1);
}

#[tokio::test]
async fn a_tls_handshake_that_fails_is_no_bad_head() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("roomcast-limits-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::load(&cert, &key);
    std::fs::remove_dir_all(&folder).unwrap();
    let settings = ServerSettings {
        header_timeout: Duration::from_millis(300),
        tls: Some(std::sync::Arc::new(tls.unwrap())),
        ..ServerSettings::default()
    };
    let (address, stats) = serve(settings);
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    refused(&stats, Code::BadPreamble, 1).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    refused(&stats, Code::HeadTimeout, 1).await;
    assert_eq!(stats.snapshot().refused(Code::BadHead), 0);
}
