//! What a reconcile repairs, and what it leaves alone.

use flatnet_types::IfName;

use super::*;
use crate::reconcile::HOST_LINK;

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
async fn a_change_of_a_networks_mac_mode_is_announced_once() {
    let node = TestNode::new("idc1").await;
    let added = node.engine.add(&request("c1")).await.expect("attaches");
    let announced = || std::mem::take(&mut node.model.state().announced);
    announced();
    assert!(node.reconcile().await.converged);
    assert_eq!(announced(), [], "nothing has changed");

    // Switches learn the source MAC of an announcement's frame.
    let from = |mac: flatnet_types::MacAddr| {
        let of = move |p: &flatnet_ovs::openflow::PacketOut| {
            p.data[6..12] == mac.0 && p.actions.len() > 1
        };
        move |packets: &[flatnet_ovs::openflow::PacketOut]| packets.iter().filter(|p| of(p)).count()
    };
    let show = |mac| node.state.update_spec(|s| s.networks[0].mac = mac);
    show(flatnet_plan::model::MacMode::Pod);
    assert!(node.reconcile().await.converged);
    assert_eq!(
        from(added.mac)(&announced()),
        2,
        "IPv4 and IPv6, to the uplink"
    );
    assert!(node.reconcile().await.converged);
    assert_eq!(announced(), [], "once");

    show(flatnet_plan::model::MacMode::Host);
    assert!(node.reconcile().await.converged);
    let packets = announced();
    assert_eq!(from(added.mac)(&packets), 0);
    let uplinks = node.state.ports().expect("known").mac;
    assert!(from(uplinks)(&packets) >= 2, "{packets:?}");
}

#[tokio::test]
async fn a_restarted_switch_gets_everything_back() {
    for node_name in ["idc1", "vpc1"] {
        let node = TestNode::new(node_name).await;
        let mut add = request("c1");
        if node_name == "vpc1" {
            add.plan_network = Some("cloud".parse().expect("name"));
        }
        node.engine.add(&add).await.expect("attaches");
        let before = node.model.state().flows.clone();
        let addresses = node.model.state().addresses.clone();
        node.model.restart_switch();
        assert!(node.reconcile().await.converged);
        assert_eq!(node.model.state().flows, before);
        assert_eq!(node.model.state().addresses, addresses);
        assert!(node.reconcile().await.applied.is_empty());
    }
}

#[tokio::test]
async fn a_link_without_alias_that_a_dead_netd_left_is_deleted() {
    let node = TestNode::new("idc1").await;
    {
        let mut state = node.model.state();
        let mut link = state.links["eth0"].clone();
        link.name = IfName::literal("fn7b");
        link.ifindex = plan::host_ifindex(9);
        link.mac = Some(plan::host_mac(link.ifindex));
        state.links.insert(link.name.clone(), link.clone());
        // A link of another program with such a name.
        link.name = IfName::literal("fn7c");
        link.ifindex = 78;
        state.links.insert(link.name.clone(), link);
    }
    let report = node.reconcile().await;
    assert_eq!(report.applied, ["delete link fn7b"]);
}

#[tokio::test]
async fn unmanaged_links_and_ports_are_left_alone() {
    let node = TestNode::new("idc1").await;
    {
        let mut state = node.model.state();
        let mut link = state.links["eth0"].clone();
        link.name = IfName::literal("fnforeign");
        link.ifindex = 77;
        state.links.insert(link.name.clone(), link);
        let mut port = state.ports["eth0"].clone();
        port.row.name = "tap0".into();
        port.row.external_ids = vec![("owner".into(), "somebody".into())];
        state.ports.insert("tap0".into(), port);
    }
    let report = node.reconcile().await;
    assert_eq!(report.applied, Vec::<String>::new());
}

#[tokio::test]
async fn a_nic_that_bears_the_hosts_addresses_is_not_added_to_the_bridge() {
    let model = ModelNode::default().with_nic("eth0");
    let address = (
        IfName::literal("eth0"),
        "192.0.2.7/24".parse().expect("prefix"),
    );
    model.state().addresses.insert(address);
    let node = TestNode::start("idc1", model, MemoryBackend::default()).await;
    let report = node.reconcile().await;
    assert!(
        report.problems.iter().any(|p| p.contains("192.0.2.7/24")),
        "{report:?}"
    );
    assert!(!node.model.state().ports.contains_key("eth0"));
    let err = node
        .engine
        .add(&request("c1"))
        .await
        .expect_err("not ready");
    assert_eq!(err.cni_code(), code::TRY_AGAIN_LATER);
}

