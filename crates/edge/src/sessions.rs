//! How many Engine.IO sessions there may be. Connections are limited elsewhere, but one connection can open any number
//! of long-polling sessions, each of which lives until its first timeout.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::refuse;
use crate::stats::Stats;

/// The limit, to be laid around the Socket.IO service with [`Sessions::limit`].
#[derive(Debug, Clone)]
pub struct Sessions {
    path: Arc<str>,
    permits: Arc<Semaphore>,
    stats: Stats,
}

impl Sessions {
    /// At most `max` sessions of the Engine.IO endpoint at `path`.
    #[must_use]
    pub fn new(path: &str, max: usize, stats: Stats) -> Self {
        Self { path: path.into(), permits: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))), stats }
    }

    /// Middleware that refuses handshakes beyond the limit; requests of sessions that exist always pass.
    pub async fn limit(State(this): State<Self>, mut request: Request, next: Next) -> Response {
        if this.is_handshake(&request) {
            let Ok(permit) = Arc::clone(&this.permits).try_acquire_owned() else {
                this.stats.refuse();
                return refuse::answer();
            };
            // The library keeps the handshake's extensions for as long as the session lives, and drops them with it.
            request.extensions_mut().insert(Arc::new((permit, this.stats.session())));
        }
        next.run(request).await
    }

    fn is_handshake(&self, request: &Request) -> bool {
        let query = request.uri().query().unwrap_or_default();
        request.uri().path().starts_with(&*self.path)
            && !query.split('&').any(|pair| pair.starts_with("sid="))
    }
}
