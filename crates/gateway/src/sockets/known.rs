//! The events that a namespace knows by name. Only these names get into metrics and spans: others are clients' texts.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::codes::Code;
use crate::metrics::{EventRefusals, Metrics};

/// The place of an event among those that its namespace knows; `None` for all others.
pub(crate) type Place = Option<u32>;

/// The events that a namespace knows, and how often each was refused. It may get to know more while the node runs; it
/// forgets none, so that places stay what they are.
#[derive(Debug)]
pub(crate) struct LiveEvents {
    namespace: String,
    metrics: Metrics,
    current: ArcSwap<Known>,
}

#[derive(Debug)]
struct Known {
    events: KnownEvents,
    refusals: EventRefusals,
}

impl LiveEvents {
    /// In the order of [`Handler::events`](super::Handler::events).
    pub(crate) fn new(namespace: &str, metrics: &Metrics, names: Vec<String>) -> Self {
        let known = known(namespace, metrics, names);
        Self {
            namespace: namespace.to_owned(),
            metrics: metrics.clone(),
            current: ArcSwap::from_pointee(known),
        }
    }

    /// From now on it knows these, too.
    pub(crate) fn learn(&self, names: Vec<String>) {
        let mut all = self.current.load().events.names.clone();
        let new: Vec<_> = names.into_iter().filter(|name| !all.contains(name)).collect();
        all.extend(new);
        self.current.store(Arc::new(known(&self.namespace, &self.metrics, all)));
    }

    pub(crate) fn find(&self, name: &str) -> Place {
        self.current.load().events.find(name)
    }

    /// Does it with the name of the event in that place, if there is one.
    pub(crate) fn with_name<T>(&self, place: Place, act: impl FnOnce(Option<&str>) -> T) -> T {
        act(self.current.load().events.name(place))
    }

    /// An event was refused.
    pub(crate) fn refused(&self, place: Place, code: Code) {
        self.current.load().refusals.count(place, code);
    }
}

fn known(namespace: &str, metrics: &Metrics, names: Vec<String>) -> Known {
    let refusals = metrics.event_refusals(namespace, &names);
    Known { events: KnownEvents::new(names), refusals }
}

#[derive(Debug, Default)]
struct KnownEvents {
    names: Vec<String>,
    places: HashMap<String, u32>,
}

impl KnownEvents {
    fn new(names: Vec<String>) -> Self {
        let mut places = HashMap::new();
        for (place, name) in (0..).zip(&names) {
            places.entry(name.clone()).or_insert(place);
        }
        Self { names, places }
    }

    fn find(&self, name: &str) -> Place {
        self.places.get(name).copied()
    }

    fn name(&self, place: Place) -> Option<&str> {
        self.names.get(place? as usize).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_name_and_the_first_of_a_name_counts() {
        let known = KnownEvents::new(["join", "message", "join"].map(str::to_owned).into());
        assert_eq!(known.find("join"), Some(0));
        assert_eq!(known.name(known.find("message")), Some("message"));
        assert_eq!(known.find("other"), None);
        assert_eq!(known.name(None), None);
    }

    #[test]
    fn what_is_learnt_later_has_its_place_behind() {
        let bus = roomcast_adapter::Bus::memory();
        let metrics =
            Metrics::new(&bus, &crate::metrics::BusMetrics::new(), &roomcast_edge::Stats::default());
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let events = LiveEvents::new("/chat", &metrics, names(&["join", "message"]));
        assert_eq!((events.find("message"), events.find("wave")), (Some(1), None));
        events.refused(Some(1), Code::NotInRoom);
        events.learn(names(&["join", "wave"]));
        assert_eq!((events.find("message"), events.find("wave")), (Some(1), Some(2)));
        events.refused(Some(1), Code::NotInRoom);
        events.refused(Some(2), Code::NotInRoom);
        let line = |event: &str, count: u32| {
            format!(
                "event_refusals_total{{namespace=\"/chat\",event=\"{event}\",code=\"not_in_room\"}} {count}\n"
            )
        };
        let text = metrics.text();
        assert!(text.contains(&line("message", 2)) && text.contains(&line("wave", 1)), "{text}");
    }
}
