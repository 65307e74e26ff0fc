//! CHECK, GC and STATUS.

use super::*;

#[tokio::test]
async fn gc_takes_what_is_not_listed_of_its_network_only() {
    let node = TestNode::new("idc1").await;
    for c in ["c1", "c2", "c3"] {
        node.engine.add(&request(c)).await.expect("attaches");
    }
    let mut other = request("c4");
    other.key.network = "db".parse().expect("name");
    node.engine.add(&other).await.expect("attaches");
    let valid = vec![GcAttachment {
        container_id: "c2".parse().expect("name"),
        ifname: "eth0".parse().expect("name"),
    }];
    let gc = GcRequest {
        version: VERSION,
        network: "web".parse().expect("name"),
        valid,
    };
    let released: BTreeSet<String> = node
        .engine
        .gc(&gc)
        .await
        .expect("collects")
        .released
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        released,
        BTreeSet::from(["web/c1/eth0".into(), "web/c3/eth0".into()])
    );
    assert_eq!(node.engine.ipam().list().len(), 2);
}

#[tokio::test]
async fn check_names_each_difference() {
    let node = TestNode::new("idc1").await;
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    let check = check_of("c1", &reply);
    node.engine.check(&check).await.expect("all is well");

    let name = reply.host_ifname.as_str();
    node.world
        .state()
        .flows
        .retain(|f| f.cookie != cookie(reply.generation));
    node.world
        .state()
        .ports
        .get_mut(name)
        .expect("port")
        .row
        .tag = None;
    let err = node
        .engine
        .check(&check)
        .await
        .expect_err("the world changed");
    let details = err.reply().details;
    assert!(details.contains("flows are missing"), "{details}");
    assert!(details.contains("VLAN 100 was planned"), "{details}");
    assert_eq!(err.cni_code(), code::CHECK_FAILED);

    let unknown = CheckRequest {
        key: key("c9"),
        ..check
    };
    let err = node
        .engine
        .check(&unknown)
        .await
        .expect_err("never attached");
    assert_eq!(err.cni_code(), code::UNKNOWN_CONTAINER);
}

#[tokio::test]
async fn a_host_end_that_somebody_set_down_is_found_and_mended() {
    let node = TestNode::new("idc1").await;
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    let check = check_of("c1", &reply);
    node.world
        .state()
        .links
        .get_mut(reply.host_ifname.as_str())
        .expect("link")
        .up = false;
    let err = node.engine.check(&check).await.expect_err("it is down");
    assert!(
        err.reply().details.contains("of the host is down"),
        "{err:?}"
    );
    assert_eq!(node.reconcile().await.applied.len(), 1);
    node.engine.check(&check).await.expect("all is well again");
}

#[tokio::test]
async fn status_tells_a_node_that_is_not_set_up_from_a_range_that_is_full() {
    let node = TestNode::new("idc1").await;
    let ask = |network: &str| StatusRequest {
        version: VERSION,
        network: network.parse().expect("name"),
    };
    let code = |r: Result<_, AttachError>| r.map_or_else(|e| e.cni_code(), |_: StatusReply| 0);
    assert_eq!(code(node.engine.status(&ask("web"))), 0);
    assert_eq!(
        code(node.engine.status(&ask("nowhere"))),
        code::INVALID_CONFIG
    );
    node.engine.set_ports(None);
    assert_eq!(code(node.engine.status(&ask("web"))), code::NOT_AVAILABLE);
    let full = flatnet_ipam::AllocateError::Exhausted {
        network: "web".parse().expect("name"),
        family: flatnet_ipam::Family::V4,
        ranges: Vec::new(),
        next_free_in: None,
    };
    let full = AttachError::Unserved(Box::new(AttachError::Reserve(full.into())));
    assert_eq!(full.cni_code(), code::LIMITED_CONNECTIVITY);
    assert!(full.reply().details.contains("not affected"));
}
