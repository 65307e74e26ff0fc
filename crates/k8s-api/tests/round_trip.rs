//! A plan, its objects, and the plan again: the same for every plan that the generator makes.

#[path = "../../plan/tests/properties/shape.rs"]
#[allow(dead_code, unreachable_pub, reason = "of another crate's tests")]
mod shape;

use std::sync::LazyLock;

use flatnet_k8s_api::plan::resolved;
use flatnet_k8s_api::{Kind, Object, crd, join, split};
use flatnet_plan::model::NetworkPlan;
use flatnet_plan::takeover::Verdict;
use flatnet_plan::{diagnose, load, node, routes};
use proptest::prelude::*;

use shape::shapes;

/// The schema of each kind, as it is shipped.
static SCHEMAS: LazyLock<Vec<(Kind, jsonschema::Validator)>> = LazyLock::new(|| {
    let all = crd::all().expect("definitions").into_iter();
    let schemas = all.map(|(kind, definition)| {
        let value = serde_json::to_value(definition).expect("JSON");
        let schema = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        (kind, jsonschema::validator_for(schema).expect("a schema"))
    });
    schemas.collect()
});

fn objects(text: &str) -> (NetworkPlan, Vec<Object>) {
    let mut plan = load(text).expect("a valid plan");
    plan.spec.cluster.get_or_insert_with(|| "one".to_owned());
    let objects = split(plan.clone()).expect("objects");
    (resolved(plan), objects)
}

/// As an API server gives it back: in another order, and through JSON.
fn stored(objects: &[Object]) -> Vec<Object> {
    let through = |o: &Object| {
        let text = serde_json::to_string(&o.to_api()).expect("JSON");
        Object::of_api(o.kind, &serde_json::from_str(&text).expect("JSON"))
    };
    objects.iter().rev().map(through).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn objects_of_a_plan_are_that_plan_again(shape in shapes()) {
        let (plan, objects) = objects(&shape.text());
        let joined = join(&stored(&objects));
        prop_assert_eq!(&joined.misplaced, &[]);
        let again = load(&joined.text);
        prop_assert!(again.is_ok(), "{:?}\n{}", again, joined.text);
        let again = again.expect("checked");
        prop_assert_eq!(&again, &plan);
        prop_assert_eq!(join(&split(again).expect("objects")).text, joined.text);
    }

    #[test]
    fn objects_of_a_valid_plan_are_what_the_definitions_say(shape in shapes()) {
        for object in objects(&shape.text()).1 {
            let (_, validator) = &SCHEMAS.iter().find(|(k, _)| *k == object.kind).expect("a kind");
            let value = serde_json::to_value(object.to_api()).expect("JSON");
            let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            prop_assert!(errors.is_empty(), "{}: {errors:?}", object.reference());
        }
    }

    #[test]
    fn what_nodes_and_tables_derive_does_not_depend_on_the_order(shape in shapes()) {
        let before = load(&shape.text()).expect("a valid plan");
        let (after, _) = objects(&shape.text());
        let prefixes = |plan: &NetworkPlan| {
            let mut all = Vec::new();
            for table in routes::routes(plan).expect("tables") {
                for entry in table.entries {
                    all.push(format!("{} {} {} {}", table.site, table.name, entry.prefix, entry.next_hop));
                }
            }
            all.sort();
            all
        };
        prop_assert_eq!(prefixes(&before), prefixes(&after));
        for host in &before.spec.hosts {
            let one = node::derive(&before, &host.name).expect("a node");
            let other = node::derive(&after, &host.name).expect("a node");
            for change in flatnet_plan::takeover::changes(&one, &other) {
                prop_assert!(change.text.ends_with("in another order"), "{change}");
                prop_assert_eq!(change.verdict, Verdict::Live);
            }
        }
    }
}

#[test]
fn the_examples_are_the_same_plans_as_objects() {
    for name in ["small.yaml", "lab.yaml", "hybrid.yaml"] {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
        let text = std::fs::read_to_string(format!("{root}{name}")).expect("an example");
        let (plan, objects) = objects(&text);
        let joined = join(&stored(&objects));
        let report = diagnose(&joined.text, "cluster");
        assert_eq!(joined.blame(&report).errors(), 0, "{name}");
        assert_eq!(load(&joined.text).expect("loads"), plan, "{name}");
    }
}

