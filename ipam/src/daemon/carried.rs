//! The accepted plan with the ranges that ipamd assigned, of which the objects for nodes are made: a node reads
//! its ranges in its `NodeNetwork`, and those of its vSwitch in the `NodePeers`, whoever gave them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::Range;
use flatnet_plan_source::AcceptedPlan;
use flatnet_types::ipamd::{GrantState, HostGrant};
use ipnetwork::IpNetwork;
use tokio::sync::watch;

use crate::assign::{Service, Wait};

/// How long grants are collected before all objects are looked at once more.
const COLLECT: Duration = Duration::from_millis(200);
/// How long one question for grants waits.
const WAIT: Duration = Duration::from_secs(60);

/// Adds what was assigned to the plan. A range that drains is left out, as one that the plan no longer has; and
/// so is one that has an address of a range which the plan itself gives to a host: the plan's stands.
fn join(plan: &NetworkPlan, grants: &[HostGrant]) -> NetworkPlan {
    let mut plan = plan.clone();
    let declared = plan.spec.hosts.iter().flat_map(|host| &host.ranges);
    let mut declared: Vec<IpNetwork> = declared.map(|range| range.prefix).collect();
    declared.sort();
    let is_declared = |prefix: IpNetwork| {
        // Of ranges that do not overlap, the last that begins at or below it, and the first above.
        let above = declared.partition_point(|other| other.network() <= prefix.network());
        let near = declared[above.saturating_sub(1)..].iter().take(2);
        let mut near = near.filter(|other| other.is_ipv4() == prefix.is_ipv4());
        near.any(|other| other.contains(prefix.network()) || prefix.contains(other.network()))
    };
    let assigned = grants
        .iter()
        .filter(|grant| grant.state == GrantState::Active && !is_declared(grant.prefix));
    let mut by_host: BTreeMap<_, Vec<Range>> = BTreeMap::new();
    for grant in assigned {
        by_host.entry(&grant.host).or_default().push(Range {
            network: grant.network.clone(),
            prefix: grant.prefix,
        });
    }
    for host in &mut plan.spec.hosts {
        host.ranges
            .extend(by_host.remove(&host.name).unwrap_or_default());
    }
    plan
}

/// Follows the plan and the grants, until there are no more of either. Cancel safe.
pub(super) async fn follow(
    service: Service,
    mut plans: AcceptedPlan,
    carried: watch::Sender<Option<Arc<NetworkPlan>>>,
) {
    loop {
        let plan = plans.borrow_and_update().clone();
        let Ok(grants) = service.grants(None).await else {
            return;
        };
        if let Some(plan) = plan {
            carried.send_replace(Some(Arc::new(join(&plan, &grants.ranges))));
        }
        tokio::time::sleep(COLLECT).await;
        let wait = Wait {
            after: grants.revision.clone(),
            at_most: WAIT,
        };
        tokio::select! {
            changed = plans.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            changed = service.grants(Some(wait)) => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(host: &str, network: &str, prefix: &str, state: GrantState) -> HostGrant {
        HostGrant {
            host: host.parse().expect("a name"),
            network: network.parse().expect("a name"),
            prefix: prefix.parse().expect("a prefix"),
            state,
        }
    }

    #[test]
    fn what_is_assigned_is_added_and_the_plans_own_stands() {
        let plan = include_str!("../../../examples/lab.yaml");
        let mut plan = flatnet_plan::load(plan).expect("a sound plan");
        // Ranges of a pool that is cut may be declared too.
        plan.spec.networks[0].pools[0].slice_length = Some(24);
        let grants = [
            grant("idc1", "web", "10.100.16.0/20", GrantState::Active),
            grant("idc2", "web", "10.100.17.0/24", GrantState::Active),
            grant("idc1", "web", "10.100.96.0/24", GrantState::Active),
            grant("idc1", "web", "10.100.97.0/24", GrantState::Draining),
            grant("gone", "web", "10.100.98.0/24", GrantState::Active),
            grant("idc2", "db", "fd10:200::9:0/112", GrantState::Active),
        ];
        let joined = join(&plan, &grants);
        let added: Vec<String> = joined
            .spec
            .hosts
            .iter()
            .zip(&plan.spec.hosts)
            .flat_map(|(now, before)| &now.ranges[before.ranges.len()..])
            .map(|range| range.prefix.to_string())
            .collect();
        assert_eq!(added, ["10.100.96.0/24", "fd10:200::9:0/112"]);
        let text = flatnet_plan::to_yaml(&joined).expect("text");
        flatnet_plan::load(&text).expect("a sound plan still");
    }
}
