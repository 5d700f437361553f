//! What several rounds come to.

use serde::Serialize;

/// A figure's rounds in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        // The two middle ones are the same if the number of figures is odd.
        let middle = (sorted[last / 2] + sorted[last.div_ceil(2)]) / 2.0;
        Self { min: sorted[0], median: middle, max: sorted[last] }
    }
}

/// The median of one field of each round.
pub(crate) fn median<T>(rounds: &[T], field: impl Fn(&T) -> f64) -> f64 {
    Spread::of(&rounds.iter().map(field).collect::<Vec<_>>()).median
}

/// A figure beside what it must not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) value: f64,
    pub(crate) target: f64,
    pub(crate) ok: bool,
}

impl Verdict {
    pub(crate) fn at_most(target: f64, value: f64) -> Self {
        // Not a number is not good.
        Self { value, target, ok: value <= target }
    }

    pub(crate) fn word(self) -> &'static str {
        if self.ok { "ok" } else { "missed" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
        assert_eq!(Spread::of(&[7.0]), Spread { min: 7.0, median: 7.0, max: 7.0 });
        assert_eq!(median(&[(1, 9.0), (2, 5.0), (3, 6.0)], |round| round.1), 6.0);
    }

    #[test]
    fn a_target_is_reached_by_what_equals_it_and_missed_by_what_is_no_number() {
        assert!(Verdict::at_most(1.15, 1.15).ok);
        assert_eq!(Verdict::at_most(1.15, 1.16).word(), "missed");
        assert!(!Verdict::at_most(1.15, f64::NAN).ok);
    }
}
