//! The rows of Open vSwitch's database (ovs-vswitchd.conf.db(5)) and the transactions that
//! change them.

use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_ovs::ovsdb::{
    Atom, Condition, Datum, MonitorSpec, Mutator, Op, OpResult, Replica, Row, TransactError,
};
use flatnet_types::VlanId;

use super::{neutral, tables, timeouts};
use crate::marks;
use crate::node_ops::{NodeOpsError, PortRow};
use crate::reconcile::{ActualPort, BridgeRow, InterfaceLocation};

/// The columns that netd monitors.
pub(super) fn monitored() -> MonitorSpec {
    let spec = MonitorSpec::new()
        .table("Open_vSwitch", ["bridges", "other_config", "cur_cfg"])
        .table(
            "Bridge",
            [
                "name",
                "ports",
                "datapath_type",
                "fail_mode",
                "protocols",
                "mirrors",
                "flow_tables",
                "external_ids",
            ],
        )
        .table("Flow_Table", tables::COLUMNS)
        .table(
            "Port",
            [
                "name",
                "interfaces",
                "tag",
                "trunks",
                "vlan_mode",
                "external_ids",
            ],
        )
        .table(
            "Interface",
            [
                "name",
                "type",
                "ofport",
                "ofport_request",
                "mac",
                "mtu_request",
                "error",
                "external_ids",
            ],
        )
        .where_known("Bridge", neutral::columns("Bridge"))
        .where_known("Port", neutral::columns("Port"))
        .where_known("Interface", neutral::columns("Interface"));
    timeouts::monitored(spec)
}

/// Whether `other_config:flow-restore-wait` is set.
pub(super) fn waits_for_flows(replica: &Replica) -> bool {
    replica
        .rows("Open_vSwitch")
        .any(|(_, row)| row.map_get("other_config", RESTORE_WAIT) == Some("true"))
}

/// While it is `true` at the switch's start, neither flows nor upcalls reach the datapath
/// (ovs-vswitchd(8)).
const RESTORE_WAIT: &str = "flow-restore-wait";

pub(super) fn end_restore() -> Vec<Op> {
    vec![
        Op::mutate("Open_vSwitch")
            .delete("other_config", Datum::set([RESTORE_WAIT]))
            .into(),
    ]
}

/// The row of the bridge of that name.
pub(super) fn bridge(replica: &Replica, name: &str) -> Option<BridgeRow> {
    let (_, row) = replica.find("Bridge", "name", name)?;
    let mut altered_columns = neutral::altered("Bridge", row);
    altered_columns.extend(tables::altered(replica, row).map(|is| ("flow_tables".to_owned(), is)));
    Some(BridgeRow {
        name: name.to_owned(),
        datapath_type: row.str("datapath_type").unwrap_or_default().to_owned(),
        fail_mode: row.str("fail_mode").unwrap_or_default().to_owned(),
        protocols: row.strs("protocols").map(str::to_owned).collect(),
        managed: row.map_get("external_ids", marks::OWNER) == Some(marks::OWNER_NETD),
        altered_columns,
        mirrors: row.uuids("mirrors").count(),
    })
}

/// The bridge's ports by name, without the bridge's local port.
pub(super) fn ports(replica: &Replica, bridge: &str) -> BTreeMap<String, ActualPort> {
    let Some((_, row)) = replica.find("Bridge", "name", bridge) else {
        return BTreeMap::new();
    };
    row.uuids("ports")
        .filter_map(|uuid| replica.row("Port", uuid))
        .filter_map(|port| actual_port(replica, port))
        .filter(|port| port.row.name != bridge)
        .map(|port| (port.row.name.clone(), port))
        .collect()
}

/// The interfaces of other bridges and of bonds, by name.
pub(super) fn elsewhere(replica: &Replica, own: &str) -> BTreeMap<String, InterfaceLocation> {
    let mut found = BTreeMap::new();
    for (_, bridge) in replica.rows("Bridge") {
        let name = bridge.str("name").unwrap_or_default();
        let ports = bridge.uuids("ports").filter_map(|u| replica.row("Port", u));
        for port in ports {
            let bond = port.uuids("interfaces").count() > 1;
            if name == own && !bond {
                continue;
            }
            let interfaces = port.uuids("interfaces");
            for interface in interfaces.filter_map(|u| replica.row("Interface", u)) {
                let place = InterfaceLocation {
                    bridge: name.to_owned(),
                    port: port.str("name").unwrap_or_default().to_owned(),
                    bond,
                };
                found.insert(interface.str("name").unwrap_or_default().to_owned(), place);
            }
        }
    }
    found
}

