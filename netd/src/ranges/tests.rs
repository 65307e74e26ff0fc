//! The followers against the real ledger, served by a minimal HTTP server.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Path as UrlPath, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use flatnet_client::{Client, Endpoint};
use flatnet_ipam::assign::{
    Declared, DeclaredHost, DeclaredNetwork, DeclaredPool, DeclaredRange, LedgerConfig,
    LedgerMemory, Segment, Service, ServiceStart, Trust, Wait,
};
use flatnet_ipam::{Config, Ipam, MemoryBackend, ReserveRequest};
use flatnet_plan_source::{FilePlan, FileSource, PlanSource};
use flatnet_types::Timestamp;
use flatnet_types::ipamd::{Drain, Grants, HostRanges, Incarnation, Release, Report};
use flatnet_types::{AttachmentKey, NodeName};
use tokio::net::UnixListener;

use super::{FollowerConfig, PeerFollower, RangeFollower};
use crate::allocator::networks;
use crate::model::ModelNode;
use crate::node_plan::NodePlan;
use crate::state::NodeState;

const LAB: &str = include_str!("../../../examples/lab.yaml");

fn node() -> NodeName {
    "idc1".parse().expect("a name")
}

/// The ledger's plan: node idc1 has `range` of the lab's network web.
fn declared(range: &str) -> Arc<Declared> {
    let web = || "web".parse().expect("a name");
    let network = DeclaredNetwork {
        cluster: None,
        site: "idc".to_owned(),
        pools: vec![DeclaredPool {
            prefix: "10.100.0.0/16".parse().expect("a prefix"),
            slice: None,
            blocked: Vec::new(),
        }],
    };
    let host = DeclaredHost {
        cluster: None,
        site: "idc".to_owned(),
        segment: None,
        ranges: vec![DeclaredRange {
            network: web(),
            prefix: range.parse().expect("a prefix"),
        }],
    };
    let plan = Declared::new([(web(), network)].into(), [(node(), host)].into());
    Arc::new(plan.expect("a sound plan"))
}

fn service(store: &LedgerMemory, range: &str, life: u64) -> Service {
    service_of(store, declared(range), life)
}

fn service_of(store: &LedgerMemory, declared: Arc<Declared>, life: u64) -> Service {
    let ticks = AtomicU64::new(life * 1_000_000);
    let start = ServiceStart {
        incarnation: Incarnation(life),
        trust: if life == 1 {
            Trust::New
        } else {
            Trust::Current
        },
        config: LedgerConfig {
            quarantine: Duration::from_secs(1),
            grace: Duration::ZERO,
        },
        declared,
        clock: Arc::new(move || Timestamp::from_millis(ticks.fetch_add(1, Ordering::Relaxed))),
    };
    Service::start(Box::new(store.clone()), start)
        .expect("starts")
        .0
}

async fn ranges(
    State(service): State<Service>,
    UrlPath(host): UrlPath<NodeName>,
    Query(watch): Query<BTreeMap<String, String>>,
) -> Json<HostRanges> {
    let mut ranges = service.watch(&host).await.expect("a known host");
    if let Some(after) = watch.get("after") {
        let changed = ranges.wait_for(|r| &r.revision != after);
        // A watch is answered too if nothing changes.
        let _ = tokio::time::timeout(wait_of(&watch), changed).await;
    }
    let now = HostRanges::clone(&ranges.borrow());
    Json(now)
}

/// The longest delay that a watch requests, parsed as ipamd does.
fn wait_of(watch: &BTreeMap<String, String>) -> Duration {
    let seconds = watch.get("wait").and_then(|w| w.strip_suffix('s'));
    let seconds = seconds.and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.expect("a number of seconds"))
}

async fn report(
    State(service): State<Service>,
    UrlPath(host): UrlPath<NodeName>,
    Json(report): Json<Report>,
) -> Json<HostRanges> {
    let answer = service.report(&host, report.held).await;
    Json(HostRanges::clone(&*answer.expect("a known host")))
}

