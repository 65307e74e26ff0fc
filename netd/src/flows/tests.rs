use std::collections::{BTreeMap, BTreeSet};

use flatnet_ovs::openflow::Flow;
use flatnet_plan::NodeSpec;
use flatnet_types::{MacAddr, VlanId};
use proptest::prelude::*;

use super::*;

mod egress;
mod security;

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
        zones: true,
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
        allow: Vec::new(),
        egress: None,
        uplink_mac: HOST_MAC,
        zone: Some(u16::from(n) + 1),
        egress_meter: None,
        ingress_meter: None,
        neighbour_limit: NeighbourLimit::of_slot(n.into(), 500),
        counted: None,
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
fn in_mac_mode_host_all_frames_leave_with_the_hosts_mac() {
    let flows = node_flows(&spec("idc1"), &node_ports(true));
    let out: Vec<String> = flows
        .iter()
        .filter(|f| f.table == table::UPSTREAM && f.to_string().contains("reg0=0x64"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(out.len(), 5, "{out:#?}");
    assert!(
        out.iter().all(|f| f.contains(&HOST_MAC.to_string())),
        "{out:#?}"
    );
}

#[test]
fn a_container_with_limits_has_two_more_meters_and_its_flows_name_them() {
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
        [(10, 8000), (11, 8000), (limited.neighbour_limit.meter, 500)]
    );
    let named = |id: u32| {
        let flows = pod_flows(&limited, &node_ports(true));
        flows
            .iter()
            .filter(|f| f.to_string().contains(&format!("meter:{id}")))
            .count()
    };
    assert!(named(10) >= 6, "every way to the container is limited");
    assert_eq!(
        named(11),
        8,
        "of ARP, both kinds of ND and the rest, each with a priority tag or without"
    );
    // As requested by a runtime without a configured burst: limited to the volume of one second.
    let burst = |rate: u64| {
        let rate = flatnet_types::Rate {
            rate,
            burst: u64::from(u32::MAX),
        };
        let bandwidth = flatnet_types::Bandwidth {
            ingress: Some(rate),
            egress: None,
        };
        meters(&limited, &bandwidth)[0].burst
    };
    assert_eq!((burst(8_000_000), burst(64_000)), (Some(8000), Some(524)));
}

#[test]
fn arp_and_nd_of_a_container_pass_its_meter_before_port_security() {
    let mut trunk = pod(5, Some(100));
    trunk.trunk = vec![TrunkVlan {
        vlan: VlanId::new(200).expect("id"),
        addresses: Vec::new(),
    }];
    let flows = pod_flows(&trunk, &node_ports(true));
    let entering = |f: &&Flow| f.table == table::CLASSIFY && f.priority >= 100;
    let (paced, rest): (Vec<&Flow>, Vec<&Flow>) = flows
        .iter()
        .filter(entering)
        .partition(|f| f.instructions.goto == Some(table::NEIGHBOUR_LIMIT));
    // Untagged, with a priority, and tagged; three kinds of each.
    assert_eq!((paced.len(), rest.len()), (9, 3));
    assert!(
        paced
            .iter()
            .all(|p| rest.iter().all(|r| p.priority > r.priority))
    );
    let meters: Vec<&Flow> = flows
        .iter()
        .filter(|f| f.table == table::NEIGHBOUR_LIMIT)
        .collect();
    let [meter] = meters.as_slice() else {
        panic!("{meters:?}");
    };
    assert_eq!(meter.instructions.meter, Some(trunk.neighbour_limit.meter));
    assert_eq!(
        meter.instructions.actions,
        [flatnet_ovs::openflow::Action::Group(group().id)]
    );
    assert_eq!(
        meter.instructions.goto, None,
        "nothing passes beside the group"
    );
}

#[test]
fn a_trunk_container_is_reached_in_its_vlans_by_its_mac() {
    let mut trunk = pod(5, Some(100));
    let vlan = VlanId::new(200).expect("id");
    trunk.trunk = vec![TrunkVlan {
        vlan,
        addresses: vec!["10.200.0.64/26".parse().expect("prefix")],
    }];
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

    // Multicast also goes to the uplink, without the tag that the copies have.
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
fn connections_that_the_host_forwards_are_committed_and_its_own_are_not() {
    let flows = node_flows(&spec("idc1"), &node_ports(true));
    let of = |table, priority| -> Vec<String> {
        flows
            .iter()
            .filter(|f| f.table == table && f.priority == priority)
            .map(ToString::to_string)
            .collect()
    };
    let classify = |priority| of(table::CLASSIFY, priority);
    let remembered = classify(110);
    assert_eq!(
        remembered.len(),
        7,
        "TCP, UDP and SCTP, IPv4 and IPv6, and IPv6's fragments"
    );
    for flow in &remembered {
        let remember = "ct(commit,zone=64000,exec(set_field:0x1->ct_mark)";
        assert!(
            flow.contains("in_port=2") && flow.contains(remember),
            "{flow}"
        );
    }
    for at in [table::DELIVER, table::FROM_UPLINK] {
        let answers = of(at, 142);
        assert_eq!(answers.len(), 2, "answers, and errors: {answers:#?}");
        assert!(
            answers.iter().all(|f| f.contains("output:2")),
            "{answers:#?}"
        );
        for flow in of(at, 140) {
            let look_up = format!("ct(table={at},zone=64000)");
            assert!(flow.contains(&look_up), "{flow}");
        }
    }
    // Echo requests and replies are not looked up.
    let deliver = of(table::DELIVER, 140);
    let icmp = deliver.iter().filter(|f| f.contains("icmp"));
    assert_eq!(icmp.count(), 7, "errors alone: {deliver:#?}");

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
    assert!(own.iter().all(|f| !f.contains("ct(")), "{own:#?}");
}

#[test]
fn in_mode_routed_packets_between_containers_of_a_node_are_looked_up() {
    let flows = node_flows(&spec("vpc1"), &node_ports(false));
    let with = |table, priority, part: &str| {
        flows
            .iter()
            .filter(|f| f.table == table && f.priority == priority)
            .filter(|f| f.to_string().contains(part))
            .count()
    };
    // The containers' gateways are the host's own.
    assert_eq!(with(table::CLASSIFY, 120, "ct("), 0);
    assert!(with(table::CLASSIFY, 120, "src=") >= 2);
    // TCP, UDP, SCTP of both families, and IPv6's fragments.
    assert_eq!(with(table::CLASSIFY, 110, "ct(commit,zone=64000"), 7);
    assert_eq!(with(table::DELIVER, 140, "ct(table=3,zone=64000)"), 14);
    assert_eq!(with(table::FROM_UPLINK, 140, ""), 0);
}

#[test]
fn a_containers_dhcp_server_messages_are_dropped() {
    let dropped: Vec<String> = node_flows(&spec("idc1"), &node_ports(true))
        .iter()
        .filter(|f| DropReason::of(f) == Some(DropReason::DhcpServer))
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

/// The flows of a table whose text has all of these parts.
fn with_parts(flows: &[Flow], table: u8, parts: &[&str]) -> Vec<String> {
    flows
        .iter()
        .filter(|f| f.table == table)
        .map(ToString::to_string)
        .filter(|text| parts.iter().all(|part| text.contains(part)))
        .collect()
}

#[test]
fn flows_use_only_matches_that_the_kernels_datapath_supports() {
    for name in ["idc1", "vpc1"] {
        let vlan_mode = name == "idc1";
        let ports = node_ports(vlan_mode);
        let mut all = node_flows(&spec(name), &ports);
        all.extend(pod_flows(&pod(5, vlan_mode.then_some(100)), &ports));
        for flow in &all {
            let text = flow.to_string();
            assert!(
                !text.contains("nd_reserved") && !text.contains("nd_options_type"),
                "{text}"
            );
            // See `Match::neighbour`.
            let looks_inside = ["nd_target=", "nd_sll=", "nd_tll="];
            let looks_inside = looks_inside.iter().any(|part| text.contains(part));
            assert!(!looks_inside || text.contains("icmpv6_code=0"), "{text}");
        }
    }
}

#[test]
fn a_solicitation_goes_to_the_one_container_that_it_is_for() {
    let asked = pod(5, Some(100));
    let flows = pod_flows(&asked, &node_ports(true));
    let to_it = format!("set_field:{}->eth_dst", asked.mac);
    for ip in [asked.ips[1].to_string(), asked.mac.link_local().to_string()] {
        let target = format!("nd_target={ip}");
        for table in [table::RESOLVE, table::FROM_HOST, table::FROM_UPLINK] {
            let found = with_parts(&flows, table, &[&target, "icmpv6_type=135"]);
            let [flow] = &found[..] else {
                panic!("table {table}: {found:#?}");
            };
            assert!(
                flow.contains(&to_it) && flow.ends_with("output:1005"),
                "{flow}"
            );
        }
        // Its answers, one with its MAC and one to a probe without, are about itself.
        let answers = with_parts(&flows, table::SECURITY, &[&target, "icmpv6_type=136"]);
        assert_eq!(answers.len(), 2, "{answers:#?}");
    }
}

#[test]
fn a_multicast_advertisement_reaches_the_host_unchanged_and_the_uplink_with_the_hosts_mac() {
    let flows = node_flows(&spec("idc1"), &node_ports(true));
    let found = with_parts(
        &flows,
        table::UPSTREAM,
        &["reg0=0x64", "icmpv6_type=136", "33:33"],
    );
    let [flow] = &found[..] else {
        panic!("{found:#?}");
    };
    let host = flow.find("output:2").expect("the host hears it");
    let rewritten = flow.find("->nd_tll").expect("the MAC is replaced");
    let uplink = flow.find("output:1").expect("the uplink too");
    assert!(host < rewritten && rewritten < uplink, "{flow}");
}