fn actual_port(replica: &Replica, port: &Row) -> Option<ActualPort> {
    let name = port.str("name")?;
    let mut interfaces: Vec<&Row> = port
        .uuids("interfaces")
        .filter_map(|uuid| replica.row("Interface", uuid))
        .collect();
    // If somebody made a managed port a bond, netd's interface is the one with the port's name.
    interfaces.sort_by_key(|row| row.str("name") != Some(name));
    let interface = *interfaces.first()?;
    let mut altered_columns = neutral::altered("Port", port);
    altered_columns.extend(neutral::altered("Interface", interface));
    if interfaces.len() > 1 {
        let others = interfaces[1..].iter().filter_map(|row| row.str("name"));
        altered_columns.insert(
            "interfaces".to_owned(),
            others.collect::<Vec<_>>().join(" "),
        );
    }
    let kind = interface.str("type").unwrap_or_default();
    if !["", "system", "internal"].contains(&kind) {
        altered_columns.insert("type".to_owned(), kind.to_owned());
    }
    let vlan = |id: i64| VlanId::new(u32::try_from(id).ok()?).ok();
    let (tag, trunks): (_, Vec<VlanId>) = (
        port.int("tag").and_then(vlan),
        port.ints("trunks").filter_map(vlan).collect(),
    );
    let mode = port.str("vlan_mode");
    if mode.is_some() && mode != vlan_mode(tag, &trunks) {
        altered_columns.insert("vlan_mode".to_owned(), mode.unwrap_or_default().to_owned());
    }
    Some(ActualPort {
        altered_columns,
        row: PortRow {
            name: name.to_owned(),
            kind: if kind == "internal" { "internal" } else { "" },
            number: interface
                .int("ofport_request")
                .and_then(|n| n.try_into().ok())
                .unwrap_or(0),
            tag,
            trunks,
            mac: interface.str("mac").and_then(|m| m.parse().ok()),
            mtu: interface.int("mtu_request").and_then(|n| n.try_into().ok()),
            external_ids: port
                .map("external_ids")
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
        },
        ofport: number(interface),
        error: open_error(interface).map(str::to_owned),
    })
}

/// The OpenFlow number of an interface's row; `None` before the switch has assigned one, and for a
/// device that it cannot open (it writes −1, which does not convert).
fn number(interface: &Row) -> Option<u32> {
    interface.int("ofport").and_then(|n| n.try_into().ok())
}

/// Open vSwitch's error for a device that it cannot open. An error beside a number is left over from
/// an earlier pass of ovs-vswitchd: a later pass that opens the device clears the error only if the
/// daemon has read its own earlier write back by then, and a row that precedes its device by
/// milliseconds is read back later.
pub(crate) fn open_error(interface: &Row) -> Option<&str> {
    match number(interface) {
        Some(_) => None,
        None => interface.str("error"),
    }
}

fn strings(pairs: &[(String, String)]) -> Datum {
    Datum::map(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())))
}

fn bridge_row(bridge: &BridgeRow) -> Row {
    Row::new()
        .with("datapath_type", bridge.datapath_type.as_str())
        .with("fail_mode", bridge.fail_mode.as_str())
        .with(
            "protocols",
            Datum::set(bridge.protocols.iter().map(String::as_str)),
        )
}

fn port_row(row: &PortRow) -> Row {
    let vlans = Datum::set(row.trunks.iter().map(|v| i64::from(v.get())));
    let tag = row
        .tag
        .map_or_else(Datum::empty, |v| i64::from(v.get()).into());
    let mode = vlan_mode(row.tag, &row.trunks).map_or_else(Datum::empty, Into::into);
    Row::new()
        .with("tag", tag)
        .with("trunks", vlans)
        .with("vlan_mode", mode)
}

