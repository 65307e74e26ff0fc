//! The part of the plan that concerns attachments: their ports, their flows, and the node's
//! own flows, which share the tables.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_ovs::openflow::{Flow, FlowKey, Meter};

use super::actual::Actual;
use super::desired::Desired;
use super::op::{Op, Subject};
use super::plan::differs;
use crate::attach::plan::{self as attach, AttachPlan, Holding};
use crate::flows::{self, COOKIE_MARK, COOKIE_MARK_MASK, NodePorts};

#[derive(Default)]
struct Change {
    adds: Vec<Flow>,
    deletes: Vec<FlowKey>,
}

/// Plans ports and flows of attachments, and the node's flows.
pub(super) fn plan(
    desired: &Desired,
    actual: &Actual,
    ports: &NodePorts,
    is: &BTreeSet<Flow>,
) -> (Vec<Op>, Vec<String>) {
    let mut ops = Vec::new();
    let mut problems = Vec::new();
    let mut wanted: BTreeMap<FlowKey, Flow> = BTreeMap::new();
    let mut meters: BTreeMap<u64, Vec<Meter>> = BTreeMap::new();
    let mut keys: BTreeMap<u64, &Holding> = BTreeMap::new();

    let mut trunk = BTreeSet::new();
    for holding in &desired.holdings {
        match attach::plan(&desired.spec, ports, holding) {
            Err(e) => problems.push(format!("attachment {}: {e}", holding.key)),
            Ok(planned) => {
                trunk.extend(holding.detail.trunk.iter().copied());
                ops.extend(port(holding, &planned, actual));
                ops.extend(link_up(&planned, actual));
                keys.insert(holding.generation, holding);
                meters.insert(holding.generation, planned.meters);
                wanted.extend(planned.flows.into_iter().map(|f| (f.key(), f)));
            }
        }
    }
    let own = flows::node_flows(&desired.spec, ports).into_iter();
    wanted.extend(own.chain(flows::trunk_flows(&trunk)).map(|f| (f.key(), f)));

    let mut changes = changes(&wanted, is, desired, &keys);
    for (generation, wanted) in &mut meters {
        wanted.retain(|meter| !actual.meters.contains(meter));
        if !wanted.is_empty() {
            changes.entry(*generation).or_default();
        }
    }
    for (generation, change) in changes {
        let subject = match keys.get(&generation) {
            Some(h) => Subject::Attachment { key: h.key.clone(), generation },
            None => Subject::Node,
        };
        let meters = meters.remove(&generation).unwrap_or_default();
        ops.push(Op::ChangeFlows { subject, meters, adds: change.adds, deletes: change.deletes });
    }
    ops.extend(dead_meters(desired, actual));
    (ops, problems)
}

/// Meters of slots that nobody has. A switch keeps no mark on a meter, so the number is all
/// that says whose it is; numbers above those of slots are somebody else's.
fn dead_meters(desired: &Desired, actual: &Actual) -> Option<Op> {
    let slots: BTreeSet<u32> = desired.living.values().map(|s| u32::from(*s)).collect();
    let most = 2 * u32::from(u16::MAX) + 1;
    let dead: Vec<u32> = actual
        .meters
        .iter()
        .map(|m| m.id)
        .filter(|id| *id <= most && !slots.contains(&(id / 2)))
        .collect();
    (!dead.is_empty()).then_some(Op::DeleteMeters(dead))
}

/// A port that is missing can be made as long as its link is there; a link that is missing
/// cannot: its other end went with the container, whose DEL or GC will come.
fn port(holding: &Holding, planned: &AttachPlan, actual: &Actual) -> Option<Op> {
    let link = actual.link(planned.link.host_name.as_str())?;
    if link.ifindex != planned.link.host_ifindex {
        return None;
    }
    let subject =
        Subject::Attachment { key: holding.key.clone(), generation: holding.generation };
    let row = planned.row.clone();
    match actual.ports.get(&row.name) {
        None => Some(Op::AddPort { subject, row }),
        Some(is) if differs(&row, is) => Some(Op::SetPort { subject, row }),
        Some(_) => None,
    }
}

/// Somebody may have set the host's end down: a container hears nothing then.
fn link_up(planned: &AttachPlan, actual: &Actual) -> Option<Op> {
    let link = actual.link(planned.link.host_name.as_str())?;
    let down = link.ifindex == planned.link.host_ifindex && !link.up;
    down.then(|| Op::SetLink { name: link.name.clone(), mtu: None })
}

/// Flow changes by generation, 0 for the node's own and for what belongs to nobody.
fn changes(
    wanted: &BTreeMap<FlowKey, Flow>,
    is: &BTreeSet<Flow>,
    desired: &Desired,
    keys: &BTreeMap<u64, &Holding>,
) -> BTreeMap<u64, Change> {
    let mut changes: BTreeMap<u64, Change> = BTreeMap::new();
    let generation = |flow: &Flow| flow.cookie & !COOKIE_MARK_MASK;
    for flow in wanted.values().filter(|f| !is.contains(*f)) {
        changes.entry(generation(flow)).or_default().adds.push(flow.clone());
    }
    for flow in is {
        let ours = flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK;
        let of = generation(flow);
        // An ADD is making it right now, or a record cannot be read: leave it alone.
        let untouchable = desired.living.contains_key(&of) && !keys.contains_key(&of);
        if ours && !untouchable && !wanted.contains_key(&flow.key()) {
            changes.entry(of).or_default().deletes.push(flow.key());
        }
    }
    changes
}
