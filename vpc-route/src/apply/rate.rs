//! How fast to call. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// The time between calls: doubled when the API throttles, shortened by a tenth of the way
/// back when it does not.
#[derive(Debug, Clone)]
pub struct RateLimiter {
    least: Duration,
    most: Duration,
    gap: Duration,
    due: Option<Instant>,
}

impl RateLimiter {
    /// Calls `least` apart, and never more than `most`.
    pub fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            gap: least,
            due: None,
        }
    }

    /// The time between calls now.
    pub fn gap(&self) -> Duration {
        self.gap
    }

    /// How long the next call has to wait; it is counted as made then.
    pub fn next(&mut self, now: Instant) -> Duration {
        let due = self.due.unwrap_or(now).max(now);
        self.due = Some(due + self.gap);
        due - now
    }

    /// A call ended; whether the API throttled it.
    pub fn observe(&mut self, throttled: bool) {
        self.gap = if throttled {
            // From nothing it has to begin somewhere.
            (self.gap * 2)
                .max(Duration::from_millis(100))
                .min(self.most)
        } else {
            self.gap - (self.gap - self.least) / 10
        };
    }
}
