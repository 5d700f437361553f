//! Headers over real connections.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LONG: Duration = Duration::from_secs(20);
const NEXT: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A connection: the balancer's end, and ours.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
    (theirs.unwrap(), ours.unwrap().0)
}

/// Gives one byte at a time, however the segments came.
struct ByteByByte(TcpStream);

impl AsyncRead for ByteByByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        std::task::ready!(Pin::new(&mut self.0).poll_read(cx, &mut one))?;
        buf.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

/// What is read of a connection on which these bytes come, and the connection ends.
async fn accept_bytes(bytes: &[u8]) -> Result<(Option<SocketAddr>, Vec<u8>), ProxyProtocolError> {
    let (mut theirs, mut ours) = pair().await;
    theirs.write_all(bytes).await.unwrap();
    theirs.shutdown().await.unwrap();
    let (client, rest) = accept(&mut ours, LONG).await?;
    let mut all = rest.to_vec();
    ours.read_to_end(&mut all).await.unwrap();
    Ok((client, all))
}

/// Version 2: command, family and protocol, and what comes behind.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, body].concat()
}

/// Addresses as in a header of version 2, and the extras of a balancer behind them.
fn v4_body(extras: usize) -> Vec<u8> {
    [&[203, 0, 113, 9, 10, 0, 0, 1, 0x10, 0x01, 0, 80][..], &vec![0; extras]].concat()
}

fn v6_body() -> Vec<u8> {
    let client: std::net::Ipv6Addr = "2001:db8::9".parse().unwrap();
    [&client.octets()[..], &[0; 16], &[0x10, 0x01, 0, 80]].concat()
}

/// Headers that are fine, and the client in each.
fn headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let text = |line: &str| format!("PROXY {line}\r\n").into_bytes();
    vec![
        (text("TCP4 203.0.113.9 10.0.0.1 4097 80"), Some("203.0.113.9:4097")),
        (text("TCP6 2001:db8::9 fd00::1 4097 443"), Some("[2001:db8::9]:4097")),
        (text("TCP6 ::ffff:203.0.113.9 fd00::1 4097 443"), Some("203.0.113.9:4097")),
        (text("UNKNOWN"), None),
        (text("UNKNOWN and more words than there are fields, all ignored"), None),
        (binary(1, 0x11, &v4_body(0)), Some("203.0.113.9:4097")),
        (binary(1, 0x11, &v4_body(508)), Some("203.0.113.9:4097")),
        (binary(1, 0x21, &v6_body()), Some("[2001:db8::9]:4097")),
        (binary(0, 0x11, &v4_body(0)), None),
        (binary(0, 0x00, &[]), None),
        (binary(1, 0x00, &[1, 2, 3]), None),
        (binary(1, 0x12, &v4_body(0)), None),
        (binary(1, 0x31, &[0; 216]), None),
    ]
}

#[tokio::test]
async fn the_client_is_read_and_what_follows_in_the_same_segment_is_kept() {
    for (header, client) in headers() {
        let (found, rest) = accept_bytes(&[&header, NEXT].concat()).await.unwrap();
        assert_eq!(found.map(|found| found.to_string()).as_deref(), client, "{}", header.escape_ascii());
        assert_eq!(rest, NEXT, "{}", header.escape_ascii());
    }
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    for (header, client) in headers() {
        let (mut theirs, ours) = pair().await;
        theirs.write_all(&[&header, NEXT].concat()).await.unwrap();
        let mut ours = ByteByByte(ours);
        let (found, rest) = accept(&mut ours, LONG).await.unwrap();
        assert_eq!(found.map(|found| found.to_string()).as_deref(), client, "{}", header.escape_ascii());
        assert!(rest.is_empty(), "read beyond the header: {}", rest.escape_ascii());
        let mut next = vec![0; NEXT.len()];
        ours.0.read_exact(&mut next).await.unwrap();
        assert_eq!(next, NEXT);
    }
}