#[tokio::test]
async fn while_the_uplink_is_refused_nothing_of_the_host_is_changed() {
    for bears in [true, false] {
        let model = match bears {
            true => ModelNode::default().with_nic("eth0"),
            false => ModelNode::default().with_nic("eth7"),
        };
        if bears {
            let address = (
                IfName::literal("eth0"),
                "192.0.2.7/24".parse().expect("prefix"),
            );
            model.state().addresses.insert(address);
        }
        let node = TestNode::start("idc1", model, MemoryBackend::default()).await;
        let report = node.reconcile().await;
        assert_eq!(report.applied, Vec::<String>::new());
        let state = node.model.state();
        assert!(state.bridge.is_none() && state.ports.is_empty());
        assert!(state.sysctls.is_empty() && state.routes.is_empty());
        drop(state);
        assert!(node.state.ready().is_err());
        let code = &node.state.board().view()[0].code;
        assert!(code.starts_with("uplink-"), "{code}");
    }
}

#[tokio::test]
async fn an_uplink_that_gets_its_address_back_makes_the_node_not_ready() {
    let node = TestNode::new("idc1").await;
    let back = (
        IfName::literal("eth0"),
        "192.0.2.7/24".parse().expect("prefix"),
    );
    node.model.state().addresses.insert(back.clone());
    node.reconcile().await;
    let why = node.state.ready().expect_err("not ready").to_string();
    assert!(
        why.contains("bears 192.0.2.7/24 again")
            && why.contains("ip address flush dev eth0 scope global"),
        "{why}"
    );
    // netd does not delete the address of another program.
    assert!(node.model.state().addresses.contains(&back));
    node.model.state().addresses.remove(&back);
    node.reconcile().await;
    assert!(node.state.ready().is_ok());
}

#[tokio::test]
async fn the_gateway_of_a_routed_node_keeps_its_mac_when_its_port_is_recreated() {
    let node = TestNode::new("vpc1").await;
    let mac = |node: &TestNode| node.model.state().links["flat0"].mac;
    let derived = mac(&node).expect("a MAC");
    assert_eq!(derived.to_string(), "0a:f1:ac:1e:10:01");
    {
        // The database was lost, and with it the port's device.
        let mut state = node.model.state();
        state.bridge = None;
        state.ports.clear();
        state.links.remove("flat0");
        state.flows.clear();
    }
    assert!(node.reconcile().await.converged);
    assert_eq!(mac(&node), Some(derived));

    // A port of an earlier netd, which did not set its MAC.
    {
        let mut state = node.model.state();
        state.ports.get_mut("flat0").expect("a port").row.mac = None;
        let other = Some(flatnet_types::MacAddr([2, 0, 0, 0, 9, 9]));
        state.links.get_mut("flat0").expect("a link").mac = other;
    }
    assert!(node.reconcile().await.converged);
    assert_eq!(mac(&node).expect("a MAC").to_string(), "02:00:00:00:09:09");
}

#[tokio::test]
async fn a_failed_op_blocks_neither_other_ops_nor_add() {
    let node = TestNode::new("idc1").await;
    let route = node.model.state().routes.iter().next().cloned();
    let route = route.expect("a route");
    node.model.state().routes.clear();
    node.model.state().sysctls.clear();
    node.model.state().refused = Some(format!("add route {route}"));
    let report = node.reconcile().await;
    assert!(!report.converged);
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert!(report.applied.iter().any(|op| op.contains("disable_ipv6")));
    assert!(node.state.ready().is_ok());
    let problems = node.state.board().view();
    assert_eq!(problems[0].code, "change-failed", "{problems:?}");
    node.engine
        .add(&request("c1"))
        .await
        .expect("attaches meanwhile");
    node.model.state().refused = None;
    node.advance(Duration::from_secs(1));
    assert!(node.reconcile().await.converged);
    assert!(node.state.board().view().is_empty());
}

