//! The engine and the reconciler on a node in memory: whichever step fails, and wherever netd dies,
//! nothing is left over and no address is assigned twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flatnet_ipam::{Config, Ipam, MemoryBackend, Recovery};
use flatnet_plan::NodeSpec;
use flatnet_types::api::view::ReconcileView;
use flatnet_types::api::{
    AddReply, AddRequest, AskedPrefix, CheckRequest, GcAttachment, GcRequest, PodRef, StatusReply,
    StatusRequest, VERSION, code,
};
use flatnet_types::marks::{COOKIE_MARK_MASK, WAY_BACK_ZONE};
use flatnet_types::{AttachmentKey, Bandwidth, IfName, NetnsPath, Rate, Timestamp};
use ipnetwork::IpNetwork;

use super::*;
use crate::allocator::networks;
use crate::flows::cookie;
use crate::model::{Fault, ModelNode};
use crate::reconcile::{NodeOptions, Reconciler};
use crate::state::NodeState;

mod attach;
mod bundles;
mod check_gc_status;
mod host;
mod numbers;
mod repair;
mod steps;
mod switch_state;
mod timeouts;

const LAB: &str = include_str!("../../../examples/lab.yaml");

fn spec(node: &str) -> NodeSpec {
    let plan = flatnet_plan::load(LAB).expect("the example is sound");
    flatnet_plan::node::derive(&plan, &node.parse().expect("name")).expect("derives")
}

struct TestNode {
    model: ModelNode,
    state: NodeState<ModelNode>,
    engine: Engine<ModelNode>,
    reconciler: Reconciler<ModelNode>,
    disk: MemoryBackend,
    /// How far the reconciler's clock is ahead of the start of the test.
    ahead: Arc<Mutex<Duration>>,
}

impl TestNode {
    async fn new(node: &str) -> Self {
        let model = ModelNode::default().with_nic("eth0");
        let this = Self::start(node, model, MemoryBackend::default()).await;
        assert!(this.reconcile().await.converged);
        this
    }

    /// Starts netd on an existing node and disk.
    async fn start(node: &str, model: ModelNode, disk: MemoryBackend) -> Self {
        let spec = spec(node);
        let config = Config::new(networks(&spec.networks).expect("ranges"));
        let now = Timestamp::from_millis(1_000_000);
        let (ipam, recovery) =
            Ipam::open_with(Box::new(disk.clone()), config, "boot-1", now).expect("opens");
        let clock = Arc::new(move || Timestamp::from_millis(1_000_000));
        let state = NodeState::new(model.clone(), ipam, spec, clock);
        let engine = Engine::new(state.clone());
        let Recovery {
            uncommitted,
            earlier_boot,
            ..
        } = recovery;
        let dead: Vec<_> = uncommitted.into_iter().chain(earlier_boot).collect();
        recover(&state, &dead).await;
        let options = NodeOptions {
            bridge: "br-flat".into(),
            datapath: "netdev".into(),
        };
        let ahead = Arc::new(Mutex::new(Duration::ZERO));
        let by = Arc::clone(&ahead);
        // The reconciler's clock only moves when a test advances it: on a busy machine a round
        // takes longer than the first retry's pause.
        let begun = Instant::now();
        let ticks = Arc::new(move || begun + *by.lock().expect("no test panics with it"));
        let reconciler = Reconciler::with_ticks(state.clone(), options, ticks);
        Self {
            model,
            state,
            engine,
            reconciler,
            disk,
            ahead,
        }
    }

    async fn restart(&self, node: &str) -> Self {
        Self::start(node, self.model.clone(), self.disk.clone()).await
    }

    async fn reconcile(&self) -> ReconcileView {
        self.reconciler.reconcile().await.view
    }

    /// Advances the reconciler's clock.
    fn advance(&self, by: Duration) {
        *self.ahead.lock().expect("no test panics with it") += by;
    }

    /// What containers have left on the node: links, ports, flows with a generation, meters,
    /// conntrack zones.
    fn leftovers(&self) -> Vec<String> {
        let state = self.model.state();
        let of_container = |n: &&str| n.starts_with("fn") && !n.starts_with("fnprobe");
        let links = state.links.keys().map(IfName::as_str);
        let links = links.filter(of_container).map(str::to_owned);
        let ports = state
            .ports
            .keys()
            .map(String::as_str)
            .filter(of_container)
            .map(|n| format!("port {n}"));
        let flows = state
            .flows
            .iter()
            .filter(|f| f.cookie & !COOKIE_MARK_MASK != 0)
            .map(|f| format!("flow {f}"));
        let meters = state.meters.iter().map(|m| format!("meter {}", m.id));
        let zones = state.zones.keys().filter(|z| **z != WAY_BACK_ZONE);
        let zones = zones.map(|z| format!("zone {z}"));
        let containers = state
            .containers
            .keys()
            .map(|(ns, name)| format!("{ns} {name}"));
        links
            .chain(ports)
            .chain(flows)
            .chain(meters)
            .chain(zones)
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
        ip_prefixes: Vec::new(),
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

fn check_request(container: &str, reply: &AddReply) -> CheckRequest {
    CheckRequest {
        version: VERSION,
        key: key(container),
        netns: NetnsPath::new(format!("/run/netns/{container}")).expect("path"),
        mac: Some(reply.mac),
        ips: reply.ips.iter().map(|a| a.address).collect(),
        routes: reply.routes.clone(),
    }
}
