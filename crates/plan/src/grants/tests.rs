use flatnet_types::ipamd::GrantState;
use proptest::prelude::*;

use super::*;
use crate::prefix::overlap;

const HYBRID: &str = include_str!("../../../../examples/hybrid.yaml");

fn prefix(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

fn grant(host: &str, network: &str, at: &str) -> HostGrant {
    HostGrant {
        host: host.parse().expect("a name"),
        network: network.parse().expect("a name"),
        prefix: prefix(at),
        state: GrantState::Active,
    }
}

fn answer(settling: bool, ranges: &[HostGrant]) -> Grants {
    Grants {
        revision: "1-2".to_owned(),
        in_grace_period: settling,
        ranges: ranges.to_vec(),
    }
}

#[test]
fn an_ipamd_that_settles_takes_nothing_away_but_what_it_gives_to_others() {
    let before = answer(
        false,
        &[
            grant("a", "web", "10.0.0.0/26"),
            grant("b", "web", "10.0.0.64/26"),
            grant("c", "web", "10.0.0.128/26"),
        ],
    );
    let now = [grant("d", "web", "10.0.0.64/27")];
    let known = heard(Some(&before), answer(true, &now));
    let hosts: Vec<&str> = known.ranges.iter().map(|g| g.host.as_str()).collect();
    assert_eq!(hosts, ["a", "d", "c"]);
    let settled = heard(Some(&known), answer(false, &now));
    assert_eq!(settled.ranges, now);
    assert_eq!(heard(None, answer(true, &now)).ranges, now);
}

#[test]
fn what_is_held_is_routed_to_its_holder_whatever_the_plan_says() {
    let plan = crate::load(HYBRID).expect("a sound plan");
    let vpc = plan
        .spec
        .hosts
        .iter()
        .filter(|h| h.site != plan.spec.hosts[0].site && !h.ranges.is_empty());
    let [first, second, third] = vpc.take(3).collect::<Vec<_>>()[..] else {
        panic!("the plan has three nodes of a VPC");
    };
    let network = first.ranges[0].network.as_str();
    // The first still holds half of what the plan gives to the second; the third has its own
    // and one more, which was cut.
    let moved = second.ranges[0].prefix;
    let half = IpNetwork::new(moved.network(), moved.prefix() + 1).expect("a half");
    let own = third.ranges[0].prefix.to_string();
    let grants = [
        grant(first.name.as_str(), network, &half.to_string()),
        grant(third.name.as_str(), network, &own),
        grant(third.name.as_str(), network, "10.250.0.0/26"),
        grant("gone", network, "10.251.0.0/26"),
        grant("idc-001", network, "10.252.0.0/26"),
    ];
    let (joined, misfits) = with_grants(plan.clone(), &grants);
    let ranges = |name: &NodeName| {
        let host = joined.host(name).expect("the host");
        let of_network = host.ranges.iter().filter(|r| r.network.as_str() == network);
        of_network.map(|r| r.prefix).collect::<Vec<_>>()
    };
    assert_eq!(ranges(&first.name), [first.ranges[0].prefix, half]);
    assert_eq!(ranges(&second.name), [] as [IpNetwork; 0]);
    assert_eq!(
        ranges(&third.name),
        [third.ranges[0].prefix, prefix("10.250.0.0/26")]
    );
    let told: Vec<String> = misfits.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("gone holds 10.251.0.0/26"), "{told:?}");
    assert!(
        told[1].contains("no such network in the host's site"),
        "{told:?}"
    );
}

proptest! {
    #[test]
    fn an_overlap_is_found_exactly_where_there_is_one(
        known in proptest::collection::vec((0u32..256, 20u8..=32), 0..12),
        (asked, length) in (0u32..256, 18u8..=32),
    ) {
        let of = |low: u32, length| {
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + low * 16);
            let loose = IpNetwork::new(address.into(), length).expect("a prefix");
            IpNetwork::new(loose.network(), length).expect("a prefix")
        };
        let host: NodeName = "a".parse().expect("a name");
        let mut prefixes = Prefixes::default();
        for (low, length) in &known {
            prefixes.insert(of(*low, *length), &host);
        }
        let asked = of(asked, length);
        let there = known.iter().any(|(low, length)| overlap(of(*low, *length), asked));
        prop_assert_eq!(prefixes.overlapping(asked).is_some(), there);
    }
}