async fn peers(
    State(service): State<Service>,
    UrlPath(host): UrlPath<NodeName>,
    Query(watch): Query<BTreeMap<String, String>>,
) -> Json<Grants> {
    let wait = watch.get("after").map(|after| Wait {
        after: after.clone(),
        at_most: wait_of(&watch),
    });
    Json(service.peers(&host, wait).await.expect("a known host"))
}

async fn release(State(service): State<Service>, Json(release): Json<Release>) -> Json<HostRanges> {
    let host = release.host.clone();
    service.release(release).await.expect("is empty");
    let told = service.last_known(&host).expect("has asked");
    let now = HostRanges::clone(&told.borrow());
    Json(now)
}

/// Serves the ledger at `socket` until the handle is aborted.
fn serve(service: &Service, socket: &Path) -> tokio::task::JoinHandle<()> {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).expect("binds");
    let router = Router::new()
        .route("/v1/hosts/{host}/ranges", get(ranges))
        .route("/v1/hosts/{host}/use", post(report))
        .route("/v1/hosts/{host}/peers", get(peers))
        .route("/v1/ranges/release", post(release))
        .with_state(service.clone());
    tokio::spawn(async move {
        axum::serve(listener, router).await.expect("serves");
    })
}

/// The followers' parameters, and the source of the plan.
fn start(dir: &Path, plan: &str, node: NodeName) -> (FileSource<NodePlan>, FollowerConfig) {
    let path = dir.join("plan.yaml");
    std::fs::write(&path, plan).expect("writes");
    let name = node.clone();
    let take = move |plan, _: &str| NodePlan::of(plan, &name, true);
    let source = FileSource::open(FilePlan::new(&path, dir), take).expect("a sound plan");
    let start = FollowerConfig {
        client: Client::new(Endpoint::Unix(dir.join("ipamd.sock")), None),
        node,
        plan: source.watch(),
        state: dir.to_owned(),
    };
    (source, start)
}

async fn begin(dir: &Path) -> (RangeFollower, NodeState<ModelNode>) {
    let (source, start) = start(dir, LAB, node());
    let (follower, spec) = RangeFollower::begin(start).await.expect("begins");
    drop(source);
    let config = Config::new(networks(&spec.networks).expect("ranges"));
    let clock = Arc::new(|| Timestamp::from_millis(1));
    let now = clock();
    let store = Box::new(MemoryBackend::default());
    let (ipam, _) = Ipam::open_with(store, config, "boot", now).expect("opens");
    (
        follower,
        NodeState::new(ModelNode::default(), ipam, spec, clock),
    )
}

