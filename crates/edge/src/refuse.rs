//! The answer to a connection that is one too many. An HTTP answer, not a closed socket: Socket.IO clients come back
//! by themselves after it.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::code::Code;

/// Seconds after which a refused client may try again.
const RETRY_AFTER: &str = "5";

/// Reads one request and answers it with 503.
pub(crate) async fn server_full(stream: TcpStream, patience: Duration) {
    let service = service_fn(|_| async { Ok::<_, Infallible>(answer()) });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whether the client reads the answer is its own business.
    let _ = tokio::time::timeout(patience, connection).await;
}

fn answer() -> Response<Full<Bytes>> {
    let body = format!(
        "{{\"code\":\"{}\",\"message\":\"too many connections, come back later\"}}",
        Code::ServerFull
    );
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
