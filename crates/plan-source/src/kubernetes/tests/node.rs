//! A node's own objects, and ipamd's of all nodes, without an API server.

use std::collections::BTreeSet;

use flatnet_k8s_api::node;
use flatnet_k8s_api::status::{AddressCount, NodeNetworkStatus, ProblemStatus, RangeStatus};
use flatnet_k8s_client::{OneEvent, Seen};
use flatnet_plan::services::ServiceAddresses;
use flatnet_types::NodeName;

use super::super::node::Known;
use super::super::node_status::{NodeReport, status};
use super::super::parts::{Due, Parts};
use super::*;
use crate::document::Document;

fn plan() -> NetworkPlan {
    flatnet_plan::load(LAB).expect("a plan")
}

fn parts() -> Vec<Object> {
    node::objects(&plan()).expect("objects")
}

fn part(kind: Kind, name: &str) -> Object {
    let mut all = parts().into_iter();
    all.find(|o| o.kind == kind && o.name == name)
        .expect("there")
}

fn services(prefixes: &[&str]) -> Object {
    let prefixes = prefixes.iter().map(|p| p.parse().expect("a prefix"));
    let served = ServiceAddresses {
        prefixes: prefixes.collect(),
        ..ServiceAddresses::default()
    };
    node::services_object(&plan(), served).expect("an object")
}

fn there(object: Object) -> OneEvent {
    OneEvent::There(Box::new(seen(object)))
}

fn seen(object: Object) -> Seen {
    Seen {
        object,
        generation: Some(3),
        status: serde_json::Value::Null,
    }
}