/// The `vlan_mode` of a port with tag and trunks; for other ports the default applies.
fn vlan_mode(tag: Option<VlanId>, trunks: &[VlanId]) -> Option<&'static str> {
    (tag.is_some() && !trunks.is_empty()).then_some("native-untagged")
}

fn interface_row(row: &PortRow) -> Row {
    let mtu = row
        .mtu
        .map_or_else(Datum::empty, |mtu| i64::from(mtu).into());
    let interface = Row::new()
        .with("type", row.kind)
        .with("ofport_request", i64::from(row.number))
        .with("mtu_request", mtu);
    match row.mac {
        Some(mac) => interface.with("mac", mac.to_string()),
        None => interface,
    }
}

/// Sets the number that a port requests.
pub(super) fn request_number(name: &str, number: u32) -> Op {
    let row = Row::new().with("ofport_request", i64::from(number));
    Op::update("Interface", row)
        .only(Condition::eq("name", name))
        .into()
}

/// Inserts a port and its interface. `port` and `interface` name the rows in this transaction.
fn insert_port(row: &PortRow, port: &str, interface: &str) -> [Op; 2] {
    let ids = strings(&row.external_ids);
    [
        Op::insert(
            "Interface",
            interface_row(row)
                .with("name", row.name.as_str())
                .with("external_ids", ids.clone()),
        )
        .named(interface)
        .into(),
        Op::insert(
            "Port",
            port_row(row)
                .with("name", row.name.as_str())
                .with("interfaces", Atom::named(interface))
                .with("external_ids", ids),
        )
        .named(port)
        .into(),
    ]
}

/// Creates the bridge with its local port and the host's port. Fails if a bridge of that name was
/// created meanwhile, because names are unique.
pub(super) fn create_bridge(replica: &Replica, bridge: &BridgeRow, host: &PortRow) -> Vec<Op> {
    let own = PortRow {
        name: bridge.name.clone(),
        kind: "internal",
        number: 0,
        tag: None,
        trunks: Vec::new(),
        mac: None,
        mtu: None,
        external_ids: marks::node_ids("bridge"),
    };
    let own_interface = Row::new()
        .with("name", own.name.as_str())
        .with("type", own.kind)
        .with("external_ids", strings(&own.external_ids));
    let mut ops: Vec<Op> = vec![
        Op::insert("Interface", own_interface)
            .named("own_interface")
            .into(),
        Op::insert(
            "Port",
            Row::new()
                .with("name", own.name.as_str())
                .with("interfaces", Atom::named("own_interface"))
                .with("external_ids", strings(&own.external_ids)),
        )
        .named("own_port")
        .into(),
    ];
    ops.extend(insert_port(host, "host_port", "host_interface"));
    ops.extend(timeouts::remove_all(replica, &bridge.datapath_type));
    let mut row = bridge_row(bridge);
    ops.extend(tables::set(replica, &mut row));
    ops.push(
        Op::insert(
            "Bridge",
            row.with("name", bridge.name.as_str())
                .with(
                    "ports",
                    Datum::set([Atom::named("own_port"), Atom::named("host_port")]),
                )
                .with("external_ids", strings(&marks::node_ids("bridge"))),
        )
        .named("bridge")
        .into(),
    );
    let bridges = Datum::set([Atom::named("bridge")]);
    // A new database has no `Open_vSwitch` row yet: without one nothing would refer to the bridge,
    // and the server would garbage-collect it.
    ops.push(match replica.count("Open_vSwitch") {
        0 => Op::insert("Open_vSwitch", Row::new().with("bridges", bridges)).into(),
        _ => Op::mutate("Open_vSwitch").insert("bridges", bridges).into(),
    });
    ops
}

/// Sets the bridge's columns and increments `next_cfg`. The last result holds the number to wait
/// for ([`is_applied`]).
pub(super) fn set_bridge(replica: &Replica, bridge: &BridgeRow) -> Vec<Op> {
    let mut row = bridge_row(bridge);
    let mut ops = Vec::new();
    if let Some((_, is)) = replica.find("Bridge", "name", bridge.name.as_str()) {
        neutral::reset("Bridge", is, &mut row);
        if is.str("datapath_type") != Some(bridge.datapath_type.as_str()) {
            ops.extend(timeouts::remove_all(replica, &bridge.datapath_type));
        }
    }
    ops.extend(tables::set(replica, &mut row));
    ops.extend([
        Op::update("Bridge", row)
            .only(Condition::eq("name", bridge.name.as_str()))
            .into(),
        Op::mutate("Open_vSwitch")
            .mutation("next_cfg", Mutator::Add, 1)
            .into(),
        Op::select("Open_vSwitch").columns(["next_cfg"]).into(),
    ]);
    ops
}

