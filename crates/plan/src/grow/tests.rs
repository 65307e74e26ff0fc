use proptest::prelude::*;

use super::*;

const HYBRID: &str = include_str!("../../../../examples/hybrid.yaml");

/// The lines that are in one text and not in the other.
fn changed(old: &str, new: &str) -> Vec<String> {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let (old, new) = (lines(old), lines(new));
    let gone = old
        .iter()
        .filter(|l| !new.contains(l))
        .map(|l| format!("- {}", l.trim()));
    let come = new
        .iter()
        .filter(|l| !old.contains(l))
        .map(|l| format!("+ {}", l.trim()));
    gone.chain(come).collect()
}

fn vlan(id: u32, name: &str, prefix: &str) -> NewVlan {
    NewVlan {
        site: "idc".into(),
        id: VlanId::new(id).expect("an ID"),
        name: name.into(),
        role: VlanRole::Pod,
        subnets: vec![(prefix.parse().expect("a prefix"), None)],
    }
}

const SMALL: &str = "\
apiVersion: flatnet.io/v1alpha1
kind: NetworkPlan
metadata: {name: small}
spec:
  sites:
    - name: idc   # the only one
      type: IDC
      switches: [{name: tor1}]
      vlans:
        - {id: 10, name: hosts, role: host, subnets: [{prefix: 10.10.0.0/24, gateway: 10.10.0.1}]}
        # containers
        - id: 100
          name: web
          role: pod
          subnets: [
            {prefix: 10.100.0.0/16, gateway: 10.100.0.1}
          ]

  # what CNI names
  networks:
    - {name: web, site: idc, vlan: 100, pools: [{prefix: 10.100.0.0/16}]}
  hostGroups:
    - name: compute   # \u{00e9}\u{00e9}\u{00e9}
      site: idc
      hostName: \"idc-{n:02}\"
      count: 4        # one rack
      addresses: [10.10.0.11/24]
      uplink: {interface: eth0, switch: tor1}
      ranges: [{network: web, length: 24, from: 10.100.1.0}]
";

#[test]
fn a_group_grows_by_one_number_and_every_comment_stays() {
    let grown = add_hosts(SMALL, "compute", 3).expect("grows");
    assert_eq!(
        changed(SMALL, &grown.text),
        [
            "- count: 4        # one rack",
            "+ count: 7        # one rack"
        ]
    );
    assert_eq!(grown.kept, 4);
    let names: Vec<&str> = grown.hosts.iter().map(|h| h.name.as_str()).collect();
    assert_eq!(names, ["idc-05", "idc-06", "idc-07"]);
    assert_eq!(grown.hosts[0].ranges[0].1.to_string(), "10.100.5.0/24");
}

#[test]
fn a_vlan_comes_with_its_network_at_the_end_of_both_lists() {
    let grown = add_vlan(SMALL, &vlan(200, "db", "10.200.0.0/16")).expect("grows");
    assert_eq!(
        changed(SMALL, &grown.text),
        [
            "+ - {id: 200, name: db, role: pod, subnets: [{prefix: 10.200.0.0/16, gateway: 10.200.0.1}]}",
            "+ - {name: db, site: idc, vlan: 200, pools: [{prefix: 10.200.0.0/16}]}",
        ]
    );
    assert!(
        grown.text.contains("          ]\n        - {id: 200"),
        "{}",
        grown.text
    );
    assert_eq!((grown.kept, grown.hosts.len()), (4, 0));
    let six = add_vlan(&grown.text, &vlan(300, "six", "fd10:300::/64")).expect("grows again");
    let plan = crate::parse(&six.text).expect("a plan");
    let gateway = plan.spec.sites[0].vlans[3].subnets[0].gateway;
    assert_eq!(gateway.to_string(), "fd10:300::1");
}

#[test]
fn a_vlan_that_no_container_uses_has_no_network() {
    let storage = NewVlan {
        role: VlanRole::Storage,
        ..vlan(50, "storage", "10.50.0.0/24")
    };
    let grown = add_vlan(SMALL, &storage).expect("grows");
    assert_eq!(changed(SMALL, &grown.text).len(), 1);
}

#[test]
fn the_example_grows_in_one_line() {
    let plan = crate::parse(HYBRID).expect("the example");
    for group in &plan.spec.host_groups {
        match add_hosts(HYBRID, &group.name, 1) {
            Ok(grown) => {
                assert_eq!(grown.kept, 500);
                assert_eq!(grown.hosts.len(), 1);
                let lines = changed(HYBRID, &grown.text);
                assert!(lines.len() <= 2, "{lines:?}");
            }
            // The next host's address or range belongs to the next group.
            Err(GrowError::WouldBreak(report)) => assert!(report.errors() > 0),
            Err(e) => panic!("{}: {e}", group.name),
        }
    }
}

#[test]
fn growth_that_would_break_is_refused_with_the_diagnostics() {
    let full = add_hosts(SMALL, "compute", 400).expect_err("the pool ends at host 255");
    let GrowError::WouldBreak(report) = full else {
        panic!("{full}")
    };
    assert!(report.errors() > 0);
    let overlap = add_vlan(SMALL, &vlan(200, "db", "10.100.0.0/20")).expect_err("taken");
    assert!(matches!(overlap, GrowError::WouldBreak(_)), "{overlap}");
    let twice = add_vlan(SMALL, &vlan(100, "db", "10.200.0.0/16")).expect_err("taken");
    assert!(matches!(twice, GrowError::WouldBreak(_)), "{twice}");
}

#[test]
fn what_cannot_be_edited_is_said_with_its_line() {
    let flow = SMALL.replace("      switches", "      vlans: []\n      switches");
    assert!(
        add_vlan(&flow, &vlan(200, "db", "10.200.0.0/16")).is_err(),
        "a key twice"
    );
    let listed = SMALL.replace(
        "      count: 4",
        "      instanceIds: [a, b, c, d]\n      count: 4",
    );
    let err = add_hosts(&listed, "compute", 2).expect_err("IDs are missing");
    assert_eq!(
        err.to_string(),
        "group compute lists its instance IDs, and 2 more are needed"
    );
    let err = add_hosts(SMALL, "storage", 2).expect_err("no such group");
    assert_eq!(err.to_string(), "the plan has no host group \"storage\"");
    assert!(matches!(
        add_hosts(SMALL, "compute", 0),
        Err(GrowError::Count(0))
    ));
}

#[test]
fn scalars_are_quoted_where_yaml_would_read_them_otherwise() {
    let of = |s: &str| text::scalar(&s.to_owned());
    assert_eq!(of("web"), "web");
    assert_eq!(of("10.0.0.0/8"), "10.0.0.0/8");
    assert_eq!(of("fd00::/64"), "\"fd00::/64\"");
    assert_eq!(of("no"), "\"no\"");
    assert_eq!(of("12"), "\"12\"");
    assert_eq!(of("a: \"b\"\n"), "\"a: \\\"b\\\"\\u000a\"");
}

proptest! {
    #[test]
    fn growth_moves_nothing_however_it_is_done_in_steps(steps in prop::collection::vec(1u32..20, 1..6)) {
        let all = add_hosts(SMALL, "compute", steps.iter().sum()).expect("grows");
        let mut text = SMALL.to_owned();
        for step in steps {
            text = add_hosts(&text, "compute", step).expect("grows").text;
        }
        prop_assert_eq!(text, all.text);
    }
}
