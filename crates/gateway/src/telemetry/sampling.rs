//! Which events and connections get a span.

use tracing::info_span;

use super::{TARGET, Trace};
use crate::config::TelemetrySettings;
use crate::sockets::{LiveEvents, Place};

const MILLION: u32 = 1_000_000;

/// Decides by lot. Spans have no parents, so each is decided on alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    per_million: u32,
}

impl Sampling {
    pub(crate) fn new(settings: &TelemetrySettings) -> Self {
        let is_on = !settings.otlp_endpoint.is_empty();
        Self { per_million: if is_on { settings.sample_per_million } else { 0 } }
    }

    /// The span of an event that has come in, if it gets one. It has the event's name if the namespace knows it.
    pub(crate) fn event(self, namespace: &str, events: &LiveEvents, place: Place) -> Trace {
        if !self.hits() {
            return Trace::default();
        }
        let code = tracing::field::Empty;
        events.with_name(place, |event| {
            Trace::of(
                info_span!(target: TARGET, parent: None, "event", otel.kind = "server", namespace, event, code),
            )
        })
    }

    /// The span of a client that connects to a namespace, if it gets one.
    pub(crate) fn connect(self, namespace: &str) -> Trace {
        if !self.hits() {
            return Trace::default();
        }
        let (identity, code) = (tracing::field::Empty, tracing::field::Empty);
        Trace::of(
            info_span!(target: TARGET, parent: None, "connect", otel.kind = "server", namespace, identity, code),
        )
    }

    fn hits(self) -> bool {
        self.per_million > 0 && fastrand::u32(..MILLION) < self.per_million
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits_of_a_hundred_thousand(per_million: u32) -> usize {
        let sampling = Sampling { per_million };
        (0..100_000).filter(|_| sampling.hits()).count()
    }

    #[test]
    fn none_all_and_a_part() {
        fastrand::seed(7);
        assert_eq!(hits_of_a_hundred_thousand(0), 0);
        assert_eq!(hits_of_a_hundred_thousand(MILLION), 100_000);
        let tenth = hits_of_a_hundred_thousand(MILLION / 10);
        assert!((9_500..10_500).contains(&tenth), "{tenth}");
    }

    #[test]
    fn without_a_collector_there_is_none() {
        let mut settings = TelemetrySettings { sample_per_million: MILLION, ..TelemetrySettings::default() };
        assert!(!Sampling::new(&settings).hits());
        settings.otlp_endpoint = "http://127.0.0.1:4318".into();
        assert!(Sampling::new(&settings).hits());
    }
}
