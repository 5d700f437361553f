//! The answer to a client that is one too many. An HTTP answer, not a closed socket: Socket.IO clients come back by
//! themselves after it.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

/// The code in the answer's body.
pub const SERVER_FULL: &str = "server_full";

/// Seconds after which a refused client may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Reads one request and answers it with 503.
pub(crate) async fn connection(stream: TcpStream, patience: Duration) {
    let service = service_fn(|_| async { Ok::<_, Infallible>(answer()) });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whether the client reads the answer is its own business.
    let _ = tokio::time::timeout(patience, connection).await;
}

pub(crate) fn answer() -> Response {
    let body = format!("{{\"code\":\"{SERVER_FULL}\",\"message\":\"the node is full, come back later\"}}");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
