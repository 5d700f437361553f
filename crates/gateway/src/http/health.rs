//! Is it alive, is it ready, what is it?

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use roomcast_adapter::BusState;
use serde_json::{Value, json};

use super::{GIT_SHA, Shared, VERSION};

/// The process runs. Nothing else is asked: restarting every node because Redis is slow would make it worse.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Whether clients should be sent here. A node that has lost Redis goes on serving those it has and may take more
/// (`degraded`, 200): all nodes lose Redis at once, and a cluster without any ready node would be a total failure.
/// One that has never reached it stays out (`starting`, 503), and so does one that has, but not the cluster's key:
/// nobody else would know its sessions.
/// One that is about to stop takes nobody any more (`draining`, 503).
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<Value>) {
    if let Some(since) = shared.edge.draining_since() {
        let reason = "the node is about to stop";
        let body = json!({"status": "draining", "since": seconds(since), "reason": reason});
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body));
    }
    let status = shared.bus.status().borrow().clone();
    let (code, word, reason) = match status.state {
        BusState::Connecting => {
            (StatusCode::SERVICE_UNAVAILABLE, "starting", Some("redis was not reached yet"))
        }
        _ if !*shared.is_key_known.borrow() => {
            let reason = "the session key is not agreed on through redis yet";
            (StatusCode::SERVICE_UNAVAILABLE, "starting", Some(reason))
        }
        BusState::Memory | BusState::Connected => (StatusCode::OK, "ready", None),
        BusState::Lost => (StatusCode::OK, "degraded", Some("redis is away")),
        _ => (StatusCode::OK, "degraded", Some("the bus is impaired")),
    };
    let mut body = json!({"status": word, "since": seconds(status.since)});
    if let Some(reason) = reason {
        let detail = status.reason.map_or_else(|| reason.to_owned(), |detail| format!("{reason}: {detail}"));
        body["reason"] = Value::String(detail);
    }
    (code, Json(body))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

pub(super) async fn version(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({
        "name": "roomcast",
        "version": VERSION,
        "git_sha": GIT_SHA,
        "node_id": shared.bus.node_id(),
        "node_name": shared.node_name,
    }))
}
