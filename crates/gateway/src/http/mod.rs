//! What a node answers over plain HTTP: health, version, metrics, the demo page.

mod demo;
mod health;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use roomcast_adapter::Bus;

use crate::metrics::Metrics;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this build was made from; `unknown` outside a repository.
pub(crate) const GIT_SHA: &str = env!("ROOMCAST_GIT_SHA");

/// What the handlers need to know.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) node_name: String,
    /// Random per boot, unlike the name.
    pub(crate) node_id: String,
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

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text())
}
