//! Each step fails, and netd dies at each step.

use super::*;

/// The number of effects of an ADD.
async fn steps_of_an_add() -> usize {
    let node = TestNode::new("idc1").await;
    node.model.fail_at(usize::MAX - 1, Fault::Before);
    node.engine.add(&request("c1")).await.expect("attaches");
    let calls = node.model.state().calls.clone();
    assert_eq!(
        calls,
        ["send_flows", "add_port", "create_link", "configure"]
    );
    calls.len()
}

#[tokio::test]
async fn an_add_that_fails_at_any_step_leaves_nothing() {
    for k in 0..steps_of_an_add().await {
        for fault in [Fault::Before, Fault::After] {
            let node = TestNode::new("idc1").await;
            node.model.fail_at(k, fault);
            let err = node
                .engine
                .add(&request("c1"))
                .await
                .expect_err("the fault is reported");
            assert_eq!(
                err.cni_code(),
                code::TRY_AGAIN_LATER,
                "step {k} {fault:?}: {err}"
            );
            assert_eq!(node.leftovers(), Vec::<String>::new(), "step {k} {fault:?}");
            assert!(node.state.ipam().list().is_empty(), "step {k} {fault:?}");
            assert!(
                node.reconcile().await.applied.is_empty(),
                "step {k} {fault:?}"
            );
            node.engine
                .add(&request("c1"))
                .await
                .expect("the next try succeeds");
        }
    }
}

#[tokio::test]
async fn an_undo_that_fails_is_finished_by_the_reconciler() {
    for k in 0..steps_of_an_add().await {
        let node = TestNode::new("idc1").await;
        node.model.fail_at(k, Fault::After);
        // From the fault on every call fails, those of the rollback included.
        let model = node.model.clone();
        let engine = node.engine.clone();
        let add = tokio::spawn(async move { engine.add(&request("c1")).await });
        while model.state().calls.len() <= k {
            tokio::task::yield_now().await;
        }
        model.break_all(true);
        assert!(add.await.expect("joins").is_err());
        model.break_all(false);
        assert!(node.reconcile().await.converged, "step {k}");
        assert_eq!(node.leftovers(), Vec::<String>::new(), "step {k}");
        assert!(node.state.ipam().list().is_empty(), "step {k}");
    }
}

#[tokio::test]
async fn netd_that_dies_at_any_step_of_an_add_is_repaired_by_its_next_start() {
    for k in 0..steps_of_an_add().await {
        let node = TestNode::new("idc1").await;
        node.model.fail_at(k, Fault::Crash);
        let engine = node.engine.clone();
        let add = tokio::spawn(async move { engine.add(&request("c1")).await });
        while node.model.state().calls.len() <= k {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        add.abort();
        let disk = node.disk.clone();
        let model = node.model.clone();
        drop(node);
        model.break_all(false);

        let again = TestNode::start("idc1", model, disk).await;
        assert!(again.reconcile().await.converged, "step {k}");
        let alive = again.state.ipam().list();
        if alive.is_empty() {
            assert_eq!(again.leftovers(), Vec::<String>::new(), "step {k}");
        } else {
            // It was committed: it is complete, and its DEL leaves nothing.
            assert!(again.reconcile().await.applied.is_empty(), "step {k}");
            again.engine.del(&key("c1")).await.expect("detaches");
            assert_eq!(again.leftovers(), Vec::<String>::new(), "step {k}");
        }
        again
            .engine
            .add(&request("c1"))
            .await
            .expect("attaches again");
    }
}

#[tokio::test]
async fn a_del_that_fails_at_any_step_can_be_repeated() {
    for k in 0..3 {
        for fault in [Fault::Before, Fault::After] {
            let node = TestNode::new("idc1").await;
            node.engine.add(&request("c1")).await.expect("attaches");
            node.model.fail_at(k, fault);
            let first = node.engine.del(&key("c1")).await;
            let again = node
                .engine
                .del(&key("c1"))
                .await
                .expect("the second succeeds");
            assert_eq!(again.existed, first.is_err(), "step {k} {fault:?}");
            node.reconcile().await;
            assert_eq!(node.leftovers(), Vec::<String>::new(), "step {k} {fault:?}");
            assert!(node.state.ipam().list().is_empty());
        }
    }
}
