//! All together.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};

use crate::quota::Quota;

/// So often, all together.
pub struct Rate {
    limiter: Option<DefaultDirectRateLimiter>,
    clock: DefaultClock,
}

impl Rate {
    /// `None` means no limit.
    #[must_use]
    pub fn new(quota: Option<Quota>) -> Self {
        let limiter = quota.map(|quota| RateLimiter::direct(quota.governors()));
        Self { limiter, clock: DefaultClock::default() }
    }

    /// So often in a second, all of which may come at once; 0 means no limit.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        Self::new(NonZeroU32::new(count).map(|count| Quota::new(count, Duration::from_secs(1))))
    }

    /// Once more.
    ///
    /// # Errors
    /// The time to wait, if that is too often.
    pub fn check(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("is_limited", &self.limiter.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_may_come_so_often() {
        let node = Rate::per_second(1);
        assert_eq!(node.check(), Ok(()));
        let wait = node.check().unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        let none = Rate::per_second(0);
        assert!((0..1000).all(|_| none.check().is_ok()));
    }
}