fn held(state: &NodeState<ModelNode>) -> Vec<String> {
    let spec = state.spec();
    let ranges = spec.networks.iter().flat_map(|n| &n.ranges);
    ranges.map(|r| r.prefix.to_string()).collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn key(id: &str) -> AttachmentKey {
    AttachmentKey {
        network: "web".parse().expect("a name"),
        container_id: id.parse().expect("a name"),
        ifname: "eth0".parse().expect("a name"),
    }
}

fn web() -> ReserveRequest {
    ReserveRequest {
        network: "web".parse().expect("a name"),
        ips: Vec::new(),
    }
}

#[tokio::test]
async fn growth_and_drains_are_applied_while_netd_runs_and_ipamd_may_be_away() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("ipamd.sock");
    let store = LedgerMemory::default();
    let ledger = service(&store, "10.100.16.0/24", 1);
    let server = serve(&ledger, &socket);
    let (follower, state) = begin(dir.path()).await;
    assert_eq!(held(&state), ["10.100.16.0/24"]);
    let now = state.now();
    let (_, durable) = state
        .ipam()
        .reserve(&key("c1"), &web(), now)
        .expect("an address");
    durable.await.expect("is durable");

    let following = tokio::spawn(follower.follow(state.clone()));
    ledger
        .declare(declared("10.100.16.0/23"))
        .await
        .expect("takes it over");
    until("it grows", || held(&state) == ["10.100.16.0/23"]).await;

    // The plan moves the range: addresses in use stay, and no new ones are given out of it.
    ledger
        .declare(declared("10.100.64.0/24"))
        .await
        .expect("takes it over");
    until("both", || {
        held(&state) == ["10.100.16.0/23", "10.100.64.0/24"]
    })
    .await;
    until("nothing of the old one", || {
        let usage = state.ipam().usage(&web().network, now).expect("usage");
        usage[0].capacity == 0
    })
    .await;
    let (second, _) = state
        .ipam()
        .reserve(&key("c2"), &web(), now)
        .expect("an address");
    assert!(
        second.addresses[0]
            .address
            .to_string()
            .starts_with("10.100.64.")
    );
    let first = state.ipam().get(&key("c1")).expect("lives");
    let gone = state.ipam().release(&key("c1"), first.generation, now);
    gone.expect("is released")
        .durable()
        .await
        .expect("is durable");
    until("the old one is let go of", || {
        held(&state) == ["10.100.64.0/24"]
    })
    .await;
    following.abort();

    // ipamd is away, and netd starts.
    server.abort();
    drop(ledger);
    let _ = std::fs::remove_file(&socket);
    let begun = Instant::now();
    let (follower, state) = begin(dir.path()).await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "it waited for ipamd"
    );
    assert_eq!(held(&state), ["10.100.64.0/24"]);
    let (_, durable) = state
        .ipam()
        .reserve(&key("c3"), &web(), now)
        .expect("attaches without ipamd");
    durable.await.expect("is durable");
    let following = tokio::spawn(follower.follow(state.clone()));

    // It is back with another incarnation, and drains the range.
    let ledger = service(&store, "10.100.64.0/24", 2);
    let _door = serve(&ledger, &socket);
    let drain = Drain {
        host: node(),
        prefix: "10.100.64.0/24".parse().expect("a prefix"),
        cancel: false,
    };
    ledger.drain(drain).await.expect("drains");
    until("nothing new is given out", || {
        let usage = state.ipam().usage(&web().network, now).expect("usage");
        usage[0].capacity == 0
    })
    .await;
    assert!(state.ipam().get(&key("c3")).is_some());
    following.abort();
}

/// The lab with both VPC nodes on one vSwitch, and sub-allocated ranges.
fn sub_allocating_lab() -> String {
    let shared = LAB.replace("vSwitch: zone-b", "vSwitch: zone-a");
    let shared = shared.replace(
        "172.20.2.12/24, \"fd20:2::c/64\"",
        "172.20.1.12/24, \"fd20:1::c/64\"",
    );
    let shared = shared.replace(
        "{prefix: 172.30.0.0/16}",
        "{prefix: 172.30.0.0/16, sliceLength: 26}",
    );
    let mut lines: Vec<&str> = shared.lines().collect();
    lines.retain(|line| !line.contains("network: cloud, prefix: 172.30."));
    lines.join("\n")
}

/// Two nodes of one vSwitch, whose ranges are sub-allocated from the lab's cloud pool.
fn segment() -> Arc<Declared> {
    let cloud = || "cloud".parse().expect("a name");
    let network = DeclaredNetwork {
        cluster: None,
        site: "vpc".to_owned(),
        pools: vec![DeclaredPool {
            prefix: "172.30.0.0/16".parse().expect("a prefix"),
            slice: Some(26),
            blocked: Vec::new(),
        }],
    };
    let host = || DeclaredHost {
        cluster: None,
        site: "vpc".to_owned(),
        segment: Some(Segment {
            site: "vpc".to_owned(),
            name: "zone-a".to_owned(),
        }),
        ranges: Vec::new(),
    };
    let hosts = ["vpc1", "vpc2"].map(|name| (name.parse().expect("a name"), host()));
    let plan = Declared::new([(cloud(), network)].into(), hosts.into());
    Arc::new(plan.expect("a sound plan"))
}

fn begin_peers(dir: &Path, plan: &str) -> (PeerFollower, NodeState<ModelNode>) {
    let (_source, start) = start(dir, plan, "vpc1".parse().expect("a name"));
    let plan = flatnet_plan::load(plan).expect("a sound plan");
    let mut spec = flatnet_plan::node::derive(&plan, &start.node).expect("derives");
    let (peers, routes) = PeerFollower::begin(start).expect("begins");
    spec.peers = routes;
    let config = Config::new(networks(&spec.networks).expect("ranges"));
    let clock = Arc::new(|| Timestamp::from_millis(1));
    let store = Box::new(MemoryBackend::default());
    let (ipam, _) = Ipam::open_with(store, config, "boot", clock()).expect("opens");
    (
        peers,
        NodeState::new(ModelNode::default(), ipam, spec, clock),
    )
}

