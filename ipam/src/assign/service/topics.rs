//! Who waits for what hosts hold: of the whole cluster, or of one segment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::assign::declared::Segment;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// Every host.
    All,
    /// The hosts of one segment.
    Segment(Segment),
    /// No host.
    Nowhere,
}

/// The version of each topic that somebody has asked for.
///
/// # Guarantees
/// No version is given twice, not even to two topics: a host that moves to another segment
/// sees another version.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    last: AtomicU64,
    told: Mutex<HashMap<Topic, watch::Sender<u64>>>,
}

impl Topics {
    /// The version of a topic, and what it becomes.
    pub(crate) fn watch(&self, topic: Topic) -> watch::Receiver<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || watch::Sender::new(self.next());
        told.entry(topic).or_insert_with(fresh).subscribe()
    }

    /// What `changed` admits is another from now on. To be called when it is on disk and
    /// before anybody can look at it.
    pub(crate) fn tell(&self, changed: impl Fn(&Topic) -> bool) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, version) in told.iter().filter(|(topic, _)| changed(topic)) {
            version.send_replace(self.next());
        }
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}
