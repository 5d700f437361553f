//! The demo chat, built from `demo/` by npm and taken into the binary by the build script.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const INDEX: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo/index.html"));
const SCRIPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo/app.js"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo/style.css"));

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async || file(INDEX, "text/html; charset=utf-8")))
        .route("/app.js", get(async || file(SCRIPT, "text/javascript; charset=utf-8")))
        .route("/style.css", get(async || file(STYLE, "text/css; charset=utf-8")))
}

fn file(content: &'static [u8], kind: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        // The three belong together: after an update none may be an old one.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, content).into_response()
}