fn routed(state: &NodeState<ModelNode>) -> Vec<String> {
    let spec = state.spec();
    let v4 = spec.peers.iter().filter(|p| p.prefix.is_ipv4());
    v4.map(|p| format!("{} via {}", p.prefix, p.via)).collect()
}

#[tokio::test]
async fn a_peers_sub_allocated_range_is_routed_until_it_is_released_and_ipamd_may_be_away() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("ipamd.sock");
    let store = LedgerMemory::default();
    let ledger = service_of(&store, segment(), 1);
    let server = serve(&ledger, &socket);
    let (peers, state) = begin_peers(dir.path(), &sub_allocating_lab());
    assert_eq!(routed(&state), [] as [String; 0]);
    let following = tokio::spawn(peers.follow(state.clone()));
    let other: NodeName = "vpc2".parse().expect("a name");
    let prefix = ledger.ranges(&other).await.expect("ranges").ranges[0].prefix;
    let route = [format!("{prefix} via 172.20.1.12")];
    until("the peer's range is routed", || routed(&state) == route).await;
    following.abort();

    // ipamd is away, and netd starts.
    server.abort();
    drop(ledger);
    let _ = std::fs::remove_file(&socket);
    let (peers, state) = begin_peers(dir.path(), &sub_allocating_lab());
    assert_eq!(routed(&state), route);
    let following = tokio::spawn(peers.follow(state.clone()));

    // It is back. A draining range is still routed; a released one is not.
    let ledger = service_of(&store, segment(), 2);
    let _door = serve(&ledger, &socket);
    let drain = Drain {
        host: other.clone(),
        prefix,
        cancel: false,
    };
    ledger.drain(drain).await.expect("drains");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(routed(&state), route);
    let release = Release {
        host: other,
        prefix,
        lease: None,
        force: true,
    };
    ledger.release(release).await.expect("releases");
    until("it is routed no more", || routed(&state).is_empty()).await;
    following.abort();
}

#[tokio::test]
async fn a_range_that_does_not_fit_the_plan_is_applied_with_a_later_plan() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = LedgerMemory::default();
    let ledger = service(&store, "10.100.16.0/24", 1);
    let _door = serve(&ledger, &dir.path().join("ipamd.sock"));
    // This node's plan has a smaller pool than ipamd's.
    let narrow = LAB.replace(
        "{prefix: 10.100.0.0/16, exclude",
        "{prefix: 10.100.0.0/18, exclude",
    );
    assert_ne!(narrow, LAB);
    let (source, start) = start(dir.path(), &narrow, node());
    let mut plan = start.plan.clone();
    let (follower, spec) = RangeFollower::begin(start).await.expect("begins");
    let config = Config::new(networks(&spec.networks).expect("ranges"));
    let now = Timestamp::from_millis(1);
    let disk = Box::new(MemoryBackend::default());
    let (ipam, _) = Ipam::open_with(disk, config, "boot", now).expect("opens");
    let state = NodeState::new(ModelNode::default(), ipam, spec, Arc::new(move || now));
    let following = tokio::spawn(follower.follow(state.clone()));
    ledger
        .declare(declared("10.100.64.0/24"))
        .await
        .expect("takes it over");
    until("the range is granted and left out", || {
        let kept = std::fs::read_to_string(dir.path().join("ranges.json"));
        kept.is_ok_and(|k| k.contains("10.100.64.0/24"))
    })
    .await;
    assert!(!held(&state).contains(&"10.100.64.0/24".to_owned()));
    let watching = tokio::spawn(source.follow());
    std::fs::write(dir.path().join("plan.yaml"), LAB).expect("writes");
    plan.changed().await.expect("the source lives");
    until("it is taken", || {
        held(&state).contains(&"10.100.64.0/24".to_owned())
    })
    .await;
    following.abort();
    watching.abort();
}
