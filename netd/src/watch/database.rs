//! Watches Open vSwitch's database: the rows and columns that the data path depends on.

use flatnet_ovs::ovsdb::{ChangeKind, ConnState, Replica, Row, RowChange};
use tokio::sync::broadcast::error::RecvError;

use crate::daemon_node::DaemonNode;
use crate::marks;
use crate::real::open_error;
use crate::state::NodeState;

pub(super) async fn run(state: NodeState<DaemonNode>) {
    let node = state.node();
    let database = node.database();
    let mut connection = database.state();
    let mut changes = database.changes();
    let repair_requested = state.repair_requested();
    let mut up = false;
    loop {
        let wake = tokio::select! {
            changed = connection.changed() => match changed {
                Err(_) => return,
                Ok(()) => match *connection.borrow_and_update() {
                    ConnState::Ready { .. } => {
                        up = true;
                        true
                    }
                    ConnState::Disconnected { .. } => std::mem::take(&mut up),
                    ConnState::Syncing => false,
                },
            },
            change = changes.recv() => match change {
                Ok(change) if change.resync => true,
                Ok(change) => {
                    let is_own_deletion = |name: &str| node.take_own_deletion(name);
                    database.read(|replica| {
                        let filter = ChangeFilter { replica, bridge: node.bridge(), is_own_deletion: &is_own_deletion };
                        // No short-circuit: each row has to be checked, because that removes netd's
                        // own deletions from the list.
                        let wake = change.rows.iter().fold(false, |wake, row| filter.is_relevant(row) | wake);
                        wake || (change.rows.iter().any(concerns_timeouts) && node.timeouts_differ(replica))
                    })
                }
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return,
            },
        };
        if wake {
            repair_requested.notify_one();
        }
    }
}

/// Distinguishes changes of other programs from those of netd and the switch.
struct ChangeFilter<'a> {
    replica: &'a Replica,
    bridge: &'a str,
    /// Whether netd itself is deleting the port of this name.
    is_own_deletion: &'a dyn Fn(&str) -> bool,
}

impl ChangeFilter<'_> {
    fn is_relevant(&self, change: &RowChange) -> bool {
        let row = self.replica.row(&change.table, change.uuid);
        match (change.table.as_str(), &change.kind, row) {
            ("Open_vSwitch", ChangeKind::Modified { columns }, _) => columns
                .iter()
                .any(|c| c == "bridges" || c == "other_config"),
            ("Bridge", ChangeKind::Modified { columns }, Some(row)) => {
                row.str("name") == Some(self.bridge)
                    && (columns.iter().any(|c| c != "ports") || !self.has_only_managed_ports(row))
            }
            // Changes of table limits are rare: each one counts.
            ("Flow_Table", ..) => true,
            ("Bridge", ChangeKind::Deleted { old }, _) => old.str("name") == Some(self.bridge),
            ("Bridge", ChangeKind::Inserted, Some(row)) => row.str("name") == Some(self.bridge),
            ("Port", ChangeKind::Modified { .. }, Some(row)) => {
                is_marked(row) || self.is_in_bridge(change)
            }
            ("Port", ChangeKind::Deleted { old }, _) => {
                is_marked(old)
                    && !old
                        .str("name")
                        .is_some_and(|name| (self.is_own_deletion)(name))
            }
            ("Interface", ChangeKind::Modified { columns }, Some(row)) => {
                is_marked(row) && (columns.iter().any(|c| !set_by_switch(c)) || is_faulty(row))
            }
            _ => false,
        }
    }

    /// Whether all ports of the bridge are managed, and all managed ports are in the bridge.
    fn has_only_managed_ports(&self, bridge: &Row) -> bool {
        let in_bridge = bridge
            .uuids("ports")
            .filter_map(|uuid| self.replica.row("Port", uuid));
        let (mut marked, mut unmanaged) = (0, 0);
        for port in in_bridge {
            if is_marked(port) {
                marked += 1;
            } else {
                unmanaged += 1;
            }
        }
        let all = self.replica.rows("Port").filter(|(_, row)| is_marked(row));
        unmanaged == 0 && all.count() == marked
    }

    fn is_in_bridge(&self, port: &RowChange) -> bool {
        self.replica
            .find("Bridge", "name", self.bridge)
            .is_some_and(|(_, row)| row.uuids("ports").any(|uuid| uuid == port.uuid))
    }
}

/// Whether the change may concern time-outs of conntrack zones.
fn concerns_timeouts(change: &RowChange) -> bool {
    let named = |columns: &[String]| columns.iter().any(|c| c == "datapaths");
    match (change.table.as_str(), &change.kind) {
        ("Open_vSwitch", ChangeKind::Modified { columns }) => named(columns),
        ("Datapath" | "CT_Zone" | "CT_Timeout_Policy", _) => true,
        _ => false,
    }
}

fn is_marked(row: &Row) -> bool {
    row.map_get("external_ids", marks::OWNER) == Some(marks::OWNER_NETD)
}

/// Whether the switch itself writes the column.
fn set_by_switch(column: &str) -> bool {
    column == "ofport" || column == "error"
}

/// Whether the device cannot be opened, or has another number than it requests.
fn is_faulty(interface: &Row) -> bool {
    let number = interface.int("ofport");
    let request = interface.int("ofport_request");
    open_error(interface).is_some() || (number.is_some() && request.is_some() && number != request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_with_another_number_than_it_requests_is_faulty() {
        let row = |number: i64| Row::new().with("ofport", number).with("ofport_request", 7);
        assert!(is_faulty(&row(8)) && is_faulty(&row(-1)) && !is_faulty(&row(7)));
        assert!(!is_faulty(&Row::new().with("ofport_request", 7)));
        // The error is left over from an earlier pass.
        assert!(!is_faulty(&row(7).with("error", "could not open it")));
    }
}
