//! Refusals by event and code.

use std::sync::OnceLock;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::Labels;
use crate::codes::Code;
use crate::sockets::Place;

/// What all events share that the namespace does not know; their names are clients' texts. No event of the
/// configuration is likely to be called so.
const UNKNOWN: &str = "(unknown)";

/// The refusals of the events of one namespace. A counter is looked up when it is needed for the first time: most
/// events are never refused for most reasons, and a line for each would only fill `/metrics`.
#[derive(Debug)]
pub(crate) struct EventRefusals {
    namespace: String,
    /// Those that are known, and then all others.
    names: Vec<String>,
    /// By name and code.
    counters: Box<[OnceLock<Counter>]>,
    family: Family<Labels, Counter>,
}

impl EventRefusals {
    pub(super) fn new(namespace: &str, known: &[String], family: Family<Labels, Counter>) -> Self {
        let names: Vec<_> = known.iter().cloned().chain([UNKNOWN.to_owned()]).collect();
        let counters = (0..names.len() * Code::ALL.len()).map(|_| OnceLock::new()).collect();
        Self { namespace: namespace.to_owned(), names, counters, family }
    }

    pub(crate) fn count(&self, place: Place, code: Code) {
        let unknown = self.names.len() - 1;
        let row = place.map_or(unknown, |place| (place as usize).min(unknown));
        let counter = &self.counters[row * Code::ALL.len() + code as usize];
        counter.get_or_init(|| self.counter(&self.names[row], code)).inc();
    }

    fn counter(&self, event: &str, code: Code) -> Counter {
        self.family.get_or_create_owned(&vec![
            ("namespace", self.namespace.clone()),
            ("event", event.to_owned()),
            ("code", code.as_str().to_owned()),
        ])
    }
}
