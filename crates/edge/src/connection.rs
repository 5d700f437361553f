//! One TCP connection: what comes before HTTP, and its requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

use crate::admission::Admission;
use crate::answer::Refused;
use crate::proxy_protocol::{self, ProxyProtocolError};
use crate::server::ServerSettings;
use crate::stats::Stats;
use crate::transport::{Begun, Transport};
use crate::wire::{Place, Wire};

/// A connection that was accepted.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) has_proxy_header: bool,
    pub(crate) admission: Arc<Admission>,
    pub(crate) settings: Arc<ServerSettings>,
    pub(crate) stats: Stats,
}

impl Connection {
    /// Serves it until it ends or becomes a websocket; when the server stops, the request under way is the last.
    pub(crate) async fn run(mut self, mut place: Place, app: Router, mut stop: watch::Receiver<()>) {
        let Some((client, before)) = self.client().await else { return };
        if self.has_proxy_header {
            // Only now it is known whose connection it is.
            let is_client = !self.settings.trusted_proxies.trusts(client.ip());
            match self.admission.client(is_client.then_some(client)) {
                Ok(own) => place.1 = own,
                Err(refused) => {
                    drop(place);
                    self.stats.refuse(refused.code);
                    let Some(_permit) = self.admission.refusal() else { return };
                    return self.refuse_behind(before, &refused).await;
                }
            }
        }
        let Self { stream, peer, settings, stats, .. } = self;
        let begun = Begun { before, stream };
        let Some(transport) = secure(begun, peer, &settings, &stats).await else { return };
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
    pub(crate) async fn refuse(mut self, refused: &Refused) {
        if let Some((_, before)) = self.client().await {
            self.refuse_behind(before, refused).await;
        }
    }

    async fn refuse_behind(self, before: Bytes, refused: &Refused) {
        let Self { stream, peer, settings, stats, .. } = self;
        let begun = Begun { before, stream };
        let Some(transport) = secure(begun, peer, &settings, &stats).await else { return };
        let patience = settings.header_timeout;
        let service = service_fn(|_| async { Ok::<_, Infallible>(refused.response()) });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .keep_alive(false)
            .serve_connection(TokioIo::new(transport), service);
        // Whether the client reads the answer is its own business.
        let _ = tokio::time::timeout(patience, connection).await;
    }

    /// Who the client is: by a PROXY header, if there is to be one. And what was read behind that.
    async fn client(&mut self) -> Option<(SocketAddr, Bytes)> {
        if !self.has_proxy_header {
            return Some((self.peer, Bytes::new()));
        }
        match proxy_protocol::accept(&mut self.stream, self.settings.header_timeout).await {
            Ok((told, before)) => Some((told.unwrap_or(self.peer), before)),
            Err(error) => {
                let is_late = matches!(error, ProxyProtocolError::Timeout);
                failed(&self.stats, self.peer, is_late, &error);
                None
            }
        }
    }
}

/// TLS, if the server has it.
async fn secure(
    begun: Begun,
    peer: SocketAddr,
    settings: &ServerSettings,
    stats: &Stats,
) -> Option<Transport> {
    let Some(tls) = &settings.tls else { return Some(Transport::Tcp(begun)) };
    match tokio::time::timeout(settings.header_timeout, tls.acceptor().accept(begun)).await {
        Ok(Ok(stream)) => return Some(Transport::Tls(Box::new(stream))),
        Ok(Err(error)) => failed(stats, peer, false, &error),
        Err(late) => failed(stats, peer, true, &late),
    }
    None
}

/// What comes before HTTP came to nothing.
fn failed(stats: &Stats, peer: SocketAddr, is_late: bool, error: &(dyn std::error::Error + 'static)) {
    stats.refuse(if is_late { Code::HeadTimeout } else { Code::BadPreamble });
    debug!(%peer, error, "connection ended before its first request");
}
