//! What a container of a network with a list of destinations may send.

use flatnet_plan::model::Destination;

use super::*;

/// A container of the subnets 10.100.16.0/24 and fd10:100::/64 with these destinations, YAML.
fn limited(list: &str) -> PodPort {
    let list: Vec<Destination> = serde_norway::from_str(list).expect("destinations");
    let ip = |text: &str| text.parse().expect("an address");
    let subnets = ["10.100.16.0/24", "fd10:100::/64"];
    PodPort {
        egress: Some(Egress::new(
            &list,
            [ip("10.100.16.1"), ip("fe80::1")],
            subnets.map(|s| s.parse().expect("a prefix")),
            [ip("10.10.0.11"), ip("fd10:10::b")],
        )),
        ..pod(5, Some(100))
    }
}

/// Table SECURITY's flows of a container that lead on, in the switch's syntax.
fn passing(pod: &PodPort) -> Vec<String> {
    let flows = pod_flows(pod, &node_ports(true));
    let flows = flows.iter().filter(|f| f.table == table::SECURITY);
    let passes = flows.filter(|f| f.instructions.goto.is_some());
    passes.map(ToString::to_string).collect()
}

fn count(flows: &[String], parts: &[&str]) -> usize {
    let has = |f: &&String| parts.iter().all(|p| f.contains(p));
    flows.iter().filter(has).count()
}

#[test]
fn packets_pass_to_destinations_only_by_protocol_and_port() {
    let passing = passing(&limited(
        "- {to: 10.20.0.0/24, protocol: tcp, ports: [80, 443]}\n\
         - {to: 10.20.0.53/32, protocol: udp, ports: [53]}\n\
         - {to: 10.20.1.0/24, protocol: udp}\n\
         - {to: 10.20.2.7/32}\n\
         - {to: \"fd20::/64\", protocol: tcp, ports: [443]}\n",
    ));
    let deliver = format!("goto_table:{}", table::DELIVER);
    let packets: Vec<String> = passing
        .iter()
        .filter(|f| f.contains(&deliver))
        .cloned()
        .collect();
    assert_eq!(packets.len(), 6, "{packets:#?}");
    for parts in [
        ["tcp,", "nw_dst=10.20.0.0/255.255.255.0", "tcp_dst=80"],
        ["tcp,", "nw_dst=10.20.0.0/255.255.255.0", "tcp_dst=443"],
        ["udp,", "nw_dst=10.20.0.53", "udp_dst=53"],
        [
            "udp,",
            "nw_dst=10.20.1.0/255.255.255.0",
            "nw_src=10.100.16.5",
        ],
        ["ip,", "nw_dst=10.20.2.7", "nw_src=10.100.16.5"],
        [
            "tcp6,",
            "ipv6_dst=fd20::/ffff:ffff:ffff:ffff::",
            "tcp_dst=443",
        ],
    ] {
        assert_eq!(count(&packets, &parts), 1, "{parts:?} in {packets:#?}");
    }
    // For one machine, and in one piece where a protocol is named.
    assert_eq!(count(&packets, &["eth_dst=00:00:00:00:00:00/01:"]), 6);
    assert_eq!(count(&packets, &["ip_frag=0x0/0x1"]), 5, "{packets:#?}");
    let own = format!("eth_src={}", pod(5, None).mac);
    assert_eq!(count(&packets, &[&own, "in_port=1005"]), 6);
}

#[test]
fn with_an_empty_list_a_container_speaks_with_its_next_hops_by_arp_and_nd_alone() {
    let passing = passing(&limited("[]"));
    let resolve = format!("goto_table:{}", table::RESOLVE);
    assert_eq!(count(&passing, &[&resolve]), passing.len(), "{passing:#?}");
    let arp: Vec<_> = passing.iter().filter(|f| f.contains("arp")).collect();
    for flow in &arp {
        let to = ["arp_tpa=10.100.16.1", "arp_tpa=10.100.16.5"];
        assert!(to.iter().any(|t| flow.contains(t)), "{flow}");
    }
    assert_eq!(arp.len(), 3);
    // From two addresses: a solicitation of the router, to its group and to itself; and answers, with
    // and without the MAC, to the link's addresses, the router and the host.
    assert_eq!(
        count(&passing, &["icmpv6_type=135", "nd_target=fe80::1"]),
        4
    );
    assert_eq!(count(&passing, &["icmpv6_type=135"]), 4, "{passing:#?}");
    assert_eq!(count(&passing, &["icmpv6_type=136"]), 12, "{passing:#?}");
    for to in ["fe80::/ffc0::", "fe80::1,", "fd10:10::b"] {
        let to = format!("ipv6_dst={to}");
        assert_eq!(count(&passing, &["icmpv6_type=136", &to]), 4, "{to}");
    }
}

