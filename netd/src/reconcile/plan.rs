//! The plan: what is to be done, given what should be and what is. Pure.

use flatnet_plan::node::Mode;
use serde::Serialize;

use super::actual::{Actual, ActualPort};
use super::desired::{Desired, HOST_PORT, node_ports};
use super::op::{Op, Subject};
use super::{pods, probe, routes, switch, timeouts, uplink};
use crate::flows::NodePorts;
use crate::node_ops::PortRow;
use crate::problems::Problem;

/// What is to be done now, and what stands in the way of the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// In this order.
    pub ops: Vec<Op>,
    /// What netd cannot mend by itself, with what to do. While there is one that concerns the
    /// bridge or the uplink, no ADD is served.
    pub problems: Vec<Problem>,
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
        plan.problems.push(Problem::blocking(
            "database-away",
            "Open vSwitch's database does not answer: is ovsdb-server running?",
        ));
        return plan;
    }
    // Before all else: nothing may forward past netd's flows.
    switch::plan(desired, actual, &mut plan);
    garbage(desired, actual, &mut plan);
    if !bridge(desired, actual, &mut plan) {
        return plan;
    }
    // Before the addresses: a link on which IPv6 is switched off takes none.
    sysctls(desired, actual, &mut plan);
    node_side(desired, actual, &mut plan);
    if actual.flows.is_none() {
        // Nobody could be given flows: not ready. Which numbers ports have, the switch says too.
        plan.problems.push(Problem::blocking(
            "switch-away",
            "the bridge does not answer on its OpenFlow socket: is ovs-vswitchd running?",
        ));
        return plan;
    }
    plan.ports = node_ports(desired, actual);
    let Some(ports) = &plan.ports else {
        if plan.ops.is_empty() && plan.problems.is_empty() {
            plan.waits = Some(
                "the switch has not said yet which numbers the bridge's own ports have, or what \
                 its datapath can do: is ovs-vswitchd running? its log says why a port cannot be \
                 opened",
            );
        }
        return plan;
    };
    // Before the flows: what the datapath remembers of a flow has the time-outs of that moment in it.
    plan.ops.extend(timeouts::plan(desired, actual));
    if let Some(flows) = &actual.flows {
        let (ops, problems) = pods::plan(desired, actual, ports, flows);
        plan.ops.extend(ops);
        plan.problems.extend(problems);
        if plan.ops.is_empty() && probe::ports(actual).is_none() {
            plan.waits = Some(
                "the switch has not said yet which numbers the probe's ports have: its log \
                 says why a port cannot be opened",
            );
        }
        switch::restore(actual, &mut plan);
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
    if let Some(is) = actual.bridge.as_ref().filter(|is| !is.ours) {
        plan.problems.push(foreign(&is.name));
        return false;
    }
    if let Some(problem) = uplink::refusal(desired, actual) {
        plan.problems.push(problem);
        return false;
    }
    if actual.bridge.is_none() {
        plan.ops.push(Op::CreateBridge {
            bridge: desired.bridge(),
            host: desired.host_port(actual),
        });
        return false;
    }
    true
}

fn foreign(bridge: &str) -> Problem {
    let text = format!(
        "bridge {bridge} is there and does not bear netd's mark: delete it (`ovs-vsctl del-br \
         {bridge}`), or hand it over"
    );
    let command = format!("ovs-vsctl br-set-external-id {bridge} flatnet-owner netd");
    Problem::blocking("bridge-foreign", text).repaired_by(command)
}

/// Uplink and host port, their links, addresses and routes.
fn node_side(desired: &Desired, actual: &Actual, plan: &mut Plan) {
    plan.problems.extend(uplink::in_use(desired, actual));
    if let Some(row) = desired.uplink_port() {
        port(row, actual, plan);
    }
    let host = desired.host_port(actual);
    if let Some(error) = actual.ports.get(HOST_PORT).and_then(|p| p.error.as_ref()) {
        let text = format!("Open vSwitch cannot open port {HOST_PORT}: {error}");
        plan.problems.push(Problem::blocking("port-error", text));
    }
    port(host, actual, plan);
    probe::plan(desired, actual, plan);

    let mtu = desired.spec.mtu.get();
    link_up(desired.spec.uplink.as_str(), mtu, actual, plan);
    // A link whose port is not there is about to go. Its addresses come in a later round. Until
    // the uplink is in the bridge, the host's addresses and routes are of no use there.
    let there = actual.ports.contains_key(HOST_PORT) && actual.link(HOST_PORT).is_some();
    if !there || !uplink_works(desired, actual) {
        return;
    }
    link_up(HOST_PORT, mtu, actual, plan);
    let wanted = desired.addresses();
    for address in &wanted {
        if !actual.addresses.contains(&(HOST_PORT.to_owned(), *address)) {
            plan.ops.push(Op::AddAddress {
                dev: HOST_PORT.to_owned(),
                address: *address,
            });
        }
    }
    // Else what goes to a range that another node has now would end here.
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
    routes::plan(desired, actual, plan);
}

/// Whether the switch has opened the uplink; always in mode `routed`, where it is no port.
fn uplink_works(desired: &Desired, actual: &Actual) -> bool {
    desired.uplink_port().is_none_or(|row| {
        actual
            .ports
            .get(&row.name)
            .is_some_and(|p| p.ofport.is_some())
    })
}

pub(super) fn port(mut row: PortRow, actual: &Actual, plan: &mut Plan) {
    // As long as the port lives it keeps the number that the switch gave it.
    let there = actual.ports.get(&row.name).and_then(|p| p.ofport);
    row.number = there.unwrap_or(row.number);
    plan.ops.extend(port_op(Subject::Node, row, actual));
}

/// The columns of a port's rows that differ in what we set. A MAC that we do not set is not
/// compared, and foreign keys under `external_ids` are left alone.
fn differs(wanted: &PortRow, port: &ActualPort) -> Vec<String> {
    let is = &port.row;
    let known = |id: &(String, String)| is.external_ids.contains(id);
    let own = [
        ("type", wanted.kind != is.kind),
        ("ofport_request", wanted.number != is.number),
        ("tag", wanted.tag != is.tag),
        ("trunks", wanted.trunks != is.trunks),
        ("mac", wanted.mac.is_some() && wanted.mac != is.mac),
        ("mtu_request", wanted.mtu != is.mtu),
        ("external_ids", !wanted.external_ids.iter().all(known)),
    ];
    own.into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(column, _)| column.to_owned())
        .chain(port.strays.keys().cloned())
        .collect()
}

/// What makes a port as it is to be; `None` if it is so.
pub(super) fn port_op(subject: Subject, row: PortRow, actual: &Actual) -> Option<Op> {
    let Some(is) = actual.ports.get(&row.name) else {
        return Some(Op::AddPort { subject, row });
    };
    let columns = differs(&row, is);
    (!columns.is_empty()).then_some(Op::SetPort {
        subject,
        row,
        columns,
    })
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
    let of_uplink = format!("/{}/", desired.spec.uplink);
    let uplink_works = uplink_works(desired, actual);
    for (key, value) in desired.sysctls() {
        if key.contains(&of_uplink) && !uplink_works {
            // The host may still live on it.
            continue;
        }
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
