//! Another port has the requested number: the flows use the assigned one.

use super::*;
use crate::attach::plan::requested_port_number;
use crate::flows::table::CLASSIFY;

/// The number of effects of an ADD whose flows were sent early for another number.
const STEPS: usize = 6;

/// The port numbers that an attachment's flows of table CLASSIFY match.
fn classified(model: &ModelNode, generation: u64) -> BTreeSet<String> {
    let state = model.state();
    let flows = state.flows.iter().filter(|f| f.table == CLASSIFY);
    flows
        .filter(|f| f.cookie == cookie(generation))
        .flat_map(|f| {
            let text = f.to_string();
            let parts: Vec<String> = text.split([',', ' ']).map(str::to_owned).collect();
            parts.into_iter().filter(|p| p.starts_with("in_port="))
        })
        .collect()
}

fn number(model: &ModelNode, port: &str) -> (u32, Option<u32>) {
    let state = model.state();
    (state.ports[port].row.number, state.ports[port].ofport)
}

#[tokio::test]
async fn flows_match_the_assigned_port_number_and_the_row_requests_it_afterwards() {
    let node = TestNode::new("idc1").await;
    node.model
        .state()
        .taken_numbers
        .insert(requested_port_number(1));
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    assert_eq!(reply.generation, 1);
    let (_, got) = number(&node.model, "fn1");
    let got = got.expect("a number");
    assert_ne!(got, requested_port_number(1));
    let only = BTreeSet::from([format!("in_port={got}")]);
    assert_eq!(classified(&node.model, 1), only);
    node.engine
        .check(&check_request("c1", &reply))
        .await
        .expect("it is as it was made");

    // The other port is deleted: the number stays, because the row requests the one that the port
    // has.
    assert!(node.reconcile().await.converged);
    node.model.state().taken_numbers.clear();
    assert_eq!(number(&node.model, "fn1"), (got, Some(got)));
    let again = node.restart("idc1").await;
    let report = again.reconcile().await;
    assert_eq!(report.applied, Vec::<String>::new());
    assert_eq!(classified(&again.model, 1), only);

    again.engine.del(&key("c1")).await.expect("detaches");
    assert_eq!(again.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn flows_are_sent_before_the_port_unless_another_port_has_its_number() {
    for taken in [false, true] {
        let node = TestNode::new("idc1").await;
        node.engine.add(&request("c1")).await.expect("attaches");
        let requested = requested_port_number(2);
        if taken {
            let mut state = node.model.state();
            state.taken_numbers.insert(requested);
            let port = state.ports.get_mut("fn1").expect("there");
            port.ofport = Some(requested);
        }
        node.model.state().calls.clear();
        node.engine.add(&request("c2")).await.expect("attaches");
        let calls = node.model.state().calls.clone();
        let at = |name| calls.iter().position(|c| *c == name).expect("called");
        assert_eq!(at("send_flows") > at("add_port"), taken, "{calls:?}");
        let (_, got) = number(&node.model, "fn2");
        let only = BTreeSet::from([format!("in_port={}", got.expect("a number"))]);
        assert_eq!(classified(&node.model, 2), only);
    }
}

#[tokio::test]
async fn an_add_with_another_number_that_fails_at_any_step_leaves_nothing() {
    for k in 0..STEPS {
        for fault in [Fault::Before, Fault::After] {
            let node = TestNode::new("idc1").await;
            node.model
                .state()
                .taken_numbers
                .insert(requested_port_number(1));
            node.model.fail_at(k, fault);
            let added = node.engine.add(&request("c1")).await;
            assert!(added.is_err(), "step {k} {fault:?}");
            assert_eq!(node.leftovers(), Vec::<String>::new(), "step {k} {fault:?}");
            node.engine.add(&request("c1")).await.expect("attaches");
        }
    }
}

#[tokio::test]
async fn netd_that_dies_while_a_port_has_another_number_is_repaired_by_its_next_start() {
    for k in 0..STEPS {
        let node = TestNode::new("idc1").await;
        node.model
            .state()
            .taken_numbers
            .insert(requested_port_number(1));
        node.model.fail_at(k, Fault::Crash);
        let engine = node.engine.clone();
        let add = tokio::spawn(async move { engine.add(&request("c1")).await });
        while node.model.state().calls.len() <= k {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        add.abort();
        let (disk, model) = (node.disk.clone(), node.model.clone());
        drop(node);
        let again = TestNode::start("idc1", model, disk).await;
        assert!(again.reconcile().await.converged, "step {k}");
        if !again.state.ipam().list().is_empty() {
            let (asked, got) = number(&again.model, "fn1");
            assert_eq!(Some(asked), got, "step {k}");
            let only = BTreeSet::from([format!("in_port={asked}")]);
            assert_eq!(classified(&again.model, 1), only, "step {k}");
        }
    }
}

#[tokio::test]
async fn a_port_that_the_switch_moves_takes_its_flows_along() {
    let node = TestNode::new("idc1").await;
    node.engine.add(&request("c1")).await.expect("attaches");
    {
        let mut state = node.model.state();
        let port = state.ports.get_mut("fn1").expect("there");
        port.ofport = Some(77);
    }
    assert!(node.reconcile().await.converged);
    assert_eq!(
        classified(&node.model, 1),
        BTreeSet::from(["in_port=77".to_owned()])
    );
}

#[tokio::test]
async fn the_nodes_own_ports_may_have_other_numbers_too() {
    let model = ModelNode::default().with_nic("eth0");
    model.state().taken_numbers.extend([1, 2]);
    let node = TestNode::start("idc1", model, MemoryBackend::default()).await;
    assert!(node.reconcile().await.converged);
    let ports = node.state.ports().expect("it is ready");
    let uplink = ports.uplink.expect("mode vlan");
    assert!(ports.host > 2 && uplink > 2, "{ports:?}");
    assert_eq!(number(&node.model, "eth0"), (uplink, Some(uplink)));
    node.model.state().taken_numbers.clear();
    assert_eq!(node.reconcile().await.applied, Vec::<String>::new());
}

#[test]
fn a_port_number_is_requested_again_only_after_thousands_of_attachments() {
    let numbers: BTreeSet<u32> = (1..=32_512).map(requested_port_number).collect();
    assert_eq!(numbers.len(), 32_512);
    assert_eq!(numbers.first(), Some(&32_768));
    assert_eq!(numbers.last(), Some(&65_279));
    assert_eq!(requested_port_number(1), requested_port_number(1 + 32_512));
}

#[tokio::test]
async fn on_a_crowded_node_the_link_waits_for_the_ports_rows() {
    for (containers, expected) in [
        (
            0,
            vec!["send_flows", "add_port", "create_link", "configure"],
        ),
        (60, vec!["send_flows", "add_port"]),
    ] {
        let node = TestNode::new("idc1").await;
        for n in 0..containers {
            let add = request(&format!("c{n}"));
            node.engine.add(&add).await.expect("attaches");
        }
        node.model.state().calls.clear();
        // The database does not answer.
        node.model.fail_at(1, Fault::Crash);
        let late = request("late");
        let mut add = std::pin::pin!(node.engine.add(&late));
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut add).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(
            node.model.state().calls,
            expected,
            "{containers} containers"
        );
    }
}
