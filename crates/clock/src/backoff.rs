//! The delays between attempts: each is twice the one before, up to a bound. Pure.

use std::time::Duration;

use crate::Rng;

/// Exponential back-off: the first delay, and the longest.
///
/// From 50 ms up to 2 s: 50, 100, 200, 400, 800, 1600, 2000, 2000 … ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub first: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Backoff {
    /// Delays from `first` up to `max`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// The delay after the `failures`-th failure in a row; 1 is the first.
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }

    /// The same, of which jitter takes up to half away, so that two processes that were refused
    /// together do not come back together.
    pub fn jittered(&self, failures: u32, rng: &dyn Rng) -> Duration {
        let whole = self.delay(failures);
        whole - rng.share_of(whole / 2)
    }

    /// The delays one after the other, for a loop that counts its failures by taking them.
    pub const fn delays(self) -> Delays {
        Delays {
            backoff: self,
            failures: 0,
        }
    }
}

/// The delays of a [`Backoff`]; without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    backoff: Backoff,
    failures: u32,
}

impl Delays {
    /// The delay after one failure more.
    pub fn after_failure(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.delay(self.failures)
    }

    /// Begins anew: the last attempt succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.after_failure())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));

    struct Loaded(u128);

    impl Rng for Loaded {
        fn random(&self) -> u128 {
            self.0
        }
    }

    fn millis(delays: impl Iterator<Item = Duration>) -> Vec<u128> {
        delays.map(|d| d.as_millis()).collect()
    }

    #[test]
    fn delays_double_from_the_first_to_the_longest() {
        let wanted = [10, 20, 40, 80, 160, 320, 640, 1000, 1000];
        assert_eq!(millis((1..=9).map(|n| BACKOFF.delay(n))), wanted);
        assert_eq!(millis(BACKOFF.delays().take(9)), wanted);
        assert_eq!(BACKOFF.delay(u32::MAX), BACKOFF.max);
        // No failure at all counts as one.
        assert_eq!(BACKOFF.delay(0), BACKOFF.first);
    }

    #[test]
    fn a_success_begins_them_anew() {
        let mut delays = BACKOFF.delays();
        assert_eq!(millis(delays.by_ref().take(3)), [10, 20, 40]);
        delays.reset();
        assert_eq!(millis(delays.take(2)), [10, 20]);
    }

    #[test]
    fn jitter_takes_up_to_half_of_a_delay() {
        assert_eq!(BACKOFF.jittered(5, &Loaded(0)).as_millis(), 160);
        // share_of(80 ms) counts modulo 81.
        assert_eq!(BACKOFF.jittered(5, &Loaded(80)).as_millis(), 80);
        for random in 0..1000 {
            let delay = BACKOFF.jittered(5, &Loaded(random * 7)).as_millis();
            assert!((80..=160).contains(&delay), "{delay}");
        }
    }
}
