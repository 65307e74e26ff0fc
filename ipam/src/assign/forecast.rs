//! Forecast of when a pool is exhausted: a linear regression over the samples of a day.

use std::collections::VecDeque;
use std::time::Duration;

use flatnet_types::Timestamp;

/// The most samples: one each ten minutes of a day.
const SAMPLES: usize = 144;

/// Samples of a count over the last day, at most one each ten minutes.
#[derive(Debug, Clone, Default)]
pub struct Forecast {
    samples: VecDeque<(Timestamp, u64)>,
}

impl Forecast {
    /// The least time between two samples.
    pub const EVERY: Duration = Duration::from_secs(600);

    /// `used` are in use at `now`. Kept if the last sample is [`Forecast::EVERY`] old.
    pub fn record(&mut self, now: Timestamp, used: u64) {
        let last = self.samples.back();
        if last.is_some_and(|(at, _)| now.saturating_since(*at) < Self::EVERY) {
            return;
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((now, used));
    }

    /// Growth per second: the slope of the least-squares line. `None` before there are three
    /// samples.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a forecast needs no 53 bits of precision"
    )]
    pub fn rate(&self) -> Option<f64> {
        let (start, _) = *self.samples.front()?;
        if self.samples.len() < 3 {
            return None;
        }
        let count = self.samples.len() as f64;
        let samples = || {
            self.samples
                .iter()
                .map(|(at, used)| (at.saturating_since(start).as_secs_f64(), *used as f64))
        };
        let (mean_x, mean_y) =
            samples().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / count, b + y / count));
        let (covariance, variance) = samples().fold((0.0, 0.0), |(c, v), (x, y)| {
            let dx = x - mean_x;
            (c + dx * (y - mean_y), v + dx * dx)
        });
        (variance > 0.0).then_some(covariance / variance)
    }

    /// Time until `free` more are in use, at the current rate; `None` if the count does not grow.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a forecast needs no 53 bits of precision"
    )]
    pub fn exhausted_in(&self, free: u64) -> Option<Duration> {
        let rate = self.rate().filter(|rate| *rate > 0.0)?;
        Duration::try_from_secs_f64(free as f64 / rate).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(step: u64, samples: u64) -> Forecast {
        let mut forecast = Forecast::default();
        for n in 0..samples {
            let at = Timestamp::from_millis(n * 600_000);
            forecast.record(at, 100 + n * step);
        }
        forecast
    }

    #[test]
    fn a_steady_growth_is_extrapolated() {
        let forecast = grown(6, 20);
        // 6 each 600 s: 100 s for each.
        assert_eq!(
            forecast.exhausted_in(36).map(|d| d.as_secs_f64().round()),
            Some(3_600.0)
        );
        assert_eq!(forecast.exhausted_in(0), Some(Duration::ZERO));
    }

    #[test]
    fn what_does_not_grow_never_runs_out() {
        assert_eq!(grown(0, 20).exhausted_in(10), None);
        let mut shrinking = Forecast::default();
        for n in 0..10 {
            shrinking.record(Timestamp::from_millis(n * 600_000), 100 - n);
        }
        assert_eq!(shrinking.exhausted_in(10), None);
    }

    #[test]
    fn too_few_samples_give_no_rate_and_old_ones_are_dropped() {
        assert_eq!(grown(6, 2).rate(), None);
        let mut forecast = grown(600, 200);
        assert_eq!(forecast.samples.len(), SAMPLES);
        let before = forecast.samples.back().copied();
        let (at, _) = before.expect("a sample");
        forecast.record(at.saturating_add(Duration::from_secs(1)), 0);
        assert_eq!(forecast.samples.back().copied(), before);
    }
}
