//! Connections to the other nodes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

/// A connection on which nothing is heard for so long is asked whether it still lives.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A node whose machine is gone says no goodbye; its connections end so long after the last sign of life.
#[cfg(target_os = "linux")]
const LOST: Duration = Duration::from_secs(20);

/// TCP, with a timeout that also covers the look-up of names.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        // The connector's own timeout is shared among the addresses of a name, so that a dead one leaves time for others.
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE / 2));
        tcp.set_keepalive_retries(Some(2));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(LOST));
        Self { tcp, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, node: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.timeout, self.tcp.call(node));
        Box::pin(async move { Ok(connecting.await??) })
    }
}
