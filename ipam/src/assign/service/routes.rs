//! Watches of what hosts hold, for programs that route to them.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use flatnet_types::NodeName;
use flatnet_types::ipamd::Grants;
use tokio::time::{Instant, timeout_at};

use super::{Service, ServiceError, Topic, Worker};
use crate::assign::AssignError;

/// Parameters of a long poll.
#[derive(Debug, Clone)]
pub struct Wait {
    /// The revision that the caller has: the call waits for another one.
    pub after: String,
    /// The longest that it waits.
    pub at_most: Duration,
}

impl Service {
    /// What every host holds. With `wait`, returns when the revision differs from `wait.after` or
    /// `wait.at_most` has passed. Cancel safe.
    ///
    /// # Errors
    /// [`ServiceError::Stopped`].
    pub async fn grants(&self, wait: Option<Wait>) -> Result<Grants, ServiceError> {
        self.routes(None, wait).await
    }

    /// What the other hosts of the segment of `host` hold; empty if it is in no segment. Waits as
    /// [`Service::grants`] does.
    ///
    /// # Errors
    /// [`ServiceError::Assign`] for a host that the plan does not have.
    pub async fn peers(&self, host: &NodeName, wait: Option<Wait>) -> Result<Grants, ServiceError> {
        self.routes(Some(host), wait).await
    }

    async fn routes(
        &self,
        host: Option<&NodeName>,
        wait: Option<Wait>,
    ) -> Result<Grants, ServiceError> {
        let until = wait.as_ref().map(|w| Instant::now() + w.at_most);
        loop {
            let topic = match host {
                None => Topic::All,
                Some(host) => self.topic_of(host).await?,
            };
            let mut versions = self.topics.watch(topic.clone());
            // The version is read before the content: a change between the two wakes the watcher
            // once more than necessary, and is never missed.
            let version = *versions.borrow_and_update();
            let host = host.cloned();
            let inspection = self.inspect(move |ledger, now| Grants {
                revision: format!("{}-{version}", ledger.incarnation()),
                in_grace_period: ledger.in_grace_period(now),
                ranges: match (&topic, &host) {
                    (Topic::Segment(segment), Some(host)) => ledger.peers_of(host, segment),
                    (Topic::All, None) => ledger.grants(),
                    (Topic::All | Topic::Nowhere, _) | (Topic::Segment(_), None) => Vec::new(),
                },
            });
            let found = inspection.await?;
            let (Some(wait), Some(until)) = (&wait, until) else {
                return Ok(found);
            };
            if found.revision != wait.after || timeout_at(until, versions.changed()).await.is_err()
            {
                return Ok(found);
            }
        }
    }

    /// The topic of a host's segment. A host in no segment has no peers: it gets a topic that never
    /// changes, so that changes of other hosts do not wake it. It learns of a new plan by the watch
    /// of its own ranges.
    async fn topic_of(&self, host: &NodeName) -> Result<Topic, ServiceError> {
        let asks = host.clone();
        let found = self
            .inspect(move |ledger, _| {
                let declared = ledger.declared().hosts().get(&asks);
                declared.map(|h| h.segment.clone())
            })
            .await?;
        let unknown = || AssignError::UnknownHost { host: host.clone() };
        Ok(match found.ok_or_else(unknown)? {
            Some(segment) => Topic::Segment(segment),
            None => Topic::Nowhere,
        })
    }
}

impl Worker {
    /// Wakes the watchers that route to the hosts that changed.
    pub(super) fn publish_routes(&self, changed: &BTreeSet<NodeName>) {
        if changed.is_empty() {
            return;
        }
        let hosts = self.ledger.declared().hosts();
        let segments: HashSet<_> = changed
            .iter()
            .filter_map(|host| hosts.get(host)?.segment.as_ref())
            .collect();
        self.topics.publish(|topic| match topic {
            Topic::All => true,
            Topic::Segment(segment) => segments.contains(segment),
            Topic::Nowhere => false,
        });
    }
}
