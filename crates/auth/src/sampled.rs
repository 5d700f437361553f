//! Log lines that others can cause must not fill the disk.

use std::sync::Mutex;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(10);

/// Lets one in ten seconds pass.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    last: Mutex<Option<Instant>>,
}

impl Sampled {
    pub(crate) fn now(&self) -> bool {
        // Who finds it locked is about to be told no anyway.
        let Ok(mut last) = self.last.try_lock() else { return false };
        let due = last.is_none_or(|last| last.elapsed() >= EVERY);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}
