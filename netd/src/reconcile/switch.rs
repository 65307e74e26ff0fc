//! The ops of the switch itself: settings that no database keeps, what stops it from forwarding,
//! and unmanaged flows.
//!
//! The bridge is netd's alone (ADR 23). What forwards frames beside netd's flows is removed first,
//! whatever else is wrong with the node.

use std::time::Duration;

use flatnet_ovs::openflow::FragMode;

use super::actual::{Actual, BridgeRow, RestoreWait};
use super::change_set::ChangeSet;
use super::desired::Desired;
use super::op::Op;
use crate::flows;
use crate::problems::Problem;

/// How the switch treats IP fragments. With this mode the first fragment matches by its ports and
/// ICMPv6 type, so port security applies to it; later fragments are useless without the first.
pub const FRAGMENTS: FragMode = FragMode::NxMatch;

/// How long `flow-restore-wait` may last with netd's flows set and no restart under way before netd
/// ends it. Long enough for the restarting script to restore its saved flows.
const RESTORE_GRACE: Duration = Duration::from_secs(2);

/// Computes the ops and problems that come first, for a managed bridge.
pub(super) fn plan(desired: &Desired, actual: &Actual, changes: &mut ChangeSet) {
    let Some(is) = actual.bridge.as_ref().filter(|is| is.managed) else {
        return;
    };
    let wanted = desired.bridge();
    let differ = is.differing_columns(&wanted);
    if !differ.is_empty() {
        changes.ops.push(Op::SetBridge {
            bridge: wanted,
            columns: differ.into_iter().map(|(column, _)| column).collect(),
        });
    }
    let observed = &actual.switch;
    if !observed.unmanaged_flows.is_empty() {
        changes
            .ops
            .push(Op::DeleteUnmanagedFlows(observed.unmanaged_flows.clone()));
    }
    if observed.fragments.is_some_and(|mode| mode != FRAGMENTS) {
        changes.ops.push(Op::SetFragments(FRAGMENTS));
    }
    let group = flows::group();
    if observed
        .groups
        .as_ref()
        .is_some_and(|all| !all.contains(&group))
    {
        changes.ops.push(Op::SetGroup(group.id));
    }
    for port in &observed.restricted {
        changes.ops.push(Op::OpenPort(port.clone()));
    }
    changes
        .problems
        .extend(restore_wait_problem(observed.restore.as_ref()));
    changes.problems.extend(mirrors(is));
    changes
        .problems
        .extend(unmanaged_ports(desired, actual, is));
}

/// Adds the op that ends `flow-restore-wait`, if no other ops are left.
pub(super) fn end_restore_wait(actual: &Actual, changes: &mut ChangeSet) {
    let is_over = |r: &RestoreWait| r.scripts.is_empty() && r.since >= RESTORE_GRACE;
    if actual.switch.restore.as_ref().is_some_and(is_over)
        && changes.ports.is_some()
        && changes.ops.is_empty()
    {
        changes.ops.push(Op::EndRestore);
    }
}

fn restore_wait_problem(restore: Option<&RestoreWait>) -> Option<Problem> {
    let who = match restore?.scripts.as_slice() {
        [] => "nobody restarts it: netd ends that when its flows are in".to_owned(),
        scripts => format!("{} is at work", scripts.join(", ")),
    };
    let text = format!("Open vSwitch waits for its flows and forwards nothing; {who}");
    let command = "ovs-vsctl remove open_vswitch . other_config flow-restore-wait";
    Some(Problem::blocking("flow-restore-wait", text).repaired_by(command))
}

fn mirrors(is: &BridgeRow) -> Option<Problem> {
    (is.mirrors > 0).then(|| {
        let text = format!(
            "{} of bridge {} copy its frames to another port or VLAN; netd leaves them to who made \
             them",
            match is.mirrors {
                1 => "a mirror".to_owned(),
                n => format!("{n} mirrors"),
            },
            is.name
        );
        let command = format!("ovs-vsctl clear bridge {} mirrors", is.name);
        Problem::non_blocking("mirror", text).repaired_by(command)
    })
}

/// The problems of unmanaged ports. They receive only flooded frames, and what they send is
/// dropped.
fn unmanaged_ports(desired: &Desired, actual: &Actual, is: &BridgeRow) -> Vec<Problem> {
    let uplink = desired.uplink_port().map(|row| row.name);
    let host = desired.host_port(actual).name;
    let wanted = |name: &String| Some(name) == uplink.as_ref() || *name == host;
    let unmanaged = actual.ports.iter().filter(|(_, p)| !p.is_managed());
    unmanaged
        .filter(|(name, _)| !wanted(name))
        .map(|(name, _)| {
            let text = format!(
                "port {name} of bridge {} is not netd's: what it sends is dropped",
                is.name
            );
            let command = format!("ovs-vsctl del-port {} {name}", is.name);
            Problem::non_blocking("foreign-port", text).repaired_by(command)
        })
        .collect()
}
