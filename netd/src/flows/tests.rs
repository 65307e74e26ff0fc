use std::collections::{BTreeMap, BTreeSet};

use flatnet_plan::NodeSpec;
use flatnet_types::{MacAddr, VlanId};
use proptest::prelude::*;

use super::*;

const LAB: &str = include_str!("../../../examples/lab.yaml");
const HOST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn spec(node: &str) -> NodeSpec {
    let plan = flatnet_plan::load(LAB).expect("the example is sound");
    flatnet_plan::node::derive(&plan, &node.parse().expect("name")).expect("derives")
}

fn node_ports(vlan_mode: bool) -> NodePorts {
    NodePorts {
        uplink: vlan_mode.then_some(1),
        host: 2,
        mac: HOST_MAC,
    }
}

fn pod(n: u8, vlan: Option<u32>) -> PodPort {
    let v4 = std::net::Ipv4Addr::new(10, 100, 16, n);
    let mac = MacAddr::for_ipv4(v4);
    PodPort {
        generation: n.into(),
        port: 1000 + u32::from(n),
        mac,
        ips: vec![v4.into(), format!("fd10:100::1:{n:x}").parse().expect("ip")],
        vlan: vlan.map(|v| VlanId::new(v).expect("id")),
        trunk: Vec::new(),
        uplink_mac: HOST_MAC,
        egress_meter: None,
        ingress_meter: None,
    }
}

proptest! {
    #[test]
    fn two_containers_never_share_a_flow(a in 2u8..200, b in 2u8..200, vlan in prop::option::of(100u32..102)) {
        prop_assume!(a != b);
        let ports = node_ports(vlan.is_some());
        let keys = |n| -> BTreeSet<_> {
            pod_flows(&pod(n, vlan), &ports).iter().map(flatnet_ovs::openflow::Flow::key).collect()
        };
        prop_assert!(keys(a).is_disjoint(&keys(b)));
    }
}

#[test]
fn every_flow_is_marked_and_has_a_key_of_its_own() {
    for name in ["idc1", "vpc1"] {
        let vlan_mode = name == "idc1";
        let ports = node_ports(vlan_mode);
        let mut all = node_flows(&spec(name), &ports);
        for n in 2..30 {
            all.extend(pod_flows(&pod(n, vlan_mode.then_some(100)), &ports));
        }
        let mut seen = BTreeMap::new();
        for flow in &all {
            assert_eq!(flow.cookie & COOKIE_MARK_MASK, COOKIE_MARK, "{flow}");
            assert!(
                flow.instructions.goto.is_none_or(|t| t > flow.table),
                "{flow}"
            );
            if let Some(other) = seen.insert(flow.key(), flow) {
                panic!("{flow} has the key of {other}");
            }
        }
    }
}

#[test]
fn a_container_only_goes_on_from_the_security_table_with_its_own_mac() {
    let flows = pod_flows(&pod(5, Some(100)), &node_ports(true));
    let mac = pod(5, Some(100)).mac.to_string();
    for flow in flows
        .iter()
        .filter(|f| f.table == table::SECURITY && f.priority > 1)
    {
        let text = flow.to_string();
        assert!(text.contains(&format!("eth_src={mac}")), "{text}");
        assert!(text.contains("in_port=1005"), "{text}");
    }
}

