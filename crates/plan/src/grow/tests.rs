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
    let far = SMALL.replace("count: 4 ", "count:\n        !!int &four\n        4 ");
    let err = add_hosts(&far, "compute", 2).expect_err("on another line");
    assert_eq!(
        err.to_string(),
        "line 27: the group's count is not written in a form that can be edited"
    );
    let bare = "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {name: new}\nspec:\n  sites:\n    \
                - {name: idc, type: IDC}\n  networks: []\n";
    let err = add_vlan(bare, &vlan(200, "db", "10.200.0.0/16")).expect_err("nowhere to put it");
    assert_eq!(err.to_string(), "line 6: there is no list `vlans` here");
    let mut cloud = vlan(200, "db", "10.200.0.0/16");
    cloud.site = "vpc".into();
    let err = add_vlan(HYBRID, &cloud).expect_err("VLANs are of data centres");
    assert_eq!(err.to_string(), "the plan has no data centre \"vpc\"");
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
fn a_plan_with_errors_or_of_two_documents_does_not_grow() {
    let broken = SMALL.replace("from: 10.100.1.0", "from: 10.101.1.0");
    let err = add_vlan(&broken, &vlan(200, "db", "10.200.0.0/16")).expect_err("has errors");
    let GrowError::Broken(report) = &err else {
        panic!("{err}")
    };
    assert!(report.errors() > 0);
    let two = format!("{SMALL}---\n{SMALL}");
    let err = add_hosts(&two, "compute", 1).expect_err("two documents");
    let GrowError::Unreadable(report) = &err else {
        panic!("{err}")
    };
    assert_eq!(report.diagnostics[0].span.line, 30);
}

#[test]
fn a_number_that_stands_for_others_too_is_not_changed() {
    let second = SMALL[SMALL.find("    - name: compute").expect("the group")..]
        .replace("name: compute", "name: other")
        .replace("idc-{n:02}", "other-{n}")
        .replace("count: 4 ", "count: *n ")
        .replace("10.10.0.11", "10.10.0.111")
        .replace("10.100.1.0", "10.100.100.0");
    let both = format!("{}{second}", SMALL.replace("count: 4 ", "count: &n 4 "));
    for group in ["compute", "other"] {
        let err = add_hosts(&both, group, 1).expect_err("both would grow");
        assert!(matches!(err, GrowError::Shared { line: 26, .. }), "{err}");
    }
}

#[test]
fn a_name_that_is_taken_is_refused_where_the_other_stands() {
    let taken = add_vlan(SMALL, &vlan(200, "web", "10.200.0.0/16")).expect_err("taken");
    let GrowError::WouldBreak(report) = taken else {
        panic!("{taken}")
    };
    let found = report.diagnostics.iter().find(|d| d.rule.code == "FN0005");
    let related = found.and_then(|d| d.related.as_ref()).expect("the other");
    assert_eq!(related.0.line, 13);
    let host = format!(
        "{SMALL}  hosts:\n    - {{name: idc-05, site: idc, addresses: [10.10.0.200/24], \
         uplink: {{interface: eth0, switch: tor1}}, ranges: [{{network: web, prefix: 10.100.200.0/24}}]}}\n"
    );
    let taken = add_hosts(&host, "compute", 1).expect_err("taken");
    let GrowError::WouldBreak(report) = taken else {
        panic!("{taken}")
    };
    assert!(report.diagnostics.iter().any(|d| d.rule.code == "FN0005"));
}

