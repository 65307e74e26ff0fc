//! The plan: what is to be done, given what should be and what is. Pure.

use flatnet_plan::node::Mode;
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::actual::{Actual, ActualPort};
use super::desired::{Desired, HOST_PORT, node_ports};
use super::op::{Op, Subject};
use super::pods;
use crate::flows::NodePorts;
use crate::world::PortRow;

/// What is to be done now, and what stands in the way of the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// In this order.
    pub ops: Vec<Op>,
    /// What netd cannot mend by itself, with what to do. While there is one that concerns the
    /// bridge or the uplink, no ADD is served.
    pub problems: Vec<String>,
    /// Where the bridge's own ports are; none: the node is not ready.
    pub ports: Option<NodePorts>,
    /// What the switch is about to do by itself, with nothing left to do for netd: until then
    /// the node is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<&'static str>,
}

/// Plans. Against a node that is as it should be, there is nothing to do.
pub fn plan(desired: &Desired, actual: &Actual) -> Plan {
    let mut plan = Plan::default();
    if !actual.database {
        plan.problems
            .push("Open vSwitch's database does not answer: is ovsdb-server running?".to_owned());
        return plan;
    }
    garbage(desired, actual, &mut plan);
    if !bridge(desired, actual, &mut plan) {
        return plan;
    }
    node_side(desired, actual, &mut plan);
    sysctls(desired, actual, &mut plan);
    plan.ports = node_ports(desired, actual);
    let Some(ports) = &plan.ports else {
        if plan.ops.is_empty() && plan.problems.is_empty() {
            plan.waits = Some(
                "the switch has not said yet which numbers the bridge's own ports have: is \
                 ovs-vswitchd running? its log says why a port cannot be opened",
            );
        }
        return plan;
    };
    match &actual.flows {
        None => {
            plan.problems.push(
                "the bridge does not answer on its OpenFlow socket: is ovs-vswitchd running?"
                    .to_owned(),
            );
            // Nobody could be given flows: not ready.
            plan.ports = None;
        }
        Some(flows) => {
            let (ops, problems) = pods::plan(desired, actual, ports, flows);
            plan.ops.extend(ops);
            plan.problems.extend(problems);
        }
    }
    plan
}

/// What bears our mark and belongs to no attachment.
fn garbage(desired: &Desired, actual: &Actual, plan: &mut Plan) {
    let dead = |generation: u64| !desired.living.contains_key(&generation);
    let ports: Vec<String> = actual
        .ports
        .values()
        .filter(|p| p.is_ours() && p.generation().is_some_and(dead))
        .map(|p| p.row.name.clone())
        .collect();
    if !ports.is_empty() {
        plan.ops.push(Op::DeletePorts(ports));
    }
    for link in actual
        .links
        .iter()
        .filter(|l| l.generation().is_some_and(dead))
    {
        plan.ops.push(Op::DeleteLink {
            name: link.name.clone(),
            ifindex: link.ifindex,
        });
    }
}

/// Whether the bridge is there to build on.
fn bridge(desired: &Desired, actual: &Actual, plan: &mut Plan) -> bool {
    let wanted = desired.bridge();
    let Some(is) = &actual.bridge else {
        if uplink_is_there(desired, actual, plan) {
            plan.ops.push(Op::CreateBridge {
                bridge: wanted,
                host: desired.host_port(actual),
            });
        }
        return false;
    };
    if !is.ours {
        plan.problems.push(format!(
            "bridge {0} is there and does not bear netd's mark: delete it, or hand it over with \
             `ovs-vsctl br-set-external-id {0} flatnet-owner netd`",
            is.name
        ));
        return false;
    }
    let same_datapath = is.datapath_type == wanted.datapath_type
        || (is.datapath_type.is_empty() && wanted.datapath_type == "system");
    if !same_datapath || is.fail_mode != wanted.fail_mode || is.protocols != wanted.protocols {
        plan.ops.push(Op::SetBridge(wanted));
    }
    uplink_is_there(desired, actual, plan)
}

fn uplink_is_there(desired: &Desired, actual: &Actual, plan: &mut Plan) -> bool {
    let name = desired.spec.uplink.as_str();
    let there = actual.link(name).is_some();
    if !there {
        let links: Vec<&str> = actual
            .links
            .iter()
            .map(|l| l.name.as_str())
            .take(16)
            .collect();
        plan.problems.push(format!(
            "uplink {name} is not there; this host has {}: mend the plan or the host",
            links.join(", ")
        ));
    }
    there
}

