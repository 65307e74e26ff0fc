use super::*;
use crate::node;

const LAB: &str = include_str!("../../../../examples/lab.yaml");

fn spec(text: &str, host: &str) -> NodeSpec {
    let plan = crate::load(text).expect("a sound plan");
    node::derive(&plan, &host.parse().expect("a name")).expect("derives")
}

/// Each difference that an edit of the lab's plan makes on idc1, with its verdict.
fn edited(from: &str, to: &str) -> Vec<String> {
    assert!(LAB.contains(from), "{from}");
    let (before, after) = (spec(LAB, "idc1"), spec(&LAB.replacen(from, to, 1), "idc1"));
    shown(&before, &after)
}

fn shown(before: &NodeSpec, after: &NodeSpec) -> Vec<String> {
    changes(before, after)
        .iter()
        .map(Change::to_string)
        .collect()
}

#[test]
fn a_field_is_told_by_its_place_with_when_it_is_taken_over() {
    let before = spec(LAB, "idc1");
    assert_eq!(shown(&before, &before), [] as [&str; 0]);
    let mut after = before.clone();
    after.mtu = flatnet_types::Mtu::new(1400).expect("an MTU");
    after.networks[0].mtu = after.mtu;
    after.networks[0].neighbour_rate = 7;
    after.host_addresses.pop();
    after.service_prefixes.clear();
    let gone = after.networks.remove(1).name;
    let web = &before.networks[0].name;
    let service = before
        .service_prefixes
        .first()
        .expect("the lab has services");
    let shown = shown(&before, &after);
    for line in [
        "mtu 1500 becomes 1400 (restart)",
        &format!("networks {web}.mtu 1500 becomes 1400 (new attachments only)"),
        &format!("networks {web}.neighbour_rate 500 becomes 7 (live)"),
        "host_addresses without fd10:10::b/64 (restart)",
        &format!("service_prefixes without {service} (live)"),
        &format!("networks without {gone} (drain)"),
    ] {
        assert!(
            shown.iter().any(|s| s == line),
            "{line:?} not in {shown:#?}"
        );
    }
}

#[test]
fn ranges_come_at_once_and_go_when_they_are_empty() {
    let range = "{network: web, prefix: 10.100.16.0/20}";
    let more = format!("{range}\n        - {{network: web, prefix: 10.100.96.0/20}}");
    assert_eq!(
        edited(range, &more),
        ["networks web.ranges with 10.100.96.0/20 (live)"]
    );
    assert_eq!(
        edited(range, "{network: web, prefix: 10.100.96.0/20}"),
        [
            "networks web.ranges without 10.100.16.0/20 (drain)",
            "networks web.ranges with 10.100.96.0/20 (live)",
        ]
    );
    // What it has stays in it.
    let part = range.replace("/20", "/21");
    let (before, after) = (
        spec(&LAB.replacen(range, &part, 1), "idc1"),
        spec(LAB, "idc1"),
    );
    assert_eq!(
        shown(&before, &after),
        [
            "networks web.ranges without 10.100.16.0/21 (restart)",
            "networks web.ranges with 10.100.16.0/20 (restart)",
        ]
    );
    // Until the old one is gone its addresses would be in two ranges.
    assert_eq!(
        edited(range, "{network: web, prefix: 10.100.16.0/21}"),
        [
            "networks web.ranges without 10.100.16.0/20 (drain)",
            "networks web.ranges with 10.100.16.0/21 (drain)",
        ]
    );
}

#[test]
fn what_is_taken_over_and_what_is_left_are_what_the_verdicts_say() {
    let hosts = ["idc1", "idc2", "vpc1", "vpc2"];
    let mut specs: Vec<NodeSpec> = hosts.map(|host| spec(LAB, host)).into();
    for at in 0..specs.len() {
        let mut other = specs[at].clone();
        other.networks[0].mtu = flatnet_types::Mtu::new(1400).expect("an MTU");
        other.networks[0].vlan = flatnet_types::VlanId::new(999).ok();
        other.networks.reverse();
        other.peers.clear();
        other.host_addresses.reverse();
        specs.push(other);
    }
    for running in &specs {
        for fresh in &specs {
            let all = changes(running, fresh);
            let next = taken_over(running, fresh);
            let taken = changes(running, &next);
            assert!(
                taken.iter().all(|c| c.verdict.is_taken_over()),
                "{taken:#?}"
            );
            let mut left = changes(&next, fresh);
            left.sort_by(|a, b| a.text.cmp(&b.text));
            let mut waits: Vec<Change> = all.clone();
            waits.retain(|c| !c.verdict.is_taken_over());
            waits.sort_by(|a, b| a.text.cmp(&b.text));
            let texts = |all: &[Change]| all.iter().map(|c| c.text.clone()).collect::<Vec<_>>();
            assert_eq!(texts(&left), texts(&waits), "of {all:#?}");
            assert!(left.iter().all(|c| !c.verdict.is_taken_over()), "{left:#?}");
            assert_eq!(running == fresh, all.is_empty());
        }
    }
}

#[test]
fn every_field_has_a_verdict() {
    let mut spec = spec(LAB, "idc1");
    // Also those that are left out where they are empty.
    let network = &mut spec.networks[0];
    network.trunk = serde_json::from_value(serde_json::json!([{"vlan": 7}])).expect("a trunk");
    network.allow = serde_json::from_value(serde_json::json!([{"protocol": "vrrp"}])).expect("one");
    network.egress = Some(Vec::new());
    let fields = |value: &Value| -> Vec<String> {
        let fields = value.as_object().expect("an object");
        fields.keys().cloned().collect()
    };
    let known = |place: &[&str]| field(place, How::Changes).is_some();
    let value = serde_json::to_value(&spec).expect("JSON");
    for field in fields(&value) {
        assert!(known(&[&field]), "{field}");
    }
    let network = &value["networks"][0];
    for field in fields(network) {
        assert!(known(&["networks", "web", &field]), "{field}");
    }
    for field in fields(&network["ranges"][0]) {
        assert!(
            known(&["networks", "web", "ranges", "10.0.0.0/24", &field]),
            "{field}"
        );
    }
}
