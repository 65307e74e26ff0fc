//! The rows of Open vSwitch's database (ovs-vswitchd.conf.db(5)) and the transactions that
//! change them.

use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_ovs::ovsdb::{Atom, Condition, Datum, MonitorSpec, Op, Replica, Row, TransactError};
use flatnet_types::VlanId;

use crate::marks;
use crate::reconcile::{ActualPort, BridgeRow};
use crate::world::{PortRow, WorldError};

/// The columns that netd reads.
pub(super) fn monitored() -> MonitorSpec {
    MonitorSpec::new()
        .table("Open_vSwitch", ["bridges"])
        .table(
            "Bridge",
            [
                "name",
                "ports",
                "datapath_type",
                "fail_mode",
                "protocols",
                "external_ids",
            ],
        )
        .table(
            "Port",
            ["name", "interfaces", "tag", "trunks", "external_ids"],
        )
        .table(
            "Interface",
            [
                "name",
                "type",
                "ofport",
                "ofport_request",
                "mac",
                "error",
                "external_ids",
            ],
        )
}

/// The bridge of that name.
pub(super) fn bridge(replica: &Replica, name: &str) -> Option<BridgeRow> {
    let (_, row) = replica.find("Bridge", "name", name)?;
    Some(BridgeRow {
        name: name.to_owned(),
        datapath_type: row.str("datapath_type").unwrap_or_default().to_owned(),
        fail_mode: row.str("fail_mode").unwrap_or_default().to_owned(),
        protocols: row.strs("protocols").map(str::to_owned).collect(),
        ours: row.map_get("external_ids", marks::OWNER) == Some(marks::OWNER_NETD),
    })
}

/// The bridge's ports by name, without the port that bears the bridge's own name, which Open
/// vSwitch makes.
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

fn actual_port(replica: &Replica, port: &Row) -> Option<ActualPort> {
    let interface = replica.row("Interface", port.uuids("interfaces").next()?)?;
    let vlan = |id: i64| VlanId::new(u32::try_from(id).ok()?).ok();
    Some(ActualPort {
        row: PortRow {
            name: port.str("name")?.to_owned(),
            kind: if interface.str("type") == Some("internal") {
                "internal"
            } else {
                ""
            },
            number: interface
                .int("ofport_request")
                .and_then(|n| n.try_into().ok())
                .unwrap_or(0),
            tag: port.int("tag").and_then(vlan),
            trunks: port.ints("trunks").filter_map(vlan).collect(),
            mac: interface.str("mac").and_then(|m| m.parse().ok()),
            external_ids: port
                .map("external_ids")
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
        },
        // −1: the device cannot be opened.
        ofport: interface.int("ofport").and_then(|n| n.try_into().ok()),
        error: interface.str("error").map(str::to_owned),
    })
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
    // A port with both has an untagged VLAN of its own (native-untagged); the default is
    // right for the others.
    let mode = if row.tag.is_some() && !row.trunks.is_empty() {
        "native-untagged".into()
    } else {
        Datum::empty()
    };
    Row::new()
        .with("tag", tag)
        .with("trunks", vlans)
        .with("vlan_mode", mode)
}

fn interface_row(row: &PortRow) -> Row {
    let interface = Row::new().with("ofport_request", i64::from(row.number));
    match row.mac {
        Some(mac) => interface.with("mac", mac.to_string()),
        None => interface,
    }
}

/// Inserts a port and its interface under the names of the rows in this transaction.
fn insert_port(row: &PortRow, port: &str, interface: &str) -> [Op; 2] {
    let ids = strings(&row.external_ids);
    [
        Op::insert(
            "Interface",
            interface_row(row)
                .with("name", row.name.as_str())
                .with("type", row.kind)
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

/// Makes the bridge with its own port (Open vSwitch wants one of the bridge's name) and the
/// host's. Fails where a bridge of that name came meanwhile, because names are unique.
pub(super) fn create_bridge(bridge: &BridgeRow, host: &PortRow) -> Vec<Op> {
    let own = PortRow {
        name: bridge.name.clone(),
        kind: "internal",
        number: 0,
        tag: None,
        trunks: Vec::new(),
        mac: None,
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
    ops.push(
        Op::insert(
            "Bridge",
            bridge_row(bridge)
                .with("name", bridge.name.as_str())
                .with(
                    "ports",
                    Datum::set([Atom::named("own_port"), Atom::named("host_port")]),
                )
                .with("external_ids", strings(&marks::node_ids("bridge"))),
        )
        .named("bridge")
        .into(),
    );
    ops.push(
        Op::mutate("Open_vSwitch")
            .insert("bridges", Datum::set([Atom::named("bridge")]))
            .into(),
    );
    ops
}

pub(super) fn set_bridge(bridge: &BridgeRow) -> Vec<Op> {
    vec![
        Op::update("Bridge", bridge_row(bridge))
            .only(Condition::eq("name", bridge.name.as_str()))
            .into(),
    ]
}

/// Adds a port. The `wait` makes the transaction fail where there is no such bridge: without
/// it, the rows would be collected as garbage and nobody would be told.
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

/// Whether a transaction of [`add_port`] failed at its `wait`.
pub(super) fn no_bridge(bridge: &str, error: &TransactError) -> Option<WorldError> {
    match error {
        TransactError::Op { op_index: 0, .. } => Some(WorldError::NoBridge {
            bridge: bridge.to_owned(),
        }),
        _ => None,
    }
}

pub(super) fn set_port(row: &PortRow) -> Vec<Op> {
    let named = || Condition::eq("name", row.name.as_str());
    let keys = || Datum::set(row.external_ids.iter().map(|(k, _)| k.as_str()));
    vec![
        Op::update("Port", port_row(row)).only(named()).into(),
        Op::update("Interface", interface_row(row))
            .only(named())
            .into(),
        // Foreign keys stay.
        Op::mutate("Port")
            .only(named())
            .delete("external_ids", keys())
            .insert("external_ids", strings(&row.external_ids))
            .into(),
    ]
}

/// Takes ports out of the bridge; their rows go with the last reference. Nothing for ports
/// that are not there.
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
