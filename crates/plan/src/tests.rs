use super::*;

const LAB: &str = include_str!("../../../examples/lab.yaml");

fn lab() -> NetworkPlan {
    load(LAB).expect("the lab's plan is sound")
}

/// The diagnostics of the lab's plan after a text replacement, as code and message.
fn problems(from: &str, to: &str) -> Vec<String> {
    assert!(LAB.contains(from), "{from:?} is not in the example");
    diagnose(&LAB.replacen(from, to, 1), "lab.yaml")
        .diagnostics
        .iter()
        .map(|d| format!("{} {}", d.rule.code, d.message))
        .collect()
}

#[test]
fn the_example_loads_and_survives_writing() {
    let plan = lab();
    assert_eq!(
        load(&to_yaml(&plan).expect("yaml")).expect("loads again"),
        plan
    );
}

#[test]
fn an_idc_node_is_a_trunk_with_the_physical_routers_as_gateways() {
    let spec = node::derive(&lab(), &"idc1".parse().expect("name")).expect("derives");
    let host_vlan = Some(flatnet_types::VlanId::new(10).expect("id"));
    assert_eq!(spec.mode, node::Mode::Vlan { host_vlan });
    assert_eq!(spec.host_gateways.len(), 2);
    let web = &spec.networks[0];
    assert_eq!(web.name.as_str(), "web");
    assert_eq!(web.ranges[0].prefix.to_string(), "10.100.16.0/20");
    assert_eq!(web.ranges[0].subnet.to_string(), "10.100.0.0/16");
    assert_eq!(web.ranges[0].gateway.to_string(), "10.100.0.1");
    assert_eq!(web.ranges[0].exclude[0].to_string(), "10.100.0.0/20");
    assert!(spec.peers.is_empty());
}

#[test]
fn a_vpc_node_is_the_gateway_of_its_own_ranges() {
    let spec = node::derive(&lab(), &"vpc1".parse().expect("name")).expect("derives");
    assert_eq!(spec.mode, node::Mode::Routed);
    let range = &spec.networks[0].ranges[0];
    assert_eq!(range.gateway.to_string(), "172.30.16.1");
    assert_eq!(range.subnet, range.prefix);
    assert_eq!(spec.networks[0].vlan, None);
}

#[test]
fn only_nodes_of_one_v_switch_are_peers() {
    let mut plan = lab();
    assert!(
        node::derive(&plan, &"vpc1".parse().expect("name"))
            .expect("spec")
            .peers
            .is_empty()
    );
    plan.spec.hosts[3].v_switch = Some("zone-a".into());
    let spec = node::derive(&plan, &"vpc1".parse().expect("name")).expect("spec");
    let peers: Vec<String> = spec
        .peers
        .iter()
        .map(|p| format!("{} via {}", p.prefix, p.via))
        .collect();
    assert_eq!(
        peers,
        [
            "172.30.32.0/20 via 172.20.2.12",
            "fd20:30::2:0/112 via fd20:2::c"
        ]
    );
}

#[test]
fn an_unknown_node_is_told_which_there_are() {
    let err = node::derive(&lab(), &"idc9".parse().expect("name")).expect_err("no such host");
    assert_eq!(
        err.to_string(),
        "the plan has no host idc9; it has idc1, idc2, vpc1, vpc2"
    );
}

#[test]
fn what_would_not_work_is_found_with_its_place() {
    let cases = [
        (
            "apiVersion: flatnet.io/v1alpha1",
            "apiVersion: flatnet.io/v9",
            "FN0003 apiVersion ",
        ),
        (
            "prefix: 10.100.32.0/20",
            "prefix: 10.100.16.0/22",
            "overlaps 10.100.16.0/20",
        ),
        (
            "prefix: 10.100.32.0/20",
            "prefix: 10.101.32.0/20",
            "is in no pool of web",
        ),
        ("prefix: 10.100.32.0/20", "prefix: 10.100.33.0/20", "FN0008"),
        ("vlan: 100", "vlan: 101", "has no VLAN 101"),
        (
            "gateway: 10.10.0.1",
            "gateway: 10.11.0.1",
            "is not in 10.10.0.0/24",
        ),
        (
            "switch: tor2",
            "switch: tor9",
            "idc has no switch \"tor9\"; it has tor1, tor2",
        ),
        (
            "vSwitch: zone-b",
            "vSwitch: zone-z",
            "no vSwitch \"zone-z\"",
        ),
        ("10.10.0.12/24", "10.10.0.11/24", "FN0114"),
        ("name: idc2", "name: idc1", "another host is called idc1"),
        ("id: 200", "id: 4095", "FN0301 4095 is no VLAN ID"),
        (
            "mtu: 1500",
            "mtu: 1500\n  speed: 3",
            "unknown field `speed`",
        ),
    ];
    for (from, to, wanted) in cases {
        let found = problems(from, to);
        assert!(
            found.iter().any(|p| p.contains(wanted)),
            "{from} → {to}: {found:?}"
        );
    }
}
