use proptest::prelude::*;

use super::*;

const GROUP: &str = r#"
name: compute
site: idc
hostName: "idc-{n:03}"
first: 5
count: 4
except: [6]
hostsPerRack: 2
location: {rack: "r{rack}", unit: "{unit}"}
addresses: [10.10.0.15/24, "fd10:10::f/64"]
uplink:
  interface: bond0
  bond: lacp
  nics:
    - {interface: eth0, switch: "tor{rack}a", port: "{unit}"}
    - {interface: eth1, switch: "tor{rack}b", port: "{unit}"}
ranges:
  - {network: web, length: 26, from: 10.100.16.0}
  - {network: web, length: 112, from: "fd10:100::1:0"}
"#;

fn plan_of(group: &str) -> NetworkPlan {
    let mut plan = crate::parse(include_str!("../../../../examples/lab.yaml")).expect("the lab");
    plan.spec.hosts.clear();
    plan.spec.host_groups = vec![serde_norway::from_str(group).expect("a group")];
    plan
}

#[test]
fn a_member_has_its_number_everywhere() {
    let out = expand(&plan_of(GROUP));
    assert_eq!(out.faults, []);
    let names: Vec<&str> = out
        .plan
        .spec
        .hosts
        .iter()
        .map(|h| h.name.as_str())
        .collect();
    assert_eq!(names, ["idc-005", "idc-007", "idc-008"]);
    let seven = &out.plan.spec.hosts[1];
    assert_eq!(seven.addresses[0].to_string(), "10.10.0.17/24");
    assert_eq!(seven.addresses[1].to_string(), "fd10:10::11/64");
    assert_eq!(seven.ranges[0].prefix.to_string(), "10.100.16.128/26");
    assert_eq!(seven.ranges[1].prefix.to_string(), "fd10:100::3:0/112");
    assert_eq!(seven.uplink.nics[1].switch.as_deref(), Some("tor2b"));
    let location = seven.location.as_ref().expect("location");
    assert_eq!(location.rack.as_deref(), Some("r2"));
    assert_eq!(location.unit.as_deref(), Some("1"));
    assert_eq!(
        out.origins[1],
        Origin::Member {
            group: 0,
            number: 7
        }
    );
}

#[test]
fn an_expanded_plan_expands_to_itself() {
    let once = expand(&plan_of(GROUP)).plan;
    assert_eq!(expand(&once).plan, once);
}

#[test]
fn what_cannot_be_written_out_is_said_once_with_its_field() {
    let cases = [
        (
            "from: 10.100.16.0",
            "from: 10.100.16.1",
            Field::Range(0),
            "10.100.16.0 is",
        ),
        ("{n:03}", "{m}", Field::HostName, "{m} is not known"),
        ("{n:03}", "/{n}", Field::HostName, ""),
        ("count: 4", "count: 400000", Field::Count, "too many"),
        ("except: [6]", "except: [9]", Field::Except(0), "5 to 8"),
        (
            "hostsPerRack: 2",
            "hostsPerRack: 0",
            Field::HostsPerRack,
            "one host",
        ),
        (
            "10.10.0.15/24",
            "255.255.255.255/24",
            Field::Address(0),
            "no address",
        ),
        ("tor{rack}a", "tor{row}a", Field::Uplink, "{row}"),
    ];
    for (from, to, field, message) in cases {
        let out = expand(&plan_of(&GROUP.replacen(from, to, 1)));
        assert_eq!(out.faults.len(), 1, "{to}: {:?}", out.faults);
        assert_eq!(out.faults[0].field, field);
        assert!(out.faults[0].message.contains(message), "{:?}", out.faults);
    }
}

proptest! {
    #[test]
    fn sub_allocation_is_deterministic_and_never_overlaps(
        from: u32,
        length in 8_u8..=32,
        ks in prop::collection::btree_set(0_u32..5000, 2..20),
    ) {
        let mask = u32::MAX << (32 - length).min(31);
        let rule = SubAllocation {
            network: "web".parse().expect("name"),
            length,
            from: std::net::Ipv4Addr::from(if length == 32 { from } else { from & mask }).into(),
        };
        let cut: Vec<IpNetwork> = ks.iter().filter_map(|k| sub_allocate(&rule, *k)).map(|r| r.prefix).collect();
        let again: Vec<IpNetwork> = ks.iter().filter_map(|k| sub_allocate(&rule, *k)).map(|r| r.prefix).collect();
        prop_assert_eq!(&cut, &again);
        for (i, a) in cut.iter().enumerate() {
            prop_assert_eq!(a.prefix(), length);
            for b in &cut[i + 1..] {
                prop_assert!(!prefix::overlap(*a, *b), "{} {}", a, b);
            }
        }
    }

    #[test]
    fn growth_and_retirement_move_nothing(
        count in 1_u32..60,
        more in 0_u32..60,
        first in 0_u32..1000,
        retired in prop::collection::btree_set(0_u32..60, 0..6),
        others in 0_usize..3,
    ) {
        let mut group = plan_of(GROUP).spec.host_groups.remove(0);
        group.first = first;
        group.count = count;
        group.except.clear();
        let mut small = plan_of(GROUP);
        small.spec.host_groups = vec![group.clone()];

        let mut grown = small.clone();
        grown.spec.host_groups[0].count = count + more;
        grown.spec.host_groups[0].except =
            retired.iter().filter(|k| **k < count + more).map(|k| first + k).collect();
        for i in 0..others {
            let mut other = group.clone();
            other.name = format!("other{i}");
            other.host_name = format!("other{i}-{{n}}");
            grown.spec.host_groups.insert(i % 2, other);
        }

        let (before, after) = (expand(&small), expand(&grown));
        prop_assert_eq!(before.plan.spec.hosts.len(), count as usize);
        prop_assert_eq!(&after.faults, &[]);
        for host in &before.plan.spec.hosts {
            let number: u32 = host.name.as_str()["idc-".len()..].parse().expect("a number");
            let now = after.plan.host(&host.name);
            if retired.contains(&(number - first)) {
                prop_assert_eq!(now, None);
            } else {
                prop_assert_eq!(now, Some(host));
            }
        }
    }
}
