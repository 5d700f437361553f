//! What a node answers over plain HTTP: health, version, metrics, the demo page.

mod demo;
mod health;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use roomcast_adapter::{Bus, ClientAddress};

use crate::metrics::Metrics;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this build was made from; `unknown` outside a repository.
pub(crate) const GIT_SHA: &str = env!("ROOMCAST_GIT_SHA");

/// What the handlers need to know.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) node_name: String,
    pub(crate) bus: Bus,
    pub(crate) metrics: Metrics,
}

pub(crate) fn router(shared: Arc<Shared>, with_demo: bool) -> Router {
    let router = Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/version", get(health::version))
        .route("/metrics", get(metrics))
        .with_state(shared);
    if with_demo { router.merge(demo::router()) } else { router }
}

/// Middleware that tells the adapter a client's address, for the handshakes that other servers may ask for.
pub(crate) async fn client_address(mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(ClientAddress(address));
    }
    next.run(request).await
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text())
}
