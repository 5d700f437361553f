//! What became of the spans.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One for the process, as its subscriber is.
pub(crate) static SPANS: SpanStats =
    SpanStats { sent: AtomicU64::new(0), failed: AtomicU64::new(0), dropped: AtomicU64::new(0) };

#[derive(Debug)]
pub(crate) struct SpanStats {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl SpanStats {
    pub(crate) fn snapshot(&self) -> [(&'static str, u64); 3] {
        [("sent", &self.sent), ("failed", &self.failed), ("dropped", &self.dropped)]
            .map(|(outcome, count)| (outcome, count.load(Relaxed)))
    }
}

#[cfg(feature = "otel")]
impl SpanStats {
    pub(super) fn sent(&self, spans: usize) {
        self.sent.fetch_add(spans as u64, Relaxed);
    }

    pub(super) fn failed(&self, spans: usize) {
        self.failed.fetch_add(spans as u64, Relaxed);
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }
}