/// Uplink and host port, their links, addresses and routes.
fn node_side(desired: &Desired, actual: &Actual, plan: &mut Plan) {
    if let Some(row) = desired.uplink_port() {
        let in_bridge = actual.ports.contains_key(&row.name);
        let own: Vec<String> = actual
            .addresses
            .iter()
            .filter(|(dev, a)| *dev == row.name && !is_link_local(*a))
            .map(|(_, a)| a.to_string())
            .collect();
        if !in_bridge && !own.is_empty() {
            // Taking the NIC now would cut the host off.
            plan.problems.push(format!(
                "uplink {} bears {}: take the addresses off it first (netd gives the host's \
                 addresses of the plan to {HOST_PORT}); netd does not cut a host off by itself",
                row.name,
                own.join(", ")
            ));
        } else {
            port(row, actual, plan);
        }
    }
    port(desired.host_port(actual), actual, plan);

    let mtu = desired.spec.mtu.get();
    link_up(desired.spec.uplink.as_str(), mtu, actual, plan);
    if actual.link(HOST_PORT).is_none() {
        // Its addresses come in the next round.
        return;
    }
    link_up(HOST_PORT, mtu, actual, plan);
    for address in desired.addresses() {
        if !actual.addresses.contains(&(HOST_PORT.to_owned(), address)) {
            plan.ops.push(Op::AddAddress {
                dev: HOST_PORT.to_owned(),
                address,
            });
        }
    }
    // Else what goes to a range that another node has now would end here.
    let wanted = desired.addresses();
    for (dev, address) in &actual.addresses {
        let at = (dev.clone(), *address);
        let ours = actual.marked.contains(&at) || desired.gone.contains(address);
        if dev == HOST_PORT && ours && !wanted.contains(address) {
            plan.ops.push(Op::DeleteAddress {
                dev: at.0,
                address: at.1,
            });
        }
    }
    let wanted = desired.routes();
    // Additions before deletions: a prefix that moves is never without a route.
    plan.ops
        .extend(wanted.difference(&actual.routes).cloned().map(Op::AddRoute));
    plan.ops.extend(
        actual
            .routes
            .difference(&wanted)
            .cloned()
            .map(Op::DeleteRoute),
    );
}

fn is_link_local(a: IpNetwork) -> bool {
    matches!(a, IpNetwork::V6(v6) if v6.ip().segments()[0] & 0xffc0 == 0xfe80)
}

fn port(row: PortRow, actual: &Actual, plan: &mut Plan) {
    match actual.ports.get(&row.name) {
        None => plan.ops.push(Op::AddPort {
            subject: Subject::Node,
            row,
        }),
        Some(is) if differs(&row, is) => {
            plan.ops.push(Op::SetPort {
                subject: Subject::Node,
                row,
            });
        }
        Some(is) => {
            if let Some(error) = &is.error {
                plan.problems.push(format!("port {}: {error}", row.name));
            }
        }
    }
}

/// Whether a port's rows differ in what we set. A MAC that we do not set is not compared, and
/// foreign keys under `external_ids` are left alone.
pub(super) fn differs(wanted: &PortRow, is: &ActualPort) -> bool {
    let is = &is.row;
    wanted.kind != is.kind
        || wanted.number != is.number
        || wanted.tag != is.tag
        || wanted.trunks != is.trunks
        || (wanted.mac.is_some() && wanted.mac != is.mac)
        || wanted
            .external_ids
            .iter()
            .any(|id| !is.external_ids.contains(id))
}

fn link_up(name: &str, mtu: u32, actual: &Actual, plan: &mut Plan) {
    if let Some(link) = actual.link(name)
        && (!link.up || link.mtu < mtu)
    {
        plan.ops.push(Op::SetLink {
            name: name.to_owned(),
            mtu: (link.mtu < mtu).then_some(mtu),
        });
    }
}

fn sysctls(desired: &Desired, actual: &Actual, plan: &mut Plan) {
    for (key, value) in desired.sysctls() {
        // One that is not there belongs to a link that is not there yet.
        if actual.sysctls.get(&key).is_some_and(|is| *is != value) {
            plan.ops.push(Op::SetSysctl { key, value });
        }
    }
    let accepts = format!("ipv6/conf/{}/accept_ra", desired.spec.uplink);
    if desired.spec.mode == Mode::Routed && actual.sysctls.get(&accepts).is_some_and(|v| v == "1") {
        // Forwarding switches router advertisements off where this is 1, and with them the
        // host's own default route (Documentation/networking/ip-sysctl.rst).
        plan.ops.insert(
            0,
            Op::SetSysctl {
                key: accepts,
                value: "2".to_owned(),
            },
        );
    }
}