#[tokio::test]
async fn a_setting_that_is_undone_three_times_is_a_quarrel() {
    let node = TestNode::new("vpc1").await;
    let forward = "ipv4/ip_forward".to_owned();
    // The first time was when the node came up.
    for _ in 0..2 {
        node.model
            .state()
            .sysctls
            .insert(forward.clone(), "0".into());
        assert!(node.reconcile().await.converged);
    }
    assert_eq!(node.state.board().view()[0].code, "quarrel");
    assert!(node.state.ready().is_err());
    node.model
        .state()
        .sysctls
        .insert(forward.clone(), "0".into());
    let report = node.reconcile().await;
    assert!(report.applied.is_empty() && !report.converged, "{report:?}");
    node.advance(Duration::from_secs(1));
    assert!(node.reconcile().await.converged);
    node.advance(Duration::from_secs(20));
    node.reconcile().await;
    assert!(node.state.ready().is_ok());
}

#[tokio::test]
async fn containers_that_come_and_go_faster_than_rounds_are_no_problem() {
    let node = TestNode::new("idc1").await;
    node.model.state().departing = 12;
    let first = node.reconciler.reconcile().await;
    assert!(!first.view.converged && first.again.is_some(), "{first:?}");
    assert!(first.view.problems.is_empty(), "{first:?}");
    assert!(node.state.ready().is_ok());
    assert!(node.reconcile().await.converged);
    assert!(node.state.board().view().is_empty());
}

#[tokio::test]
async fn an_unmanaged_bridge_is_not_changed() {
    let model = ModelNode::default().with_nic("eth0");
    model.state().bridge = Some(crate::reconcile::BridgeRow {
        name: "br-flat".into(),
        datapath_type: String::new(),
        fail_mode: String::new(),
        protocols: BTreeSet::new(),
        managed: false,
        altered_columns: std::collections::BTreeMap::new(),
        mirrors: 0,
    });
    let node = TestNode::start("idc1", model, MemoryBackend::default()).await;
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
async fn the_gateway_of_a_released_range_is_removed_and_an_unmanaged_address_stays() {
    let node = TestNode::new("vpc1").await;
    let on_port = |address: &str| (HOST_LINK, address.parse().expect("an address"));
    let has = |address: &str| node.model.state().addresses.contains(&on_port(address));
    assert!(has("172.30.16.1/20"));
    node.model.state().addresses.insert(on_port("192.0.2.1/24"));
    node.state.update_spec(|spec| {
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
async fn the_gateway_of_a_range_that_the_plan_moved_while_netd_was_down_is_removed() {
    let node = TestNode::new("vpc1").await;
    let on_port = |address: &str| (HOST_LINK, address.parse().expect("an address"));
    node.model.state().addresses.insert(on_port("192.0.2.1/24"));
    // A new process, with another node's part of the plan.
    let node = node.restart("vpc2").await;
    node.reconcile().await;
    let left: Vec<_> = node.model.state().addresses.iter().cloned().collect();
    let v4 = |a: &&(IfName, ipnetwork::IpNetwork)| a.0 == HOST_LINK && a.1.is_ipv4();
    let left: Vec<_> = left.iter().filter(v4).collect();
    assert_eq!(left, [&on_port("172.30.32.1/20"), &on_port("192.0.2.1/24")]);
}

#[tokio::test]
async fn where_the_kernel_keeps_no_protocol_of_addresses_netd_still_removes_its_own() {
    let node = TestNode::new("vpc1").await;
    node.model.state().marked.clear();
    node.state.update_spec(|spec| {
        for network in &mut spec.networks {
            network.ranges.retain(|r| r.prefix.is_ipv6());
        }
    });
    let report = node.reconcile().await;
    assert_eq!(report.applied[0], "delete address 172.30.16.1/20 dev flat0");
}

#[tokio::test]
async fn a_switch_that_reports_a_ports_number_late_is_waited_for() {
    let node = TestNode::new("idc1").await;
    node.model.state().ports.remove("eth0");
    node.model.state().observations_without_numbers = 5;
    let report = node.reconcile().await;
    assert!(report.converged && report.problems.is_empty(), "{report:?}");
    assert_eq!(node.model.state().observations_without_numbers, 0);
    assert!(node.state.ports().is_ok());
}

#[tokio::test]
async fn a_switch_that_never_reports_a_ports_number_is_a_problem_and_is_observed_again() {
    let node = TestNode::new("idc1").await;
    node.model.state().observations_without_numbers = usize::MAX;
    let report = node.reconcile().await;
    assert!(node.state.ports().is_err());
    // After a problem the node is reconciled again soon.
    assert!(report.problems[0].contains("which numbers"), "{report:?}");
    node.model.state().observations_without_numbers = 0;
    assert!(node.reconcile().await.problems.is_empty());
    assert!(node.state.ports().is_ok());
}
