//! Topics of watches on what hosts hold: the whole cluster, or one segment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::assign::declared::Segment;

/// The hosts whose ranges are watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// Every host.
    All,
    /// The hosts of one segment.
    Segment(Segment),
    /// No host.
    Nowhere,
}

/// The version of each topic that was watched.
///
/// # Guarantees
/// Versions are unique across topics, so that a host that moves to another segment sees another
/// version.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    last: AtomicU64,
    versions: Mutex<HashMap<Topic, watch::Sender<u64>>>,
}

impl Topics {
    /// The version of a topic and its changes.
    pub(crate) fn watch(&self, topic: Topic) -> watch::Receiver<u64> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || watch::Sender::new(self.next());
        versions.entry(topic).or_insert_with(fresh).subscribe()
    }

    /// Gives each topic for which `changed` is true a new version. Call it when the change is on
    /// disk and before it can be read.
    pub(crate) fn publish(&self, changed: impl Fn(&Topic) -> bool) {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, version) in versions.iter().filter(|(topic, _)| changed(topic)) {
            version.send_replace(self.next());
        }
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}
