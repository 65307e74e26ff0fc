//! The host: unmanaged routes, the probe's links, and the MTU of internal ports.

use flatnet_types::IfName;

use super::*;
use crate::reconcile::{RouteActual, UnmanagedRoute};

/// Replaces netd's default route of `idc1` by one of another program.
fn unmanaged_default(node: &TestNode, via: &str, dev: &str) -> UnmanagedRoute {
    let mut state = node.model.state();
    let own_route = state
        .routes
        .iter()
        .find(|r| r.dst.prefix() == 0 && r.dst.is_ipv4())
        .cloned()
        .expect("a default route");
    state.routes.remove(&own_route);
    let via = match via {
        "" => own_route.via,
        other => Some(other.parse().expect("an address")),
    };
    let unmanaged = UnmanagedRoute {
        route: RouteActual {
            via,
            dev: IfName::new(dev).expect("a name"),
            ..own_route
        },
        protocol: 16,
        metric: 0,
    };
    state.unmanaged_routes.insert(unmanaged.clone());
    unmanaged
}

#[tokio::test]
async fn a_conflicting_default_route_of_another_program_is_a_non_blocking_problem() {
    let node = TestNode::new("idc1").await;
    unmanaged_default(&node, "192.0.2.1", "eth1");
    let report = node.reconcile().await;
    assert!(report.converged && report.failed.is_empty(), "{report:?}");
    assert_eq!(report.problems.len(), 1, "{report:?}");
    let problem = &report.problems[0];
    assert!(
        problem.contains("`ip route del 0.0.0.0/0 via 192.0.2.1 dev eth1 metric 0`"),
        "{problem}"
    );
    assert!(node.state.ready().is_ok());
    node.engine.add(&request("c1")).await.expect("attaches");
}

#[tokio::test]
async fn a_default_route_of_another_program_to_the_same_next_hop_is_accepted() {
    let node = TestNode::new("idc1").await;
    unmanaged_default(&node, "", "flat0");
    let report = node.reconcile().await;
    assert!(report.converged && report.applied.is_empty(), "{report:?}");
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test]
async fn when_an_unmanaged_route_is_deleted_netd_adds_its_own() {
    let node = TestNode::new("idc1").await;
    let unmanaged = unmanaged_default(&node, "", "flat0");
    node.model.state().unmanaged_routes.remove(&unmanaged);
    let report = node.reconcile().await;
    assert_eq!(report.applied.len(), 1, "{report:?}");
    assert!(report.applied[0].starts_with("add route 0.0.0.0/0"));
}

#[tokio::test]
async fn a_probe_pair_that_lost_an_end_is_recreated() {
    let node = TestNode::new("vpc1").await;
    node.model.state().links.remove("fnprobe1p");
    assert!(node.reconcile().await.converged);
    let state = node.model.state();
    for name in ["fnprobe0", "fnprobe0p", "fnprobe1", "fnprobe1p"] {
        assert!(state.links.contains_key(name), "{name}");
    }
    let flows = |port: u32| {
        let text = format!("in_port={port}");
        state
            .flows
            .iter()
            .filter(|f| f.to_string().contains(&text))
            .count()
    };
    assert_eq!(flows(state.ports["fnprobe0"].ofport.expect("a number")), 4);
}

#[tokio::test]
async fn the_requested_mtu_of_an_internal_port_is_compared() {
    let node = TestNode::new("idc1").await;
    let asked = |mtu| {
        let mut state = node.model.state();
        let port = state.ports.get_mut("flat0").expect("the host's port");
        std::mem::replace(&mut port.row.mtu, mtu)
    };
    let plan = asked(None);
    assert_eq!(plan, Some(node.state.spec().mtu.get()));
    assert_eq!(
        node.reconcile().await.applied,
        ["set port flat0: mtu_request"]
    );
    assert_eq!(asked(plan), plan);
}

#[tokio::test]
async fn a_route_with_another_next_hop_is_replaced_and_not_deleted() {
    let node = TestNode::new("idc1").await;
    let right = node.model.state().routes.clone();
    let moved = {
        let mut state = node.model.state();
        let is_default = |r: &&RouteActual| r.dst.prefix() == 0 && r.dst.is_ipv4();
        let route = right.iter().find(is_default).expect("a default route");
        state.routes.remove(route);
        let moved = RouteActual {
            via: Some("10.10.0.99".parse().expect("an address")),
            ..route.clone()
        };
        state.routes.insert(moved.clone());
        moved
    };
    assert!(!right.contains(&moved));
    let report = node.reconcile().await;
    let routes: Vec<_> = report
        .applied
        .iter()
        .filter(|op| op.contains("route"))
        .collect();
    assert!(
        matches!(routes[..], [added] if added.starts_with(&format!("add route {}", moved.dst))),
        "{report:?}"
    );
    assert_eq!(node.model.state().routes, right);
    assert!(node.reconcile().await.applied.is_empty());
}
