//! The accept loop.
//!
//! `axum::serve` hides hyper's settings and sets no timer, so that a client which never finishes its request head
//! holds a connection for ever; hence a loop of our own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::admission::Admission;
use crate::client::{TrustedProxies, canonical};
use crate::connection::Connection;
use crate::stats::Stats;
use crate::tls::Tls;

/// Limits of a [`Server`].
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Most connections at the same time, websockets included. Default 50 000.
    pub max_connections: usize,
    /// Most connections from one address (IPv6: from one /64), trusted proxies excepted; 0 for no limit. Default 0.
    pub max_connections_per_address: usize,
    /// Most new connections in a second, counted before TLS; 0 for no limit. Default 10 000: five times the new sessions
    /// that an [`Edge`](crate::Edge) admits, since a client that polls needs several connections.
    pub max_connections_per_second: u32,
    /// Most new connections of one address in a second (IPv6: of one /64), trusted proxies excepted; 0 for no limit.
    /// Default 0: many people may have one address.
    pub max_connections_per_second_per_address: u32,
    /// Longest time for a request's head to arrive, and for TLS and PROXY headers before it. Default 10 s.
    pub header_timeout: Duration,
    /// Most bytes of a request's head, at least 8 192. Default 16 384.
    pub max_header_bytes: usize,
    /// Most headers of a request. Default 100.
    pub max_headers: usize,
    /// How long a peer may take nothing of what is written to it. Default 10 s.
    pub write_stall: Duration,
    /// How long written data may stay unacknowledged before the kernel gives the connection up (`TCP_USER_TIMEOUT`), and
    /// after how much silence it asks whether the peer is there (keepalive). Default 20 s.
    pub tcp_timeout: Duration,
    /// Longest wait for requests under way when the server stops. Default 1 s.
    pub shutdown_grace: Duration,
    /// Connections that may wait to be accepted. Default 4096 (the kernel may cap it lower).
    pub backlog: u32,
    /// Proxies, whose connections are those of many clients. Default none.
    pub trusted_proxies: TrustedProxies,
    /// Connections of trusted proxies begin with a PROXY header (version 1 or 2). Default no.
    pub proxy_protocol: bool,
    /// The certificate, for TLS. Default none.
    pub tls: Option<Arc<Tls>>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_connections: 50_000,
            max_connections_per_address: 0,
            max_connections_per_second: 10_000,
            max_connections_per_second_per_address: 0,
            header_timeout: Duration::from_secs(10),
            max_header_bytes: 16_384,
            max_headers: 100,
            write_stall: Duration::from_secs(10),
            tcp_timeout: Duration::from_secs(20),
            shutdown_grace: Duration::from_secs(1),
            backlog: 4096,
            trusted_proxies: TrustedProxies::default(),
            proxy_protocol: false,
            tls: None,
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
        let Self { listener, settings, stats } = self;
        let settings = Arc::new(settings);
        let admission = Arc::new(Admission::new(&settings));
        // Told to stop; and closed when the last connection's task is gone.
        let (stopping, stopped) = watch::channel(());
        let mut stop = std::pin::pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                accepted = accept(&listener, &settings) => accepted,
                () = &mut stop => break,
            };
            let is_proxy = settings.trusted_proxies.trusts(peer.ip());
            let connection = Connection {
                stream,
                peer,
                has_proxy_header: is_proxy && settings.proxy_protocol,
                admission: Arc::clone(&admission),
                settings: Arc::clone(&settings),
                stats: stats.clone(),
            };
            let place = admission.place().and_then(|permit| {
                // Whose connection it is, its header will tell.
                let is_known = !connection.has_proxy_header;
                let own = if is_known { admission.client((!is_proxy).then_some(peer))? } else { None };
                Ok((permit, own))
            });
            match place {
                Ok(place) => _ = tokio::spawn(connection.run(place, app.clone(), stopped.clone())),
                Err(refused) => {
                    stats.refuse(refused.code);
                    if let Some(permit) = admission.refusal() {
                        tokio::spawn(async move {
                            connection.refuse(&refused).await;
                            drop(permit);
                        });
                    }
                }
            }
        }
        drop((listener, stopped));
        stopping.send_replace(());
        // Websockets are no requests any more and end with the process.
        let _ = tokio::time::timeout(settings.shutdown_grace, stopping.closed()).await;
    }
}

/// The next connection. Errors are of the connection that failed (it went away) or of the process (no file
/// descriptors left); in both cases trying again is right, in the second after a breath.
async fn accept(listener: &TcpListener, settings: &ServerSettings) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = prepare(&stream, settings) {
                    debug!(%error, "cannot set options of a connection");
                }
                // On a socket of both families clients of the older one have addresses of the newer.
                return (stream, canonical(peer));
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

fn prepare(stream: &TcpStream, settings: &ServerSettings) -> io::Result<()> {
    // Small packets must not wait for the acknowledgement of earlier ones.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(settings.tcp_timeout))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(settings.tcp_timeout))?;
    Ok(())
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
