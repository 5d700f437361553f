//! The answer to an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socketioxide_core::packet::Packet;

use super::arguments::Arguments;
use super::socket::Socket;

/// Answers an event once, if the client asked for an answer.
#[derive(Debug, Clone)]
pub struct Ack {
    wanted: Option<Arc<Wanted>>,
}

#[derive(Debug)]
struct Wanted {
    socket: Socket,
    id: i64,
    sent: AtomicBool,
}

impl Ack {
    pub(super) fn new(socket: &Socket, id: Option<i64>) -> Self {
        let wanted = |id| Arc::new(Wanted { socket: socket.clone(), id, sent: AtomicBool::new(false) });
        Self { wanted: id.map(wanted) }
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { wanted: None }
    }

    /// Whether the client waits for an answer.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Sends the answer. Without effect if the client wants none, has got one, or is gone.
    pub fn send(&self, arguments: impl Into<Arguments>) {
        if let Some(wanted) = &self.wanted
            && !wanted.sent.swap(true, Ordering::Relaxed)
        {
            let adapter = wanted.socket.adapter();
            let namespace = adapter.local().path().clone();
            let packet = Packet::ack(namespace, arguments.into().into_value(), wanted.id);
            // An answer that does not fit into the client's queue is counted by the adapter.
            let _ = wanted.socket.send_packet(packet);
        }
    }
}
