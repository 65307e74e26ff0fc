//! How long to wait before a daemon is started again.

use std::time::Duration;

use flatnet_clock::Backoff;

/// The pause after an end that says nothing against the daemon: well under the 200 ms
/// within which it must be back.
const SHORT: Duration = Duration::from_millis(20);
/// The longest pause of a crash loop.
const LONG: Duration = Duration::from_secs(2);
/// Between the two, after the crashes that are free.
const DELAYS: Backoff = Backoff::new(SHORT, LONG);
/// A daemon that lived this long was well.
const WELL: Duration = Duration::from_secs(5);
/// Crashes in a row that are taken for bad luck.
const FREE: u32 = 3;

/// How a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Somebody ended it: SIGKILL or SIGTERM, or it ended itself in good order.
    Ended,
    /// It ended by a fault of its own.
    Crashed,
}

/// Counts crashes in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CrashCount {
    crashes: u32,
}

impl CrashCount {
    /// The pause after an end. Being killed is never held against a daemon, however
    /// often: tests do that for hours.
    pub(crate) fn after(&mut self, end: End, lived: Duration) -> Duration {
        if end == End::Ended || lived >= WELL {
            self.crashes = 0;
        }
        if end == End::Ended {
            return SHORT;
        }
        self.crashes += 1;
        DELAYS.delay(self.crashes.saturating_sub(FREE) + 1)
    }

    /// Whether it crashes again and again.
    pub(crate) fn looping(self) -> bool {
        self.crashes > FREE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);

    #[test]
    fn being_killed_a_hundred_times_never_slows_the_restart() {
        let mut backoff = CrashCount::default();
        for _ in 0..100 {
            assert_eq!(backoff.after(End::Ended, MOMENT), SHORT);
        }
        assert!(!backoff.looping());
    }

    #[test]
    fn a_crash_loop_slows_down_and_has_a_limit() {
        let mut backoff = CrashCount::default();
        let pauses: Vec<_> = (0..20)
            .map(|_| backoff.after(End::Crashed, MOMENT))
            .collect();
        assert_eq!(pauses[..3], [SHORT; 3]);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&LONG));
        assert!(backoff.looping());
    }

    #[test]
    fn a_crash_after_a_good_while_is_the_first_again() {
        let mut backoff = CrashCount::default();
        for _ in 0..10 {
            backoff.after(End::Crashed, MOMENT);
        }
        assert_eq!(backoff.after(End::Crashed, WELL), SHORT);
        assert!(!backoff.looping());
    }
}
