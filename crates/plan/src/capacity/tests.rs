use super::*;
use crate::load;
use crate::model::{MacMode, Reservation};

fn lab() -> NetworkPlan {
    load(include_str!("../../../../examples/lab.yaml")).expect("the lab's plan is sound")
}

#[test]
fn a_pool_is_counted_to_the_address() {
    let mut plan = lab();
    plan.spec.density = Some(60);
    let pools = capacity(&plan).expect("capacity").pools;
    let web = &pools[0];
    assert_eq!(web.size, 65536);
    assert_eq!(web.given, 2 * 4096);
    assert_eq!(
        web.withheld,
        4096 + 1,
        "the excluded /20 holds router and network address; the broadcast is outside"
    );
    assert_eq!(web.usable, web.given);
    assert_eq!(web.free, 65536 - 3 * 4096 - 1);
    assert_eq!((web.hosts, web.planned), (2, Some(120)));
    assert_eq!(web.range_length, Some(20));
    assert_eq!(web.more_hosts, Some(12), "the last /20 holds the broadcast");
    let cloud = pools.iter().find(|p| p.network == "cloud").expect("cloud");
    assert_eq!(cloud.usable, 2 * (4096 - 3), "network, gateway, broadcast");
    assert_eq!(cloud.more_hosts, Some(14));
}

#[test]
fn as_many_ranges_fit_as_are_said_to() {
    let mut plan = lab();
    let reserved = "172.30.128.0/17".parse().expect("a prefix");
    plan.spec.networks[2].pools[0].reservations = vec![Reservation {
        prefix: reserved,
        purpose: "later".into(),
    }];
    let more = |plan: &NetworkPlan| {
        let found = capacity(plan).expect("capacity").pools;
        let cloud = found.into_iter().find(|p| p.network == "cloud");
        cloud.expect("cloud").more_hosts.expect("hosts to go by")
    };
    let mut left = more(&plan);
    assert_eq!(left, 6);
    for k in [0_u8, 3, 4, 5, 6, 7] {
        let mut host = plan.spec.hosts[2].clone();
        host.name = format!("more{k}").parse().expect("a name");
        host.ranges.truncate(1);
        host.ranges[0].prefix = format!("172.30.{}.0/20", k * 16).parse().expect("a prefix");
        plan.spec.hosts.push(host);
        left -= 1;
        assert_eq!(more(&plan), left, "after {k}");
    }
    assert_eq!(left, 0);
}

#[test]
fn a_vlan_counts_containers_hosts_and_the_router() {
    let mut plan = lab();
    plan.spec.density = Some(60);
    plan.spec.budgets.neighbours = 400;
    let found = capacity(&plan).expect("capacity").vlans;
    let of = |name: &str| found.iter().find(|v| v.name == name).expect("the VLAN");
    assert_eq!(of("hosts").neighbours, 3);
    assert_eq!(of("hosts").more_hosts, Some(256 - 3 - 2));
    assert_eq!((of("web").containers, of("web").neighbours), (120, 121));
    assert_eq!(of("web").macs, 3, "two hosts and the router");
    assert_eq!(of("web").more_hosts, Some((400 - 121) / 60));
}

#[test]
fn a_mac_table_holds_what_its_vlans_hold_wherever_the_host_is() {
    let mut plan = lab();
    plan.spec.density = Some(60);
    plan.spec.sites[0].switches[0].mac_table_size = Some(100);
    let of = |plan: &NetworkPlan| capacity(plan).expect("capacity").switches[0].clone();
    let saved = of(&plan);
    assert_eq!((saved.hosts, saved.macs), (1, 9));
    assert_eq!((saved.budget, saved.headroom), (Some(80), Some(71)));
    assert_eq!(saved.more_hosts, Some(71 / 3));
    plan.spec.networks[0].mac = MacMode::Pod;
    let full = of(&plan);
    assert_eq!(full.macs, 9 + 120);
    assert_eq!((full.headroom, full.more_hosts), (Some(-49), Some(0)));
}

#[test]
fn a_route_table_says_how_many_hosts_more_fit() {
    let found = capacity(&lab()).expect("capacity").tables;
    let vpc = found
        .iter()
        .find(|t| t.kind == TableKind::VpcRouteTable)
        .expect("the table");
    assert_eq!((vpc.used, vpc.headroom), (10, 190));
    assert_eq!(
        vpc.more_hosts,
        Some(95),
        "each takes an entry of each family"
    );
    let vbr = found
        .iter()
        .find(|t| t.kind == TableKind::Vbr)
        .expect("VBR");
    assert_eq!((vbr.quota, vbr.used, vbr.more_hosts), (48, 12, None));
}

#[test]
fn free_space_is_all_that_is_neither_given_nor_withheld() {
    let plan = lab();
    let pools = capacity(&plan).expect("capacity").pools;
    for (space, pool) in free_space(&plan).iter().zip(&pools) {
        let sum: u128 = space.free.iter().map(|p| crate::prefix::size(*p)).sum();
        assert_eq!((space.pool, sum), (pool.prefix, pool.free));
        for range in plan.spec.hosts.iter().flat_map(|h| &h.ranges) {
            let met = |p: &ipnetwork::IpNetwork| crate::prefix::overlap(*p, range.prefix);
            assert!(!space.free.iter().any(met), "{}", range.prefix);
        }
    }
    let cloud = free_space(&plan)
        .into_iter()
        .find(|s| s.network == "cloud")
        .expect("cloud");
    assert_eq!(
        cloud.next.map(|p| p.to_string()).as_deref(),
        Some("172.30.128.0/20"),
        "the half that is empty"
    );
}
