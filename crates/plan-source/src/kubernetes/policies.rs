//! NetworkPolicies that exist and restrict nothing: they are told, loudly.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_k8s_api::network_policy::NetworkPolicy;
use flatnet_k8s_client::{Cluster, Told};
use flatnet_types::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::warn;

use super::EVENTS;

/// How long events are collected before anything is said.
const COLLECT: Duration = Duration::from_millis(500);
/// How many policies a condition names.
const NAMED: usize = 5;
/// The most events that are made at a time: a cluster may have thousands of policies, and their namespaces
/// are few.
const EVENTS_MAX: usize = 100;

/// The policies of a cluster; `None` until the API server has told them.
pub type Policies = Option<Arc<BTreeSet<NetworkPolicy>>>;

/// What a condition says of them; `None` if there is none.
pub(super) fn told(policies: &BTreeSet<NetworkPolicy>) -> Option<String> {
    if policies.is_empty() {
        return None;
    }
    let named: Vec<String> = policies
        .iter()
        .take(NAMED)
        .map(NetworkPolicy::key)
        .collect();
    let more = match policies.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "Flatnet enforces no NetworkPolicy, and there are {}, which restrict nothing: {}{more}",
        policies.len(),
        named.join(", ")
    ))
}

/// Takes an event; whether there are others now.
fn take(policies: &mut Policies, event: Told<NetworkPolicy>) -> bool {
    let before = policies.clone();
    let mut all = before.as_deref().cloned().unwrap_or_default();
    match event {
        Told::Listed(listed) => all = listed.into_iter().collect(),
        Told::Applied(policy) => {
            all.insert(policy);
        }
        Told::Deleted(policy) => {
            all.remove(&policy);
        }
        // What was told stays: nobody knows better.
        Told::Away(error) => {
            tracing::debug!(%error, "NetworkPolicies are not known");
            return false;
        }
    }
    let changed = before.as_deref() != Some(&all);
    *policies = Some(Arc::new(all));
    changed
}

/// Follows the cluster's policies, and says at each of them that it is not enforced. Ends when nobody receives
/// them any more. Cancel safe: an event that was not made is made by the next one who leads.
pub async fn follow_policies(cluster: Arc<Cluster>, sender: watch::Sender<Policies>) {
    let (events, mut received) = mpsc::channel(EVENTS);
    let follows = async {
        cluster.follow_policies(&events).await;
    };
    let takes = async {
        let mut said: BTreeSet<NetworkPolicy> = BTreeSet::new();
        let mut policies: Policies = None;
        while let Some(event) = received.recv().await {
            let mut changed = take(&mut policies, event);
            let collected = async {
                while let Some(event) = received.recv().await {
                    changed |= take(&mut policies, event);
                }
            };
            let _ = timeout(COLLECT, collected).await;
            let Some(now) = policies.clone().filter(|_| changed) else {
                continue;
            };
            say(&cluster, &now, &mut said).await;
            if sender.send(Some(now)).is_err() {
                return;
            }
        }
    };
    // The first never ends while the second receives.
    tokio::select! {
        () = follows => {}
        () = takes => {}
    }
}

/// Makes an event at each policy at which none was made; `said` are those at which one was.
async fn say(cluster: &Cluster, now: &BTreeSet<NetworkPolicy>, said: &mut BTreeSet<NetworkPolicy>) {
    said.retain(|policy| now.contains(policy));
    let unsaid: Vec<&NetworkPolicy> = now.difference(said).take(EVENTS_MAX).collect();
    let unsaid: Vec<NetworkPolicy> = unsaid.into_iter().cloned().collect();
    if let Some(first) = unsaid.first() {
        warn!(
            policies = now.len(),
            first = first.key(),
            "NetworkPolicies exist, and Flatnet enforces none"
        );
    }
    for policy in unsaid {
        let at = Timestamp::from(SystemTime::now());
        match cluster.create_policy_event(&policy, at).await {
            Ok(()) => {
                said.insert(policy);
            }
            Err(error) => {
                warn!(%error, "the event is not made; with the next change it is tried again");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str) -> NetworkPolicy {
        NetworkPolicy {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-{name}"),
        }
    }

    #[test]
    fn policies_are_counted_and_the_first_are_named() {
        assert_eq!(told(&BTreeSet::new()), None);
        let some: BTreeSet<_> = ["a", "b"].map(policy).into();
        let text = told(&some).unwrap_or_default();
        assert!(
            text.ends_with("there are 2, which restrict nothing: shop/a, shop/b"),
            "{text}"
        );
        let many: BTreeSet<_> = (0..9).map(|n| policy(&n.to_string())).collect();
        let text = told(&many).unwrap_or_default();
        assert!(text.ends_with("shop/4 and 4 more"), "{text}");
    }

    #[test]
    fn what_is_there_follows_the_events_and_stays_while_the_server_is_away() {
        let mut policies = None;
        assert!(take(&mut policies, Told::Listed(Vec::new())));
        assert!(!take(&mut policies, Told::Listed(Vec::new())));
        assert!(take(&mut policies, Told::Applied(policy("a"))));
        // A change of what it restricts.
        assert!(!take(&mut policies, Told::Applied(policy("a"))));
        assert!(take(&mut policies, Told::Deleted(policy("a"))));
        assert_eq!(policies.as_deref(), Some(&BTreeSet::new()));
    }
}