#[tokio::test]
async fn no_more_is_read_than_a_header_may_need_and_all_is_kept() {
    let header = b"PROXY TCP4 203.0.113.9 10.0.0.1 4097 80\r\n";
    let data: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let (mut theirs, mut ours) = pair().await;
    theirs.write_all(&[header, &data[..]].concat()).await.unwrap();
    theirs.shutdown().await.unwrap();
    let (client, rest) = accept(&mut ours, LONG).await.unwrap();
    assert!(client.is_some() && header.len() + rest.len() <= MAX_HEADER, "{} bytes were read", rest.len());
    let mut all = rest.to_vec();
    ours.read_to_end(&mut all).await.unwrap();
    assert!(all == data, "{} bytes were kept", all.len());
}

#[tokio::test]
async fn a_connection_without_a_header_is_refused_at_its_first_byte() {
    for junk in [NEXT, b"G", b"\x16\x03\x01", b"\r\n\r\nx", b"PROXy TCP4", b"\0"] {
        let (mut theirs, mut ours) = pair().await;
        theirs.write_all(junk).await.unwrap();
        // The connection stays open: nothing is waited for.
        let refused = accept(&mut ours, LONG).await;
        assert!(matches!(refused, Err(ProxyProtocolError::Missing)), "{}: {refused:?}", junk.escape_ascii());
    }
}

#[tokio::test]
async fn malformed_headers_are_refused() {
    let mut texts = vec![];
    for line in [
        "TCP4 203.0.113.9 10.0.0.1 4097",
        "TCP4 203.0.113.9 10.0.0.1 4097 ",
        "TCP4 203.0.113.9 10.0.0.1 65536 80",
        "TCP4 2001:db8::9 fd00::1 4097 80",
        "TCP4 203.0.113.9 10.0.0.1 4097 80 81",
        "TCP4  203.0.113.9 10.0.0.1 4097 80",
        "TCP5 203.0.113.9 10.0.0.1 4097 80",
        "TCP4 203.0.113.9\r10.0.0.1 4097 80",
        "UNKNOWNS",
        "",
    ] {
        texts.push(format!("PROXY {line}\r\n").into_bytes());
    }
    let wrong_version = [v2::PROTOCOL_PREFIX, &[0x11, 0x11, 0, 0]].concat();
    let binaries =
        [binary(2, 0x11, &v4_body(0)), binary(1, 0x41, &[]), binary(1, 0x11, &[1; 11]), wrong_version];
    for header in texts.into_iter().chain(binaries) {
        let refused = accept_bytes(&[&header, NEXT].concat()).await;
        assert!(
            matches!(refused, Err(ProxyProtocolError::Malformed)),
            "{}: {refused:?}",
            header.escape_ascii()
        );
    }
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused_before_they_are_read() {
    let fits = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 16)).into_bytes();
    assert_eq!(fits.len(), MAX_LINE);
    assert!(accept_bytes(&fits).await.is_ok());
    let long_line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 15)).into_bytes();
    let endless_line = [b"PROXY UNKNOWN ", &[b'x'; 2000][..]].concat();
    let no_end_yet = long_line[..MAX_LINE].to_vec();
    let long_binary = binary(1, 0x11, &v4_body(509))[..BINARY_HEAD].to_vec();
    for header in [long_line, endless_line, no_end_yet, long_binary] {
        let (mut theirs, mut ours) = pair().await;
        theirs.write_all(&header).await.unwrap();
        let refused = accept(&mut ours, LONG).await;
        assert!(
            matches!(refused, Err(ProxyProtocolError::TooLong)),
            "{}: {refused:?}",
            header.escape_ascii()
        );
    }
}

#[tokio::test]
async fn a_header_that_is_cut_off_is_an_error() {
    for (header, _) in headers() {
        for end in [0, 1, 5, header.len() / 2, header.len() - 1] {
            let refused = accept_bytes(&header[..end]).await;
            let ended = matches!(refused, Err(ProxyProtocolError::Ended));
            assert!(ended, "{}: {refused:?}", header[..end].escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_header_that_does_not_come_in_time_is_an_error() {
    for begun in [&b""[..], b"PROXY TCP4 203.0.113.9", b"\r\n\r\n\0"] {
        let (mut theirs, mut ours) = pair().await;
        theirs.write_all(begun).await.unwrap();
        let refused = accept(&mut ours, Duration::from_millis(20)).await;
        assert!(matches!(refused, Err(ProxyProtocolError::Timeout)), "{refused:?}");
    }
}
