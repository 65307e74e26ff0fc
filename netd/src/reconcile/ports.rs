//! Ports of the bridge: the ops that make one as it is wanted. Pure.

use super::actual::{Actual, ActualPort};
use super::change_set::ChangeSet;
use super::op::{Op, Subject};
use crate::node_ops::PortRow;

pub(super) fn port(mut row: PortRow, actual: &Actual, changes: &mut ChangeSet) {
    // An existing port keeps the number that the switch assigned.
    let there = actual.ports.get(&row.name).and_then(|p| p.ofport);
    row.number = there.unwrap_or(row.number);
    changes.ops.extend(port_op(Subject::Node, row, actual));
}

/// The columns of a port's rows that differ from the wanted ones. A MAC that netd does not set is
/// not compared, and other keys under `external_ids` are ignored.
fn differing_columns(wanted: &PortRow, port: &ActualPort) -> Vec<String> {
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
        .chain(port.altered_columns.keys().cloned())
        .collect()
}

/// The op that adds or repairs a port; `None` if it is as wanted.
pub(super) fn port_op(subject: Subject, row: PortRow, actual: &Actual) -> Option<Op> {
    let Some(is) = actual.ports.get(&row.name) else {
        return Some(Op::AddPort { subject, row });
    };
    let columns = differing_columns(&row, is);
    (!columns.is_empty()).then_some(Op::SetPort {
        subject,
        row,
        columns,
    })
}
