//! How long to wait before asking a server again that failed.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);

/// Doubles from 250 ms, each wait shortened at random by up to half, so that nodes do not come back in step.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn next(&mut self, longest: Duration) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_start_anew() {
        let longest = Duration::from_secs(10);
        let mut backoff = Backoff::default();
        assert!(backoff.next(longest) <= FIRST);
        for _ in 0..40 {
            let wait = backoff.next(longest);
            assert!(wait >= FIRST && wait <= longest, "{wait:?}");
        }
        assert!(backoff.next(longest) >= longest / 2);
        backoff.reset();
        assert!(backoff.next(longest) <= FIRST);
    }
}
