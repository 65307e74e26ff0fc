//! The part of the plan that concerns attachments: their ports, their flows, and the node's
//! own flows, which share the tables.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_ovs::openflow::{Flow, FlowKey, Meter};
use flatnet_types::VlanId;
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK};

use super::actual::Actual;
use super::desired::Desired;
use super::op::{Op, Subject};
use super::plan::differs;
use crate::attach::plan::{self as attach, AttachPlan, Holding};
use crate::flows::{self, NodePorts};

#[derive(Default)]
struct Change {
    meters: Vec<Meter>,
    adds: Vec<Flow>,
    deletes: Vec<FlowKey>,
}

/// Flow changes by generation, 0 for the node's own and for what belongs to nobody. What is
/// wanted is compared as it is made and then dropped: a node has ten thousand flows, and a
/// second copy of them is most of what netd would ever use.
struct Comparison<'a> {
    /// What is there and was not asked for so far.
    left: BTreeSet<&'a Flow>,
    changes: BTreeMap<u64, Change>,
}

impl Comparison<'_> {
    fn want(&mut self, flows: Vec<Flow>) {
        for flow in flows {
            if !self.left.remove(&flow) {
                self.changes
                    .entry(generation(&flow))
                    .or_default()
                    .adds
                    .push(flow);
            }
        }
    }

    /// The rest of what is ours goes, but what an addition takes the place of anyway.
    fn finish(mut self, keep: impl Fn(u64) -> bool) -> BTreeMap<u64, Change> {
        let replaced: BTreeSet<FlowKey> = self
            .changes
            .values()
            .flat_map(|c| &c.adds)
            .map(Flow::key)
            .collect();
        for flow in self.left {
            let ours = flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK;
            let key = flow.key();
            if ours && !keep(generation(flow)) && !replaced.contains(&key) {
                self.changes
                    .entry(generation(flow))
                    .or_default()
                    .deletes
                    .push(key);
            }
        }
        self.changes
    }
}

fn generation(flow: &Flow) -> u64 {
    flow.cookie & !COOKIE_MARK_MASK
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
    let mut keys: BTreeMap<u64, &Holding> = BTreeMap::new();
    let mut compared = Comparison {
        left: is.iter().collect(),
        changes: BTreeMap::new(),
    };

    let mut trunks: BTreeMap<VlanId, BTreeSet<u32>> = BTreeMap::new();
    for holding in &desired.holdings {
        match attach::plan(&desired.spec, ports, holding) {
            Err(e) => problems.push(format!("attachment {}: {e}", holding.key)),
            Ok(planned) => {
                for vlan in &holding.detail.trunk {
                    trunks.entry(*vlan).or_default().insert(planned.port.port);
                }
                ops.extend(port(holding, &planned, actual));
                ops.extend(link_up(&planned, actual));
                keys.insert(holding.generation, holding);
                compared.want(planned.flows);
                let missing = planned
                    .meters
                    .into_iter()
                    .filter(|m| !actual.meters.contains(m));
                for meter in missing {
                    compared
                        .changes
                        .entry(holding.generation)
                        .or_default()
                        .meters
                        .push(meter);
                }
            }
        }
    }
    compared.want(flows::node_flows(&desired.spec, ports));
    compared.want(flows::trunk_flows(&trunks));

    // An ADD is making it right now, or a record cannot be read: leave it alone.
    let untouchable = |of: u64| desired.living.contains_key(&of) && !keys.contains_key(&of);
    for (generation, change) in compared.finish(untouchable) {
        let subject = match keys.get(&generation) {
            Some(h) => Subject::Attachment {
                key: h.key.clone(),
                generation,
            },
            None => Subject::Node,
        };
        let Change {
            meters,
            adds,
            deletes,
        } = change;
        ops.push(Op::ChangeFlows {
            subject,
            meters,
            adds,
            deletes,
        });
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
    let subject = Subject::Attachment {
        key: holding.key.clone(),
        generation: holding.generation,
    };
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
    down.then(|| Op::SetLink {
        name: link.name.clone(),
        mtu: None,
    })
}
