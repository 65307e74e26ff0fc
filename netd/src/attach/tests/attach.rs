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
        "a fresh attachment needs no repairing"
    );
    node.engine.del(&key("c1")).await.expect("detaches");
    assert_eq!(node.leftovers(), Vec::<String>::new());
    assert!(
        node.reconcile().await.applied.is_empty(),
        "nothing is left to repair"
    );
}

#[tokio::test]
async fn a_routed_node_assigns_its_first_address_to_no_container() {
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
    let before = node.leftovers();
    let err = node
        .engine
        .add(&request("c1"))
        .await
        .expect_err("it is there");
    assert_eq!(err.cni_code(), code::ALREADY_ATTACHED);
    assert_eq!(node.leftovers(), before);
}

#[tokio::test]
async fn an_add_replaces_a_predecessor_that_vanished_without_a_del() {
    let node = TestNode::new("idc1").await;
    let first = node.engine.add(&request("c1")).await.expect("attaches");
    {
        let mut state = node.model.state();
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
async fn an_impossible_request_is_refused_before_anything_is_changed() {
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
            refused(|r| {
                r.plan_network = "db".parse().ok();
                r.trunk = vec![flatnet_types::VlanId::new(100).expect("id")];
            }),
            code::INVALID_CONFIG,
            "trunk: [{vlan: 100, addresses: [PREFIX",
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
            refused(|r| r.mac = "00:00:5e:00:01:0a".parse().ok()),
            code::INVALID_CONFIG,
            "virtual router",
        ),
        (
            refused(|r| r.mac = Some(crate::attach::plan::host_mac(7))),
            code::INVALID_CONFIG,
            "ends of links",
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
        assert_eq!(node.leftovers(), Vec::<String>::new());
        assert!(node.state.ipam().list().is_empty());
    }
}

#[tokio::test]
async fn a_requested_mac_is_assigned_once() {
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
async fn a_mac_of_the_host_or_of_its_neighbours_is_refused() {
    let node = TestNode::new("idc1").await;
    let host = node.state.ports().expect("ports").mac;
    let router = "02:00:00:00:0a:01".parse().expect("a MAC");
    let moved = "02:00:00:00:0a:02".parse().expect("a MAC");
    let ip = |text: &str| text.parse::<std::net::IpAddr>().expect("an address");
    node.model.state().neighbours.extend([
        (ip("10.100.0.1"), router),
        (ip("fe80::1"), router),
        // A container that was on another node a moment ago.
        (ip("10.100.32.7"), moved),
    ]);
    let mut add = request("c1");
    for (mac, words) in [(host, "this host's"), (router, "neighbour 10.100.0.1's")] {
        add.mac = Some(mac);
        let err = node.engine.add(&add).await.expect_err(words);
        assert_eq!(err.cni_code(), code::ADDRESS_UNAVAILABLE, "{err}");
        assert!(err.to_string().contains(words), "{err}");
        assert!(node.state.ipam().list().is_empty());
    }
    add.mac = Some(moved);
    assert_eq!(node.engine.add(&add).await.expect("attaches").mac, moved);
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
        .check(&check_request("c1", &first))
        .await
        .expect("the first is as it was made");
    let check = CheckRequest {
        key: add.key.clone(),
        ..check_request("c1", &second)
    };
    node.engine.check(&check).await.expect("so is the second");
}

#[tokio::test]
async fn an_add_after_a_del_that_waits_in_the_spool_is_served() {
    let mut node = TestNode::new("idc1").await;
    let dir = tempfile::tempdir().expect("a directory");
    let spool = flatnet_spool::Spool::new(dir.path());
    node.engine = node.engine.with_spool(spool.clone());
    let first = node.engine.add(&request("c1")).await.expect("attaches");
    let taken_numbers = node.engine.add(&request("c1")).await.expect_err("exists");
    assert_eq!(taken_numbers.cni_code(), 100);
    // netd was away for a moment; the plugin answered the DEL, and the runtime sends an ADD. The
    // test's clock gives both attachments the time 1,000,000.
    let del = |spooled_at_ms| flatnet_spool::SpooledDel {
        format: flatnet_spool::FORMAT,
        spooled_at: Timestamp::from_millis(spooled_at_ms),
        socket: "/run/flatnet/netd.sock".to_owned(),
        request: flatnet_types::api::DelRequest {
            version: VERSION,
            key: key("c1"),
            netns: None,
        },
    };
    spool.write(&del(999_999)).expect("an older one");
    let taken_numbers = node.engine.add(&request("c1")).await.expect_err("exists");
    assert_eq!(taken_numbers.cni_code(), 100);
    spool.write(&del(1_000_001)).expect("its DEL");
    let again = node.engine.add(&request("c1")).await.expect("attaches");
    assert_ne!(
        again.mac, first.mac,
        "the address of before is in quarantine"
    );
}
