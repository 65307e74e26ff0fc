//! CHECK, GC and STATUS.

use super::*;

#[tokio::test]
async fn gc_removes_only_unlisted_attachments_of_its_network() {
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
    assert_eq!(node.state.ipam().list().len(), 2);
}

#[tokio::test]
async fn gc_keeps_attachments_of_another_runtime_with_the_same_network_name() {
    let node = TestNode::new("idc1").await;
    for c in ["ours", "theirs"] {
        node.engine.add(&request(c)).await.expect("attaches");
    }
    let netns = request("theirs").netns.as_str().to_owned();
    node.model.state().with_process.insert(netns.clone());
    let gc = GcRequest {
        version: VERSION,
        network: "web".parse().expect("name"),
        valid: Vec::new(),
    };
    let reply = node.engine.gc(&gc).await.expect("collects");
    assert_eq!(reply.released, [key("ours")]);
    assert_eq!(reply.kept, [key("theirs")]);
    assert_eq!(node.state.ipam().list().len(), 1);
    // Without a process it is garbage.
    node.model.state().with_process.remove(&netns);
    let reply = node.engine.gc(&gc).await.expect("collects");
    assert_eq!(reply.released, [key("theirs")]);
}

#[tokio::test]
async fn an_address_with_another_prefix_length_than_the_networks_is_refused() {
    let node = TestNode::new("idc1").await;
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    let had = reply.ips[0].address;
    node.engine.del(&key("c1")).await.expect("detaches");
    let asks = |length: u8| {
        let mut asks = request("c2");
        asks.ips = vec![had.ip()];
        asks.ip_prefixes = vec![AskedPrefix {
            address: IpNetwork::new(had.ip(), length).expect("a length"),
            place: "runtimeConfig.ips[0]".to_owned(),
        }];
        asks
    };
    let refused = node.engine.add(&asks(had.prefix() + 1)).await;
    let refused = refused.expect_err("another length");
    assert_eq!(refused.cni_code(), code::INVALID_CONFIG);
    let text = refused.to_string();
    assert!(
        text.contains("runtimeConfig.ips[0]") && text.contains(&format!("ask for {had}")),
        "{text}"
    );
    assert!(node.state.ipam().list().is_empty());
    let reply = node.engine.add(&asks(had.prefix())).await;
    // The address is in quarantine: requested explicitly it is assigned, or refused only for that
    // reason.
    if let Err(error) = reply {
        assert_ne!(error.cni_code(), code::INVALID_CONFIG, "{error}");
    }
}

#[tokio::test]
async fn check_names_each_difference() {
    let node = TestNode::new("idc1").await;
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    let check = check_request("c1", &reply);
    node.engine.check(&check).await.expect("all is well");

    let name = reply.host_ifname.as_str();
    node.model
        .state()
        .flows
        .retain(|f| f.cookie != cookie(reply.generation));
    node.model
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
async fn a_host_end_that_was_set_down_is_found_and_repaired() {
    let node = TestNode::new("idc1").await;
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    let check = check_request("c1", &reply);
    node.model
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
async fn status_distinguishes_a_node_that_is_not_ready_from_a_full_range() {
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
    node.state.set_ports(None);
    assert_eq!(code(node.engine.status(&ask("web"))), code::NOT_AVAILABLE);
    let full = flatnet_ipam::AllocateError::Exhausted {
        network: "web".parse().expect("name"),
        family: flatnet_ipam::Family::V4,
        ranges: Vec::new(),
        next_free_in: None,
    };
    let full = AttachError::Unavailable(Box::new(AttachError::Reserve(full.into())));
    assert_eq!(full.cni_code(), code::LIMITED_CONNECTIVITY);
    assert!(full.reply().details.contains("not affected"));
}

#[tokio::test]
async fn an_add_waits_for_a_switch_that_restarts() {
    let node = TestNode::new("idc1").await;
    let ports = node.state.ports().expect("the node is set up");
    node.state.set_ports(None);
    let engine = node.engine.clone();
    let add = tokio::spawn({
        let request = request("late");
        async move { engine.add(&request).await }
    });
    tokio::task::yield_now().await;
    assert!(!add.is_finished(), "it waits");
    node.state.set_ports(Some(ports));
    add.await.expect("it ends").expect("attached");
}