#[test]
fn neighbours_that_are_destinations_are_asked_for_and_others_are_not() {
    let passing = passing(&limited(
        "- {to: 10.100.0.0/16, protocol: tcp}\n\
         - {to: 10.100.16.9/32, protocol: udp}\n\
         - {to: 10.20.0.0/24, protocol: tcp}\n\
         - {to: \"fd10:100::9/128\"}\n\
         - {to: \"fd20::/64\"}\n",
    ));
    let asks = |what: &str| count(&passing, &[&format!("arp_tpa={what}")]);
    assert_eq!(
        (asks("10.100.16.0/255.255.255.0"), asks("10.100.16.9")),
        (1, 1)
    );
    assert_eq!((asks("10.20"), asks("10.100.0.0/")), (0, 0));
    let of = |what: &str| count(&passing, &["icmpv6_type=135", &format!("nd_target={what}")]);
    // From two addresses, to the group and to the neighbour itself.
    assert_eq!((of("fd10:100::9"), of("fd20")), (4, 0), "{passing:#?}");
    let answers = |to: &str| count(&passing, &["icmpv6_type=136", &format!("ipv6_dst={to}")]);
    assert_eq!((answers("fd10:100::9"), answers("fd20")), (4, 0));
}

#[test]
fn what_goes_elsewhere_is_counted_under_a_reason_of_its_own_below_what_no_container_may_send() {
    let limited = limited("[{to: \"fd10:100::9/128\"}]");
    let flows = pod_flows(&limited, &node_ports(true));
    let drops: Vec<_> = flows
        .iter()
        .filter(|f| DropReason::of(f) == Some(DropReason::Egress))
        .collect();
    // IPv4, ARP and a probe; IPv6 of two addresses, each with three kinds of neighbour discovery.
    assert_eq!(drops.len(), 11, "{drops:#?}");
    for drop in &drops {
        let nd = drop.to_string().contains("icmpv6_type=13");
        assert_eq!(drop.priority == 107, nd, "{drop}");
        let forged = DropReason::ForgedNd.priority();
        assert_eq!(drop.priority > forged, nd, "{drop}");
    }
    // An entry without a protocol opens no neighbour discovery about others: that is dropped before.
    let packets = flows
        .iter()
        .filter(|f| f.table == table::SECURITY && f.instructions.goto == Some(table::DELIVER));
    assert!(packets.clone().count() == 1);
    assert!(
        packets
            .clone()
            .all(|f| f.priority < DropReason::ForgedNd.priority())
    );
}

#[test]
fn an_entry_that_is_given_twice_is_one_flow_and_no_flow_shares_a_key() {
    let entry = "- {to: 10.100.16.0/24, protocol: tcp, ports: [80, 80]}\n";
    let flows = pod_flows(&limited(&entry.repeat(2)), &node_ports(true));
    let keys: BTreeSet<_> = flows.iter().map(Flow::key).collect();
    assert_eq!(keys.len(), flows.len());
}

#[test]
fn neither_an_allowed_protocol_nor_a_trunk_goes_past_a_list() {
    let bare = limited("[]");
    let mut with = bare.clone();
    with.allow = vec![Allow {
        protocol: "vrrp".to_owned(),
        mac: None,
        addresses: Vec::new(),
    }];
    with.trunk = vec![TrunkVlan {
        vlan: VlanId::new(200).expect("id"),
        addresses: vec!["10.200.0.64/26".parse().expect("prefix")],
    }];
    let leaving = |pod: &PodPort| -> Vec<Flow> {
        let flows = pod_flows(pod, &node_ports(true)).into_iter();
        flows.filter(|f| f.table == table::SECURITY).collect()
    };
    assert_eq!(leaving(&with), leaving(&bare));
}
