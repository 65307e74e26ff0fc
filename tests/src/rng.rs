//! Numbers that look random and come again with the same seed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The variable that sets the seed.
const SEED: &str = "FLATNET_SEED";

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, and its quality is enough for tests.
#[derive(Debug, Clone)]
pub(crate) struct SeededRng(u64);

/// The seed of this run: what `FLATNET_SEED` says, or the time.
pub(crate) fn seed() -> u64 {
    let given = std::env::var(SEED).ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    })
}

impl SeededRng {
    /// A sequence of its own for each user of a seed.
    pub(crate) fn new(seed: u64, user: u64) -> Self {
        let mut rng = Self(seed ^ user.wrapping_mul(0xa076_1d64_78bd_642f));
        rng.next();
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % n).unwrap_or(0)
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Up to so many milliseconds.
    pub(crate) fn up_to_ms(&mut self, ms: usize) -> Duration {
        Duration::from_micros(u64::try_from(self.below(ms * 1000)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_each_user_others() {
        let numbers = |seed, user| {
            let mut rng = SeededRng::new(seed, user);
            [(); 8].map(|()| rng.below(1000))
        };
        assert_eq!(numbers(1, 1), numbers(1, 1));
        assert_ne!(numbers(1, 1), numbers(1, 2));
        assert_ne!(numbers(1, 1), numbers(2, 1));
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut rng = SeededRng::new(7, 0);
        assert!((0..1000).all(|_| rng.below(3) < 3));
        assert!((0..1000).all(|_| rng.up_to_ms(5) < Duration::from_millis(5)));
    }
}
