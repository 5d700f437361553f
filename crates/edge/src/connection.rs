//! One TCP connection: what comes before HTTP, and its requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use roomcast_codes::Code;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt;
use tracing::debug;

use crate::answer::Refused;
use crate::per_client::{ClientKey, PerClient};
use crate::proxy_protocol;
use crate::server::ServerSettings;
use crate::stats::Stats;
use crate::transport::{Begun, Transport};
use crate::wire::{Place, Wire};

/// When refused clients may come back.
const LATER: Duration = Duration::from_secs(5);

/// A connection that was accepted.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) has_proxy_header: bool,
    pub(crate) per_client: Arc<PerClient>,
    pub(crate) settings: Arc<ServerSettings>,
    pub(crate) stats: Stats,
}

impl Connection {
    /// Serves it until it ends or becomes a websocket; when the server stops, the request under way is the last.
    pub(crate) async fn run(self, mut place: Place, app: Router, mut stop: watch::Receiver<()>) {
        let Self { stream, peer, has_proxy_header, per_client, settings, stats } = self;
        let Some((transport, client)) = begin(stream, peer, has_proxy_header, &settings, &stats).await else {
            return;
        };
        if has_proxy_header {
            // Only now it is known whose connection it is.
            match per_client.try_acquire(ClientKey::from(client.ip())) {
                Some(own) => place.1 = Some(own),
                None => {
                    stats.refuse(Code::AddressFull);
                    return refuse(transport, Code::AddressFull, settings.header_timeout).await;
                }
            }
        }
        let wire = Wire::new(transport, settings.write_stall, &stats, place);
        // Idle connections end by the same timeout, which is no offence after a request.
        let was_used = Arc::new(AtomicBool::new(false));
        let using = Arc::clone(&was_used);
        let service = app.map_request(move |mut request: Request<Incoming>| {
            using.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(client));
            request.map(Body::new)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.header_timeout)
            .max_buf_size(settings.max_header_bytes)
            .max_headers(settings.max_headers)
            .serve_connection(TokioIo::new(wire), TowerToHyperService::new(service))
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let result = tokio::select! {
            result = &mut connection => result,
            _ = stop.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            if error.is_parse_too_large() {
                stats.refuse(Code::HeadTooLarge);
            } else if error.is_parse() {
                stats.refuse(Code::BadHead);
            } else if error.is_timeout() && !was_used.load(Ordering::Relaxed) {
                stats.refuse(Code::HeadTimeout);
            }
            debug!(%error, %peer, "connection ended with an error");
        }
    }
}

impl Connection {
    /// Answers its first request with a refusal.
    pub(crate) async fn refuse(self, code: Code) {
        let Self { stream, peer, has_proxy_header, settings, stats, .. } = self;
        if let Some((transport, _)) = begin(stream, peer, has_proxy_header, &settings, &stats).await {
            refuse(transport, code, settings.header_timeout).await;
        }
    }
}

/// Everything before the first request; `None` if it came to nothing.
async fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    has_proxy_header: bool,
    settings: &ServerSettings,
    stats: &Stats,
) -> Option<(Transport, SocketAddr)> {
    let begun = prelude(stream, peer, has_proxy_header, settings).await;
    let failed = |error: &String| {
        stats.refuse(Code::BadHead);
        debug!(%peer, error, "connection ended before its first request");
    };
    begun.inspect_err(failed).ok()
}

/// What comes before HTTP: a PROXY header, TLS.
async fn prelude(
    mut stream: TcpStream,
    peer: SocketAddr,
    has_proxy_header: bool,
    settings: &ServerSettings,
) -> Result<(Transport, SocketAddr), String> {
    let (mut client, mut before) = (peer, Bytes::new());
    if has_proxy_header {
        let (told, rest) = proxy_protocol::accept(&mut stream, settings.header_timeout)
            .await
            .map_err(|error| error.to_string())?;
        client = told.unwrap_or(peer);
        before = rest;
    }
    let begun = Begun { before, stream };
    let Some(tls) = &settings.tls else {
        return Ok((Transport::Tcp(begun), client));
    };
    match tokio::time::timeout(settings.header_timeout, tls.acceptor().accept(begun)).await {
        Ok(Ok(stream)) => Ok((Transport::Tls(Box::new(stream)), client)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no TLS handshake in time".into()),
    }
}

/// Reads one request and answers it with a refusal.
async fn refuse(transport: Transport, code: Code, patience: Duration) {
    let refused = Refused::because(code).until(LATER);
    let service = service_fn(|_| async { Ok::<_, Infallible>(refused.response()) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .keep_alive(false)
        .serve_connection(TokioIo::new(transport), service);
    // Whether the client reads the answer is its own business.
    let _ = tokio::time::timeout(patience, connection).await;
}