#[test]
fn the_host_mac_goes_out_for_all_of_a_network_in_mac_mode_host() {
    let flows = node_flows(&spec("idc1"), &node_ports(true));
    let out: Vec<String> = flows
        .iter()
        .filter(|f| f.table == table::UPSTREAM && f.to_string().contains("reg0=0x64"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(out.len(), 4, "{out:#?}");
    assert!(
        out.iter().all(|f| f.contains(&HOST_MAC.to_string())),
        "{out:#?}"
    );
}

#[test]
fn a_container_with_limits_has_two_meters_and_its_flows_name_them() {
    let mut limited = pod(5, Some(100));
    limited.ingress_meter = Some(10);
    limited.egress_meter = Some(11);
    let rate = Some(flatnet_types::Rate {
        rate: 8_000_000,
        burst: 800_000,
    });
    let bandwidth = flatnet_types::Bandwidth {
        ingress: rate,
        egress: rate,
    };
    let made = meters(&limited, &bandwidth);
    assert_eq!(
        made.iter().map(|m| (m.id, m.rate)).collect::<Vec<_>>(),
        [(10, 8000), (11, 8000)]
    );
    let named = |id: u32| {
        let flows = pod_flows(&limited, &node_ports(true));
        flows
            .iter()
            .filter(|f| f.to_string().contains(&format!("meter:{id}")))
            .count()
    };
    assert!(named(10) >= 6, "every way to the container is limited");
    assert_eq!(named(11), 1, "there is one way from it");
}

#[test]
fn a_trunk_container_is_reached_in_its_vlans_by_its_mac() {
    let mut trunk = pod(5, Some(100));
    let vlan = VlanId::new(200).expect("id");
    trunk.trunk = vec![vlan];
    let mac = format!("eth_dst={}", trunk.mac);
    let flows = pod_flows(&trunk, &node_ports(true));
    let tables: BTreeSet<u8> = flows
        .iter()
        .filter(|f| f.priority == 20 && f.to_string().contains(&mac))
        .map(|f| f.table)
        .collect();
    assert_eq!(
        tables,
        [table::RESOLVE, table::DELIVER, table::FROM_UPLINK].into()
    );

    // What is said to all goes on to the uplink, without the tag that the copies had.
    let shared = trunk_flows(&[(vlan, [1005, 1006].into())].into());
    let copied: Vec<_> = shared
        .iter()
        .filter(|f| f.instructions.goto.is_some())
        .collect();
    assert_eq!(copied.len(), 2);
    for flow in copied {
        let text = flow.to_string();
        let (copies, rest) = text.split_once("pop_vlan").expect("the tag goes");
        assert!(
            copies.contains("output:1005") && copies.contains("output:1006"),
            "{text}"
        );
        assert!(!rest.contains("output"), "{text}");
        assert_eq!(flow.instructions.goto, Some(table::UPSTREAM), "{text}");
    }
}

#[test]
fn what_the_host_forwards_teaches_the_way_back_and_its_own_packets_do_not() {
    let flows = node_flows(&spec("idc1"), &node_ports(true));
    let classify = |priority| -> Vec<String> {
        flows
            .iter()
            .filter(|f| f.table == table::CLASSIFY && f.priority == priority)
            .map(ToString::to_string)
            .collect()
    };
    let learning = classify(110);
    assert_eq!(learning.len(), 4, "TCP and UDP, IPv4 and IPv6");
    for flow in &learning {
        assert_eq!(flow.matches("learn(").count(), 2, "{flow}");
        for part in [
            "in_port=2",
            "output:in_port_oxm[]",
            "cookie=0x464c000000000000",
        ] {
            assert!(flow.contains(part), "{flow}");
        }
    }
    let tcp = learning.iter().find(|f| f.contains("priority=110,tcp,"));
    let tcp = tcp.expect("IPv4's TCP");
    let back = "nw_src[]=nw_dst[],nw_dst[]=nw_src[],tcp_src[]=tcp_dst[],tcp_dst[]=tcp_src[]";
    assert!(tcp.contains(back), "{tcp}");

    let own = classify(120);
    for prefix in [
        "nw_src=10.10.0.11",
        "nw_src=10.96.0.0/255.255.0.0",
        "ipv6_src=fd10:96::/",
    ] {
        assert!(
            own.iter().any(|f| f.contains(prefix)),
            "{prefix} in {own:#?}"
        );
    }
    assert!(own.iter().all(|f| !f.contains("learn")), "{own:#?}");
    let routed = node_flows(&spec("vpc1"), &node_ports(false));
    assert!(routed.iter().all(|f| !f.to_string().contains("learn")));
}

#[test]
fn a_container_gives_out_no_addresses() {
    let dropped: Vec<String> = node_flows(&spec("idc1"), &node_ports(true))
        .iter()
        .filter(|f| f.table == table::SECURITY && f.priority == 120)
        .map(ToString::to_string)
        .collect();
    assert!(
        dropped
            .iter()
            .any(|f| f.contains("udp,udp_src=67,udp_dst=68")),
        "{dropped:#?}"
    );
    assert!(
        dropped
            .iter()
            .any(|f| f.contains("udp6,udp_src=547,udp_dst=546")),
        "{dropped:#?}"
    );
}
