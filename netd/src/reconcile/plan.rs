//! Computes the change set from the desired and the observed state. Pure.

use flatnet_plan::node::Mode;
use flatnet_types::Mtu;

use super::actual::Actual;
use super::change_set::ChangeSet;
use super::desired::{Desired, HOST_LINK, HOST_PORT, node_ports};
use super::op::Op;
use super::ports::port;
use super::{attachments, probe, routes, switch, timeouts, uplink};
use crate::problems::Problem;

/// Computes the change set. For a node in its desired state it has no ops.
pub fn plan(desired: &Desired, actual: &Actual) -> ChangeSet {
    let mut changes = ChangeSet::default();
    if !actual.database {
        changes.problems.push(Problem::blocking(
            "database-away",
            "Open vSwitch's database does not answer: is ovsdb-server running?",
        ));
        return changes;
    }
    // First of all: nothing may forward frames except netd's flows.
    switch::plan(desired, actual, &mut changes);
    garbage(desired, actual, &mut changes);
    if !ensure_bridge(desired, actual, &mut changes) {
        return changes;
    }
    // Before the addresses: a link with IPv6 disabled accepts no IPv6 address.
    sysctls(desired, actual, &mut changes);
    node_side(desired, actual, &mut changes);
    if actual.flows.is_none() {
        // Not ready: flows cannot be set, and port numbers are not known.
        let why = actual.switch_error.as_deref().unwrap_or("no bridge");
        let text = format!(
            "the bridge does not answer on its OpenFlow socket ({why}): is ovs-vswitchd running?"
        );
        changes
            .problems
            .push(Problem::blocking("switch-away", text));
        return changes;
    }
    changes.ports = node_ports(desired, actual);
    let Some(ports) = &changes.ports else {
        if changes.ops.is_empty() && changes.problems.is_empty() {
            changes.waiting_for = Some(
                "the switch has not said yet which numbers the bridge's own ports have, or what \
                 its datapath can do: is ovs-vswitchd running? its log says why a port cannot be \
                 opened",
            );
        }
        return changes;
    };
    // Before the flows: the datapath's cached flows contain the time-outs at the time of caching.
    changes.ops.extend(timeouts::plan(desired, actual));
    if let Some(flows) = &actual.flows {
        let (ops, problems) = attachments::plan(desired, actual, ports, flows);
        changes.ops.extend(ops);
        changes.problems.extend(problems);
        if changes.ops.is_empty() && probe::ports(actual).is_none() {
            changes.waiting_for = Some(
                "the switch has not said yet which numbers the probe's ports have: its log \
                 says why a port cannot be opened",
            );
        }
        switch::end_restore_wait(actual, &mut changes);
    }
    changes
}

/// Deletes managed ports and links that belong to no attachment.
fn garbage(desired: &Desired, actual: &Actual, changes: &mut ChangeSet) {
    let dead = |generation: u64| !desired.live_slots.contains_key(&generation);
    let ports: Vec<String> = actual
        .ports
        .values()
        .filter(|p| p.is_managed() && p.generation().is_some_and(dead))
        .map(|p| p.row.name.clone())
        .collect();
    if !ports.is_empty() {
        changes.ops.push(Op::DeletePorts(ports));
    }
    for link in actual
        .links
        .iter()
        .filter(|l| l.generation().is_some_and(dead))
    {
        changes.ops.push(Op::DeleteLink {
            name: link.name.clone(),
            ifindex: link.ifindex,
        });
    }
}

/// Whether the bridge exists, is managed, and its uplink can be used.
fn ensure_bridge(desired: &Desired, actual: &Actual, changes: &mut ChangeSet) -> bool {
    if let Some(is) = actual.bridge.as_ref().filter(|is| !is.managed) {
        changes.problems.push(unmanaged_bridge(&is.name));
        return false;
    }
    if let Some(problem) = uplink::refusal(desired, actual) {
        changes.problems.push(problem);
        return false;
    }
    if actual.bridge.is_none() {
        changes.ops.push(Op::CreateBridge {
            bridge: desired.bridge(),
            host: desired.host_port(actual),
        });
        return false;
    }
    true
}

fn unmanaged_bridge(bridge: &str) -> Problem {
    let text = format!(
        "bridge {bridge} is there and does not bear netd's mark: delete it (`ovs-vsctl del-br \
         {bridge}`), or hand it over"
    );
    let command = format!("ovs-vsctl br-set-external-id {bridge} flatnet-owner netd");
    Problem::blocking("bridge-foreign", text).repaired_by(command)
}

