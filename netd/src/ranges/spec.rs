//! Derives the node's part of the plan, with the ranges that it holds.

use flatnet_plan::model::Range;
use flatnet_plan::{NetworkPlan, NodeError, NodeSpec, node};
use flatnet_types::NodeName;
use flatnet_types::ipamd::GrantState;
use ipnetwork::IpNetwork;

use super::held::HeldRanges;

/// Derives the spec of node `name` with the ranges `held`. Ranges that the plan has no place for
/// are left out, and returned as errors.
///
/// # Errors
/// [`NodeError`] where the plan does not have the node.
pub(super) fn derive(
    plan: &NetworkPlan,
    name: &NodeName,
    held: &HeldRanges,
) -> Result<(NodeSpec, Vec<NodeError>), NodeError> {
    let mut plan = plan.clone();
    let mut misfits = Vec::new();
    let mut fitting = Vec::new();
    for range in &held.ranges {
        let range = Range {
            network: range.grant.network.clone(),
            prefix: range.grant.prefix,
        };
        set_ranges(&mut plan, name, vec![range.clone()]);
        match node::derive(&plan, name) {
            Ok(_) => fitting.push(range),
            Err(e @ NodeError::UnknownNode { .. }) => return Err(e),
            Err(e @ NodeError::Dangling { .. }) => misfits.push(e),
        }
    }
    set_ranges(&mut plan, name, fitting);
    let mut spec = node::derive(&plan, name)?;
    for range in spec.networks.iter_mut().flat_map(|n| &mut n.ranges) {
        if drains(held, range.prefix) {
            // It gives out no addresses; those in use stay.
            range.exclude.push(range.prefix);
        }
    }
    Ok((spec, misfits))
}

fn drains(held: &HeldRanges, prefix: IpNetwork) -> bool {
    held.ranges
        .iter()
        .any(|h| h.grant.prefix == prefix && h.grant.state == GrantState::Draining)
}

/// Sets the ranges of the plan's host to those that it runs by.
pub(crate) fn with_ranges(plan: &mut NetworkPlan, running: &NodeSpec) {
    let held = running.networks.iter().flat_map(|network| {
        let prefixes = network.ranges.iter().map(|range| range.prefix);
        prefixes.map(|prefix| Range {
            network: network.name.clone(),
            prefix,
        })
    });
    set_ranges(plan, &running.node, held.collect());
}

fn set_ranges(plan: &mut NetworkPlan, name: &NodeName, ranges: Vec<Range>) {
    if let Some(host) = plan.spec.hosts.iter_mut().find(|h| &h.name == name) {
        host.ranges = ranges;
    }
}

#[cfg(test)]
mod tests {
    use flatnet_types::ipamd::{Incarnation, LeaseId, RangeGrant};

    use super::*;
    use crate::ranges::HeldRange;

    const LAB: &str = include_str!("../../../examples/lab.yaml");

    fn range(prefix: &str, state: GrantState) -> HeldRange {
        HeldRange {
            grant: RangeGrant {
                lease: LeaseId(1),
                ledger: Incarnation(1),
                network: "web".parse().expect("a name"),
                prefix: prefix.parse().expect("a prefix"),
                state,
            },
        }
    }

    #[test]
    fn a_node_has_the_ranges_that_it_holds_and_draining_ones_give_out_no_addresses() {
        let plan = flatnet_plan::load(LAB).expect("a sound plan");
        let name = "idc1".parse().expect("a name");
        let held = HeldRanges {
            ranges: vec![
                range("10.100.64.0/24", GrantState::Active),
                range("10.100.16.0/20", GrantState::Draining),
                range("10.9.0.0/24", GrantState::Active),
            ],
            ..HeldRanges::default()
        };
        let (spec, misfits) = derive(&plan, &name, &held).expect("derives");
        assert_eq!(misfits.len(), 1, "{misfits:?}");
        assert_eq!(spec.networks.len(), 1);
        let networks = crate::allocator::networks(&spec.networks).expect("ranges");
        let (_, ranges) = networks.iter().next().expect("a network");
        let capacities: Vec<(String, u128)> = ranges
            .iter()
            .map(|r| (r.span().to_string(), r.capacity()))
            .collect();
        assert_eq!(
            capacities,
            [
                ("10.100.16.0/20".to_owned(), 0),
                ("10.100.64.0/24".to_owned(), 256)
            ]
        );
    }
}
