//! A clock that never goes back.

use flatnet_types::Timestamp;

/// Turns a clock that may jump back into one that stands still instead.
///
/// # Guarantees
/// - The reading never decreases.
/// - After a jump back it advances as the clock does: what had `n` ms left to rest before
///   the jump has at most `n` ms left after it, and never less than the time that passed
///   since the reading before.
#[derive(Debug, Clone, Copy, Default)]
pub struct MonotoneClock {
    last_seen: Timestamp,
    /// What the jumps back sum up to, in ms.
    offset: u64,
}

impl MonotoneClock {
    /// The monotone reading for the clock's `now`.
    pub fn read(&mut self, now: Timestamp) -> Timestamp {
        if now < self.last_seen {
            self.offset = self
                .offset
                .saturating_add(self.last_seen.as_millis() - now.as_millis());
        }
        self.last_seen = now;
        Timestamp::from_millis(now.as_millis().saturating_add(self.offset))
    }

    /// The last reading.
    pub fn last(&self) -> Timestamp {
        Timestamp::from_millis(self.last_seen.as_millis().saturating_add(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_back_stands_still_and_then_goes_on() {
        let mut clock = MonotoneClock::default();
        let at = Timestamp::from_millis;
        assert_eq!(clock.read(at(10_000)), at(10_000));
        assert_eq!(clock.read(at(4_000)), at(10_000));
        assert_eq!(clock.read(at(4_500)), at(10_500));
        assert_eq!(clock.read(at(4_400)), at(10_500));
        assert_eq!(clock.read(at(9_400)), at(15_500));
    }
}
