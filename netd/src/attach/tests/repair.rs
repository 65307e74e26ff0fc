//! What a reconcile mends, and what it leaves alone.

use super::*;

#[tokio::test]
async fn a_restart_changes_nothing_that_is_right() {
    let node = TestNode::new("idc1").await;
    for i in 0..20 {
        node.engine
            .add(&request(&format!("c{i}")))
            .await
            .expect("attaches");
    }
    let again = node.restart("idc1").await;
    let report = again.reconcile().await;
    assert_eq!(report.applied, Vec::<String>::new());
    assert!(report.converged && report.problems.is_empty());
}

#[tokio::test]
async fn a_switch_that_starts_anew_gets_everything_back() {
    for node_name in ["idc1", "vpc1"] {
        let node = TestNode::new(node_name).await;
        let mut add = request("c1");
        if node_name == "vpc1" {
            add.plan_network = Some("cloud".parse().expect("name"));
        }
        node.engine.add(&add).await.expect("attaches");
        let before = node.world.state().flows.clone();
        let addresses = node.world.state().addresses.clone();
        node.world.restart_switch();
        assert!(node.reconcile().await.converged);
        assert_eq!(node.world.state().flows, before);
        assert_eq!(node.world.state().addresses, addresses);
        assert!(node.reconcile().await.applied.is_empty());
    }
}

#[tokio::test]
async fn a_link_that_netd_died_over_before_it_had_its_alias_is_taken_away() {
    let node = TestNode::new("idc1").await;
    {
        let mut state = node.world.state();
        let mut link = state.links["eth0"].clone();
        link.name = "fn7b".into();
        link.ifindex = plan::host_ifindex(9);
        link.mac = Some(plan::host_mac(link.ifindex));
        state.links.insert(link.name.clone(), link.clone());
        // Its double, which somebody else named so.
        link.name = "fn7c".into();
        link.ifindex = 78;
        state.links.insert(link.name.clone(), link);
    }
    let report = node.reconcile().await;
    assert_eq!(report.applied, ["delete link fn7b"]);
}

#[tokio::test]
async fn what_bears_no_mark_is_left_alone() {
    let node = TestNode::new("idc1").await;
    {
        let mut state = node.world.state();
        let mut link = state.links["eth0"].clone();
        link.name = "fnforeign".into();
        link.ifindex = 77;
        state.links.insert(link.name.clone(), link);
        let mut port = state.ports["eth0"].clone();
        port.row.name = "tap0".into();
        port.row.external_ids = vec![("owner".into(), "somebody".into())];
        state.ports.insert("tap0".into(), port);
        let foreign = flatnet_ovs::openflow::Flow::new(0, 7).cookie(42);
        state.flows.insert(foreign);
    }
    let report = node.reconcile().await;
    assert_eq!(report.applied, Vec::<String>::new());
}

#[tokio::test]
async fn netd_does_not_take_a_nic_that_bears_the_hosts_addresses() {
    let world = ModelWorld::default().with_nic("eth0");
    let address = ("eth0".to_owned(), "192.0.2.7/24".parse().expect("prefix"));
    world.state().addresses.insert(address);
    let node = TestNode::start("idc1", world, MemoryBackend::default()).await;
    let report = node.reconcile().await;
    assert!(
        report.problems.iter().any(|p| p.contains("192.0.2.7/24")),
        "{report:?}"
    );
    assert!(!node.world.state().ports.contains_key("eth0"));
    let err = node
        .engine
        .add(&request("c1"))
        .await
        .expect_err("not ready");
    assert_eq!(err.cni_code(), code::TRY_AGAIN_LATER);
}

#[tokio::test]
async fn a_foreign_bridge_is_not_touched() {
    let world = ModelWorld::default().with_nic("eth0");
    world.state().bridge = Some(crate::reconcile::BridgeRow {
        name: "br-flat".into(),
        datapath_type: String::new(),
        fail_mode: String::new(),
        protocols: BTreeSet::new(),
        ours: false,
    });
    let node = TestNode::start("idc1", world, MemoryBackend::default()).await;
    let report = node.reconcile().await;
    assert!(
        report
            .problems
            .iter()
            .any(|p| p.contains("br-set-external-id")),
        "{report:?}"
    );
    assert!(report.applied.is_empty());
}

#[tokio::test]
async fn the_gateway_of_a_range_that_was_let_go_of_leaves_and_a_foreign_address_stays() {
    let node = TestNode::new("vpc1").await;
    let on_port = |address: &str| ("flat0".to_owned(), address.parse().expect("an address"));
    let has = |address: &str| node.world.state().addresses.contains(&on_port(address));
    assert!(has("172.30.16.1/20"));
    node.world.state().addresses.insert(on_port("192.0.2.1/24"));
    node.engine.update_spec(|spec| {
        for network in &mut spec.networks {
            network.ranges.retain(|r| r.prefix.is_ipv6());
        }
    });
    let report = node.reconcile().await;
    assert_eq!(report.applied[0], "delete address 172.30.16.1/20 dev flat0");
    assert!(!has("172.30.16.1/20") && has("192.0.2.1/24"));
    assert!(node.reconcile().await.applied.is_empty());
}

#[tokio::test]
async fn the_gateway_of_a_range_that_the_plan_moved_while_netd_was_down_leaves_too() {
    let node = TestNode::new("vpc1").await;
    let on_port = |address: &str| ("flat0".to_owned(), address.parse().expect("an address"));
    node.world.state().addresses.insert(on_port("192.0.2.1/24"));
    // Another part of the plan, for the same machine, and a netd that remembers nothing.
    let node = node.restart("vpc2").await;
    node.reconcile().await;
    let left: Vec<_> = node.world.state().addresses.iter().cloned().collect();
    let v4 = |a: &&(String, ipnetwork::IpNetwork)| a.0 == "flat0" && a.1.is_ipv4();
    let left: Vec<_> = left.iter().filter(v4).collect();
    assert_eq!(left, [&on_port("172.30.32.1/20"), &on_port("192.0.2.1/24")]);
}

#[tokio::test]
async fn where_the_kernel_keeps_no_mark_an_address_of_the_node_is_still_netds_to_remove() {
    let node = TestNode::new("vpc1").await;
    node.world.state().marked.clear();
    node.engine.update_spec(|spec| {
        for network in &mut spec.networks {
            network.ranges.retain(|r| r.prefix.is_ipv6());
        }
    });
    let report = node.reconcile().await;
    assert_eq!(report.applied[0], "delete address 172.30.16.1/20 dev flat0");
}

#[tokio::test]
async fn a_switch_that_tells_late_of_a_ports_number_is_waited_for_and_does_not_leave_netd_unready()
{
    let node = TestNode::new("idc1").await;
    node.world.state().ports.remove("eth0");
    node.world.state().numberless = 5;
    let report = node.reconcile().await;
    assert!(report.converged && report.problems.is_empty(), "{report:?}");
    assert_eq!(node.world.state().numberless, 0);
    assert!(node.engine.ports().is_ok());
}

#[tokio::test]
async fn a_switch_that_never_tells_of_a_ports_number_is_told_of_and_looked_at_again() {
    let node = TestNode::new("idc1").await;
    node.world.state().numberless = usize::MAX;
    let report = node.reconcile().await;
    assert!(node.engine.ports().is_err());
    // What has a problem is reconciled again soon.
    assert!(report.problems[0].contains("which numbers"), "{report:?}");
    node.world.state().numberless = 0;
    assert!(node.reconcile().await.problems.is_empty());
    assert!(node.engine.ports().is_ok());
}
