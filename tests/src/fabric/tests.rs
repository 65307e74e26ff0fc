use super::*;
use crate::plan::generate;

fn lab() -> Fabric {
    desired(&generate(2, 2).expect("plan")).expect("fabric")
}

fn vlans(list: &[VlanId]) -> Vec<u16> {
    list.iter().map(|v| v.get()).collect()
}

/// What would be seen if every op had been done.
fn done(fabric: &Fabric) -> Observed {
    let mut observed = Observed::default();
    for member in &fabric.members {
        let links = member.links.iter().map(|l| {
            let seen = SeenLink {
                up: true,
                mtu: l.mtu.get(),
                master: l.master.clone(),
                addresses: l.addresses.clone(),
            };
            (l.name.clone(), seen)
        });
        let seen = Seen {
            sysctls: member.sysctls.clone(),
            links: links.collect(),
            routes: member.routes.clone(),
        };
        observed.members.insert(member.name.clone(), seen);
    }
    observed
}

#[test]
fn a_fabric_that_is_as_it_should_be_needs_nothing() {
    let fabric = lab();
    assert_eq!(plan(&fabric, &done(&fabric)), []);
}

#[test]
fn the_default_lab_has_the_contracts_members() {
    let names: Vec<_> = lab().members.iter().map(|m| m.name.clone()).collect();
    assert_eq!(
        names,
        [
            "lab", "tor1", "tor2", "edge", "vpcr", "idc1", "idc2", "vpc1", "vpc2"
        ]
    );
}

#[test]
fn a_trunk_carries_exactly_what_its_node_needs() {
    let mut network_plan = generate(2, 0).expect("plan");
    network_plan.spec.hosts[1]
        .ranges
        .retain(|r| r.network.as_str() == "web");
    let fabric = desired(&network_plan).expect("fabric");
    let trunks = |tor: &str| {
        let tor = fabric.member(tor).expect("member");
        tor.switch.clone().expect("switch").trunks
    };
    assert_eq!(vlans(&trunks("tor1")["idc1"]), [10, 100, 200]);
    assert_eq!(vlans(&trunks("tor2")["idc2"]), [10, 100]);
    assert_eq!(vlans(&trunks("tor1")["tor2"]), [10, 100, 200]);
    assert_eq!(vlans(&trunks("tor1")["edge"]), [10, 100, 200]);
}

#[test]
fn the_edge_is_the_gateway_of_every_vlan() {
    let fabric = lab();
    let edge = fabric.member("edge").expect("edge");
    let vlan = edge.link("vlan100").expect("interface");
    assert_eq!(vlan.origin, Origin::OvsInternal);
    let addresses: Vec<_> = vlan.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.100.0.1/16", "fd10:100::1/64"]);
}

#[test]
fn an_idc_node_gets_no_address_and_a_vpc_node_all_of_its_own() {
    let fabric = lab();
    let eth = |node: &str| fabric.member(node).expect("node").link("eth0").cloned();
    assert!(eth("idc1").expect("eth0").addresses.is_empty());
    assert_eq!(eth("vpc2").expect("eth0").addresses.len(), 2);
    let vpc2 = fabric.member("vpc2").expect("node");
    let routes: Vec<_> = vpc2
        .routes
        .iter()
        .map(|r| format!("{} via {} proto {}", r.prefix, r.via, r.protocol))
        .collect();
    assert_eq!(
        routes,
        [
            "0.0.0.0/0 via 172.20.2.253 proto 16",
            "::/0 via fd20:2::fd proto 16"
        ]
    );
}

#[test]
fn the_routes_between_nodes_are_not_the_labs() {
    for member in lab().members {
        let defaults = |r: &Route| r.protocol == routes::DHCP && r.prefix.prefix() == 0;
        assert!(member.routes.iter().all(defaults), "{}", member.name);
        assert_eq!(member.routes.is_empty(), member.role != Role::VpcNode);
    }
}

