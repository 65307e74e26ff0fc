//! What the node says of itself in the status of its object in a cluster.

use flatnet_k8s_api::status::{AddressCount, ProblemStatus, RangeStatus};
use flatnet_plan_source::NodeReport;

use crate::node_ops::NodeOps;
use crate::state::NodeState;

/// The largest integer that every reader of JSON has exactly: 2⁵³.
const MOST: u128 = 1 << 53;

/// The node as it is now.
pub(crate) fn report<N: NodeOps>(state: &NodeState<N>) -> NodeReport {
    let (spec, now) = (state.spec(), state.now());
    let ranges = spec.networks.iter().flat_map(|network| {
        let usage = state.ipam().usage(&network.name, now).unwrap_or_default();
        usage.into_iter().map(|usage| RangeStatus {
            network: network.name.to_string(),
            prefix: usage.range.to_string(),
            addresses: AddressCount {
                capacity: bounded(usage.capacity),
                used: bounded(usage.used),
                quarantined: bounded(usage.quarantined),
                free: bounded(usage.free),
            },
        })
    });
    let mut problems = state.board().view();
    problems.sort_by_key(|p| !p.blocks_ready);
    let problems = problems.into_iter().map(|problem| ProblemStatus {
        code: problem.code,
        blocking: problem.blocks_ready,
        text: problem.text,
        repair: problem.repair,
    });
    NodeReport {
        not_ready: state.ready().err().map(|e| e.to_string()),
        ranges: ranges.collect(),
        problems: problems.collect(),
    }
}

fn bounded(addresses: u128) -> u64 {
    u64::try_from(addresses.min(MOST)).unwrap_or(u64::MAX)
}
