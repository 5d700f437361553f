//! A bus within one process: several servers, for example in tests, that reach each other without Redis. What goes over
//! it has the form of the classic adapter, so everything but the network is the same.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::task::AbortHandle;

use crate::outbox::Outbox;
use crate::registry::{Node, Registry};
use crate::routes::Routes;

/// Joins the buses of one process: see [`Bus::joined`](crate::Bus::joined).
#[derive(Clone, Default)]
pub struct Hub {
    seats: Arc<Mutex<Vec<Weak<Seat>>>>,
}

/// One bus at the hub.
pub(crate) struct Seat {
    hub: Hub,
    routes: Arc<Routes>,
    registry: Arc<Registry>,
    task: Mutex<Option<AbortHandle>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Messages handed on at a time.
const BATCH: usize = 256;

impl Hub {
    /// A hub without anybody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn seats(&self) -> Vec<Arc<Seat>> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.strong_count() > 0);
        seats.iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn join(
        &self,
        routes: Arc<Routes>,
        registry: Arc<Registry>,
        outbox: Arc<Outbox>,
    ) -> Arc<Seat> {
        let seat = Arc::new(Seat { hub: self.clone(), routes, registry, task: Mutex::default() });
        let hub = self.clone();
        let publisher = tokio::spawn(async move {
            loop {
                outbox.filled().await;
                for message in outbox.batch(BATCH) {
                    for seat in hub.seats() {
                        seat.routes.dispatch_by_name(&message.channel, &message.payload);
                    }
                }
                outbox.settle(&[]);
            }
        });
        *seat.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(publisher.abort_handle());
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&seat));
        self.tell_everybody();
        seat
    }

    /// Every node learns which nodes there are.
    pub(crate) fn tell_everybody(&self) {
        let seats = self.seats();
        let nodes: Vec<Node> = seats.iter().map(|seat| seat.registry.own()).collect();
        for seat in seats {
            seat.registry.update(nodes.clone());
        }
    }

    /// How many servers listen to each channel.
    pub(crate) fn count(&self, channels: &[String]) -> Vec<u64> {
        let seats = self.seats();
        let listening =
            |channel: &String| seats.iter().filter(|seat| seat.routes.has(channel)).count() as u64;
        channels.iter().map(listening).collect()
    }
}

impl Seat {
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn leave(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        let mut seats = self.hub.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| !std::ptr::eq(seat.as_ptr(), self));
        drop(seats);
        self.hub.tell_everybody();
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("seats", &self.seats().len()).finish()
    }
}
