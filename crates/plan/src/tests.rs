use super::*;

const LAB: &str = include_str!("../../../examples/lab.yaml");

fn lab() -> NetworkPlan {
    load(LAB).expect("the lab's plan is sound")
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
fn an_allowance_that_this_check_does_not_know_is_no_reason_to_refuse_a_plan() {
    let allow = "\nspec:\n  allow: [{code: FN9999, reason: of a newer check}]\n";
    let text = LAB.replacen("\nspec:\n", allow, 1);
    assert_ne!(text, LAB);
    let report = diagnose(&text, "lab.yaml");
    assert_eq!(report.diagnostics[0].rule.code, "FN0010");
    assert_eq!(report.exit_code(), 1, "its author is told");
    assert_eq!(
        load(&text).expect("daemons run on").spec.hosts,
        lab().spec.hosts
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
