//! Percentiles, rates, and the bounds that the figures are held against.

use std::time::Duration;

use serde::Serialize;

/// The figures of one operation in one situation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Figures {
    /// How many were timed.
    pub(super) n: usize,
    /// Half took at most so long, in milliseconds.
    pub(super) p50_ms: f64,
    /// 95 % took at most so long.
    pub(super) p95_ms: f64,
    /// 99 % took at most so long.
    pub(super) p99_ms: f64,
    /// How many a second: the median over the rounds.
    pub(super) per_s: f64,
    /// What was still done in the background after the last answer of a round: the median.
    pub(super) settle_ms: f64,
}

impl Figures {
    /// The figures of all rounds' latencies, and of each round's rate and settling.
    pub(super) fn of(
        mut latencies: Vec<Duration>,
        mut rates: Vec<f64>,
        mut settled: Vec<Duration>,
    ) -> Self {
        latencies.sort_unstable();
        settled.sort_unstable();
        rates.sort_unstable_by(f64::total_cmp);
        let at = |percent| percentile(&latencies, percent).map_or(0.0, |d| d.as_secs_f64() * 1e3);
        Self {
            n: latencies.len(),
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
            per_s: percentile(&rates, 50).unwrap_or(0.0),
            settle_ms: percentile(&settled, 50).map_or(0.0, |d| d.as_secs_f64() * 1e3),
        }
    }
}

/// The nearest-rank percentile of sorted values: the smallest that is not below so many per
/// cent of them.
pub(super) fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// How a figure is held against its bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Bound {
    /// It is to be at most that.
    AtMost(f64),
    /// It is to be at least that.
    AtLeast(f64),
}

impl Bound {
    /// Whether a figure keeps it. What could not be measured does not.
    pub(super) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

/// One bound and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// What is held against the bound.
    pub(super) name: &'static str,
    /// What was measured; none: it could not be.
    pub(super) value: Option<f64>,
    /// `×` for a ratio, `MiB` for memory.
    pub(super) unit: &'static str,
    pub(super) bound: Bound,
    /// Whether it is kept.
    pub(super) pass: bool,
}

impl Verdict {
    /// Holds a figure against a bound.
    pub(super) fn new(
        name: &'static str,
        value: Option<f64>,
        unit: &'static str,
        bound: Bound,
    ) -> Self {
        Self {
            name,
            value,
            unit,
            bound,
            pass: value.is_some_and(|v| bound.holds(v)),
        }
    }
}

/// One figure as a multiple of another; none where the other is nothing.
pub(super) fn ratio(ours: f64, theirs: f64) -> Option<f64> {
    (theirs > 0.0).then(|| ours / theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50), Some(50));
        assert_eq!(percentile(&hundred, 95), Some(95));
        assert_eq!(percentile(&hundred, 99), Some(99));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[1, 2, 3], 50), Some(2));
        assert_eq!(percentile::<u32>(&[], 50), None);
    }

    #[test]
    fn figures_are_in_milliseconds_and_do_not_depend_on_the_order() {
        let ms = Duration::from_millis;
        let figures = Figures::of(
            vec![ms(30), ms(10), ms(20)],
            vec![5.0, 1.0, 3.0],
            vec![ms(7)],
        );
        assert_eq!(figures.n, 3);
        assert!((figures.p50_ms - 20.0).abs() < 1e-9);
        assert!((figures.p99_ms - 30.0).abs() < 1e-9);
        assert!((figures.per_s - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_bound_is_kept_at_its_very_value() {
        assert!(Bound::AtMost(0.6).holds(0.6));
        assert!(!Bound::AtMost(0.6).holds(0.61));
        assert!(Bound::AtLeast(1.7).holds(1.7));
        assert!(!Bound::AtLeast(1.7).holds(1.69));
    }

    #[test]
    fn what_could_not_be_measured_does_not_pass() {
        assert!(!Verdict::new("x", None, "×", Bound::AtMost(1.0)).pass);
        assert!(!Verdict::new("x", Some(f64::NAN), "×", Bound::AtMost(1.0)).pass);
        assert_eq!(ratio(1.0, 0.0), None);
    }
}
