//! What operators ask of a node, on its internal listener.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::Shared;
use crate::config::masked;
use crate::reload::ReloadError;

/// Begins to drain; `/metrics` tells how far it is, and when it is done the process ends.
///
/// Pages are refused: a browser of somebody who can reach this listener would send it for any page.
pub(super) async fn drain(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> (StatusCode, &'static str) {
    if is_of_a_page(&headers) {
        return (StatusCode::FORBIDDEN, "not for pages\n");
    }
    let stop = shared.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
    match stop.map(|stop| stop.send(())) {
        Some(Ok(())) => (StatusCode::ACCEPTED, "draining\n"),
        Some(Err(())) | None => (StatusCode::CONFLICT, "draining already\n"),
    }
}

/// Reads the configuration anew; the answer names what has changed, and what waits for a restart. Not for pages, as
/// draining.
pub(super) async fn reload(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    if is_of_a_page(&headers) {
        return (StatusCode::FORBIDDEN, Json(json!({"error": "not for pages"})));
    }
    let reload = shared.reload.clone();
    // It reads files.
    match tokio::task::spawn_blocking(move || reload.run()).await {
        Ok(Ok(reloaded)) => (
            StatusCode::OK,
            Json(json!({"changed": reloaded.changed, "needs_restart": reloaded.needs_restart})),
        ),
        Ok(Err(error @ ReloadError::NoOrigin)) => {
            (StatusCode::CONFLICT, Json(json!({"error": error.to_string()})))
        }
        Ok(Err(error)) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": error.to_string()}))),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "reading it failed"}))),
    }
}

/// The rules in effect, namespace by namespace, as the configuration has them; secrets masked.
pub(super) async fn rules(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let mut namespaces: Vec<_> = shared.reload.rules().map(|rules| rules.current()).collect();
    namespaces.sort_by(|one, other| one.settings().path.cmp(&other.settings().path));
    let namespaces: Vec<_> = namespaces.iter().map(|rules| masked(rules.settings())).collect();
    Json(json!({"namespaces": namespaces}))
}

/// A browser of somebody who can reach this listener would send requests for any page.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}
