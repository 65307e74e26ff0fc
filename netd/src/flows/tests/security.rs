//! What a container may send, and why the rest is dropped.

use super::*;

#[test]
fn an_allowed_protocol_has_precedence_over_its_drop_and_covers_only_virtual_addresses() {
    let mut speaker = pod(5, Some(100));
    speaker.uplink_mac = speaker.mac;
    let virtual_mac: MacAddr = "00:00:5e:00:01:0a".parse().expect("mac");
    speaker.allow = vec![Allow {
        protocol: "vrrp".to_owned(),
        mac: Some(virtual_mac),
        addresses: vec!["10.100.0.250".parse().expect("ip")],
    }];
    let flows = pod_flows(&speaker, &node_ports(true));
    let with_it = with_parts(&flows, table::SECURITY, &["eth_src=00:00:5e:00:01:0a"]);
    // Messages: from its two IPv4 and three IPv6 addresses. ARP and packets of the address.
    assert_eq!(with_it.len(), 7, "{with_it:#?}");
    for flow in &with_it {
        assert!(flow.contains("in_port=1005"), "{flow}");
        let covered = flow.contains("nw_proto=112") || flow.contains("10.100.0.250");
        assert!(covered, "{flow}");
    }
    let between = DropReason::ControlProtocol.priority() + 1..DropReason::Unparsed.priority();
    let allowed = with_parts(&flows, table::SECURITY, &["nw_proto=112"]);
    assert!(allowed.iter().all(|f| {
        between
            .clone()
            .any(|p| f.contains(&format!("priority={p},")))
    }));
}

#[test]
fn a_trunk_is_for_its_addresses_and_its_mac() {
    let mut trunk = pod(5, Some(100));
    let vlan = VlanId::new(200).expect("id");
    trunk.trunk = vec![TrunkVlan {
        vlan,
        addresses: vec!["10.200.0.64/26".parse().expect("prefix")],
    }];
    let flows = pod_flows(&trunk, &node_ports(true));
    let there = with_parts(&flows, table::SECURITY, &["reg0=0xc8"]);
    // A probe, ARP and IPv4 of the prefix; packets, NS and two kinds of NA of the link-local one.
    assert_eq!(there.len(), 7, "{there:#?}");
    let mac = format!("eth_src={}", trunk.mac);
    assert!(there.iter().all(|f| f.contains(&mac)), "{there:#?}");
    // The addresses of its access VLAN are not allowed there.
    let own = with_parts(&flows, table::SECURITY, &["nw_src=10.100.16.5"]);
    assert!(own.iter().all(|f| f.contains("reg0=0x64")), "{own:#?}");
}

#[test]
fn a_reason_has_a_label_and_a_priority_of_its_own() {
    let labels: BTreeSet<_> = DropReason::ALL.iter().map(|r| r.label()).collect();
    let priorities: BTreeSet<_> = DropReason::ALL.iter().map(|r| r.priority()).collect();
    assert_eq!((labels.len(), priorities.len()), (10, 10));
    // Every drop flow of the table is counted, except those for what kernels send by themselves.
    let mut flows = node_flows(&spec("idc1"), &node_ports(true));
    flows.extend(pod_flows(&pod(5, Some(100)), &node_ports(true)));
    let dropping = flows.iter().filter(|f| {
        f.table == table::SECURITY
            && f.instructions == flatnet_ovs::openflow::Instructions::default()
    });
    let uncounted: Vec<_> = dropping.filter(|f| DropReason::of(f).is_none()).collect();
    assert!(
        uncounted.iter().all(|f| f.priority == 130),
        "{uncounted:#?}"
    );
    assert_eq!(uncounted.len(), 6);
}

#[test]
fn every_control_protocol_is_dropped_in_both_families() {
    let flows = node_flows(&spec("idc1"), &node_ports(true));
    let dropped: Vec<String> = flows
        .iter()
        .filter(|f| DropReason::of(f) == Some(DropReason::ControlProtocol))
        .map(ToString::to_string)
        .collect();
    for part in [
        "ip,nw_proto=112",
        "ipv6,nw_proto=112",
        "ip,nw_proto=2",
        "udp,eth_dst=01:00:00:00:00:00/01:00:00:00:00:00,udp_dst=1985",
        "udp,udp_src=1985,udp_dst=1985",
        "udp6,udp_src=2029,udp_dst=2029",
        "udp,udp_dst=646",
        "icmp6,icmpv6_type=130",
        "ip,nw_dst=224.0.0.2",
        "ipv6,ipv6_dst=ff02::2",
        "eth_type=0x88cc",
        "eth_type=0x5ff",
    ] {
        assert!(
            dropped
                .iter()
                .any(|f| f.contains(&format!("priority=120,{part}"))),
            "{part} in {dropped:#?}"
        );
    }
}

#[test]
fn an_answer_to_a_client_on_a_protocols_port_passes() {
    let flows = node_flows(&spec("idc1"), &node_ports(true));
    let drops = flows.iter().filter(|f| f.table == table::SECURITY);
    let to_port: Vec<String> = drops
        .map(ToString::to_string)
        .filter(|f| f.contains("udp_dst=2048"))
        .collect();
    for flow in &to_port {
        assert!(
            flow.contains("eth_dst=01:00:00:00:00:00/") || flow.contains("udp_src=2048"),
            "{flow}"
        );
    }
    assert_eq!(to_port.len(), 4);
}
