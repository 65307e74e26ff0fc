//! Says in Kubernetes whether the node's network is there.
//!
//! ```text
//!   netd: why it is not ready ─▶ [Shown::decide] ─▶ own_node::patch ──▶ Node: status.conditions, spec.taints
//!                                     (time)           ▲
//!                                                      └── the Node as the last patch returned it
//! ```
//!
//! A netd that has ended leaves the condition as it was: packets go on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_k8s_api::own_node::{NodePatch, patch, says_ready};
use flatnet_k8s_client::{Cluster, ClusterError};
use flatnet_types::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

/// How long a node that was ready must not be so before that is written: a restart of netd, or of Open vSwitch,
/// is shorter, and keeps no pod away.
const NOT_READY_AFTER: Duration = Duration::from_secs(10);
/// How often the Node is looked at when nothing changes: a kubelet may have registered it anew.
const LOOK: Duration = Duration::from_secs(60);
/// When what failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The most patches for one change.
const PATCHES_MAX: usize = 2;
/// How often it is looked whether netd is not ready for long enough.
const TICK: Duration = Duration::from_secs(1);

/// Why the node does not serve; `None`: it does.
pub(crate) type NotReady = Option<String>;

/// What the Node is to show.
#[derive(Debug, Default)]
struct Shown {
    /// Since when netd has not been ready.
    since: Option<Instant>,
}

impl Shown {
    /// What the Node is to show; `None` while it is to stay as it is.
    fn decide(&mut self, says: NotReady, node: &Value, now: Instant) -> Option<NotReady> {
        if says.is_none() {
            self.since = None;
            return Some(None);
        }
        let since = *self.since.get_or_insert(now);
        let lasts = now.saturating_duration_since(since) >= NOT_READY_AFTER;
        (lasts || !says_ready(node)).then_some(says)
    }
}

/// What is known of the Node.
enum Known {
    /// It is to be asked for, at that time.
    Unknown { ask: Instant },
    /// As the last patch returned it; `None`: there is none. It is asked for again at that time.
    Seen { node: Option<Value>, until: Instant },
}

struct Publisher {
    cluster: Arc<Cluster>,
    name: String,
    shown: Shown,
    known: Known,
    /// What was logged last.
    told: String,
}

/// Keeps a Node as netd says, until netd says no more. A Node that is not there is looked for again: a machine may
/// have no kubelet yet. Cancel safe: each patch is whole.
pub(crate) async fn publish(
    cluster: Arc<Cluster>,
    name: String,
    mut says: watch::Receiver<NotReady>,
) {
    let mut publisher = Publisher {
        cluster,
        name,
        shown: Shown::default(),
        known: Known::Unknown {
            ask: Instant::now(),
        },
        told: String::new(),
    };
    loop {
        let said = says.borrow_and_update().clone();
        if let Err(error) = publisher.step(said).await {
            publisher.known = Known::Unknown {
                ask: Instant::now() + RETRY,
            };
            let why = error.to_string();
            if publisher.tell(&why) {
                warn!(why, "the Node's condition is not written; trying again");
            }
        }
        // Without a change, time may have made one.
        if let Ok(Err(_)) = timeout(TICK, says.changed()).await {
            return;
        }
    }
}

impl Publisher {
    /// Asks for the Node where that is due, and writes what differs.
    async fn step(&mut self, says: NotReady) -> Result<(), ClusterError> {
        let now = Instant::now();
        let (Known::Unknown { ask: due } | Known::Seen { until: due, .. }) = &self.known;
        if *due <= now {
            self.send(&NodePatch::nothing()).await?;
        }
        // The condition, and then the taint of the Node that this returned. What a server keeps otherwise than it
        // was written is not written in a loop.
        for _ in 0..PATCHES_MAX {
            let Known::Seen {
                node: Some(node), ..
            } = &self.known
            else {
                return Ok(());
            };
            let Some(wanted) = self.shown.decide(says.clone(), node, now) else {
                return Ok(());
            };
            let at = Timestamp::from(SystemTime::now());
            let Some(patch) = patch(node, wanted.as_deref(), at) else {
                return Ok(());
            };
            self.send(&patch).await?;
        }
        Ok(())
    }

    async fn send(&mut self, patch: &NodePatch) -> Result<(), ClusterError> {
        let node = self.cluster.patch_kubernetes_node(&self.name, patch).await;
        let node = node?;
        match node {
            Some(_) => self.told.clear(),
            None => {
                if self.tell("there is no Node of this name in Kubernetes") {
                    info!(node = self.name, why = self.told, "looking for it again");
                }
            }
        }
        let until = Instant::now() + LOOK;
        self.known = Known::Seen { node, until };
        Ok(())
    }

    /// Whether it is to be logged.
    fn tell(&mut self, why: &str) -> bool {
        let new = self.told != why;
        why.clone_into(&mut self.told);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(status: &str) -> Value {
        json!({"status": {"conditions": [{"type": "NetworkUnavailable", "status": status}]}})
    }

    #[test]
    fn a_new_node_is_told_as_not_ready_at_once_and_one_that_was_ready_after_a_while() {
        let begun = Instant::now();
        let says = || Some("the bridge is gone".to_owned());
        for fresh in [json!({}), node("True")] {
            let mut shown = Shown::default();
            assert_eq!(shown.decide(says(), &fresh, begun), Some(says()));
        }
        let mut shown = Shown::default();
        assert_eq!(shown.decide(says(), &node("False"), begun), None);
        let later = begun + NOT_READY_AFTER;
        assert_eq!(shown.decide(says(), &node("False"), later), Some(says()));
    }

    #[test]
    fn who_is_ready_in_between_begins_anew() {
        let begun = Instant::now();
        let says = || Some("the bridge is gone".to_owned());
        let mut shown = Shown::default();
        assert_eq!(shown.decide(says(), &node("False"), begun), None);
        let mid = begun + NOT_READY_AFTER / 2;
        assert_eq!(shown.decide(None, &node("False"), mid), Some(None));
        let later = begun + NOT_READY_AFTER;
        assert_eq!(shown.decide(says(), &node("False"), later), None);
    }
}
