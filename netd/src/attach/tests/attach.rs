//! What an ADD gives, and what it refuses.

use super::*;

#[tokio::test]
async fn a_container_gets_what_the_plan_says() {
    let node = TestNode::new("idc1").await;
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    assert_eq!(reply.ips[0].address.to_string(), "10.100.16.0/16");
    assert_eq!(
        reply.ips[0].gateway.map(|g| g.to_string()).as_deref(),
        Some("10.100.0.1")
    );
    assert_eq!(reply.ips[1].address.to_string(), "fd10:100::1:0/64");
    assert_eq!(reply.mac.to_string(), "0a:f1:0a:64:10:00");
    let routes: Vec<String> = reply.routes.iter().map(|r| r.dst.to_string()).collect();
    assert_eq!(routes, ["0.0.0.0/0", "::/0"]);
    assert!(
        node.reconcile().await.applied.is_empty(),
        "a fresh attachment needs no mending"
    );
    node.engine.del(&key("c1")).await.expect("detaches");
    assert_eq!(node.traces(), Vec::<String>::new());
    assert!(
        node.reconcile().await.applied.is_empty(),
        "nothing is left to mend"
    );
}

#[tokio::test]
async fn a_routed_node_gives_its_first_address_to_nobody() {
    let node = TestNode::new("vpc1").await;
    let mut add = request("c1");
    add.plan_network = Some("cloud".parse().expect("name"));
    let reply = node.engine.add(&add).await.expect("attaches");
    assert_eq!(reply.ips[0].address.to_string(), "172.30.16.2/20");
    assert_eq!(
        reply.ips[0].gateway.map(|g| g.to_string()).as_deref(),
        Some("172.30.16.1")
    );
    assert!(node.reconcile().await.applied.is_empty());
}

#[tokio::test]
async fn a_second_add_of_an_attachment_is_refused_and_harms_nothing() {
    let node = TestNode::new("idc1").await;
    node.engine.add(&request("c1")).await.expect("attaches");
    let before = node.traces();
    let err = node
        .engine
        .add(&request("c1"))
        .await
        .expect_err("it is there");
    assert_eq!(err.cni_code(), code::ALREADY_ATTACHED);
    assert_eq!(node.traces(), before);
}

#[tokio::test]
async fn an_add_whose_predecessor_vanished_without_a_del_takes_its_place() {
    let node = TestNode::new("idc1").await;
    let first = node.engine.add(&request("c1")).await.expect("attaches");
    {
        let mut state = node.world.state();
        let ifindex = state.links[first.host_ifname.as_str()].ifindex;
        state.delete_link(first.host_ifname.as_str(), ifindex);
    }
    let second = node
        .engine
        .add(&request("c1"))
        .await
        .expect("attaches anew");
    assert!(second.generation > first.generation);
    assert_ne!(second.ips, first.ips, "the first address rests");
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_done() {
    let node = TestNode::new("idc1").await;
    let refused = |change: fn(&mut AddRequest)| {
        let mut add = request("c1");
        change(&mut add);
        add
    };
    let cases: Vec<(AddRequest, u32, &str)> = vec![
        (
            refused(|r| r.plan_network = "nope".parse().ok()),
            code::INVALID_CONFIG,
            "ranges of: web, db",
        ),
        (
            refused(|r| r.mtu = flatnet_types::Mtu::new(9000).ok()),
            code::INVALID_CONFIG,
            "larger than",
        ),
        (
            refused(|r| r.mtu = flatnet_types::Mtu::new(600).ok()),
            code::INVALID_CONFIG,
            "1280",
        ),
        (
            refused(|r| r.trunk = vec![flatnet_types::VlanId::new(300).expect("id")]),
            code::INVALID_CONFIG,
            "may add: 200",
        ),
        (
            refused(|r| r.mac = "01:00:5e:00:00:01".parse().ok()),
            code::INVALID_CONFIG,
            "group address",
        ),
        (
            refused(|r| r.mac = "0a:f1:0a:64:10:07".parse().ok()),
            code::INVALID_CONFIG,
            "derives",
        ),
        (
            refused(|r| r.bandwidth.egress = Some(Rate { rate: 5, burst: 1 })),
            code::INVALID_CONFIG,
            "egress",
        ),
        (
            refused(|r| r.netns = NetnsPath::new("/run/netns/missing").expect("path")),
            code::INVALID_NETNS,
            "missing",
        ),
        (
            refused(|r| r.ips = vec!["10.1.2.3".parse().expect("ip")]),
            code::ADDRESS_UNAVAILABLE,
            "10.1.2.3",
        ),
        (
            refused(|r| r.ips = vec!["10.100.0.1".parse().expect("ip")]),
            code::ADDRESS_UNAVAILABLE,
            "10.100.0.1",
        ),
    ];
    for (add, wanted, words) in cases {
        let err = node.engine.add(&add).await.expect_err(words);
        assert_eq!(err.cni_code(), wanted, "{err}");
        assert!(err.to_string().contains(words), "{words:?} is not in {err}");
        assert_eq!(node.traces(), Vec::<String>::new());
        assert!(node.engine.ipam().list().is_empty());
    }
}

#[tokio::test]
async fn a_mac_that_was_asked_for_is_given_once() {
    let node = TestNode::new("idc1").await;
    let mut add = request("c1");
    add.mac = "02:11:22:33:44:55".parse().ok();
    assert_eq!(
        node.engine.add(&add).await.expect("attaches").mac,
        add.mac.expect("given")
    );
    let mut second = request("c2");
    second.mac = add.mac;
    let err = node.engine.add(&second).await.expect_err("it is taken");
    assert!(err.to_string().contains("web/c1/eth0"), "{err}");
}

#[tokio::test]
async fn a_second_interface_leaves_the_default_routes_to_the_first() {
    let node = TestNode::new("idc1").await;
    let first = node.engine.add(&request("c1")).await.expect("attaches");
    let mut add = request("c1");
    add.key.network = "db".parse().expect("name");
    add.key.ifname = "net1".parse().expect("name");
    let second = node.engine.add(&add).await.expect("attaches");
    assert_eq!(first.routes.len(), 2);
    assert_eq!(
        second.routes,
        Vec::new(),
        "the runtime is told of what is there"
    );
    node.engine
        .check(&check_of("c1", &first))
        .await
        .expect("the first is as it was made");
    let check = CheckRequest {
        key: add.key.clone(),
        ..check_of("c1", &second)
    };
    node.engine.check(&check).await.expect("so is the second");
}
