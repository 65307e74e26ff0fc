//! Time and size limits: all of them are parameters, none is read from a clock in here.

use std::time::Duration;

/// The pauses between attempts to connect: each is twice the one before, up to a bound.
///
/// The first is short because the usual reason is a daemon that is being restarted, and
/// containers wait for it; the last is not long because the socket is local.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause after the `failures`-th failure in a row (1 is the first).
    pub fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(10),
            max: Duration::from_secs(1),
        }
    }
}

/// How long a connection waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between attempts to connect.
    pub backoff: Backoff,
    /// For `connect()` and then for the exchange that makes the connection usable: the
    /// schema and the first copy of the tables, or OpenFlow's hello and port list.
    pub setup_timeout: Duration,
    /// A connection that has been quiet for this long is asked for an echo, and is given up
    /// if it stays quiet for as long again.
    pub probe_interval: Duration,
    /// For the answer to a request, where the caller names no time of its own.
    pub request_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            setup_timeout: Duration::from_secs(10),
            probe_interval: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_ten_milliseconds_to_a_second() {
        let pauses: Vec<u128> = (1..=9)
            .map(|n| Backoff::default().pause(n).as_millis())
            .collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(Backoff::default().pause(u32::MAX).as_millis(), 1000);
    }
}
