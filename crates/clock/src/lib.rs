//! Time and randomness as values that are passed in, and the delays between attempts.
//!
//! ```text
//!   [System] ──▶ [Clock], [Rng] ──▶ logic, which reads no clock by itself
//!   failures in a row ──▶ [Backoff] (pure) ──▶ the delay before the next attempt
//! ```
//!
//! Every retry loop of the daemons takes its delays from [`Backoff`].

mod backoff;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

pub use backoff::{Backoff, Delays};

/// Time. Tests bring their own.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> SystemTime;

    /// The time since the machine's start, its sleep included. It never stands still or goes back
    /// (`CLOCK_BOOTTIME`).
    fn since_boot(&self) -> Duration;
}

/// Randomness. Tests bring their own.
pub trait Rng: Send + Sync {
    /// 128 bits that nobody can guess.
    fn random(&self) -> u128;

    /// A share of `whole`, evenly spread over 0 ‥ `whole`, in milliseconds.
    fn share_of(&self, whole: Duration) -> Duration {
        let millis = u128::from(u64::try_from(whole.as_millis()).unwrap_or(u64::MAX));
        let share = self.random() % (millis + 1);
        Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

/// The system's clock and random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn since_boot(&self) -> Duration {
        // Linux has had this clock since 2.6.39: it cannot fail.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
    }
}

impl Rng for System {
    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        // Without the kernel's random numbers the clock serves: a nonce only has to differ from
        // the others.
        match getrandom::fill(&mut bytes) {
            Ok(()) => u128::from_le_bytes(bytes),
            Err(_) => self
                .now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO)
                .as_nanos(),
        }
    }
}
