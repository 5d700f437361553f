//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::held::Held;
use crate::refuse;
use crate::stats::Stats;

/// Refusals that are being answered at the same time; beyond that a connection is closed without a word.
const MAX_REFUSALS: usize = 256;

/// Limits of a [`Server`].
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Most connections at the same time, websockets included. Default 50 000.
    pub max_connections: usize,
    /// Longest time for a request's head to arrive. Default 10 s.
    pub header_timeout: Duration,
    /// Longest wait for requests under way when the server stops. Default 1 s.
    pub shutdown_grace: Duration,
    /// Connections that may wait to be accepted. Default 4096 (the kernel may cap it lower).
    pub backlog: u32,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_connections: 50_000,
            header_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(1),
            backlog: 4096,
        }
    }
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    #[source]
    source: io::Error,
}

/// A bound listener.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    settings: ServerSettings,
    stats: Stats,
}

impl Server {
    /// Listens on `address`; port 0 takes a free one. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`] if the address is taken or not ours.
    pub fn bind(address: SocketAddr, settings: ServerSettings) -> Result<Self, BindError> {
        let listener = listen(address, &settings).map_err(|source| BindError { address, source })?;
        Ok(Self { listener, settings, stats: Stats::default() })
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The counters of this server.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Counts into `stats` instead of counters of its own.
    #[must_use]
    pub fn with_stats(mut self, stats: Stats) -> Self {
        self.stats = stats;
        self
    }

    /// Serves `app` until `stop` resolves and the requests under way have ended, or the grace is over.
    pub async fn serve(self, app: Router, stop: impl Future<Output = ()>) {
        let permits = Arc::new(Semaphore::new(self.settings.max_connections.min(Semaphore::MAX_PERMITS)));
        let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
        // Told to stop; and closed when the last connection's task is gone.
        let (stopping, stopped) = watch::channel(());
        let mut stop = std::pin::pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                accepted = accept(&self.listener) => accepted,
                () = &mut stop => break,
            };
            match Arc::clone(&permits).try_acquire_owned() {
                Ok(permit) => {
                    let stream = Held::new(stream, (permit, self.stats.open()));
                    let service = app.clone().map_request(move |mut request: Request<Incoming>| {
                        request.extensions_mut().insert(ConnectInfo(peer));
                        request.map(Body::new)
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(self.settings.header_timeout)
                        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                        .with_upgrades();
                    tokio::spawn(run(connection, peer, stopped.clone()));
                }
                Err(_) => {
                    self.stats.refuse();
                    if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                        let patience = self.settings.header_timeout;
                        tokio::spawn(async move {
                            refuse::connection(stream, patience).await;
                            drop(permit);
                        });
                    }
                }
            }
        }
        drop((self.listener, stopped));
        stopping.send_replace(());
        // Websockets are no requests any more and end with the process.
        let _ = tokio::time::timeout(self.settings.shutdown_grace, stopping.closed()).await;
    }
}

/// Drives a connection until it ends or becomes a websocket; when the server stops, the request under way is the last.
async fn run<I, S>(
    connection: http1::UpgradeableConnection<I, S>,
    peer: SocketAddr,
    mut stop: watch::Receiver<()>,
) where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = Body>,
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, %peer, "connection ended with an error");
    }
}

/// The next connection. Errors are of the connection that failed (it went away) or of the process (no file
/// descriptors left); in both cases trying again is right, in the second after a breath.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small packets must not wait for the acknowledgement of earlier ones.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "cannot set TCP_NODELAY");
                }
                return (stream, peer);
            }
            Err(error) if is_of_connection(&error) => {
                debug!(%error, "connection failed before it was accepted");
            }
            Err(error) => {
                warn!(%error, "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn listen(address: SocketAddr, settings: &ServerSettings) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}