/// [`SMALL`], and its lists of VLANs and networks written in another way.
fn forms() -> Vec<(&'static str, String)> {
    let from = SMALL.find("      vlans:").expect("the VLANs");
    let to = SMALL.find("  hostGroups:").expect("the groups");
    let with = |lists: &str| format!("{}{lists}{}", &SMALL[..from], &SMALL[to..]);
    const HOSTS: &str =
        "{id: 10, name: hosts, role: host, subnets: [{prefix: 10.10.0.0/24, gateway: 10.10.0.1}]}";
    const WEB: &str =
        "{id: 100, name: web, role: pod, subnets: [{prefix: 10.100.0.0/16, gateway: 10.100.0.1}]}";
    const NET: &str = "{name: web, site: idc, vlan: 100, pools: [{prefix: 10.100.0.0/16}]}";
    vec![
        ("block", SMALL.to_owned()),
        (
            "one line",
            with(&format!(
                "      vlans: [{HOSTS}, {WEB}] # all\n  networks: [{NET}]\n"
            )),
        ),
        (
            "a comma too many",
            with(&format!(
                "      vlans: [{HOSTS}, {WEB}, ]\n  networks: [{NET},]\n"
            )),
        ),
        (
            "a line each",
            with(&format!(
                "      vlans: [\n        {HOSTS},   # the first, it is\n        {WEB}   # the, last\n        # none\n      ]   # end\n  networks:\n    [\n      {NET},  # one\n    ]\n"
            )),
        ),
        (
            "the first on the bracket's line",
            with(&format!(
                "      vlans: [{HOSTS},\n              {WEB}\n      ]\n  networks: [\n    {NET}]\n"
            )),
        ),
        (
            "dashes under the key",
            with(&format!(
                "      vlans:\n      - {HOSTS}\n      -   {WEB}   # web\n      # - retired\n\n  # of CNI\n  networks:\n  - name: web\n    site: idc\n    vlan: 100\n    pools:\n    - prefix: 10.100.0.0/16 # all of it\n\n\n"
            )),
        ),
        (
            "tabs behind dashes and before comments",
            with(&format!(
                "      vlans:\n        - {HOSTS}\t# one\n        - {WEB}\t\n  networks:\n    -\t{NET}\n"
            )),
        ),
        (
            "a long name",
            with(&format!(
                "      vlans:\n        - {HOSTS}\n        - id: 100\n          role: pod\n          subnets: [{{prefix: 10.100.0.0/16, gateway: 10.100.0.1}}]\n          name: |-\n            web\n      # behind it\n  networks:\n    - {NET}\n"
            )),
        ),
        (
            "anchors",
            with(&format!(
                "      vlans: &all\n        - &one {HOSTS}\n        - &two {WEB}\n  networks: &nets [&net {NET}]\n"
            )),
        ),
    ]
}

/// All of `old`'s characters are in `new`, in their order.
fn kept(old: &str, new: &str) -> bool {
    let mut rest = new.chars();
    old.chars().all(|c| rest.any(|n| n == c))
}

#[test]
fn lists_grow_however_they_are_written_and_nothing_else_is_touched() {
    type Ending = (&'static str, fn(String) -> String);
    let ends: [Ending; 6] = [
        ("as it is", |t| t),
        ("CR LF", |t| t.replace('\n', "\r\n")),
        ("CR", |t| t.replace('\n', "\r")),
        ("no last break", |t| t.trim_end().to_owned()),
        ("marks", |t| {
            format!("%YAML 1.2\n--- # the plan\n{t}...\n# end\n")
        }),
        ("lists last", |t| {
            let from = t.find("  networks:").expect("the networks");
            let to = t.find("  hostGroups:").expect("the groups");
            let (head, networks, groups) = (&t[..from], &t[from..to], &t[to..]);
            format!("{head}{groups}{}", networks.trim_end())
        }),
    ];
    for (form, text) in forms() {
        for (end, as_written) in ends {
            let old = as_written(text.clone());
            let case = format!("{form}, {end}");
            let one = add_vlan(&old, &vlan(200, "db", "10.200.0.0/16"))
                .unwrap_or_else(|e| panic!("{case}: {e}\n{old}"));
            assert!(kept(&old, &one.text), "{case}:\n{}", one.text);
            let two = add_vlan(&one.text, &vlan(300, "six", "fd10:300::/64"))
                .unwrap_or_else(|e| panic!("{case}: {e}\n{}", one.text));
            assert!(kept(&one.text, &two.text), "{case}:\n{}", two.text);
            let three = add_hosts(&two.text, "compute", 3)
                .unwrap_or_else(|e| panic!("{case}: {e}\n{}", two.text));
            let lone_breaks = |t: &str| t.replace("\r\n", "").matches(['\r', '\n']).count();
            if end == "CR LF" {
                assert_eq!(lone_breaks(&three.text), 0, "{case}");
            }
            assert_eq!(
                old.ends_with(['\r', '\n']),
                three.text.ends_with(['\r', '\n']),
                "{case}"
            );
            assert_eq!((three.kept, three.hosts.len()), (4, 3), "{case}");
            // No comment was lost, none swallowed what is new.
            let comments = |t: &str| t.matches('#').count();
            assert_eq!(comments(&old), comments(&three.text), "{case}");
        }
    }
}

#[test]
fn an_empty_list_takes_its_first_item() {
    let plan = "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {name: new}\nspec:\n  sites:\n    \
                - {name: idc, type: IDC, switches: [{name: tor1}], vlans: [ ]}\n  networks: [] # none yet\n";
    let grown = add_vlan(plan, &vlan(200, "db", "10.200.0.0/16")).expect("grows");
    assert_eq!(
        changed(plan, &grown.text),
        [
            "- - {name: idc, type: IDC, switches: [{name: tor1}], vlans: [ ]}",
            "- networks: [] # none yet",
            "+ - {name: idc, type: IDC, switches: [{name: tor1}], vlans: [{id: 200, name: db, role: pod, subnets: [{prefix: 10.200.0.0/16, gateway: 10.200.0.1}]} ]}",
            "+ networks: [{name: db, site: idc, vlan: 200, pools: [{prefix: 10.200.0.0/16}]}] # none yet",
        ]
    );
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
