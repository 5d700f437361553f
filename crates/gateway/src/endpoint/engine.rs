//! socketioxide as the edge sees it.

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use roomcast_adapter::Adapter;
use roomcast_edge::{Engine, WebsocketStream};
use socketioxide::service::SocketIoService;
use tower::{Service, ServiceExt};
use tracing::debug;

/// socketioxide's service. What is inside of it answers other paths, of which none comes here.
#[derive(Clone)]
pub(crate) struct SocketIoEngine(SocketIoService<Router, Adapter>);

impl SocketIoEngine {
    pub(crate) fn new(service: SocketIoService<Router, Adapter>) -> Self {
        Self(service)
    }
}

impl Engine for SocketIoEngine {
    fn http(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let answer = self.0.clone().oneshot(request);
        answer.map(|answer| answer.unwrap_or_else(|never| match never {}).map(Body::new)).boxed()
    }

    fn websocket(&self, stream: Box<WebsocketStream>, request: Request<()>) {
        // Ready at once: it starts a task.
        if let Some(Err(error)) = self.0.clone().call((stream, request)).now_or_never() {
            debug!(%error, "websocket refused");
        }
    }
}