/// The ports of the uplink and the host; their links, addresses and routes.
fn node_side(desired: &Desired, actual: &Actual, changes: &mut ChangeSet) {
    changes
        .problems
        .extend(uplink::port_problem(desired, actual));
    if let Some(row) = desired.uplink_port() {
        port(row, actual, changes);
    }
    let host = desired.host_port(actual);
    if let Some(error) = actual.ports.get(HOST_PORT).and_then(|p| p.error.as_ref()) {
        let text = format!("Open vSwitch cannot open port {HOST_PORT}: {error}");
        changes.problems.push(Problem::blocking("port-error", text));
    }
    port(host, actual, changes);
    let mtu = desired.spec.mtu;
    probe::plan(mtu, actual, changes);
    ensure_link_up(desired.spec.uplink.as_str(), mtu, actual, changes);
    // Addresses are set in a later round while the port does not exist, because its link is about
    // to be recreated; and while the uplink is not in the bridge, because they would not be
    // reachable.
    let there = actual.ports.contains_key(HOST_PORT) && actual.link(HOST_PORT).is_some();
    if !there || !uplink_is_open(desired, actual) {
        return;
    }
    ensure_link_up(HOST_PORT, mtu, actual, changes);
    let wanted = desired.addresses();
    for address in &wanted {
        if !actual.addresses.contains(&(HOST_LINK, *address)) {
            changes.ops.push(Op::AddAddress {
                dev: HOST_LINK,
                address: *address,
            });
        }
    }
    // With the old gateway address, packets to a range that another node has now would be delivered
    // here.
    for (dev, address) in &actual.addresses {
        let at = (dev.clone(), *address);
        let managed = actual.marked.contains(&at) || desired.former_addresses.contains(address);
        if *dev == HOST_PORT && managed && !wanted.contains(address) {
            changes.ops.push(Op::DeleteAddress {
                dev: at.0,
                address: at.1,
            });
        }
    }
    routes::plan(desired, actual, changes);
}

/// Whether the switch has opened the uplink; `true` in mode `routed`, where it is no port.
fn uplink_is_open(desired: &Desired, actual: &Actual) -> bool {
    desired.uplink_port().is_none_or(|row| {
        actual
            .ports
            .get(&row.name)
            .is_some_and(|p| p.ofport.is_some())
    })
}

fn ensure_link_up(name: &str, mtu: Mtu, actual: &Actual, changes: &mut ChangeSet) {
    if let Some(link) = actual.link(name)
        && (!link.up || link.mtu < mtu.get())
    {
        changes.ops.push(Op::SetLink {
            name: link.name.clone(),
            mtu: (link.mtu < mtu.get()).then_some(mtu),
        });
    }
}

fn sysctls(desired: &Desired, actual: &Actual, changes: &mut ChangeSet) {
    let of_uplink = format!("/{}/", desired.spec.uplink);
    let uplink_is_open = uplink_is_open(desired, actual);
    for (key, value) in desired.sysctls() {
        if key.contains(&of_uplink) && !uplink_is_open {
            // The host's addresses may still be on it.
            continue;
        }
        // A missing sysctl belongs to a link that does not exist yet.
        if actual.sysctls.get(&key).is_some_and(|is| *is != value) {
            changes.ops.push(Op::SetSysctl { key, value });
        }
    }
    let accepts = format!("ipv6/conf/{}/accept_ra", desired.spec.uplink);
    if desired.spec.mode == Mode::Routed && actual.sysctls.get(&accepts).is_some_and(|v| v == "1") {
        // With the value 1, enabling forwarding stops the kernel from accepting router
        // advertisements, and the host loses its default route
        // (Documentation/networking/ip-sysctl.rst).
        changes.ops.insert(
            0,
            Op::SetSysctl {
                key: accepts,
                value: "2".to_owned(),
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use flatnet_ovs::openflow::FlowHead;

    use super::*;

    /// `GET /v1/plan` serializes these types: their fields' names are part of the API.
    #[test]
    fn the_names_in_the_json_of_a_dry_run_stay() {
        let bridge = crate::reconcile::BridgeRow {
            name: "br-flat".into(),
            datapath_type: "system".into(),
            fail_mode: "secure".into(),
            protocols: Default::default(),
            managed: true,
            altered_columns: Default::default(),
            mirrors: 0,
        };
        let mut actual = Actual {
            bridge: Some(bridge),
            ..Actual::default()
        };
        let zones = [
            crate::reconcile::ZoneTimeouts::Current,
            crate::reconcile::ZoneTimeouts::Unmanaged,
        ];
        actual.timeouts.zones = (1..).zip(zones).collect();
        let actual = serde_json::to_value(actual).expect("JSON");
        assert_eq!(actual["bridge"]["ours"], true);
        assert!(actual["bridge"]["strays"].is_object());
        assert!(actual["foreign"].is_array() && actual["switch"]["foreign"].is_array());
        assert_eq!(actual["timeouts"]["zones"]["1"], "Ours");
        assert_eq!(actual["timeouts"]["zones"]["2"], "Foreign");
        let head = FlowHead {
            table: 0,
            priority: 1,
            cookie: 2,
        };
        let changes = ChangeSet {
            ops: vec![Op::DeleteUnmanagedFlows(vec![head])],
            waiting_for: Some("the switch"),
            ..ChangeSet::default()
        };
        let changes = serde_json::to_value(changes).expect("JSON");
        assert!(changes["ops"][0]["DeleteForeign"].is_array());
        assert_eq!(changes["waits"], "the switch");
    }
}