fn valid() -> Vec<Object> {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../plan/tests/fixtures/FN0121/"
    );
    let text = std::fs::read_to_string(format!("{root}good.yaml")).expect("a fixture");
    objects(&text).1
}

fn object<'o>(all: &'o mut [Object], kind: Kind, name: &str) -> &'o mut Object {
    let mut found = all.iter_mut();
    let found = found.find(|o| o.kind == kind && o.name == name);
    found.unwrap_or_else(|| panic!("no {kind:?} {name}"))
}

/// What is wrong: code, object, field.
fn faults(objects: &[Object]) -> Vec<(String, String, String)> {
    let joined = join(objects);
    let report = diagnose(&joined.text, "cluster");
    let all = joined.blame(&report).0.into_iter();
    all.map(|d| (d.code, d.object, d.field)).collect()
}

fn fault(code: &str, object: &str, field: &str) -> (String, String, String) {
    (code.to_owned(), object.to_owned(), field.to_owned())
}

#[test]
fn what_is_wrong_is_told_of_the_object_and_its_field() {
    assert_eq!(faults(&valid()), []);
    let mut all = valid();
    object(&mut all, Kind::Vlan, "idc.100").spec["subnets"][0]["gateway"] = "10.99.0.1".into();
    let gateway = fault("FN0112", "Vlan/idc.100", "spec.subnets[0].gateway");
    assert_eq!(faults(&all), [gateway]);

    let mut all = valid();
    let range = object(&mut all, Kind::HostRange, "idc2.web.10.100.16.64-26");
    range.spec["prefix"] = "10.100.16.0/26".into();
    let twice = faults(&all);
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert_eq!(
        (twice[0].0.as_str(), twice[0].2.as_str()),
        ("FN0101", "spec.prefix")
    );
    assert!(twice[0].1.starts_with("HostRange/idc"), "{twice:?}");

    let mut all = valid();
    object(&mut all, Kind::Host, "idc1").spec["uplink"]["switch"] = "tor9".into();
    let nowhere = fault("FN0006", "Host/idc1", "spec.uplink.switch");
    assert_eq!(faults(&all), [nowhere]);
}

#[test]
fn a_field_of_a_newer_version_is_refused_and_not_dropped() {
    for (kind, name) in [
        (Kind::NetworkPlan, "fixture"),
        (Kind::Site, "vpc"),
        (Kind::Switch, "idc.tor1"),
        (Kind::Vlan, "idc.100"),
        (Kind::RouteTable, "vpc.main"),
        (Kind::Network, "web"),
        (Kind::LeasedLine, "line1"),
        (Kind::Host, "idc1"),
        (Kind::HostRange, "idc1.web.10.100.16.0-26"),
    ] {
        let mut all = valid();
        let object = object(&mut all, kind, name);
        object.spec.insert("fromTheFuture".to_owned(), true.into());
        let reference = object.reference();
        let found = faults(&all);
        let refused = fault("FN0002", &reference, "spec.fromTheFuture");
        assert_eq!(found, [refused], "{kind:?}");
    }
}

#[test]
fn an_object_without_a_place_in_the_plan_is_an_error_of_its_own() {
    let mut all = valid();
    object(&mut all, Kind::Switch, "idc.tor1").spec["site"] = "nowhere".into();
    object(&mut all, Kind::HostRange, "vpc1.cloud.172.30.0.0-26").spec["host"] = "nobody".into();
    let found = faults(&all);
    for wanted in [
        fault("FN0006", "Switch/idc.tor1", "spec.site"),
        fault("FN0006", "HostRange/vpc1.cloud.172.30.0.0-26", "spec.host"),
    ] {
        assert!(found.contains(&wanted), "{found:?}");
    }
    let headless: Vec<Object> = valid()
        .into_iter()
        .filter(|o| o.kind != Kind::NetworkPlan)
        .collect();
    assert_eq!(
        faults(&headless)[0],
        fault("FN0003", "NetworkPlan/", "metadata.name")
    );
    let mut two = valid();
    let mut second = object(&mut two, Kind::NetworkPlan, "fixture").clone();
    second.name = "other".to_owned();
    two.push(second);
    assert_eq!(
        faults(&two)[0],
        fault("FN0005", "NetworkPlan/other", "metadata.name")
    );
}

