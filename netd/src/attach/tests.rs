//! The engine and the reconciler on a node in memory: whatever step fails, and wherever netd
//! dies, nothing is left and nothing is held twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flatnet_ipam::{Config, Ipam, MemoryBackend, Recovery};
use flatnet_plan::NodeSpec;
use flatnet_types::api::view::ReconcileView;
use flatnet_types::api::{
    AddReply, AddRequest, CheckRequest, GcAttachment, GcRequest, PodRef, StatusReply,
    StatusRequest, VERSION, code,
};
use flatnet_types::{AttachmentKey, Bandwidth, NetnsPath, Rate, Timestamp};

use super::*;
use crate::flows::{COOKIE_MARK_MASK, cookie};
use crate::model::{Fault, ModelWorld};
use crate::reconcile::{NodeOptions, Reconciler};
use crate::run::networks;

const LAB: &str = include_str!("../../../examples/lab.yaml");

fn spec(node: &str) -> NodeSpec {
    let plan = flatnet_plan::load(LAB).expect("the example is sound");
    flatnet_plan::node::derive(&plan, &node.parse().expect("name")).expect("derives")
}

struct TestNode {
    world: ModelWorld,
    engine: Engine<ModelWorld>,
    reconciler: Reconciler<ModelWorld>,
    disk: MemoryBackend,
}

impl TestNode {
    async fn new(node: &str) -> Self {
        let world = ModelWorld::default().with_nic("eth0");
        let this = Self::start(node, world, MemoryBackend::default()).await;
        assert!(this.reconcile().await.converged);
        this
    }

    /// Starts netd on a world and a disk that are there already.
    async fn start(node: &str, world: ModelWorld, disk: MemoryBackend) -> Self {
        let spec = spec(node);
        let config = Config::new(networks(&spec.networks).expect("ranges"));
        let now = Timestamp::from_millis(1_000_000);
        let (ipam, recovery) =
            Ipam::open_with(Box::new(disk.clone()), config, "boot-1", now).expect("opens");
        let clock = Arc::new(move || Timestamp::from_millis(1_000_000));
        let engine = Engine::new(world.clone(), ipam, spec, clock);
        let Recovery {
            uncommitted,
            earlier_boot,
            ..
        } = recovery;
        let dead: Vec<_> = uncommitted.into_iter().chain(earlier_boot).collect();
        engine.recover(&dead).await;
        let options = NodeOptions {
            bridge: "br-flat".into(),
            datapath: "netdev".into(),
        };
        let reconciler = Reconciler::new(engine.clone(), options);
        Self {
            world,
            engine,
            reconciler,
            disk,
        }
    }

    async fn restart(&self, node: &str) -> Self {
        Self::start(node, self.world.clone(), self.disk.clone()).await
    }

    async fn reconcile(&self) -> ReconcileView {
        self.reconciler.reconcile().await.view
    }

    /// What of containers is on the node: links, ports, flows with a generation, meters.
    fn traces(&self) -> Vec<String> {
        let state = self.world.state();
        let links = state.links.keys().filter(|n| n.starts_with("fn")).cloned();
        let ports = state
            .ports
            .keys()
            .filter(|n| n.starts_with("fn"))
            .map(|n| format!("port {n}"));
        let flows = state
            .flows
            .iter()
            .filter(|f| f.cookie & !COOKIE_MARK_MASK != 0)
            .map(|f| format!("flow {f}"));
        let meters = state.meters.iter().map(|m| format!("meter {}", m.id));
        let containers = state
            .containers
            .keys()
            .map(|(ns, name)| format!("{ns} {name}"));
        links
            .chain(ports)
            .chain(flows)
            .chain(meters)
            .chain(containers)
            .collect()
    }
}

fn key(container: &str) -> AttachmentKey {
    AttachmentKey {
        network: "web".parse().expect("name"),
        container_id: container.parse().expect("name"),
        ifname: "eth0".parse().expect("name"),
    }
}

