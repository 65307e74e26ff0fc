use std::collections::BTreeSet;

use proptest::prelude::*;

use super::parts::{apart, common};
use super::*;
use crate::load;
use crate::model::{Accept, Range, Vbr};

fn lab() -> NetworkPlan {
    load(include_str!("../../../../examples/lab.yaml")).expect("the lab's plan is sound")
}

fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

fn table(plan: &NetworkPlan, kind: TableKind) -> Table {
    let all = routes(plan).expect("routes");
    let found = all.into_iter().find(|t| t.kind == kind);
    found.expect("a table of that kind")
}

fn lines(table: &Table) -> Vec<String> {
    table
        .entries
        .iter()
        .map(|e| format!("{} → {} [{}]", e.prefix, e.next_hop, e.why))
        .collect()
}

#[test]
fn a_route_table_leads_to_ranges_and_to_the_idc() {
    let found = table(&lab(), TableKind::VpcRouteTable);
    assert_eq!(found.title(), "route table system in vpc");
    assert_eq!(found.quota, Some(200));
    assert_eq!(
        lines(&found),
        [
            "10.10.0.0/24 → line line1 [VLAN hosts of idc]",
            "10.100.0.0/16 → line line1 [VLAN web of idc]",
            "10.200.0.0/16 → line line1 [VLAN db of idc]",
            "172.30.16.0/20 → instance vpc1 [vpc1's range of cloud]",
            "172.30.32.0/20 → instance vpc2 [vpc2's range of cloud]",
            "fd10:10::/64 → line line1 [VLAN hosts of idc]",
            "fd10:100::/64 → line line1 [VLAN web of idc]",
            "fd10:200::/64 → line line1 [VLAN db of idc]",
            "fd20:30::1:0/112 → instance vpc1 [vpc1's range of cloud]",
            "fd20:30::2:0/112 → instance vpc2 [vpc2's range of cloud]",
        ]
    );
}

#[test]
fn routers_hold_pools_so_that_a_new_host_changes_nothing_there() {
    let plan = lab();
    let mut grown = plan.clone();
    let mut host = grown.spec.hosts[3].clone();
    host.name = "vpc3".parse().expect("a name");
    host.ranges = vec![Range {
        network: "cloud".parse().expect("a name"),
        prefix: net("172.30.48.0/20"),
    }];
    grown.spec.hosts.push(host);
    for kind in [TableKind::EdgeRouter, TableKind::Vbr] {
        assert_eq!(table(&plan, kind), table(&grown, kind));
    }
    assert_eq!(
        lines(&table(&plan, TableKind::EdgeRouter)),
        [
            "172.20.1.0/24 → line line1 (10.255.0.2) [vSwitch zone-a of vpc]",
            "172.20.2.0/24 → line line1 (10.255.0.2) [vSwitch zone-b of vpc]",
            "172.30.0.0/16 → line line1 (10.255.0.2) [pool of cloud in vpc]",
            "fd20:1::/64 → line line1 (fd10:255::2) [vSwitch zone-a of vpc]",
            "fd20:2::/64 → line line1 (fd10:255::2) [vSwitch zone-b of vpc]",
            "fd20:30::/64 → line line1 (fd10:255::2) [pool of cloud in vpc]",
        ]
    );
}

#[test]
fn nodes_of_one_v_switch_share_a_table_and_an_idc_node_has_its_gateway() {
    let mut plan = lab();
    plan.spec.hosts[3].v_switch = Some("zone-a".into());
    let nodes: Vec<Table> = routes(&plan)
        .expect("routes")
        .into_iter()
        .filter(|t| t.kind == TableKind::Node)
        .collect();
    assert_eq!(nodes.len(), 2);
    assert_eq!(
        lines(&nodes[0]),
        [
            "0.0.0.0/0 → 10.10.0.1 [everything else]",
            "::/0 → fd10:10::1 [everything else]"
        ]
    );
    let mine: NodeName = "vpc1".parse().expect("a name");
    let others: Vec<String> = nodes[1]
        .entries
        .iter()
        .filter(|e| e.next_hop.host() != Some(&mine))
        .map(|e| format!("{} via {}", e.prefix, e.next_hop))
        .collect();
    let spec = crate::node::derive(&plan, &mine).expect("derives");
    let peers: Vec<String> = spec
        .peers
        .iter()
        .map(|p| format!("{} via {} ({})", p.prefix, p.via, p.node))
        .collect();
    assert_eq!(others, peers, "what netd derives for itself");
}

