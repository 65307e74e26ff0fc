use std::collections::BTreeMap;

use flatnet_types::IfName;

use super::*;
use crate::reconcile::NodeOptions;
use crate::reconcile::actual::ActualPort;

const LAB: &str = include_str!("../../../../examples/lab.yaml");

fn desired() -> Desired {
    let plan = flatnet_plan::load(LAB).expect("the example is sound");
    let node = "idc1".parse().expect("a name");
    Desired {
        spec: std::sync::Arc::new(flatnet_plan::node::derive(&plan, &node).expect("derives")),
        options: NodeOptions {
            bridge: "br-flat".into(),
            datapath: "system".into(),
        },
        attachments: Vec::new(),
        live_slots: BTreeMap::new(),
        former_addresses: std::collections::BTreeSet::new(),
        counted: BTreeMap::new(),
    }
}

fn link(name: &str, ifindex: u32, kind: Option<&str>) -> LinkActual {
    LinkActual {
        kind: kind.map(str::to_owned),
        ..LinkActual::new(IfName::new(name).expect("a name"), ifindex)
    }
}

/// A host with the NIC `eth0` and one more link.
fn host(other: LinkActual) -> Actual {
    Actual {
        database: true,
        links: vec![link("eth0", 2, None), other],
        ..Actual::default()
    }
}

fn refused(actual: &Actual) -> (&'static str, String) {
    let problem = refusal(&desired(), actual).expect("it is refused");
    (problem.code, problem.text)
}

#[test]
fn a_nic_whose_802_1q_interface_bears_the_hosts_address_is_refused() {
    let mut actual = host(LinkActual {
        below: Some(2),
        ..link("eth0.10", 3, Some("vlan"))
    });
    assert_eq!(refusal(&desired(), &actual), None);
    let address = "10.10.0.11/24".parse().expect("an address");
    actual
        .addresses
        .insert((IfName::literal("eth0.10"), address));
    let (code, text) = refused(&actual);
    assert_eq!(code, "uplink-bears-addresses");
    assert!(text.contains("10.10.0.11/24 on eth0.10"), "{text}");
    // An interface on another NIC does not matter.
    actual.links[1].below = Some(9);
    assert_eq!(refusal(&desired(), &actual), None);
}

#[test]
fn a_nic_of_a_linux_bridge_bond_team_or_vrf_is_refused() {
    for (kind, way_out) in [
        ("bridge", "nomaster"),
        ("bond", "name up0 as the uplink"),
        ("team", "name up0 as the uplink"),
        ("vrf", "nomaster"),
    ] {
        let mut actual = host(link("up0", 3, Some(kind)));
        actual.links[0].master = Some(3);
        let (code, text) = refused(&actual);
        assert_eq!(code, "uplink-has-master");
        assert!(text.contains(kind) && text.contains(way_out), "{text}");
    }
    // After the database was lost, the kernel's datapath still has it.
    let mut actual = host(link("ovs-system", 3, Some("openvswitch")));
    actual.links[0].master = Some(3);
    assert_eq!(refusal(&desired(), &actual), None);
}

#[test]
fn an_uplink_in_an_open_vswitch_bond_is_refused_by_port_or_nic_name() {
    let mut actual = host(link("eth1", 3, None));
    let place = |port: &str| InterfaceLocation {
        bridge: "br-flat".into(),
        port: port.into(),
        bond: true,
    };
    for (nic, port) in [("eth0", "bond0"), ("eth1", "eth0")] {
        actual.elsewhere = BTreeMap::from([(nic.to_owned(), place(port))]);
        let (code, text) = refused(&actual);
        assert_eq!(code, "uplink-ovs-bond");
        let way_out = format!("ovs-vsctl del-port br-flat {port}");
        assert!(text.contains(&way_out), "{text}");
    }
    // Also where it is in the bridge already: netd would take it for a port of one NIC.
    let row = desired().uplink_port().expect("mode vlan");
    let port = ActualPort {
        row,
        ofport: Some(1),
        error: None,
        altered_columns: BTreeMap::new(),
    };
    actual.ports.insert("eth0".to_owned(), port);
    assert_eq!(refused(&actual).0, "uplink-ovs-bond");
}

#[test]
fn a_nic_of_another_open_vswitch_bridge_is_refused() {
    let mut actual = host(link("eth1", 3, None));
    let place = InterfaceLocation {
        bridge: "br-ex".into(),
        port: "eth0".into(),
        bond: false,
    };
    actual.elsewhere = BTreeMap::from([("eth0".to_owned(), place)]);
    let (code, text) = refused(&actual);
    assert_eq!(code, "uplink-has-master");
    assert!(text.contains("br-ex"), "{text}");
}
