//! What the daemon is made of, put together: the plan, the store, the switch, what netd knows of its node, and
//! what was left by the run before, done with.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use flatnet_daemon::socket;
use flatnet_ipam::{Ipam, Recovery};
use flatnet_kernel::Kernel;
use flatnet_plan::NodeSpec;
use flatnet_spool::Spool;
use flatnet_types::Timestamp;
use tracing::{info, warn};

use crate::allocator::networks;
use crate::attach::{Engine, recover};
use crate::config::{Datapath, RunArgs};
use crate::daemon_node::{self, DaemonNode};
use crate::host::{self, StoreFile};
use crate::metrics::Metrics;
use crate::plan_file::PlanFile;
use crate::real::RealNode;
use crate::reconcile::{NodeOptions, Reconciler};
use crate::replay::{self, Replayer};
use crate::shares::Shares;
use crate::source::Source;
use crate::start::{self, Followers, Started};
use crate::state::NodeState;

/// The store's file in the state directory.
const STORE_FILE: &str = "netd.redb";

/// The daemon's parts, of which nothing runs yet.
pub(crate) struct Composed {
    pub(crate) node: DaemonNode,
    pub(crate) state: NodeState<DaemonNode>,
    pub(crate) engine: Engine<DaemonNode>,
    pub(crate) reconciler: Arc<Reconciler<DaemonNode>>,
    pub(crate) replayer: Replayer<DaemonNode>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shares: Shares,
    /// Where the store is, to see that its file stays there.
    pub(crate) store: StoreFile,
    /// Takes over later plans.
    pub(crate) file: PlanFile,
    pub(crate) source: Source,
    /// Keep the spec as ipamd says; `None` where the plan declares ranges.
    pub(crate) followers: Option<Followers>,
}

/// Puts the parts together. What an earlier run began and did not complete is undone, and DELs that it missed
/// are done.
///
/// # Errors
/// Another netd runs, or a part cannot be opened.
pub(crate) async fn compose(args: &RunArgs) -> Result<Composed> {
    if !nix::unistd::geteuid().is_root() {
        bail!("netd changes the host's network: run it as root");
    }
    if let Some(directory) = &args.sysctls {
        flatnet_kernel::use_sysctl_directory(directory);
    }
    socket::is_free("netd", &args.socket)?;
    make_state_directory(&args.state)?;
    let Started {
        spec,
        file,
        source,
        followers,
    } = start::start(args).await?;
    let kernel = Kernel::start().context("open netlink")?;
    host::ensure_store_present(&args.state, STORE_FILE, &kernel).await?;
    let (ipam, recovery) = open_store(&args.state, &spec, args.rest)?;
    let store = host::store_file(&args.state, STORE_FILE);
    tell(&spec, &recovery);
    let userspace = args.datapath == Datapath::Netdev;
    let shares = Shares {
        rundir: args.ovs_rundir.clone(),
        datapath: format!("{kind}@ovs-{kind}", kind = args.datapath.as_str()),
        userspace,
        limit: args.service_connections,
        limited: Arc::default(),
    };
    let node = RealNode::start(
        kernel,
        &args.ovsdb,
        &args.ovs_rundir,
        &args.bridge,
        userspace,
    );
    let node = daemon_node::wrap(node.with_shares(shares.clone()));
    let clock = Arc::new(|| Timestamp::from(SystemTime::now()));
    let state = NodeState::new(node.clone(), ipam, spec, clock);

    let uncommitted = recovery.uncommitted.into_iter();
    let dead: Vec<_> = uncommitted.chain(recovery.earlier_boot).collect();
    recover(&state, &dead).await;
    let spool = Spool::new(&args.spool).with_lock_timeout(replay::LOCK_TIMEOUT);
    let engine = Engine::new(state.clone()).with_spool(spool.clone());
    let mut replayer = Replayer::new(engine.clone(), spool);
    replayer.replay().await;

    let options = NodeOptions {
        bridge: args.bridge.clone(),
        datapath: args.datapath.as_str().to_owned(),
    };
    let reconciler = Arc::new(Reconciler::new(state.clone(), options));
    Ok(Composed {
        node,
        state,
        engine,
        reconciler,
        replayer,
        metrics: Arc::default(),
        shares,
        store,
        file,
        source,
        followers,
    })
}

fn tell(spec: &NodeSpec, recovery: &Recovery) {
    info!(
        node = %spec.node,
        version = env!("CARGO_PKG_VERSION"),
        attachments = recovery.alive.len(),
        uncommitted = recovery.uncommitted.len(),
        earlier_boot = recovery.earlier_boot.len(),
        "netd starts"
    );
    for record in &recovery.outside {
        warn!(key = %record.key, "its address is in none of this node's ranges any more: kept until its DEL");
    }
}

fn boot_id() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(path)
        .with_context(|| format!("read {path}"))?
        .trim()
        .to_owned())
}

fn make_state_directory(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("make {}", dir.display()))
}

fn open_store(dir: &Path, spec: &NodeSpec, rest: Duration) -> Result<(Ipam, Recovery)> {
    let config = flatnet_ipam::Config {
        quarantine: rest,
        ..flatnet_ipam::Config::new(networks(&spec.networks)?)
    };
    let now = Timestamp::from(SystemTime::now());
    Ok(daemon_node::open_store(
        &dir.join(STORE_FILE),
        config,
        &boot_id()?,
        now,
    )?)
}
