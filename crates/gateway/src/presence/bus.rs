//! Presence on its way from node to node: by events from server to server, which Node servers do not know and ignore.

use std::sync::Arc;

use roomcast_adapter::ServerEvent;
use roomcast_presence::{Malformed, Message};
use serde::Deserialize;
use tracing::debug;

use super::Presence;
use crate::metrics::PresenceDrop;

/// The event's name; its only argument is a [`Message`].
const EVENT: &str = "roomcast:presence";

impl Presence {
    /// Listens to the other nodes.
    pub(super) fn listen(&self) {
        let Some(namespace) = self.inner.bus.of(&self.inner.path) else { return };
        // Weak: the namespace must not keep those who keep the bus.
        let inner = Arc::downgrade(&self.inner);
        namespace.on_server_side_emit(EVENT, move |event| {
            if let Some(inner) = inner.upgrade() {
                Self { inner }.receive(&event);
            }
        });
    }

    fn receive(&self, event: &ServerEvent) {
        let message = match event.arguments() {
            [message] => Message::deserialize(message).ok(),
            _ => None,
        };
        let Some(message) = message else {
            debug!(namespace = self.inner.path, "presence message of another node makes no sense");
            return self.inner.metrics.dropped(PresenceDrop::Malformed, 1);
        };
        self.inner.metrics.received(message.body.kind());
        let now = self.now();
        let result = self.roster().receive(now, message, |room| self.covers(room));
        if let Err(error) = result {
            debug!(namespace = self.inner.path, %error, "presence message of another node is refused");
            let reason = match error {
                Malformed::Nodes => PresenceDrop::MaxNodes,
                _ => PresenceDrop::Malformed,
            };
            self.inner.metrics.dropped(reason, 1);
        }
        self.inner.wake.notify_one();
    }

    pub(super) fn publish(&self, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        let Some(namespace) = self.inner.bus.of(&self.inner.path) else { return };
        for message in messages {
            self.inner.metrics.sent(message.body.kind());
            if let Err(error) = namespace.server_side_emit(EVENT, message) {
                // The others will miss its number, and ask.
                debug!(namespace = self.inner.path, %error, "presence message cannot be sent");
            }
        }
    }
}
