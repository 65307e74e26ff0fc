//! State of the switch that changes or stops forwarding, whoever set it.

use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_ovs::openflow::{Action, Flow, FragMode};

use super::*;
use crate::reconcile::RestoreWait;

/// A node with one container.
async fn node() -> TestNode {
    let node = TestNode::new("idc1").await;
    node.engine.add(&request("c1")).await.expect("attaches");
    node
}

/// Asserts that a reconcile restores these flows, and that the next one finds nothing to do.
async fn assert_restores(node: &TestNode, flows: &BTreeSet<Flow>) -> ReconcileView {
    let report = node.reconcile().await;
    assert!(report.converged, "{report:?}");
    assert_eq!(node.model.state().flows, *flows);
    assert_eq!(node.reconcile().await.applied, Vec::<String>::new());
    report
}

#[tokio::test]
async fn a_controller_is_removed_and_the_deleted_flows_are_restored() {
    let node = node().await;
    let flows = node.model.state().flows.clone();
    {
        let mut state = node.model.state();
        let bridge = state.bridge.as_mut().expect("a bridge");
        bridge.altered_columns = BTreeMap::from([("controller".into(), "x".into())]);
        state.flows.clear();
    }
    let report = assert_restores(&node, &flows).await;
    assert_eq!(report.applied[0], "set bridge br-flat: controller");
}

#[tokio::test]
async fn a_bridge_that_forwards_by_itself_is_stopped_first() {
    let node = node().await;
    let flows = node.model.state().flows.clone();
    {
        let mut state = node.model.state();
        let bridge = state.bridge.as_mut().expect("a bridge");
        bridge.fail_mode = String::new();
        // The flow that Open vSwitch then adds at its start.
        let normal = Flow::new(0, 0).actions([Action::normal()]);
        state.flows = BTreeSet::from([normal]);
        state.routes.clear();
    }
    let report = assert_restores(&node, &flows).await;
    let first = [
        "set bridge br-flat: fail_mode",
        "delete foreign flows: cookie=0x0,table=0,priority=0",
    ];
    assert_eq!(report.applied[..2], first);
}

#[tokio::test]
async fn unmanaged_flows_are_deleted_and_learned_ones_stay() {
    let node = node().await;
    let learned = Flow::new(3, 150).cookie(flatnet_types::marks::LEARNED_COOKIE);
    let mut flows = node.model.state().flows.clone();
    flows.insert(learned.clone());
    node.model.state().flows.insert(learned);
    node.model.state().flows.insert(Flow::new(0, 7).cookie(42));
    let report = assert_restores(&node, &flows).await;
    let only = "delete foreign flows: cookie=0x2a,table=0,priority=7";
    assert_eq!(report.applied, [only]);
}

#[tokio::test]
async fn settings_that_no_database_keeps_are_restored() {
    let node = node().await;
    let flows = node.model.state().flows.clone();
    let port = {
        let mut state = node.model.state();
        let port = state.ports.keys().find(|n| n.starts_with("fn")).cloned();
        let port = port.expect("a container's port");
        state.switch.fragments = Some(FragMode::Drop);
        state.switch.groups = Some(Vec::new());
        state.switch.restricted = vec![port.clone()];
        port
    };
    let report = assert_restores(&node, &flows).await;
    assert_eq!(
        report.applied,
        [
            "set fragments nx-match".to_owned(),
            "set group 1".to_owned(),
            format!("open port {port}")
        ]
    );
}

#[tokio::test]
async fn a_ports_altered_columns_are_reset() {
    let node = node().await;
    let flows = node.model.state().flows.clone();
    for name in ["eth0", "flat0"] {
        let mut state = node.model.state();
        let port = state.ports.get_mut(name).expect("a port");
        port.altered_columns
            .insert("ingress_policing_rate".into(), "1".into());
    }
    let report = assert_restores(&node, &flows).await;
    let what = |name| format!("set port {name}: ingress_policing_rate");
    assert_eq!(report.applied, [what("eth0"), what("flat0")]);
}

#[tokio::test]
async fn flow_restore_wait_is_reported_and_ended_without_a_restart_under_way() {
    let node = node().await;
    let waits = |seconds, scripts: &[&str]| {
        node.model.state().switch.restore = Some(RestoreWait {
            since: Duration::from_secs(seconds),
            scripts: scripts.iter().map(|s| (*s).to_owned()).collect(),
        });
    };
    for (seconds, scripts) in [(0, &[] as &[&str]), (60, &["ovs-ctl"])] {
        waits(seconds, scripts);
        let report = node.reconcile().await;
        assert_eq!(report.applied, Vec::<String>::new());
        let why = node.state.board().blocks_ready().expect("not ready");
        assert!(why.contains("waits for its flows"), "{why}");
    }
    waits(2, &[]);
    // One of its flows is missing.
    let first = node.model.state().flows.pop_first();
    let report = node.reconcile().await;
    assert!(first.is_some() && report.converged);
    let last = report.applied.last().map(String::as_str);
    assert_eq!(
        (report.applied.len(), last),
        (2, Some("end flow-restore-wait"))
    );
    assert_eq!(node.state.board().blocks_ready(), None);
}

#[tokio::test]
async fn a_mirror_and_an_unmanaged_port_are_reported_and_left_alone() {
    let node = node().await;
    {
        let mut state = node.model.state();
        state.bridge.as_mut().expect("a bridge").mirrors = 1;
        let mut port = state.ports["eth0"].clone();
        port.row.name = "tap0".into();
        port.row.external_ids.clear();
        state.ports.insert("tap0".into(), port);
    }
    let report = node.reconcile().await;
    assert_eq!(report.applied, Vec::<String>::new());
    let codes: Vec<String> = node
        .state
        .board()
        .view()
        .into_iter()
        .map(|p| p.code)
        .collect();
    assert_eq!(codes, ["mirror", "foreign-port"]);
    assert_eq!(node.state.board().blocks_ready(), None);
}