fn request(container: &str) -> AddRequest {
    let rate = Some(Rate {
        rate: 10_000_000,
        burst: 1_000_000,
    });
    AddRequest {
        version: VERSION,
        key: key(container),
        netns: NetnsPath::new(format!("/run/netns/{container}")).expect("path"),
        plan_network: None,
        ips: Vec::new(),
        mac: None,
        mtu: None,
        trunk: Vec::new(),
        bandwidth: Bandwidth {
            ingress: rate,
            egress: rate,
        },
        routes: Vec::new(),
        pod: PodRef::default(),
    }
}

fn check_of(container: &str, reply: &AddReply) -> CheckRequest {
    CheckRequest {
        version: VERSION,
        key: key(container),
        netns: NetnsPath::new(format!("/run/netns/{container}")).expect("path"),
        mac: Some(reply.mac),
        ips: reply.ips.iter().map(|a| a.address).collect(),
        routes: reply.routes.clone(),
    }
}

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

/// How many effects an ADD has.
async fn steps_of_an_add() -> usize {
    let node = TestNode::new("idc1").await;
    node.world.fail_at(usize::MAX - 1, Fault::Before);
    node.engine.add(&request("c1")).await.expect("attaches");
    let calls = node.world.state().calls.clone();
    assert_eq!(
        calls,
        ["add_port", "create_link", "send_flows", "configure"]
    );
    calls.len()
}

