//! The ops of attachments: their ports and flows; and of the node's own flows, which are in the
//! same tables.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_ovs::openflow::{Flow, FlowKey, Meter};
use flatnet_types::VlanId;
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK};

use super::actual::Actual;
use super::desired::Desired;
use super::op::{Op, Subject};
use super::ports::port_op;
use super::probe;
use crate::attach::plan::{self as attach, Attachment, AttachmentSpec};
use crate::flows::{self, Counted, Limit, NodePorts};
use crate::problems::Problem;

#[derive(Default)]
struct Change {
    meters: Vec<Meter>,
    adds: Vec<Flow>,
    /// Cookies and keys.
    deletes: Vec<(u64, FlowKey)>,
}

/// Flow changes by generation; 0 is the node itself and flows without an owner. Wanted flows are
/// compared as they are computed, and then dropped: a node has ten thousand flows, and a second
/// copy of them would be most of netd's memory.
struct Comparison<'a> {
    /// Observed flows that were not wanted so far.
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

    /// Deletes the remaining managed flows, except those that an addition replaces.
    fn finish(mut self, keep: impl Fn(u64) -> bool) -> BTreeMap<u64, Change> {
        let replaced: BTreeSet<FlowKey> = self
            .changes
            .values()
            .flat_map(|c| &c.adds)
            .map(Flow::key)
            .collect();
        for flow in self.left {
            let managed = flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK;
            let key = flow.key();
            if managed && !keep(generation(flow)) && !replaced.contains(&key) {
                self.changes
                    .entry(generation(flow))
                    .or_default()
                    .deletes
                    .push((flow.cookie, key));
            }
        }
        self.changes
    }
}

fn generation(flow: &Flow) -> u64 {
    flow.cookie & !COOKIE_MARK_MASK
}

/// Computes the ops of attachments' ports and flows, and of the node's flows.
pub(super) fn plan(
    desired: &Desired,
    actual: &Actual,
    ports: &NodePorts,
    is: &BTreeSet<Flow>,
) -> (Vec<Op>, Vec<Problem>) {
    let (mut ops, mut down) = (Vec::new(), Vec::new());
    let mut problems = Vec::new();
    let mut keys: BTreeMap<u64, &Attachment> = BTreeMap::new();
    let mut compared = Comparison {
        left: is.iter().collect(),
        changes: BTreeMap::new(),
    };

    let mut trunks: BTreeMap<VlanId, BTreeSet<u32>> = BTreeMap::new();
    for attachment in &desired.attachments {
        match attach::plan(&desired.spec, ports, attachment) {
            Err(e) => problems.push(Problem::non_blocking(
                "attachment-unplanned",
                format!("attachment {}: {e}", attachment.key),
            )),
            Ok(mut planned) => {
                if let Some(counted) = desired.counted.get(&attachment.generation) {
                    planned = planned.counting(counted);
                }
                let there = actual.ports.get(&planned.row.name);
                let number = there.and_then(|p| p.ofport);
                if let Some(number) = number {
                    // An existing port keeps the number that the switch assigned.
                    planned.row.number = number;
                    for vlan in &planned.row.trunks {
                        trunks.entry(*vlan).or_default().insert(number);
                    }
                }
                problems.extend(undeclared_trunk(attachment, &planned));
                ops.extend(port(attachment, &planned, actual));
                down.extend(ensure_link_up(&planned, actual));
                keys.insert(attachment.generation, attachment);
                if let Some(number) = number {
                    compared.want(planned.flows_at(number));
                }
                let missing = planned
                    .meters
                    .into_iter()
                    .filter(|m| !actual.meters.contains(m));
                for meter in missing {
                    compared
                        .changes
                        .entry(attachment.generation)
                        .or_default()
                        .meters
                        .push(meter);
                }
            }
        }
    }
    compared.want(flows::node_flows(&desired.spec, ports));
    compared.want(flows::trunk_flows(&trunks));
    if let Some(ports) = probe::ports(actual) {
        compared.want(flows::probe::probe_flows(&ports));
    }

    // An ADD is making the attachment, or its record cannot be parsed: its flows are left alone.
    let untouchable = |of: u64| desired.live_slots.contains_key(&of) && !keys.contains_key(&of);
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
    ops.extend(down);
    ops.extend(dead_meters(desired, actual));
    (ops, problems)
}

/// Deletes meters of slots that no attachment has, and those that count nothing any more. A meter has
/// no cookie, so only its number identifies it; numbers above those are unmanaged.
fn dead_meters(desired: &Desired, actual: &Actual) -> Option<Op> {
    let slots: BTreeSet<u16> = desired.live_slots.values().copied().collect();
    let counting: BTreeSet<u32> = desired.counted.values().flat_map(Counted::meters).collect();
    let dead: Vec<u32> = actual
        .meters
        .iter()
        .map(|m| m.id)
        .filter(|id| match Limit::of_meter(*id) {
            Some((_, slot)) => !slots.contains(&slot),
            None => Counted::is_meter(*id) && !counting.contains(id),
        })
        .collect();
    (!dead.is_empty()).then_some(Op::DeleteMeters(dead))
}

/// Adds or repairs an attachment's port. A missing link cannot be recreated: its other end was
/// deleted with the container, and a DEL or GC will follow.
fn port(attachment: &Attachment, planned: &AttachmentSpec, actual: &Actual) -> Option<Op> {
    let link = actual.link(planned.link.host_name.as_str())?;
    if link.ifindex != planned.link.host_ifindex {
        return None;
    }
    let subject = Subject::Attachment {
        key: attachment.key.clone(),
        generation: attachment.generation,
    };
    port_op(subject, planned.row.clone(), actual)
}

/// The problem of a container that sends a VLAN tagged which the plan does not declare any more.
fn undeclared_trunk(attachment: &Attachment, planned: &AttachmentSpec) -> Option<Problem> {
    let asked = attachment.detail.trunk.iter();
    let gone: Vec<String> = asked
        .filter(|vlan| !planned.row.trunks.contains(vlan))
        .map(ToString::to_string)
        .collect();
    (!gone.is_empty()).then(|| {
        Problem::non_blocking(
            "trunk-undeclared",
            format!(
                "attachment {} sends VLAN {} tagged, which `trunk` of network {} in the plan does not \
                 declare: its frames there are dropped until it does, or the container is made again \
                 without it",
                attachment.key,
                gone.join(", "),
                attachment.network
            ),
        )
    })
}

/// Sets the host's end up, if another program has set it down.
fn ensure_link_up(planned: &AttachmentSpec, actual: &Actual) -> Option<Op> {
    let link = actual.link(planned.link.host_name.as_str())?;
    let down = link.ifindex == planned.link.host_ifindex && !link.up;
    down.then(|| Op::SetLink {
        name: link.name.clone(),
        mtu: None,
    })
}