#[test]
fn only_what_is_accepted_is_led_through_a_line() {
    let mut plan = lab();
    plan.spec.links[0].accept = Some(Accept {
        from_idc: vec![net("10.100.0.0/17"), net("10.0.0.0/12")],
        from_vpc: vec![net("172.30.0.0/15")],
    });
    assert_eq!(
        lines(&table(&plan, TableKind::Vbr)),
        [
            "10.10.0.0/24 → line line1 (10.255.0.1) [VLAN hosts of idc]",
            "10.100.0.0/17 → line line1 (10.255.0.1) [VLAN web of idc]",
            "172.30.0.0/16 → VPC vpc [pool of cloud in vpc]",
        ]
    );
}

#[test]
fn two_lines_share_what_both_may_carry() {
    let mut plan = lab();
    let mut second = plan.spec.links[0].clone();
    second.name = "line2".into();
    second.router_interface = Some("ri-2".into());
    second.accept = Some(Accept {
        from_idc: vec![net("10.100.128.0/17")],
        from_vpc: vec![],
    });
    plan.spec.links.push(second);
    let found = lines(&table(&plan, TableKind::VpcRouteTable));
    assert!(found.contains(&"10.100.0.0/17 → line line1 [VLAN web of idc]".to_owned()));
    assert!(
        found.contains(
            &"10.100.128.0/17 → line line1, line line2 (ri-2) [VLAN web of idc]".to_owned()
        ),
        "{found:?}"
    );
}

#[test]
fn unallocated_space_is_covered_only_where_the_quota_asks_for_it() {
    let mut plan = lab();
    plan.spec.links[0].vbr = Some(Vbr {
        id: "vbr-1".into(),
        route_table: None,
        router_interface: Some("ri-1".into()),
        quota: 12,
        aggregate: true,
    });
    plan.spec.links[0].accept = Some(Accept {
        from_idc: vec![net("10.0.0.0/8"), net("fd10::/16")],
        from_vpc: vec![net("172.16.0.0/12"), net("fd20::/16")],
    });
    let exact = table(&plan, TableKind::Vbr);
    assert!(!exact.covers_unallocated && exact.fits());
    assert_eq!(exact.entries.len(), 12);
    assert!(exact.entries.iter().all(|e| e.also.is_empty()));
    if let Some(vbr) = &mut plan.spec.links[0].vbr {
        vbr.quota = 11;
    }
    let covering = table(&plan, TableKind::Vbr);
    assert!(covering.covers_unallocated && covering.fits());
    assert_eq!(
        lines(&covering),
        [
            "10.0.0.0/8 → line line1 (10.255.0.1) [VLAN hosts of idc, VLAN web of idc, VLAN db of idc]",
            "172.16.0.0/12 → ri-1 (vpc) [vSwitch zone-a of vpc, vSwitch zone-b of vpc, pool of cloud in vpc]",
            "fd10::/22 → line line1 (fd10:255::1) [VLAN hosts of idc, VLAN web of idc, VLAN db of idc]",
            "fd20::/26 → ri-1 (vpc) [vSwitch zone-a of vpc, vSwitch zone-b of vpc, pool of cloud in vpc]",
        ]
    );
    assert!(covering.entries.iter().all(|e| !e.also.is_empty()));
}

#[test]
fn a_table_that_may_not_be_aggregated_is_not() {
    let mut plan = lab();
    plan.spec.hosts[3].ranges[0].prefix = net("172.30.32.0/21");
    let mut second = plan.spec.hosts[3].ranges[0].clone();
    second.prefix = net("172.30.40.0/21");
    plan.spec.hosts[3].ranges.push(second);
    let mut declared = crate::model::RouteTable {
        cluster: None,
        name: "main".into(),
        id: None,
        quota: 200,
        aggregate: true,
        v_switches: Vec::new(),
    };
    plan.spec.sites[1].route_tables = vec![declared.clone()];
    let joined = table(&plan, TableKind::VpcRouteTable);
    declared.aggregate = false;
    plan.spec.sites[1].route_tables = vec![declared];
    let apart = table(&plan, TableKind::VpcRouteTable);
    assert_eq!((joined.wanted, joined.entries.len()), (11, 10));
    assert_eq!((apart.wanted, apart.entries.len()), (11, 11));
    assert!(apart.entries.iter().all(|e| e.covers.len() == 1));
}

