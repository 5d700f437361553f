//! Who gets a session. Today everybody whom the edge's limits let through; bans and tokens will be checked here, before
//! anything of a session exists.

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Extensions;
use roomcast_adapter::ClientAddress;
use roomcast_edge::{Handshake, Hooks, Refused, Transport};

use crate::metrics::Metrics;

pub(super) struct Door {
    metrics: Metrics,
}

impl Door {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone() }
    }
}

impl Hooks for Door {
    fn admit<'a>(&'a self, handshake: &'a Handshake<'a>) -> BoxFuture<'a, Result<Extensions, Refused>> {
        let mut kept = Extensions::new();
        // For the handshakes that other servers may ask for.
        kept.insert(ClientAddress(handshake.client));
        Box::pin(std::future::ready(Ok(kept)))
    }

    fn opened(&self, transport: Transport, took: Duration) {
        self.metrics.handshake(transport, took);
    }
}
