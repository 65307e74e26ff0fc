//! Changes of many attachments' flows at once.

use super::*;
use crate::flows::Limit;
use crate::reconcile::Op;

fn calls(node: &TestNode, which: &str) -> usize {
    let state = node.model.state();
    state.calls.iter().filter(|call| **call == which).count()
}

async fn with_containers(count: usize) -> TestNode {
    let node = TestNode::new("idc1").await;
    for i in 0..count {
        let added = node.engine.add(&request(&format!("c{i}"))).await;
        added.expect("attaches");
    }
    node
}

/// Deletes all flows, as `ovs-ofctl del-flows` does.
fn lose_flows(node: &TestNode) -> BTreeSet<flatnet_ovs::openflow::Flow> {
    let mut state = node.model.state();
    state.calls.clear();
    std::mem::take(&mut state.flows)
}

#[tokio::test]
async fn the_flows_of_a_node_and_all_its_containers_are_written_in_one_bundle() {
    let node = with_containers(30).await;
    let before = lose_flows(&node);
    let report = node.reconcile().await;
    assert!(report.converged && report.applied.len() == 31, "{report:?}");
    assert_eq!(node.model.state().flows, before);
    assert_eq!(
        (calls(&node, "change_flows"), calls(&node, "apply")),
        (1, 0)
    );
}

#[tokio::test]
async fn refused_flows_of_one_attachment_delay_no_others() {
    let node = with_containers(5).await;
    let before = lose_flows(&node);
    let (_, changes) = node.reconciler.dry_run().await.expect("a plan");
    let op = changes.ops.iter().map(ToString::to_string);
    let refused = op.filter(|op| op.contains("c3/")).collect::<Vec<_>>();
    node.model.state().refused = refused.first().cloned();
    let report = node.reconcile().await;
    assert_eq!((report.applied.len(), report.failed.len()), (5, 1));
    assert!(report.failed[0].starts_with(&refused[0]), "{report:?}");
    node.model.state().refused = None;
    node.advance(Duration::from_secs(1));
    assert!(node.reconcile().await.converged);
    assert_eq!(node.model.state().flows, before);
}

#[tokio::test]
async fn a_locked_attachment_delays_no_others() {
    let node = with_containers(5).await;
    let before = lose_flows(&node);
    let records = node.state.ipam().list();
    let held = node.state.lock(&records[2].key).await;
    let cookie = crate::flows::cookie(records[2].generation);
    let its = before.iter().filter(|f| f.cookie == cookie).count();
    let there = async {
        // All flows except that one's are set while the repair waits for its lock.
        while node.model.state().flows.len() + its < before.len() {
            tokio::task::yield_now().await;
        }
        assert!(node.model.state().flows.len() < before.len());
        drop(held);
    };
    let (report, ()) = tokio::join!(node.reconcile(), there);
    assert!(report.converged && report.applied.len() == 6, "{report:?}");
    assert_eq!(node.model.state().flows, before);
}

#[tokio::test]
async fn a_meter_that_an_add_got_since_the_observation_is_not_deleted() {
    let node = with_containers(2).await;
    let before = node.model.state().meters.clone();
    // A slot that no attachment has, and whose meter a killed netd left.
    let left = Limit::meters_of(4711)[0];
    let mut dead = before[0];
    dead.id = left;
    node.model.state().meters.push(dead);
    let position = node.state.add_log().begin_observation();
    let ids = before.iter().map(|m| m.id).chain([left]).collect();
    let done = node
        .reconciler
        .apply(&Op::DeleteMeters(ids), position)
        .await;
    assert!(matches!(done, Some(Ok(()))), "{done:?}");
    assert_eq!(node.model.state().meters, before);
    let ids = before.iter().map(|m| m.id).collect();
    let done = node
        .reconciler
        .apply(&Op::DeleteMeters(ids), position)
        .await;
    assert!(done.is_none(), "{done:?}");
    assert_eq!(node.model.state().meters, before);
}

#[tokio::test]
async fn ops_from_an_observation_before_an_add_ended_are_discarded() {
    let node = with_containers(2).await;
    let position = node.state.add_log().begin_observation();
    node.engine.add(&request("new")).await.expect("attaches");
    let whole = node.model.state().flows.clone();
    // As observed during the ADD: the flows are set, and the port has no number yet.
    let port = whole.iter().map(|flow| flow.cookie).max().expect("flows");
    let name = format!("fn{:x}", port & 0xffff);
    let number = |to: Option<u32>| {
        let mut state = node.model.state();
        let port = state.ports.get_mut(&name).expect("its port");
        std::mem::replace(&mut port.ofport, to)
    };
    let had = number(None);
    let (_, changes) = node.reconciler.dry_run().await.expect("a plan");
    number(had);
    let ops = changes
        .ops
        .iter()
        .filter(|op| matches!(op, Op::ChangeFlows { .. }));
    let ops: Vec<&Op> = ops.collect();
    assert_eq!(ops.len(), 1, "{ops:?}");
    assert!(node.reconciler.apply(ops[0], position).await.is_none());
    assert_eq!(node.model.state().flows, whole);
    // With the position of a new observation the op is applied.
    let position = node.state.add_log().begin_observation();
    assert!(matches!(
        node.reconciler.apply(ops[0], position).await,
        Some(Ok(()))
    ));
    assert_ne!(node.model.state().flows, whole);
}