#[test]
fn a_plan_that_names_no_cluster_is_no_objects_and_says_what_to_write() {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../plan/tests/fixtures/FN0105/"
    );
    let text = std::fs::read_to_string(format!("{root}good.yaml")).expect("a fixture");
    let error = split(load(&text).expect("valid"))
        .expect_err("no cluster")
        .to_string();
    assert!(error.contains("write `cluster: NAME`"), "{error}");
}

/// The document that a node makes of the objects that are for it.
fn of_node(objects: &[Object], host: &str) -> String {
    let find = |kind, name: &str| objects.iter().find(|o| o.kind == kind && o.name == name);
    let own = find(Kind::NodeNetwork, host).expect("its part");
    let peers = flatnet_k8s_api::node::peers_of(own);
    let peers = peers.map(|name| find(Kind::NodePeers, &name).expect("its peers"));
    let joined = flatnet_k8s_api::node::document(own, peers, &[]);
    joined.expect("of this shape").text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_node_derives_the_same_of_its_objects_as_of_the_whole_plan(shape in shapes()) {
        let plan = load(&shape.text()).expect("a valid plan");
        let objects = stored(&flatnet_k8s_api::node::objects(&plan).expect("objects"));
        for host in &plan.spec.hosts {
            let text = of_node(&objects, host.name.as_str());
            let part = load(&text);
            prop_assert!(part.is_ok(), "{:?}\n{text}", part);
            let part = part.expect("checked");
            prop_assert_eq!(node::derive(&part, &host.name), node::derive(&plan, &host.name));
        }
        for object in objects {
            let (_, validator) = &SCHEMAS.iter().find(|(k, _)| *k == object.kind).expect("a kind");
            let value = serde_json::to_value(object.to_api()).expect("JSON");
            let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            prop_assert!(errors.is_empty(), "{}: {errors:?}", object.reference());
        }
    }
}

#[test]
fn a_change_of_one_host_is_one_of_its_own_object_and_of_its_vswitchs() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    let text = std::fs::read_to_string(format!("{root}hybrid.yaml")).expect("an example");
    let before = load(&text).expect("a plan");
    let mut after = before.clone();
    let at = after.spec.hosts.iter().position(|h| h.v_switch.is_some());
    let host = &mut after.spec.hosts[at.expect("a host of a vSwitch")];
    let (name, site) = (host.name.clone(), host.site.clone());
    let v_switch = host.v_switch.clone().expect("its vSwitch");
    host.ranges.pop().expect("a range");
    // What no node derives anything from.
    after.spec.density = Some(7);
    after.spec.links.clear();
    let objects = |plan| flatnet_k8s_api::node::objects(plan).expect("objects");
    let (before, after) = (objects(&before), objects(&after));
    assert_eq!(before.len(), after.len());
    let changed: Vec<String> = before
        .iter()
        .zip(&after)
        .filter(|(old, new)| old != new)
        .map(|(old, _)| old.reference())
        .collect();
    let wanted = [
        format!("NodePeers/{site}.{v_switch}"),
        format!("NodeNetwork/{name}"),
    ];
    assert_eq!(changed, wanted);
}

#[test]
fn what_a_node_does_not_understand_is_refused_with_object_and_field() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    let text = std::fs::read_to_string(format!("{root}lab.yaml")).expect("an example");
    let plan = load(&text).expect("a plan");
    let objects = flatnet_k8s_api::node::objects(&plan).expect("objects");
    let find = |kind, name: &str| {
        let found = objects.iter().find(|o| o.kind == kind && o.name == name);
        found.expect("there").clone()
    };
    let mut own = find(Kind::NodeNetwork, "vpc1");
    let mut peers = find(Kind::NodePeers, "vpc.zone-a");
    own.spec["hosts"][0]["fromTheFuture"] = true.into();
    let joined = flatnet_k8s_api::node::document(&own, Some(&peers), &[]).expect("of this shape");
    let found = joined.blame(&diagnose(&joined.text, "node")).0;
    let told: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|d| (d.code.as_str(), d.object.as_str(), d.field.as_str()))
        .collect();
    assert_eq!(
        told,
        [("FN0002", "NodeNetwork/vpc1", "spec.hosts[0].fromTheFuture")]
    );
    peers.spec.insert("fromTheFuture".to_owned(), true.into());
    let refused = flatnet_k8s_api::node::document(&own, Some(&peers), &[]).expect_err("unknown");
    assert!(refused.to_string().contains("fromTheFuture"), "{refused}");
}