async fn objects_of(name: &str) -> NodeObjects {
    // Nothing is asked of it.
    let file = tempfile::NamedTempFile::new().expect("a file");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://api:6443"}}],
        "users": [{"name": "c", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    std::fs::write(file.path(), config.to_string()).expect("writes");
    let cluster = Cluster::open(Some(file.path())).await.expect("a way");
    let node: NodeName = name.parse().expect("a name");
    NodeObjects::new(Arc::new(cluster), &node, Path::new("/nowhere"))
}

#[tokio::test]
async fn a_node_of_a_vswitch_needs_both_objects_and_one_of_a_data_centre_its_own() {
    let of = objects_of("vpc1").await;
    let mut known = Known::default();
    assert!(known.read(&of).is_none(), "the server has not answered");
    assert!(known.take(OneEvent::Absent(Kind::NodeNetwork)));
    let why = known
        .read(&of)
        .expect("answered")
        .expect_err("absent")
        .text();
    assert!(
        why.contains("https://api:6443/ has no NodeNetwork/vpc1"),
        "{why}"
    );

    assert!(known.take(there(part(Kind::NodeNetwork, "vpc1"))));
    assert!(known.read(&of).is_none(), "its peers are not known");
    known.take(OneEvent::Absent(Kind::NodePeers));
    let why = known
        .read(&of)
        .expect("answered")
        .expect_err("absent")
        .text();
    assert!(why.contains("has no NodePeers/vpc.zone-a"), "{why}");
    assert!(known.take(there(part(Kind::NodePeers, "vpc.zone-a"))));
    assert!(known.read(&of).is_none(), "what is served is not known");
    known.take(OneEvent::Absent(Kind::ServiceAddresses));
    let why = known
        .read(&of)
        .expect("answered")
        .expect_err("absent")
        .text();
    assert!(why.contains("has no ServiceAddresses/cluster"), "{why}");
    assert!(known.take(there(services(&[]))));
    let document = known.read(&of).expect("known").expect("a document");
    let (part_plan, name) = (
        document.plan().expect("valid"),
        "vpc1".parse().expect("a name"),
    );
    let derived = flatnet_plan::node::derive(&part_plan, &name).expect("derives");
    assert_eq!(
        derived,
        flatnet_plan::node::derive(&plan(), &name).expect("derives")
    );

    // Its own status is no change of the plan; and away is not gone.
    assert!(!known.take(there(part(Kind::NodeNetwork, "vpc1"))));
    assert!(known.take(OneEvent::Away(Kind::NodePeers, forbidden("nodepeers"))));
    let why = known.read(&of).expect("answered").expect_err("away").text();
    assert!(why.contains("cannot list nodepeers"), "{why}");

    let of = objects_of("idc1").await;
    let mut known = Known::default();
    known.take(there(part(Kind::NodeNetwork, "idc1")));
    known.take(there(services(&[])));
    assert!(known.read(&of).expect("known").is_ok());
}

#[tokio::test]
async fn what_services_claim_is_of_the_nodes_plan_and_one_that_is_gone_takes_nothing_away() {
    let of = objects_of("idc1").await;
    let mut known = Known::default();
    known.take(there(part(Kind::NodeNetwork, "idc1")));
    // Of the plan's own 10.96.0.0/16 the wider one is left.
    assert!(known.take(there(services(&[
        "10.96.0.0/15",
        "fd10:96::/120",
        "203.0.113.7/32"
    ]))));
    let document = known.read(&of).expect("known").expect("a document");
    let served = document.plan().expect("valid").spec.service_prefixes;
    let served: Vec<String> = served.iter().map(ToString::to_string).collect();
    assert_eq!(served, ["fd10:96::/112", "10.96.0.0/15", "203.0.113.7/32"]);
    assert!(!known.take(there(services(&[
        "10.96.0.0/15",
        "fd10:96::/120",
        "203.0.113.7/32"
    ]))));
    known.take(OneEvent::Absent(Kind::ServiceAddresses));
    assert!(
        known.read(&of).expect("answered").is_err(),
        "the plan of before stands"
    );
    let mut later = services(&[]);
    later.spec.insert("fromTheFuture".to_owned(), true.into());
    known.take(there(later));
    let why = known
        .read(&of)
        .expect("answered")
        .expect_err("unknown")
        .text();
    assert!(
        why.contains("ServiceAddresses/cluster of https://api:6443/ is not of this"),
        "{why}"
    );
}

#[test]
fn while_services_are_not_known_what_is_served_stays() {
    let all = parts();
    let mut parts = Parts::default();
    parts.want(all.iter());
    for kind in Kind::NODE {
        parts.take(&Event::Listed(kind, Vec::new()));
    }
    for object in all.iter().chain([&services(&["203.0.113.7/32"])]) {
        parts.take(&Event::Applied(object.clone()));
    }
    assert_eq!(parts.due(), Due::default());
    // Known, and another: one object is written, however many nodes there are.
    let now = services(&["203.0.113.8/32"]);
    parts.want_one(&now);
    let due = parts.due();
    assert_eq!(due.apply, BTreeSet::from([(now.kind, now.name.clone())]));
    assert!(due.delete.is_empty());
    // Services that are known before a plan is are nobody's reason to take objects away.
    let mut parts = Parts::default();
    for kind in Kind::NODE {
        parts.take(&Event::Listed(kind, all.clone()));
    }
    parts.want_one(&now);
    assert_eq!(parts.due(), Due::default());
}

#[test]
fn only_what_differs_is_written_and_only_what_is_ours_goes() {
    let all = parts();
    let mut parts = Parts::default();
    parts.want(all.iter());
    assert_eq!(parts.due(), Due::default(), "it is not known what is there");
    for kind in Kind::NODE {
        parts.take(&Event::Listed(kind, Vec::new()));
    }
    let key = |o: &Object| (o.kind, o.name.clone());
    let everything: BTreeSet<_> = all.iter().map(key).collect();
    assert_eq!(parts.due().apply, everything);
    for object in &all {
        parts.take(&Event::Applied(object.clone()));
    }
    assert_eq!(parts.due(), Due::default());

    let mut edited = part(Kind::NodeNetwork, "idc1");
    edited.spec.insert("mtu".to_owned(), json!(1400));
    parts.take(&Event::Applied(edited.clone()));
    let (gone, foreign) = (edited.clone(), part(Kind::NodeNetwork, "idc1"));
    parts.take(&Event::Applied(Object {
        name: "gone".to_owned(),
        ..gone
    }));
    parts.take(&Event::Applied(Object {
        name: "foreign".to_owned(),
        plan: None,
        ..foreign
    }));
    let due = parts.due();
    assert_eq!(due.apply, BTreeSet::from([key(&edited)]));
    assert_eq!(due.delete, [(Kind::NodeNetwork, "gone".to_owned())]);

    // A change of the plan that concerns one host.
    parts.take(&Event::Applied(part(Kind::NodeNetwork, "idc1")));
    parts.take(&Event::Deleted(Kind::NodeNetwork, "gone".to_owned()));
    let mut plan = plan();
    plan.spec.hosts[0].ranges.pop();
    parts.want(node::objects(&plan).expect("objects").iter());
    assert_eq!(
        parts.due().apply,
        BTreeSet::from([(Kind::NodeNetwork, "idc1".to_owned())])
    );

    // Nothing is deleted while nobody knows what is there.
    let away = Event::Away(Kind::NodePeers, forbidden("nodepeers"));
    parts.take(&away);
    assert_eq!(parts.due(), Due::default());
}

#[test]
fn a_node_says_what_is_in_force_how_full_it_is_and_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = open(dir.path(), Ok(objects(&lab()))).expect("opens");
    let seen = seen(part(Kind::NodeNetwork, "idc1"));
    let count = AddressCount {
        capacity: 14,
        used: 3,
        quarantined: 1,
        free: 10,
    };
    let range = |prefix: &str, addresses| RangeStatus {
        network: "web".to_owned(),
        prefix: prefix.to_owned(),
        addresses,
    };
    let most = AddressCount {
        capacity: 1 << 53,
        ..AddressCount::default()
    };
    let problem = ProblemStatus {
        code: "uplink-down".to_owned(),
        blocking: true,
        text: "x".repeat(5000),
        repair: None,
    };
    let mut report = NodeReport {
        not_ready: Some("the uplink is down".to_owned()),
        ranges: vec![range("10.0.0.0/28", count), range("fd00::/64", most)],
        problems: vec![problem],
    };
    let first = status(
        &state(&policy),
        &seen,
        &report,
        &NodeNetworkStatus::default(),
    );
    let accepted = first.accepted.as_ref().expect("a revision");
    assert_eq!(
        accepted.revision,
        state(&policy).accepted.version.to_string()
    );
    assert_eq!(first.observed_generation, Some(3));
    let all = first.addresses.expect("counted");
    assert_eq!((all.capacity, all.used, all.quarantined), (1 << 53, 3, 1));
    assert_eq!(first.problems[0].text.len(), 1024);
    let conditions = |status: &NodeNetworkStatus| {
        let all = status.conditions.iter();
        all.map(|c| format!("{}={} {}", c.type_, c.status, c.reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        conditions(&first),
        ["Ready=False NotReady", "Accepted=True Valid"]
    );
    // As a server gives it back, it says the same.
    let read = serde_json::to_value(&first).expect("JSON");
    let read: NodeNetworkStatus = serde_json::from_value(read).expect("a status");
    assert_eq!(status(&state(&policy), &seen, &report, &read), read);

    report.not_ready = None;
    policy.accept_or_refuse(Ok(objects(&wrong_together())));
    let wrong = status(&state(&policy), &seen, &report, &read);
    assert_eq!(
        conditions(&wrong),
        ["Ready=True Serving", "Accepted=False Invalid"]
    );
    assert_eq!(wrong.diagnostics[0].code, "FN0114");
    assert!(wrong.refused_revision.is_some() && wrong.accepted == first.accepted);
    // A server that was away has refused nothing.
    policy.accept_or_refuse(Err::<Objects, _>(unreadable(forbidden("nodenetworks"))));
    let away = status(&state(&policy), &seen, &report, &read);
    assert_eq!(
        conditions(&away),
        ["Ready=True Serving", "Accepted=True Valid"]
    );
}
