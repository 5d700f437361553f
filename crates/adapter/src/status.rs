//! Whether the node is connected to the others.

use std::time::SystemTime;

/// The state of the bus, as observed by [`Bus::status`](crate::Bus::status).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusState {
    /// There is no bus: this node is alone, by choice.
    Memory,
    /// Redis was not reached yet since the start.
    Connecting,
    /// Subscribed: what other servers publish arrives here.
    Connected,
    /// Redis was there and is away: local delivery goes on, publishes wait in the outbox.
    Degraded,
}

/// A [`BusState`] with its reason and beginning.
#[derive(Debug, Clone)]
pub struct BusStatus {
    /// The state.
    pub state: BusState,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// Since when.
    pub since: SystemTime,
}

impl BusStatus {
    pub(crate) fn new(state: BusState, reason: Option<String>) -> Self {
        Self { state, reason, since: SystemTime::now() }
    }
}