#[tokio::test]
async fn an_add_that_fails_at_any_step_leaves_nothing() {
    for k in 0..steps_of_an_add().await {
        for fault in [Fault::Before, Fault::After] {
            let node = TestNode::new("idc1").await;
            node.world.fail_at(k, fault);
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
            assert_eq!(node.traces(), Vec::<String>::new(), "step {k} {fault:?}");
            assert!(node.engine.ipam().list().is_empty(), "step {k} {fault:?}");
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
        node.world.fail_at(k, Fault::After);
        // From the fault on, nothing works any more, the undoing included.
        let world = node.world.clone();
        let engine = node.engine.clone();
        let add = tokio::spawn(async move { engine.add(&request("c1")).await });
        while world.state().calls.len() <= k {
            tokio::task::yield_now().await;
        }
        world.break_all(true);
        assert!(add.await.expect("joins").is_err());
        world.break_all(false);
        assert!(node.reconcile().await.converged, "step {k}");
        assert_eq!(node.traces(), Vec::<String>::new(), "step {k}");
        assert!(node.engine.ipam().list().is_empty(), "step {k}");
    }
}

#[tokio::test]
async fn netd_that_dies_at_any_step_of_an_add_is_mended_by_its_next_start() {
    for k in 0..steps_of_an_add().await {
        let node = TestNode::new("idc1").await;
        node.world.fail_at(k, Fault::Crash);
        let engine = node.engine.clone();
        let add = tokio::spawn(async move { engine.add(&request("c1")).await });
        while node.world.state().calls.len() <= k {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        add.abort();
        let disk = node.disk.clone();
        let world = node.world.clone();
        drop(node);
        world.break_all(false);

        let again = TestNode::start("idc1", world, disk).await;
        assert!(again.reconcile().await.converged, "step {k}");
        let alive = again.engine.ipam().list();
        if alive.is_empty() {
            assert_eq!(again.traces(), Vec::<String>::new(), "step {k}");
        } else {
            // It was committed: then it is whole, and its DEL leaves nothing.
            assert!(again.reconcile().await.applied.is_empty(), "step {k}");
            again.engine.del(&key("c1")).await.expect("detaches");
            assert_eq!(again.traces(), Vec::<String>::new(), "step {k}");
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
            node.world.fail_at(k, fault);
            let first = node.engine.del(&key("c1")).await;
            let again = node
                .engine
                .del(&key("c1"))
                .await
                .expect("the second succeeds");
            assert_eq!(again.existed, first.is_err(), "step {k} {fault:?}");
            node.reconcile().await;
            assert_eq!(node.traces(), Vec::<String>::new(), "step {k} {fault:?}");
            assert!(node.engine.ipam().list().is_empty());
        }
    }
}

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
async fn gc_takes_what_is_not_listed_of_its_network_only() {
    let node = TestNode::new("idc1").await;
    for c in ["c1", "c2", "c3"] {
        node.engine.add(&request(c)).await.expect("attaches");
    }
    let mut other = request("c4");
    other.key.network = "db".parse().expect("name");
    node.engine.add(&other).await.expect("attaches");
    let valid = vec![GcAttachment {
        container_id: "c2".parse().expect("name"),
        ifname: "eth0".parse().expect("name"),
    }];
    let gc = GcRequest {
        version: VERSION,
        network: "web".parse().expect("name"),
        valid,
    };
    let released: BTreeSet<String> = node
        .engine
        .gc(&gc)
        .await
        .expect("collects")
        .released
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        released,
        BTreeSet::from(["web/c1/eth0".into(), "web/c3/eth0".into()])
    );
    assert_eq!(node.engine.ipam().list().len(), 2);
}

#[tokio::test]
async fn check_names_each_difference() {
    let node = TestNode::new("idc1").await;
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    let check = check_of("c1", &reply);
    node.engine.check(&check).await.expect("all is well");

    let name = reply.host_ifname.as_str();
    node.world
        .state()
        .flows
        .retain(|f| f.cookie != cookie(reply.generation));
    node.world
        .state()
        .ports
        .get_mut(name)
        .expect("port")
        .row
        .tag = None;
    let err = node
        .engine
        .check(&check)
        .await
        .expect_err("the world changed");
    let details = err.reply().details;
    assert!(details.contains("flows are missing"), "{details}");
    assert!(details.contains("VLAN 100 was planned"), "{details}");
    assert_eq!(err.cni_code(), code::CHECK_FAILED);

    let unknown = CheckRequest {
        key: key("c9"),
        ..check
    };
    let err = node
        .engine
        .check(&unknown)
        .await
        .expect_err("never attached");
    assert_eq!(err.cni_code(), code::UNKNOWN_CONTAINER);
}

#[tokio::test]
async fn a_host_end_that_somebody_set_down_is_found_and_mended() {
    let node = TestNode::new("idc1").await;
    let reply = node.engine.add(&request("c1")).await.expect("attaches");
    let check = check_of("c1", &reply);
    node.world
        .state()
        .links
        .get_mut(reply.host_ifname.as_str())
        .expect("link")
        .up = false;
    let err = node.engine.check(&check).await.expect_err("it is down");
    assert!(
        err.reply().details.contains("of the host is down"),
        "{err:?}"
    );
    assert_eq!(node.reconcile().await.applied.len(), 1);
    node.engine.check(&check).await.expect("all is well again");
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

#[tokio::test]
async fn status_tells_a_node_that_is_not_set_up_from_a_range_that_is_full() {
    let node = TestNode::new("idc1").await;
    let ask = |network: &str| StatusRequest {
        version: VERSION,
        network: network.parse().expect("name"),
    };
    let code = |r: Result<_, AttachError>| r.map_or_else(|e| e.cni_code(), |_: StatusReply| 0);
    assert_eq!(code(node.engine.status(&ask("web"))), 0);
    assert_eq!(
        code(node.engine.status(&ask("nowhere"))),
        code::INVALID_CONFIG
    );
    node.engine.set_ports(None);
    assert_eq!(code(node.engine.status(&ask("web"))), code::NOT_AVAILABLE);
    let full = flatnet_ipam::AllocateError::Exhausted {
        network: "web".parse().expect("name"),
        family: flatnet_ipam::Family::V4,
        ranges: Vec::new(),
        next_free_in: None,
    };
    let full = AttachError::Unserved(Box::new(AttachError::Reserve(full.into())));
    assert_eq!(full.cni_code(), code::LIMITED_CONNECTIVITY);
    assert!(full.reply().details.contains("not affected"));
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
