//! How much, in which time.

use std::num::NonZeroU32;
use std::time::Duration;

/// So much in such a time, of which a burst may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    count: NonZeroU32,
    period: Duration,
    burst: NonZeroU32,
}

impl Quota {
    /// `count` in each `period` (at least a nanosecond for each), all of which may come at once.
    #[must_use]
    pub fn new(count: NonZeroU32, period: Duration) -> Self {
        Self { count, period, burst: count }
    }

    /// The same, of which `burst` may come at once: fewer, or more after a quiet time.
    #[must_use]
    pub fn with_burst(self, burst: NonZeroU32) -> Self {
        Self { burst, ..self }
    }

    /// How much may come at once.
    #[must_use]
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// The time in which one more is allowed.
    #[must_use]
    pub fn interval(&self) -> Duration {
        (self.period / self.count.get()).max(Duration::from_nanos(1))
    }

    /// The time after which who has used up everything may do again all that a newcomer may.
    #[must_use]
    pub fn recovery(&self) -> Duration {
        self.interval().saturating_mul(self.burst.get())
    }

    pub(crate) fn governors(&self) -> governor::Quota {
        governor::Quota::with_period(self.interval())
            .expect("an interval is never zero")
            .allow_burst(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_never_zero_and_bursts_are_recovered_one_by_one() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let quota = Quota::new(number(10), Duration::from_secs(60)).with_burst(number(30));
        assert_eq!(quota.interval(), Duration::from_secs(6));
        assert_eq!(quota.recovery(), Duration::from_secs(180));
        assert_eq!(Quota::new(NonZeroU32::MAX, Duration::from_nanos(5)).interval(), Duration::from_nanos(1));
    }
}
