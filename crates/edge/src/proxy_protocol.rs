//! The PROXY protocol (versions 1 and 2): a balancer that passes TCP on writes the client's address in front of the
//! first bytes of the connection. Anybody can write such a header, so it is to be read from trusted peers only.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::client::canonical;

/// Longest header: what fits into the smallest TCP segment, as the protocol promises for version 2 without long extras.
const MAX_HEADER: usize = 536;

/// Longest header of version 1, with the end of its line.
const MAX_LINE: usize = 107;

/// Bytes of version 2 up to the length of the rest, which are the last two of them.
const BINARY_HEAD: usize = 16;

const TEXT_PREFIX: &[u8] = b"PROXY ";

/// Why a connection has no usable header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyProtocolError {
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    #[error("the PROXY protocol header is too long")]
    TooLong,
    #[error("the connection ended within the PROXY protocol header")]
    Ended,
    #[error("the PROXY protocol header did not arrive in time")]
    Timeout,
    #[error("cannot read the PROXY protocol header")]
    Io(#[from] io::Error),
}

/// Reads the header: the client's address (`None` where the balancer speaks for itself or does not know), and the bytes
/// behind the header that were read with it.
pub(crate) async fn accept<S: AsyncRead + Unpin>(
    stream: &mut S,
    timeout: Duration,
) -> Result<(Option<SocketAddr>, Bytes), ProxyProtocolError> {
    tokio::time::timeout(timeout, read(stream)).await.unwrap_or(Err(ProxyProtocolError::Timeout))
}

async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<(Option<SocketAddr>, Bytes), ProxyProtocolError> {
    let mut bytes = BytesMut::with_capacity(MAX_HEADER);
    loop {
        if let Some(length) = length(&bytes)?
            && length <= bytes.len()
        {
            let rest = bytes.split_off(length);
            return Ok((source(&bytes)?.map(canonical), rest.freeze()));
        }
        // Never 0: a header that needs more than this is refused as soon as its length is known.
        let room = MAX_HEADER - bytes.len();
        if (&mut *stream).take(room as u64).read_buf(&mut bytes).await? == 0 {
            return Err(ProxyProtocolError::Ended);
        }
    }
}

/// How long the header is that begins with these bytes, if they tell. The parser wants whole headers: of some that are
/// cut off it says that they are malformed.
fn length(bytes: &[u8]) -> Result<Option<usize>, ProxyProtocolError> {
    let begins = |prefix: &[u8]| bytes.iter().zip(prefix).all(|(byte, expected)| byte == expected);
    let (length, max) = if begins(v2::PROTOCOL_PREFIX) {
        let length = bytes.get(BINARY_HEAD - 2..BINARY_HEAD);
        let length = length.map(|length| usize::from(u16::from_be_bytes([length[0], length[1]])));
        (length.map(|length| BINARY_HEAD + length), MAX_HEADER)
    } else if begins(TEXT_PREFIX) {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n");
        // A line without an end yet is at least as long as what is there.
        (end.map(|end| end + 2).or((bytes.len() >= MAX_LINE).then_some(usize::MAX)), MAX_LINE)
    } else {
        return Err(ProxyProtocolError::Missing);
    };
    if length.is_some_and(|length| length > max) { Err(ProxyProtocolError::TooLong) } else { Ok(length) }
}

/// The client in a whole header.
fn source(header: &[u8]) -> Result<Option<SocketAddr>, ProxyProtocolError> {
    if header.starts_with(TEXT_PREFIX) { text_source(header) } else { binary_source(header) }
}

fn text_source(line: &[u8]) -> Result<Option<SocketAddr>, ProxyProtocolError> {
    // The parser reads a line with only so many words, but all of them are to be ignored here.
    if line.starts_with(b"PROXY UNKNOWN ") {
        return Ok(None);
    }
    let header = v1::Header::try_from(line).map_err(|_| ProxyProtocolError::Malformed)?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(v4) => Some((v4.source_address, v4.source_port).into()),
        v1::Addresses::Tcp6(v6) => Some((v6.source_address, v6.source_port).into()),
        v1::Addresses::Unknown => None,
    })
}

fn binary_source(header: &[u8]) -> Result<Option<SocketAddr>, ProxyProtocolError> {
    let header = v2::Header::try_from(header).map_err(|_| ProxyProtocolError::Malformed)?;
    // A health check of the balancer, or something that is no TCP connection.
    if header.command == v2::Command::Local || header.protocol != v2::Protocol::Stream {
        return Ok(None);
    }
    Ok(match header.addresses {
        v2::Addresses::IPv4(v4) => Some((v4.source_address, v4.source_port).into()),
        v2::Addresses::IPv6(v6) => Some((v6.source_address, v6.source_port).into()),
        v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
    })
}

#[cfg(test)]
mod tests;
