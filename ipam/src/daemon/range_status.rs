//! The status of the ranges that ipamd assigned, for `kubectl get`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_k8s_api::range;
use flatnet_k8s_api::status::HostRangeStatus;
use flatnet_k8s_client::{Cluster, ClusterError};
use flatnet_types::ipamd::{Lease, LeaseView};
use futures_util::{StreamExt, stream};
use ipnetwork::IpNetwork;
use tokio::time::Instant;
use tracing::warn;

use crate::assign::Service;

/// How often it is looked what differs.
const EVERY: Duration = Duration::from_secs(1);
/// How often the numbers of one range are written at most. Hosts report every 20 s.
const NUMBERS_EVERY: Duration = Duration::from_secs(30);
/// Writes at a time, beside those of the ledger itself.
const WRITES: usize = 4;

/// What was said of each range, and when.
#[derive(Debug, Default)]
struct Told(BTreeMap<IpNetwork, (HostRangeStatus, Option<Instant>)>);

impl Told {
    /// What is to be written. A change of numbers alone waits until [`NUMBERS_EVERY`] has passed.
    fn due(
        &mut self,
        views: Vec<LeaseView>,
        quarantine: Duration,
        now: Instant,
    ) -> Vec<(Lease, HostRangeStatus)> {
        let there: Vec<IpNetwork> = views.iter().map(|v| v.lease.prefix).collect();
        self.0
            .retain(|prefix, _| there.binary_search(prefix).is_ok());
        let wanted = views.into_iter().map(|view| {
            let status = range::status(&view, quarantine);
            (view.lease, status)
        });
        let differs = |(lease, status): &(Lease, HostRangeStatus)| {
            let Some((told, at)) = self.0.get(&lease.prefix) else {
                return true;
            };
            let only_numbers = HostRangeStatus {
                used: told.used,
                capacity: told.capacity,
                ..status.clone()
            } == *told;
            let waits = at.is_some_and(|at| now < at + NUMBERS_EVERY);
            told != status && !(only_numbers && waits)
        };
        wanted.filter(differs).collect()
    }
}

/// Writes the status of each range when it changes. Does not end by itself, unless the service does. Cancel
/// safe: each status is written as a whole.
pub(super) async fn publish(cluster: Arc<Cluster>, service: Service, quarantine: Duration) {
    let mut told = Told::default();
    let mut error = String::new();
    match cluster.assigned_ranges().await {
        Ok(all) => {
            for stored in all {
                let status = serde_json::from_value(stored.status).unwrap_or_default();
                told.0.insert(stored.lease.prefix, (status, None));
            }
        }
        // Each is written once more.
        Err(e) => tell(&e, &mut error),
    }
    loop {
        tokio::time::sleep(EVERY).await;
        let Ok(listing) = service.inspect(|ledger, now| ledger.list(now)).await else {
            return;
        };
        let now = Instant::now();
        let mut views = listing.ranges;
        views.sort_by_key(|view| view.lease.prefix);
        let due = told.due(views, quarantine, now);
        let writes = due.into_iter().map(|(lease, status)| {
            let cluster = Arc::clone(&cluster);
            async move {
                let done = cluster.apply_range_status(&lease, &status).await;
                (lease.prefix, status, done)
            }
        });
        let mut writes = stream::iter(writes).buffer_unordered(WRITES);
        while let Some((prefix, status, done)) = writes.next().await {
            match done {
                Ok(()) => {
                    told.0.insert(prefix, (status, Some(now)));
                }
                Err(e) => {
                    tell(&e, &mut error);
                    break;
                }
            }
        }
    }
}

/// Logs an error once, however long it lasts.
fn tell(error: &ClusterError, last: &mut String) {
    let text = error.to_string();
    if *last != text {
        warn!(
            error = text,
            "the status of ranges is not written; trying again"
        );
        *last = text;
    }
}

#[cfg(test)]
mod tests {
    use flatnet_types::Timestamp;
    use flatnet_types::ipamd::{DrainReason, Incarnation, LeaseId, LeaseSource, LeaseState};

    use super::*;

    fn view(used: u64, state: LeaseState) -> LeaseView {
        LeaseView {
            lease: Lease {
                id: LeaseId(1),
                ledger: Incarnation(1),
                host: "a".parse().expect("a name"),
                network: "app".parse().expect("a name"),
                prefix: "10.0.0.0/26".parse().expect("a prefix"),
                source: LeaseSource::SubAllocated,
                state,
                granted_at: Timestamp::from_millis(1),
                stamp: 1,
            },
            used: Some(used),
            capacity: Some(60),
            reported_at: None,
        }
    }

    #[test]
    fn a_state_is_written_at_once_and_numbers_wait() {
        let (mut told, begun) = (Told::default(), Instant::now());
        let mut look = |view: LeaseView, seconds| {
            let now = begun + Duration::from_secs(seconds);
            let due = told.due(vec![view], Duration::ZERO, now);
            for (lease, status) in &due {
                told.0.insert(lease.prefix, (status.clone(), Some(now)));
            }
            due.len()
        };
        assert_eq!(look(view(0, LeaseState::Active), 0), 1);
        assert_eq!(look(view(0, LeaseState::Active), 1), 0);
        assert_eq!(look(view(1, LeaseState::Active), 2), 0, "numbers wait");
        let drains = LeaseState::Draining {
            reason: DrainReason::Admin,
        };
        assert_eq!(look(view(2, drains), 3), 1, "a state does not");
        assert_eq!(look(view(3, drains), 32), 0);
        assert_eq!(look(view(3, drains), 33), 1);
        assert!(told.due(Vec::new(), Duration::ZERO, begun).is_empty());
        assert!(told.0.is_empty(), "a range that is gone is forgotten");
    }
}
