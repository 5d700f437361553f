//! Who gets a session. Today everybody whom the edge's limits let through; bans will be checked here, before anything of
//! a session exists. Who a client is, each namespace asks by itself.

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Extensions, HeaderName};
use roomcast_adapter::ClientAddress;
use roomcast_edge::{Handshake, Hooks, Refused, Transport};

use crate::config::Settings;
use crate::identity::{SignIn, wanted_headers};
use crate::metrics::Metrics;

pub(super) struct Door {
    metrics: Metrics,
    /// Headers by which some namespace knows its clients.
    wanted: Vec<HeaderName>,
}

impl Door {
    pub(super) fn new(metrics: &Metrics, settings: &Settings) -> Self {
        Self { metrics: metrics.clone(), wanted: wanted_headers(settings) }
    }
}

impl Hooks for Door {
    fn admit<'a>(&'a self, handshake: &'a Handshake<'a>) -> BoxFuture<'a, Result<Extensions, Refused>> {
        let mut kept = Extensions::new();
        // For the handshakes that other servers may ask for.
        kept.insert(ClientAddress(handshake.client));
        if !self.wanted.is_empty() {
            kept.insert(SignIn::of(&handshake.request.headers, &self.wanted));
        }
        Box::pin(std::future::ready(Ok(kept)))
    }

    fn opened(&self, transport: Transport, took: Duration) {
        self.metrics.handshake(transport, took);
    }
}
