//! The conntrack time-outs of zones.

use std::collections::BTreeMap;

use flatnet_types::marks::zone_of;

use super::*;
use crate::reconcile::ZoneTimeouts;
use crate::reconcile::ZoneTimeouts::{Current, Stale, Unmanaged};

/// A zone of netd's numbers that no container of these tests uses.
const UNUSED: u16 = 40_000;

impl TestNode {
    fn zones(&self) -> BTreeMap<u16, ZoneTimeouts> {
        self.model.state().zones.clone()
    }

    fn zone_of(&self, container: &str) -> u16 {
        let record = self.state.ipam().get(&key(container)).expect("held");
        zone_of(record.slot).expect("a zone")
    }

    /// The time-out ops of a reconcile; asserts that the next one has none.
    async fn repairs(&self) -> Vec<String> {
        let applied = self.reconcile().await.applied;
        assert_eq!(self.reconcile().await.applied, Vec::<String>::new());
        let about = |op: &String| op.starts_with("set time-outs");
        applied.into_iter().filter(about).collect()
    }
}

#[tokio::test]
async fn a_containers_zone_comes_and_goes_with_its_port() {
    let node = TestNode::new("idc1").await;
    let own = BTreeMap::from([(WAY_BACK_ZONE, Current)]);
    assert_eq!(node.zones(), own);
    node.engine.add(&request("c1")).await.expect("attaches");
    node.engine.add(&request("c2")).await.expect("attaches");
    let (first, second) = (node.zone_of("c1"), node.zone_of("c2"));
    let with = |zones: &[u16]| {
        let more = zones.iter().map(|zone| (*zone, Current));
        own.clone()
            .into_iter()
            .chain(more)
            .collect::<BTreeMap<_, _>>()
    };
    // Without a reconcile in between.
    assert_eq!(node.zones(), with(&[first, second]));
    assert_eq!(node.repairs().await, Vec::<String>::new());
    node.engine.del(&key("c1")).await.expect("detaches");
    assert_eq!(node.zones(), with(&[second]));
    assert_eq!(node.repairs().await, Vec::<String>::new());
}

#[tokio::test]
async fn changed_and_deleted_time_outs_are_repaired_and_unmanaged_rows_stay() {
    let node = TestNode::new("idc1").await;
    node.engine.add(&request("c1")).await.expect("attaches");
    let zone = node.zone_of("c1");
    for (is, what) in [
        (None, "deleted"),
        (Some(Stale), "changed"),
        (Some(Unmanaged), "replaced"),
    ] {
        {
            let mut state = node.model.state();
            state.zones.remove(&zone);
            state.zones.extend(is.map(|is| (zone, is)));
            state.zones.insert(UNUSED, Unmanaged);
        }
        let only = format!("set time-outs of conntrack zones {zone}, delete those of none");
        assert_eq!(node.repairs().await, [only], "{what}");
        assert_eq!(node.zones()[&zone], Current, "{what}");
        assert_eq!(node.zones()[&UNUSED], Unmanaged, "{what}");
    }
    node.model.state().zones.clear();
    assert_eq!(node.repairs().await.len(), 1);
    assert_eq!(node.zones().len(), 2, "the container's and the way back's");
}

#[tokio::test]
async fn time_outs_that_an_earlier_netd_left_are_removed() {
    let node = TestNode::new("idc1").await;
    for left in [Current, Stale] {
        node.model.state().zones.insert(UNUSED, left);
        let only = format!("set time-outs of conntrack zones none, delete those of {UNUSED}");
        assert_eq!(node.repairs().await, [only]);
        assert_eq!(node.zones(), BTreeMap::from([(WAY_BACK_ZONE, Current)]));
    }
}

#[tokio::test]
async fn a_zone_whose_port_is_gone_is_not_set_again() {
    // During a DEL: the rows are deleted, and the store still has the attachment.
    let node = TestNode::new("idc1").await;
    node.engine.add(&request("c1")).await.expect("attaches");
    {
        let mut state = node.model.state();
        let gone: Vec<String> = state
            .ports
            .keys()
            .filter(|n| is_containers(n))
            .cloned()
            .collect();
        for name in gone {
            state.ports.remove(&name);
            state.links.remove(name.as_str());
        }
        state.zones.retain(|zone, _| *zone == WAY_BACK_ZONE);
    }
    assert_eq!(node.repairs().await, Vec::<String>::new());
    assert_eq!(node.zones(), BTreeMap::from([(WAY_BACK_ZONE, Current)]));
}

#[tokio::test]
async fn without_support_no_time_outs_are_set() {
    let model = ModelNode::default().with_nic("eth0");
    model.state().without_timeouts = true;
    let node = TestNode::start("idc1", model, MemoryBackend::default()).await;
    let report = node.reconcile().await;
    assert!(report.converged && report.problems.is_empty(), "{report:?}");
    assert_eq!(node.zones(), BTreeMap::new());
}

fn is_containers(port: &str) -> bool {
    port.starts_with("fn") && !port.starts_with("fnprobe")
}