#[test]
fn only_routers_forward() {
    for member in lab().members {
        let router = matches!(member.role, Role::Edge | Role::VpcRouter);
        let forwards = member.sysctls.contains_key("ipv4/ip_forward");
        assert_eq!(forwards, router, "{}", member.name);
    }
}

#[test]
fn the_defaults_of_a_nodes_links_are_left_to_netd() {
    for member in lab().members {
        let node = matches!(member.role, Role::IdcNode | Role::VpcNode);
        for key in [
            "ipv4/conf/default/rp_filter",
            "ipv6/conf/default/disable_ipv6",
        ] {
            let sets = member.sysctls.contains_key(key);
            assert_eq!(sets, !node, "{}: {key}", member.name);
        }
    }
}

#[test]
fn a_nic_that_is_made_anew_does_not_keep_netds_defaults() {
    let fabric = lab();
    let mut seen = done(&fabric);
    let vpc1 = seen.members.get_mut("vpc1").expect("a node");
    vpc1.links.remove("eth0");
    vpc1.sysctls.retain(|key, _| !key.contains("/eth0/"));
    let text: Vec<_> = plan(&fabric, &seen)
        .iter()
        .map(ToString::to_string)
        .collect();
    for setting in ["ipv4/conf/eth0/arp_ignore", "ipv6/conf/eth0/disable_ipv6"] {
        assert!(
            text.contains(&format!("vpc1: net/{setting} = 0")),
            "{text:?}"
        );
    }
}

#[test]
fn what_open_vswitch_has_yet_to_make_is_left_for_later() {
    let fabric = lab();
    let mut seen = done(&fabric);
    let edge = seen.members.get_mut("edge").expect("edge");
    edge.links.remove("vlan10");
    assert_eq!(plan(&fabric, &seen), []);
    let edge = seen.members.get_mut("edge").expect("edge");
    edge.links.insert("vlan10".into(), SeenLink::default());
    let ops: Vec<_> = plan(&fabric, &seen)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        ops,
        [
            "edge: vlan10 MTU 1500",
            "edge: vlan10 up",
            "edge: 10.10.0.1/24 on vlan10",
            "edge: fd10:10::1/64 on vlan10"
        ]
    );
}

#[test]
fn a_lost_namespace_comes_back_with_all_that_was_in_it() {
    let fabric = lab();
    let mut seen = done(&fabric);
    seen.members.remove("vpc1");
    // The router's end is still there, as where somebody holds the old namespace.
    let ops = plan(&fabric, &seen);
    assert_eq!(
        ops[0],
        Op::Namespace {
            member: "vpc1".into()
        }
    );
    let text: Vec<_> = ops.iter().map(ToString::to_string).collect();
    assert!(text.contains(&"a cable from vpc1 (eth0) to vpcr (vpc1)".to_owned()));
    assert!(text.contains(&"vpcr: vpc1 into zone-a".to_owned()));
    assert!(text.contains(&"vpc1: 172.20.1.11/24 on eth0".to_owned()));
    assert_eq!(
        tell(&ops),
        [
            "vpc1: a namespace",
            "vpcr: vpc1 has lost its peer",
            "a cable from vpc1 (eth0) to vpcr (vpc1)",
            "vpcr: vpc1 into zone-a",
            "vpcr: vpc1 MTU 1500",
            "vpcr: vpc1 up",
        ]
    );
}

#[test]
fn what_one_lab_cannot_be_is_refused_with_the_reason() {
    let mut plan = generate(1, 1).expect("plan");
    plan.spec.hosts[0].name = "edge".parse().expect("name");
    let text = desired(&plan).expect_err("taken").to_string();
    assert!(text.contains("edge"), "{text}");
    plan.spec.hosts[0].name = "a-node-with-a-long-name".parse().expect("name");
    let text = desired(&plan).expect_err("too long").to_string();
    assert!(text.contains("15 bytes"), "{text}");
    plan.spec.hosts[0].name = "idc1".parse().expect("name");
    plan.spec.hosts[0].uplink.switch = None;
    let text = desired(&plan).expect_err("no switch").to_string();
    assert!(text.contains("switch"), "{text}");
}