/// The number that the switch writes to `cur_cfg` when it has applied the transaction of
/// [`set_bridge`].
pub(super) fn requested_config(results: &[OpResult]) -> Option<i64> {
    results.last()?.rows().first()?.int("next_cfg")
}

/// Whether the switch has applied everything up to this number.
pub(super) fn is_applied(replica: &Replica, number: i64) -> bool {
    replica
        .rows("Open_vSwitch")
        .any(|(_, row)| row.int("cur_cfg").is_some_and(|n| n >= number))
}

/// Adds a port. The `wait` makes the transaction fail where there is no such bridge: without it,
/// the server would garbage-collect the rows without an error.
pub(super) fn add_port(bridge: &str, row: &PortRow) -> Vec<Op> {
    let mut ops: Vec<Op> = vec![
        Op::wait("Bridge")
            .only(Condition::eq("name", bridge))
            .columns(["name"])
            .until_eq([Row::new().with("name", bridge)])
            .timeout(Duration::ZERO)
            .into(),
    ];
    ops.extend(insert_port(row, "port", "interface"));
    ops.push(
        Op::mutate("Bridge")
            .only(Condition::eq("name", bridge))
            .insert("ports", Datum::set([Atom::named("port")]))
            .into(),
    );
    ops
}

/// The error for a transaction of [`add_port`] that failed at its `wait`; `None` for other errors.
pub(super) fn no_bridge(bridge: &str, error: &TransactError) -> Option<NodeOpsError> {
    match error {
        TransactError::Op { op_index: 0, .. } => Some(NodeOpsError::NoBridge {
            bridge: bridge.to_owned(),
        }),
        _ => None,
    }
}

pub(super) fn set_port(replica: &Replica, row: &PortRow) -> Vec<Op> {
    let named = || Condition::eq("name", row.name.as_str());
    let keys = || Datum::set(row.external_ids.iter().map(|(k, _)| k.as_str()));
    let (mut port, mut interface) = (port_row(row), interface_row(row));
    if let Some((_, is)) = replica.find("Port", "name", row.name.as_str()) {
        neutral::reset("Port", is, &mut port);
    }
    if let Some((uuid, is)) = replica.find("Interface", "name", row.name.as_str()) {
        neutral::reset("Interface", is, &mut interface);
        port.set("interfaces", Datum::set([uuid]));
    }
    vec![
        Op::update("Port", port).only(named()).into(),
        Op::update("Interface", interface).only(named()).into(),
        // Other keys stay.
        Op::mutate("Port")
            .only(named())
            .delete("external_ids", keys())
            .insert("external_ids", strings(&row.external_ids))
            .into(),
    ]
}

/// Fails where an operation of the transaction matched no row: the server counts that as success,
/// but what it was to change was deleted meanwhile.
pub(super) fn require_match(
    results: &[OpResult],
    what: impl FnOnce() -> String,
) -> Result<(), NodeOpsError> {
    match results.contains(&OpResult::Count(0)) {
        true => Err(NodeOpsError::Gone { what: what() }),
        false => Ok(()),
    }
}

/// Deletes ports of the bridge; the server garbage-collects their rows. No operations if none of
/// the ports exists.
pub(super) fn delete_ports(replica: &Replica, bridge: &str, names: &[&str]) -> Vec<Op> {
    let uuids: Vec<Atom> = names
        .iter()
        .filter_map(|name| replica.find("Port", "name", *name))
        .map(|(uuid, _)| uuid.into())
        .collect();
    if uuids.is_empty() {
        return Vec::new();
    }
    vec![
        Op::mutate("Bridge")
            .only(Condition::eq("name", bridge))
            .delete("ports", Datum::set(uuids))
            .into(),
    ]
}

#[cfg(test)]
mod tests;
