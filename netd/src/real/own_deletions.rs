//! Ports that netd itself is deleting, so that their deletion does not trigger a reconcile.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By port: how many deletions of netd's the database has not reported yet.
#[derive(Debug, Default)]
pub(super) struct OwnDeletions(Mutex<HashMap<String, u32>>);

impl OwnDeletions {
    fn ports(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a transaction which deletes these ports is about to be sent.
    pub(super) fn begin(&self, names: &[&str]) {
        let mut ports = self.ports();
        for name in names {
            *ports.entry((*name).to_owned()).or_insert(0) += 1;
        }
    }

    /// Records that the transaction failed.
    pub(super) fn failed(&self, names: &[&str]) {
        for name in names {
            self.take(name);
        }
    }

    /// Whether a reported deletion of this port is netd's own. Removes one entry.
    pub(super) fn take(&self, name: &str) -> bool {
        let mut ports = self.ports();
        let Some(count) = ports.get_mut(name) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            ports.remove(name);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_deletion_is_counted_once() {
        let own_deletions = OwnDeletions::default();
        own_deletions.begin(&["fn1", "fn2"]);
        own_deletions.failed(&["fn2"]);
        assert!(own_deletions.take("fn1"));
        assert!(!own_deletions.take("fn1") && !own_deletions.take("fn2"));
    }
}
