//! The part of the plan that concerns the switch itself: what no database keeps, what keeps it
//! from forwarding, and flows that are nobody's business here.
//!
//! The bridge is netd's alone (ADR 23). What forwards past netd's flows is taken away first,
//! whatever else is wrong with the node.

use std::time::Duration;

use flatnet_ovs::openflow::{FlowHead, FragMode, Group};
use serde::Serialize;

use super::actual::{Actual, BridgeRow};
use super::desired::Desired;
use super::op::Op;
use super::plan::ChangeSet;
use crate::flows;
use crate::problems::Problem;

/// What the switch does with fragments of IP: the declared mode, whatever it was started with. The
/// first one has its ports and its type of ICMPv6, by which port security decides on it; what follows
/// it is of no use to anybody without it.
pub const FRAGMENTS: FragMode = FragMode::NxMatch;

/// How long our flows are in, with nobody restarting Open vSwitch, before netd ends
/// `flow-restore-wait`. Long enough for the script that saved flows to put them back.
const RESTORE_GRACE: Duration = Duration::from_secs(2);

/// The switch, beside its flows and ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SwitchActual {
    /// Flows that are neither netd's nor learned by one of netd's, one of each table and cookie.
    #[serde(rename = "foreign")]
    pub unmanaged_flows: Vec<FlowHead>,
    /// What becomes of fragments; `None` if the switch does not answer.
    pub fragments: Option<FragMode>,
    /// Its groups; `None` if the switch does not answer.
    #[serde(skip)]
    pub groups: Option<Vec<Group>>,
    /// Ports of ours that somebody forbade to receive or to send (`ovs-ofctl mod-port`).
    pub restricted: Vec<String>,
    /// The switch was told to wait for its flows.
    pub restore: Option<RestoreWait>,
    /// Whether its datapath has conntrack zones; `None` until it has said so.
    pub zones: Option<bool>,
}

/// `other_config:flow-restore-wait` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreWait {
    /// For how long it has been seen with the switch answering.
    pub since: Duration,
    /// The scripts that restart Open vSwitch right now, such as `ovs-ctl`.
    pub scripts: Vec<String>,
}

/// Plans what comes before everything else, for a bridge of ours.
pub(super) fn plan(desired: &Desired, actual: &Actual, changes: &mut ChangeSet) {
    let Some(is) = actual.bridge.as_ref().filter(|is| is.managed) else {
        return;
    };
    let wanted = desired.bridge();
    let differ = is.columns_but(&wanted);
    if !differ.is_empty() {
        changes.ops.push(Op::SetBridge {
            bridge: wanted,
            columns: differ.into_iter().map(|(column, _)| column).collect(),
        });
    }
    let seen = &actual.switch;
    if !seen.unmanaged_flows.is_empty() {
        changes
            .ops
            .push(Op::DeleteUnmanagedFlows(seen.unmanaged_flows.clone()));
    }
    if seen.fragments.is_some_and(|mode| mode != FRAGMENTS) {
        changes.ops.push(Op::SetFragments(FRAGMENTS));
    }
    let group = flows::group();
    if seen
        .groups
        .as_ref()
        .is_some_and(|all| !all.contains(&group))
    {
        changes.ops.push(Op::SetGroup(group.id));
    }
    for port in &seen.restricted {
        changes.ops.push(Op::OpenPort(port.clone()));
    }
    changes
        .problems
        .extend(restore_wait_problem(seen.restore.as_ref()));
    changes.problems.extend(mirrors(is));
    changes
        .problems
        .extend(unmanaged_ports(desired, actual, is));
}

/// Plans the end of `flow-restore-wait`, once all else is done.
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
        Problem::named("mirror", text).repaired_by(command)
    })
}

/// Ports without netd's mark get no frame but what is flooded, and what they send is dropped.
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
            Problem::named("foreign-port", text).repaired_by(command)
        })
        .collect()
}
