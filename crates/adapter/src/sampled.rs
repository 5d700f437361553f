//! Log lines that others can cause must not fill the disk.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lets one in ten seconds pass.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    last: Mutex<Option<Instant>>,
}

impl Sampled {
    pub(crate) const fn new() -> Self {
        Self { last: Mutex::new(None) }
    }

    pub(crate) fn now(&self) -> bool {
        const EVERY: Duration = Duration::from_secs(10);
        // Who finds it locked is about to be told no anyway.
        let Ok(mut last) = self.last.try_lock() else { return false };
        let due = last.is_none_or(|last| last.elapsed() >= EVERY);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// Runs a log macro at most once in ten seconds, for each place that it stands at.
macro_rules! sampled {
    ($log:expr) => {{
        static SAMPLED: $crate::sampled::Sampled = $crate::sampled::Sampled::new();
        if SAMPLED.now() {
            $log;
        }
    }};
}
pub(crate) use sampled;
