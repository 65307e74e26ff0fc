//! Rows of Open vSwitch's database (ovs-vswitchd.conf.db(5)), in the form in which netd makes them.

use flatnet_ovs::ovsdb::{Atom, Condition, Datum, MonitorSpec, Op, Replica, Row, Uuid};
use flatnet_types::marks::{OWNER, OWNER_NETD, PURPOSE};

use super::{HOST_NUMBER, UPLINK_NUMBER};
use crate::inventory::BridgeFacts;
use crate::step::SwitchSpec;

pub(super) fn monitored() -> MonitorSpec {
    MonitorSpec::new()
        .table("Open_vSwitch", ["bridges"])
        .table("Bridge", ["name", "ports", "external_ids"])
        .table("Port", ["name", "interfaces", "external_ids"])
        .table("Interface", ["name", "error"])
}

fn ids(purpose: &str) -> Datum {
    Datum::map([(OWNER, OWNER_NETD), (PURPOSE, purpose)])
}

fn port_of(replica: &Replica, bridge: &str, name: &str) -> Option<Uuid> {
    let (_, row) = replica.find("Bridge", "name", bridge)?;
    row.uuids("ports")
        .find(|id| replica.row("Port", *id).and_then(|p| p.str("name")) == Some(name))
}

pub(super) fn has_bridge(replica: &Replica, bridge: &str) -> bool {
    replica.find("Bridge", "name", bridge).is_some()
}

pub(super) fn has_port(replica: &Replica, bridge: &str, name: &str) -> bool {
    port_of(replica, bridge, name).is_some()
}

/// Why a device cannot be opened.
pub(super) fn error(replica: &Replica, name: &str) -> Option<String> {
    let (_, row) = replica.find("Interface", "name", name)?;
    row.str("error").map(str::to_owned)
}

/// The ports of the bridge that netd, or a move, marked as uplinks.
pub(super) fn uplink_ports(replica: &Replica, bridge: &str) -> Vec<String> {
    let Some((_, row)) = replica.find("Bridge", "name", bridge) else {
        return Vec::new();
    };
    row.uuids("ports")
        .filter_map(|id| replica.row("Port", id))
        .filter(|p| p.map_get("external_ids", PURPOSE) == Some("uplink"))
        .filter_map(|p| p.str("name").map(str::to_owned))
        .collect()
}

pub(super) fn facts(replica: &Replica, bridge: &str, nic: &str) -> BridgeFacts {
    let names = |row: &Row| -> Vec<String> {
        row.uuids("ports")
            .filter_map(|id| replica.row("Port", id)?.str("name").map(str::to_owned))
            .collect()
    };
    let row = replica.find("Bridge", "name", bridge).map(|(_, row)| row);
    let elsewhere = replica
        .rows("Bridge")
        .filter(|(_, r)| r.str("name") != Some(bridge))
        .find(|(_, r)| names(r).iter().any(|n| n == nic))
        .and_then(|(_, r)| r.str("name").map(str::to_owned));
    BridgeFacts {
        answers: true,
        exists: row.is_some(),
        ours: row.is_some_and(|r| r.map_get("external_ids", OWNER) == Some(OWNER_NETD)),
        ports: row.map(names).unwrap_or_default(),
        elsewhere,
    }
}

/// Inserts a port with its interface, whose own columns are `interface`.
fn port(name: &str, purpose: &str, columns: Row, interface: Row) -> [Op; 2] {
    let (port_id, interface_id) = (format!("port_{purpose}"), format!("interface_{purpose}"));
    [
        Op::insert(
            "Interface",
            interface
                .with("name", name)
                .with("external_ids", ids(purpose)),
        )
        .named(interface_id.clone())
        .into(),
        Op::insert(
            "Port",
            columns
                .with("name", name)
                .with("interfaces", Atom::named(interface_id))
                .with("external_ids", ids(purpose)),
        )
        .named(port_id)
        .into(),
    ]
}

/// The columns of the host's port and of its interface.
fn host_columns(s: &SwitchSpec) -> (Row, Row) {
    let mut interface = Row::new()
        .with("type", "internal")
        .with("ofport_request", i64::from(HOST_NUMBER))
        .with("mtu_request", i64::from(s.mtu));
    if let Some(mac) = s.mac {
        interface = interface.with("mac", mac.to_string());
    }
    let tag = s
        .tag
        .map_or_else(Datum::empty, |v| i64::from(v.get()).into());
    (Row::new().with("tag", tag), interface)
}

fn host_port(s: &SwitchSpec) -> [Op; 2] {
    let (columns, interface) = host_columns(s);
    port(&s.host_port, "host", columns, interface)
}

/// Gives a host's port that is there what this move wants of it.
pub(super) fn set_host_port(s: &SwitchSpec) -> Vec<Op> {
    let named = || Condition::eq("name", s.host_port.as_str());
    let (columns, interface) = host_columns(s);
    vec![
        Op::update("Port", columns).only(named()).into(),
        Op::update("Interface", interface).only(named()).into(),
    ]
}

/// Makes the bridge with its own port and the host's.
pub(super) fn create(s: &SwitchSpec) -> Vec<Op> {
    let own = Row::new().with("type", "internal");
    let mut ops: Vec<Op> = port(&s.bridge, "bridge", Row::new(), own).into();
    ops.extend(host_port(s));
    let protocols = ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"];
    ops.push(
        Op::insert(
            "Bridge",
            Row::new()
                .with("name", s.bridge.as_str())
                .with("datapath_type", s.datapath.as_str())
                .with("fail_mode", "secure")
                .with("protocols", Datum::set(protocols))
                .with(
                    "ports",
                    Datum::set([Atom::named("port_bridge"), Atom::named("port_host")]),
                )
                .with("external_ids", ids("bridge")),
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

fn into_bridge(s: &SwitchSpec, port: &'static str) -> Op {
    Op::mutate("Bridge")
        .only(Condition::eq("name", s.bridge.as_str()))
        .insert("ports", Datum::set([Atom::named(port)]))
        .into()
}

pub(super) fn add_host_port(s: &SwitchSpec) -> Vec<Op> {
    let mut ops: Vec<Op> = host_port(s).into();
    ops.push(into_bridge(s, "port_host"));
    ops
}

pub(super) fn add_nic(s: &SwitchSpec) -> Vec<Op> {
    let trunks = Datum::set(s.trunks.iter().map(|v| i64::from(v.get())));
    let interface = Row::new().with("ofport_request", i64::from(UPLINK_NUMBER));
    let mut ops: Vec<Op> = port(
        &s.nic,
        "uplink",
        Row::new().with("trunks", trunks),
        interface,
    )
    .into();
    ops.push(into_bridge(s, "port_uplink"));
    ops
}

/// Nothing for a port that is not there.
pub(super) fn delete_port(replica: &Replica, bridge: &str, name: &str) -> Vec<Op> {
    let Some(uuid) = port_of(replica, bridge, name) else {
        return Vec::new();
    };
    vec![
        Op::mutate("Bridge")
            .only(Condition::eq("name", bridge))
            .delete("ports", Datum::set([Atom::from(uuid)]))
            .into(),
    ]
}

/// Nothing for a bridge that is not there.
pub(super) fn delete_bridge(replica: &Replica, bridge: &str) -> Vec<Op> {
    let Some((uuid, _)) = replica.find("Bridge", "name", bridge) else {
        return Vec::new();
    };
    vec![
        Op::mutate("Open_vSwitch")
            .delete("bridges", Datum::set([Atom::from(uuid)]))
            .into(),
    ]
}
