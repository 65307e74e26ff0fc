//! A healthy lab, and everything that can be wrong with it, one thing at a time.

mod healthy;
mod lines;
mod mutations;

use flatnet_types::api::trace::{Packet, Proto};

use crate::hop::{Hop, Verdict};
use crate::walk;
use healthy::{observed, plan};

/// Pairs of all kinds in the lab.
const PAIRS: &[(&str, &str)] = &[
    // Same node and VLAN, same node, same VLAN, VLAN to VLAN.
    ("10.100.16.5", "10.100.16.6"),
    ("10.100.16.5", "10.200.16.5"),
    ("10.100.16.5", "10.100.32.7"),
    ("10.100.16.5", "10.200.32.7"),
    ("fd10:100::1:5", "fd10:100::2:7"),
    // A host and its containers, and others'.
    ("10.10.0.11", "10.100.16.5"),
    ("10.10.0.11", "10.10.0.12"),
    ("10.10.0.11", "10.100.32.7"),
    // In the VPC: one node, two nodes, a node and its containers, and others'.
    ("172.30.16.5", "172.30.16.6"),
    ("172.30.16.5", "172.30.32.7"),
    ("172.20.1.11", "172.30.16.5"),
    ("172.20.1.11", "172.30.32.7"),
    ("fd20:30::1:5", "fd20:30::2:7"),
    // Over the line.
    ("10.100.16.5", "172.30.32.7"),
    ("10.10.0.11", "172.30.16.5"),
    ("10.200.32.7", "172.20.1.11"),
    ("fd10:100::1:5", "fd20:30::2:7"),
];

fn packets() -> impl Iterator<Item = Packet> {
    PAIRS.iter().flat_map(|(a, b)| {
        let there = packet(a, b);
        [there, there.answer()]
    })
}

fn packet(src: &str, dst: &str) -> Packet {
    Packet {
        src: src.parse().expect("an address"),
        dst: dst.parse().expect("an address"),
        proto: Proto::Icmp,
        back: false,
    }
}

fn titles(hops: &[Hop]) -> Vec<String> {
    hops.iter()
        .map(|h| format!("{}: {}", h.at, h.check.as_str()))
        .collect()
}

#[test]
fn pairs_of_all_kinds_trace_clean_both_ways() {
    let plan = plan();
    for packet in packets() {
        let walked = walk(&plan, packet, &observed(&plan, packet));
        assert_eq!(walked.verdict(), Verdict::Ok, "{packet}: {walked:#?}");
        assert!(walked.hops.len() > 2, "{packet}: {walked:#?}");
    }
}

#[test]
fn a_packet_over_the_line_meets_every_table_in_its_order() {
    let plan = plan();
    let there = packet("10.100.16.5", "172.30.32.7");
    let walked = walk(&plan, there, &observed(&plan, there));
    assert_eq!(
        titles(&walked.hops),
        [
            "plan: plan",
            "node idc1: attachment",
            "container c100016005: container",
            "node idc1 port fn16005: port",
            "node idc1 uplink eth0: uplink",
            "node idc1 bridge br-flat: flows",
            "VLAN 100 of idc: switches",
            "line line1 at edge: leased line",
            "edge router edge in idc: edge router",
            "VBR of line line1 in vpc: VBR",
            "route table main in vpc: route table",
            "node vpc2 uplink eth0: uplink",
            "node vpc2: attachment",
            "node vpc2: forwarding",
            "node vpc2: routes",
            "node vpc2 port flat0: port",
            "node vpc2 port fn32007: port",
            "node vpc2 bridge br-flat: flows",
            "container c1720032007: container",
        ]
    );
    let back = there.answer();
    let walked = walk(&plan, back, &observed(&plan, back));
    let tables: Vec<String> = titles(&walked.hops)
        .into_iter()
        .filter(|t| t.contains(" in "))
        .collect();
    assert_eq!(
        tables,
        [
            "route table main in vpc: route table",
            "VBR of line line1 in vpc: VBR",
            "edge router edge in idc: edge router",
        ]
    );
}

#[test]
fn an_address_that_the_plan_does_not_know_is_the_first_fault() {
    let plan = plan();
    for (src, dst, why) in [
        ("192.0.2.1", "10.100.16.5", "does not know this address"),
        ("10.100.16.5", "172.30.200.1", "no host has a range with it"),
        ("10.100.16.5", "10.96.0.10", "service's address"),
        ("10.100.16.5", "fd20:30::2:7", "nothing joins the two"),
    ] {
        let packet = packet(src, dst);
        let walked = walk(&plan, packet, &observed(&plan, packet));
        let fault = walked.first_fault().expect("a fault");
        assert_eq!((fault.verdict, walked.hops.len()), (Verdict::Wrong, 1));
        let said = fault.why.as_deref().unwrap_or_default();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_destination_that_a_network_does_not_allow_is_told_as_the_plans_fault() {
    let mut plan = plan();
    let tcp = |src, dst, port| Packet {
        proto: Proto::Tcp { port },
        ..packet(src, dst)
    };
    let db = plan
        .spec
        .networks
        .iter_mut()
        .find(|n| n.name.as_str() == "db");
    db.expect("network db").egress = Some(vec![flatnet_plan::model::Destination {
        to: "10.100.32.0/20".parse().expect("a prefix"),
        protocol: Some(flatnet_plan::model::Transport::Tcp),
        ports: vec![443.try_into().expect("a port")],
    }]);
    let (db, allowed, other) = ("10.200.32.7", "10.100.32.7", "10.100.16.5");
    for (packet, passes) in [
        (tcp(db, allowed, 443), true),
        // The answers of a destination are nobody's list's affair, and its questions are not answered.
        (tcp(db, allowed, 443).answer(), true),
        (tcp(allowed, db, 443), true),
        (tcp(allowed, db, 443).answer(), false),
        (tcp(db, allowed, 80), false),
        (tcp(db, other, 443), false),
        (packet(db, allowed), false),
    ] {
        let walked = walk(&plan, packet, &observed(&plan, packet));
        let fault = walked.first_fault();
        assert_eq!(fault.is_none(), passes, "{packet}: {walked:#?}");
        if let Some(fault) = fault {
            assert_eq!(
                (fault.at.as_str(), fault.verdict),
                ("network db", Verdict::Wrong)
            );
        }
    }
}

#[test]
fn a_prefix_that_a_line_does_not_accept_is_told_as_the_plans_fault() {
    let mut plan = plan();
    plan.spec.links[0].accept = Some(flatnet_plan::model::Accept {
        from_idc: vec!["10.200.0.0/16".parse().expect("a prefix")],
        from_vpc: vec!["172.30.0.0/16".parse().expect("a prefix")],
    });
    let back = packet("172.30.32.7", "10.100.16.5");
    let walked = walk(&plan, back, &observed(&plan, back));
    let fault = walked.first_fault().expect("a fault");
    assert_eq!(fault.at, "route table main in vpc");
    let said = fault.why.as_deref().unwrap_or_default();
    assert!(said.contains("no leased line accepts the prefix"), "{said}");
}