#[test]
fn two_hosts_with_one_range_are_a_contradiction_that_names_the_table() {
    let mut plan = lab();
    plan.spec.hosts[3].ranges[0].prefix = net("172.30.16.0/22");
    let err = routes(&plan).expect_err("a contradiction");
    assert_eq!(
        err.to_string(),
        "route table system in vpc cannot be filled: 172.30.16.0/20 and 172.30.16.0/22 \
         overlap, and lead to different next hops"
    );
}

#[test]
fn every_range_of_a_full_vpc_leads_to_its_host() {
    let mut plan = lab();
    let model = plan.spec.hosts[2].clone();
    plan.spec.hosts.truncate(2);
    for n in 0u32..300 {
        let mut host = model.clone();
        host.name = format!("n{n}").parse().expect("a name");
        host.addresses.clear();
        // Two ranges of each host: neighbours for the even ones, apart for the odd.
        let at = |k: u32| {
            let ip = std::net::Ipv4Addr::from(0xac1e_0000 + k * 64);
            net(&format!("{ip}/26"))
        };
        let second = if n % 2 == 0 { n * 3 + 1 } else { n * 3 + 2 };
        host.ranges = [n * 3, second]
            .iter()
            .map(|k| Range {
                network: "cloud".parse().expect("a name"),
                prefix: at(*k),
            })
            .collect();
        plan.spec.hosts.push(host);
    }
    let found = table(&plan, TableKind::VpcRouteTable);
    assert!(
        found.covers_unallocated,
        "600 ranges do not fit 200 entries"
    );
    assert!(!found.fits(), "300 hosts are 300 next hops at least");
    for host in plan.spec.hosts.iter().skip(2) {
        for range in &host.ranges {
            let held: Vec<&Entry> = found
                .entries
                .iter()
                .filter(|e| crate::prefix::overlap(e.prefix, range.prefix))
                .collect();
            assert_eq!(held.len(), 1, "{}", range.prefix);
            assert_eq!(held[0].next_hop.host(), Some(&host.name));
        }
    }
}

#[test]
fn the_common_part_is_the_smaller_of_each_pair() {
    let accepted = [
        net("10.0.0.0/8"),
        net("172.16.0.0/24"),
        net("172.16.0.0/25"),
    ];
    assert_eq!(common(net("10.1.0.0/16"), &accepted), [net("10.1.0.0/16")]);
    assert_eq!(
        common(net("172.16.0.0/16"), &accepted),
        [net("172.16.0.0/24")]
    );
    assert!(common(net("192.168.0.0/16"), &accepted).is_empty());
}

proptest! {
    #[test]
    fn parts_are_apart_and_everybody_keeps_his(
        given in prop::collection::vec((0u8..=8, any::<u8>(), 0u8..3), 0..12)
    ) {
        let claims: Vec<(IpNetwork, u8, ())> = given.iter().map(|(bits, at, who)| {
            let kept = u16::from(*at) >> bits << bits;
            (net(&format!("10.0.0.{kept}/{}", 32 - bits)), *who, ())
        }).collect();
        let parts = apart(&claims);
        for n in 0..=255u8 {
            let ip = IpAddr::from([10, 0, 0, n]);
            let before: BTreeSet<u8> =
                claims.iter().filter(|c| c.0.contains(ip)).map(|c| c.1).collect();
            let before: Vec<u8> = before.into_iter().collect();
            let wanted = if before.is_empty() { vec![] } else { vec![&before] };
            let after: Vec<&Vec<u8>> =
                parts.iter().filter(|p| p.0.contains(ip)).map(|p| &p.1).collect();
            prop_assert_eq!(after, wanted);
        }
    }
}
