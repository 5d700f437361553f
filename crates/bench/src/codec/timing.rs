//! Nanoseconds per operation.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::statistics::Spread;

/// Before anything counts.
const WARM_UP: Duration = Duration::from_millis(100);

/// Length of a round.
const ROUND: Duration = Duration::from_millis(20);

/// Measures something that takes a number of repetitions and gives the time that they took, which is less than it took
/// itself if it had something to prepare.
pub(super) fn measure(rounds: u32, mut repeat: impl FnMut(u64) -> Duration) -> Spread {
    let (mut done, mut took, mut count) = (0, Duration::ZERO, 1);
    while took < WARM_UP {
        took += repeat(count);
        done += count;
        count *= 2;
    }
    let per_round = repetitions(done, took);
    let figures: Vec<f64> = (0..rounds).map(|_| nanos_each(repeat(per_round), per_round)).collect();
    Spread::of(&figures)
}

/// Times so many calls.
pub(super) fn time<T>(count: u64, mut operation: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        black_box(operation());
    }
    start.elapsed()
}

/// How many fill a round, if so many took so long.
fn repetitions(done: u64, took: Duration) -> u64 {
    let fitting = u128::from(done) * ROUND.as_nanos() / took.as_nanos().max(1);
    u64::try_from(fitting).unwrap_or(u64::MAX).max(1)
}

fn nanos_each(took: Duration, count: u64) -> f64 {
    took.as_secs_f64() * 1e9 / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_round_counts() {
        let mut call = 0;
        let spread = measure(3, |count| {
            call += 1;
            // Everything takes 100 ns, but the last round 900.
            let each = if call == 24 { 900 } else { 100 };
            Duration::from_nanos(count * each)
        });
        assert_eq!(call, 24 - 1, "20 to warm up, 3 rounds");
        assert_eq!(spread, Spread { min: 100.0, median: 100.0, max: 100.0 });
    }

    #[test]
    fn a_round_has_its_length() {
        assert_eq!(repetitions(1000, Duration::from_millis(100)), 200);
        assert_eq!(repetitions(1, Duration::from_secs(9)), 1);
        assert_eq!(nanos_each(Duration::from_millis(1), 1000), 1000.0);
    }

    #[test]
    fn every_repetition_is_made() {
        let mut calls = 0;
        let took = time(10, || calls += 1);
        assert!(calls == 10 && took < Duration::from_secs(60));
    }
}
