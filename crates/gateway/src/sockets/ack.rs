//! The answer to an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use socketioxide_core::packet::Packet;

use super::arguments::Arguments;
use super::known::Place;
use super::socket::Socket;
use crate::telemetry::Trace;

/// Answers an event once, if the client asked for an answer.
#[derive(Debug, Clone)]
pub struct Ack {
    wanted: Option<Arc<Wanted>>,
    /// Which event it answers.
    pub(super) known: Place,
    /// The span of the event, which ends with the last copy of this.
    pub(super) trace: Trace,
}

#[derive(Debug)]
struct Wanted {
    socket: Socket,
    id: i64,
    sent: AtomicBool,
    arrived: Instant,
}

impl Ack {
    pub(super) fn new(socket: &Socket, id: Option<i64>) -> Self {
        let wanted = |id| {
            let arrived = Instant::now();
            Arc::new(Wanted { socket: socket.clone(), id, sent: AtomicBool::new(false), arrived })
        };
        Self { wanted: id.map(wanted), known: None, trace: Trace::default() }
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { wanted: None, known: None, trace: Trace::default() }
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
            if wanted.socket.send_packet(packet).is_ok() {
                let took = wanted.arrived.elapsed();
                wanted.socket.core.entry.metrics.acks.observe(took.as_secs_f64());
            }
        }
    }
}
