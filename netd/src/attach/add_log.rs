//! Which attachments were made since the node was looked at.
//!
//! A record is committed while its port and flows are still on their way (`add.rs`). A look that began
//! before they were in may have seen flows and no port yet, and what is concluded from that is wrong as
//! soon as the ADD has ended:
//!
//! ```text
//!   reconcile   looks: the port has no number ─── looks: 11 of 44 flows ─── waits for the key ─── deletes 11
//!   ADD         ──── commits ──── the port has a number ──── 44 flows are in ──── answers ─┘
//! ```
//!
//! So an op about an attachment is void if an ADD of it ended after the look that the op comes from.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A point in the order of ADDs that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPosition(u64);

/// The order in which ADDs ended, by generation.
#[derive(Debug, Default)]
pub(crate) struct AddLog(Mutex<Ended>);

#[derive(Debug, Default)]
struct Ended {
    /// How many have ended.
    count: u64,
    /// The count at the end of each, itself included.
    at: BTreeMap<u64, u64>,
}

impl AddLog {
    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An ADD has ended well; its caller still holds the attachment's key.
    pub(crate) fn record(&self, generation: u64) {
        let mut ended = self.ended();
        ended.count += 1;
        let now = ended.count;
        ended.at.insert(generation, now);
    }

    /// Now, before a look. What is older is forgotten: looks come one after the other.
    pub(crate) fn begin_observation(&self) -> LogPosition {
        let mut ended = self.ended();
        let now = ended.count;
        ended.at.retain(|_, at| *at > now);
        LogPosition(now)
    }

    /// Whether an ADD of this generation has ended since then.
    pub(crate) fn added_since(&self, position: LogPosition, generation: u64) -> bool {
        let ended = self.ended();
        ended.at.get(&generation).is_some_and(|at| *at > position.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_after_a_look_is_told_from_what_was_there() {
        let log = AddLog::default();
        log.record(1);
        let look = log.begin_observation();
        assert!(!log.added_since(look, 1));
        log.record(2);
        assert!(log.added_since(look, 2) && !log.added_since(look, 3));
        let next = log.begin_observation();
        assert!(next > look && !log.added_since(next, 2));
    }
}
