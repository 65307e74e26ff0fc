//! Which ADDs have ended since an observation of the node began.
//!
//! A record is committed before its port and flows are complete (`add.rs`). An observation that
//! began before that may contain flows and no port, and an op computed from it is wrong once the
//! ADD has ended:
//!
//! ```text
//!   reconcile   reads: the port has no number ─── reads: 11 of 44 flows ─── waits for the key ─── deletes 11
//!   ADD         ──── commits ──── the port has a number ──── 44 flows are in ──── answers ─┘
//! ```
//!
//! So an op about an attachment is discarded if an ADD of it has ended since the observation that
//! the op was computed from began.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A position in the order of ended ADDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPosition(u64);

/// The order in which ADDs ended, by generation.
#[derive(Debug, Default)]
pub(crate) struct AddLog(Mutex<Ended>);

#[derive(Debug, Default)]
struct Ended {
    /// Number of ADDs that have ended.
    count: u64,
    /// By generation: the count when its ADD ended, itself included.
    at: BTreeMap<u64, u64>,
}

impl AddLog {
    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the success of an ADD. The caller still holds the attachment's lock.
    pub(crate) fn record(&self, generation: u64) {
        let mut ended = self.ended();
        ended.count += 1;
        let now = ended.count;
        ended.at.insert(generation, now);
    }

    /// The current position, taken before an observation. Drops older entries: observations do not
    /// overlap.
    pub(crate) fn begin_observation(&self) -> LogPosition {
        let mut ended = self.ended();
        let now = ended.count;
        ended.at.retain(|_, at| *at > now);
        LogPosition(now)
    }

    /// Whether the ADD of this generation has ended since `position`.
    pub(crate) fn added_since(&self, position: LogPosition, generation: u64) -> bool {
        let ended = self.ended();
        ended.at.get(&generation).is_some_and(|at| *at > position.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_after_an_observation_are_distinguished_from_earlier_ones() {
        let log = AddLog::default();
        log.record(1);
        let position = log.begin_observation();
        assert!(!log.added_since(position, 1));
        log.record(2);
        assert!(log.added_since(position, 2) && !log.added_since(position, 3));
        let next = log.begin_observation();
        assert!(next > position && !log.added_since(next, 2));
    }
}
