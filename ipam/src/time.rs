//! A clock that never goes back.

use flatnet_types::Timestamp;

/// Makes a clock that may jump back monotone.
///
/// # Guarantees
/// - The reading never decreases.
/// - After a jump back it advances as the clock does: a quarantine that had `n` ms left before the
///   jump has at most `n` ms left after it.
#[derive(Debug, Clone, Copy, Default)]
pub struct MonotoneClock {
    last_input: Timestamp,
    /// Sum of the jumps back, in ms.
    offset: u64,
}

impl MonotoneClock {
    /// The monotone reading for the clock's `now`.
    pub fn read(&mut self, now: Timestamp) -> Timestamp {
        if now < self.last_input {
            self.offset = self
                .offset
                .saturating_add(self.last_input.as_millis() - now.as_millis());
        }
        self.last_input = now;
        Timestamp::from_millis(now.as_millis().saturating_add(self.offset))
    }

    /// The last reading.
    pub fn last(&self) -> Timestamp {
        Timestamp::from_millis(self.last_input.as_millis().saturating_add(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_back_stops_and_then_continues() {
        let mut clock = MonotoneClock::default();
        let at = Timestamp::from_millis;
        assert_eq!(clock.read(at(10_000)), at(10_000));
        assert_eq!(clock.read(at(4_000)), at(10_000));
        assert_eq!(clock.read(at(4_500)), at(10_500));
        assert_eq!(clock.read(at(4_400)), at(10_500));
        assert_eq!(clock.read(at(9_400)), at(15_500));
    }
}
