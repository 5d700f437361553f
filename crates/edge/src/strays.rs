//! Requests of sessions that other nodes have.

use std::net::SocketAddr;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use http::{Method, Request};
use roomcast_codes::Code;
use tracing::{debug, info, warn};

use crate::answer::Refused;
use crate::edge::Edge;
use crate::engine::Engine;
use crate::forward::ForwardError;
use crate::stats::{Forward, UnknownSession};
use crate::tag::Tag;

impl<E: Engine> Edge<E> {
    /// Lets the node that has the session answer.
    pub(crate) async fn pass_on(
        &self,
        owner: Tag,
        request: Request<Body>,
        client: SocketAddr,
    ) -> Result<Response, Refused> {
        // Nodes ask each other by other methods.
        if !matches!(*request.method(), Method::GET | Method::POST) {
            return Err(Refused::because(Code::BadRequest));
        }
        let peers = self.inner.peers.as_ref();
        let to = peers.and_then(|peers| Some((peers, peers.directory.address_of(owner)?)));
        let Some((peers, address)) = to else {
            return Err(self.unknown_session(UnknownSession::Owner));
        };
        match peers.forwarder.forward(owner, &address, request, client).await {
            Ok(response) => {
                self.inner.stats.forwarded(Forward::Answered);
                self.tell_what_works(&[owner, peers.tag]);
                Ok(response)
            }
            Err(error) => {
                self.inner.stats.forwarded(Forward::Failed);
                // Where too many are under way, it is this node that fails.
                let failing = if error == ForwardError::Busy { peers.tag } else { owner };
                self.tell_what_fails(failing, error);
                Err(self.unknown_session(UnknownSession::Owner))
            }
        }
    }

    fn tell_what_fails(&self, node: Tag, error: ForwardError) {
        if self.inner.failing.failed(node, Instant::now()) {
            warn!(%node, %error, "requests cannot be forwarded; told again when they can");
        } else {
            debug!(%node, %error, "request cannot be forwarded");
        }
    }

    fn tell_what_works(&self, nodes: &[Tag]) {
        for node in nodes {
            if self.inner.failing.worked(*node, Instant::now()) {
                info!(%node, "requests can be forwarded again");
            }
        }
    }
}
