//! What a node answers over plain HTTP: to clients the demo page and whether it is there, to operators also metrics and
//! draining.

mod demo;
mod health;
mod operate;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use roomcast_adapter::Bus;
use roomcast_edge::Edge;
use tokio::sync::{oneshot, watch};

use crate::config::Settings;
use crate::endpoint::SocketIoEngine;
use crate::metrics::Metrics;
use crate::reload::Reload;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this build was made from; `unknown` outside a repository.
pub(crate) const GIT_SHA: &str = env!("ROOMCAST_GIT_SHA");

/// What the handlers need to know.
#[derive(Debug)]
pub(crate) struct Shared {
    node_name: String,
    bus: Bus,
    metrics: Metrics,
    edge: Edge<SocketIoEngine>,
    /// Whether this node signs with the key that the others have.
    is_key_known: watch::Receiver<bool>,
    /// Tells the node to drain and stop; taken by the first who asks.
    stop: Mutex<Option<oneshot::Sender<()>>>,
    reload: Reload,
}

impl Shared {
    pub(crate) fn new(
        settings: &Settings,
        bus: &Bus,
        metrics: Metrics,
        edge: Edge<SocketIoEngine>,
        is_key_known: watch::Receiver<bool>,
        stop: oneshot::Sender<()>,
        reload: Reload,
    ) -> Self {
        Self {
            node_name: settings.node.name.clone(),
            bus: bus.clone(),
            metrics,
            edge,
            is_key_known,
            stop: Mutex::new(Some(stop)),
            reload,
        }
    }
}

/// What clients get, and what operators and other nodes get.
pub(crate) fn routers(shared: &Arc<Shared>, settings: &Settings) -> (Router, Router) {
    let path = &settings.socketio.path;
    let health = Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/version", get(health::version));
    let public = health
        .clone()
        .with_state(Arc::clone(shared))
        .route_service(path, shared.edge.clone())
        .route_service(&format!("{path}/"), shared.edge.clone());
    let public = if settings.server.demo { public.merge(demo::router()) } else { public };
    let internal = health
        .route("/metrics", get(metrics))
        .route("/drain", post(operate::drain))
        .route("/rules", get(operate::rules))
        .route("/reload", post(operate::reload))
        .route(path, any(forwarded))
        .route(&format!("{path}/"), any(forwarded))
        .with_state(Arc::clone(shared));
    (public, internal)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text())
}

/// A request of a client that came to another node.
async fn forwarded(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    shared.edge.handle_forwarded(request).await
}
