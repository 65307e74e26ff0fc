//! Starting, running and stopping the daemon.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Parser;
use flatnet_client::{Access, Client};
use flatnet_cni::spool::{Entry, Spool};
use flatnet_daemon::{socket, stop};
use flatnet_ipam::{HostRange, Ipam, Networks, Record, Span};
use flatnet_kernel::{Kernel, LinkEvent};
use flatnet_ovs::openflow::SwitchState;
use flatnet_ovs::ovsdb::ConnState;
use flatnet_plan::node::{Mode, NodeNetwork};
use flatnet_plan::{NetworkPlan, NodeSpec};
use flatnet_types::NodeName;
use flatnet_types::Timestamp;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::attach::Engine;
use crate::config::{Cli, Command, Datapath, PlanArgs, RunArgs};
use crate::live::{self, Live};
use crate::metrics::Metrics;
use crate::ranges::{Follower, Peers, Start};
use crate::real::RealWorld;
use crate::reconcile::{HOST_PORT, NodeOptions, Reconciler};
use crate::scrape::Scraper;
use crate::server::{self, App};
use crate::view::trace::NodeTracer;

/// The store's file in the state directory.
const STORE_FILE: &str = "netd.redb";
/// Events that come together are one cause.
const SETTLE: Duration = Duration::from_millis(5);
/// How often the spool is looked at: a plugin may have found netd away a moment before it
/// was back.
const SPOOL_EVERY: Duration = Duration::from_secs(1);
/// How long a stop waits for requests that run.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// The whole program: reads the command line and does what it says. What goes wrong is
/// printed to standard error, with what was being done.
pub fn main() -> ExitCode {
    match obey(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("netd: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Derive(args) => {
            let spec = derive(&args)?;
            let text = serde_json::to_string_pretty(&spec)?;
            std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes())?;
            Ok(())
        }
        Command::Run(args) => {
            flatnet_daemon::log::to_stderr(args.log_format);
            // Two workers: the work is short and mostly waiting, and memory goes with threads.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context("start the runtime")?;
            runtime.block_on(run(*args))
        }
    }
}

fn derive(args: &PlanArgs) -> Result<NodeSpec> {
    let (plan, node) = read_plan(args)?;
    Ok(flatnet_plan::node::derive(&plan, &node)?)
}

fn read_plan(args: &PlanArgs) -> Result<(NetworkPlan, NodeName)> {
    let path = &args.plan;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read the plan {}", path.display()))?;
    let plan = flatnet_plan::load(&text).with_context(|| path.display().to_string())?;
    let node = match &args.node {
        Some(node) => node.clone(),
        None => {
            let name = nix::unistd::gethostname().context("read the host's name")?;
            NodeName::new(name.to_string_lossy()).context("the host's name; use --node")?
        }
    };
    Ok((plan, node))
}

/// Who keeps the node's part of the plan up to date where ranges are ipamd's.
struct Followers {
    own: Follower,
    /// In mode `routed`.
    peers: Option<Peers>,
}

/// This node's part of the plan, and who keeps it up to date where ranges are ipamd's.
async fn node_spec(args: &RunArgs) -> Result<(NodeSpec, Option<Followers>)> {
    let Some(endpoint) = args.ipamd.clone() else {
        return Ok((derive(&args.plan)?, None));
    };
    let access = Access {
        token_file: args.ipamd_token_file.clone(),
        ca: args.ipamd_ca.clone(),
        cert: args.ipamd_cert.clone(),
        key: args.ipamd_key.clone(),
    };
    let client = Client::open(endpoint, access).context("the way to ipamd")?;
    let (plan, node) = read_plan(&args.plan)?;
    let start = Start {
        client,
        node,
        plan_file: args.plan.plan.clone(),
        plan,
        state: args.state.clone(),
    };
    let (own, mut spec) = Follower::begin(start.clone()).await?;
    let peers = match spec.mode {
        Mode::Vlan { .. } => None,
        Mode::Routed => {
            let (peers, routes) = Peers::begin(start)?;
            spec.peers = routes;
            Some(peers)
        }
    };
    Ok((spec, Some(Followers { own, peers })))
}

/// The ranges of a node, as the allocator wants them.
///
/// # Errors
/// Where a range leaves nothing to give out, or two overlap.
pub fn networks(networks: &[NodeNetwork]) -> Result<Networks> {
    let ranges = networks
        .iter()
        .map(|network| {
            let ranges = network
                .ranges
                .iter()
                .map(|range| {
                    let exclude: Vec<Span> = range.exclude.iter().map(|e| Span::from(*e)).collect();
                    HostRange::new(
                        Span::from(range.prefix),
                        range.subnet,
                        Some(range.gateway),
                        &exclude,
                    )
                    .with_context(|| format!("network {}", network.name))
                })
                .collect::<Result<Vec<_>>>()?;
            Ok((network.name.clone(), ranges))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Networks::new(ranges)?)
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

fn open_store(
    dir: &Path,
    spec: &NodeSpec,
    rest: Duration,
) -> Result<(Ipam, flatnet_ipam::Recovery)> {
    let config = flatnet_ipam::Config {
        rest,
        ..flatnet_ipam::Config::new(networks(&spec.networks)?)
    };
    let now = Timestamp::from(SystemTime::now());
    Ok(live::store(
        &dir.join(STORE_FILE),
        config,
        &boot_id()?,
        now,
    )?)
}

async fn run(args: RunArgs) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("netd changes the host's network: run it as root");
    }
    make_state_directory(&args.state)?;
    let (spec, followers) = node_spec(&args).await?;
    let (ipam, recovery) = open_store(&args.state, &spec, args.rest)?;
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
    let kernel = Kernel::start().context("open netlink")?;
    let userspace = args.datapath == Datapath::Netdev;
    let world = live::world(RealWorld::start(
        kernel,
        &args.ovsdb,
        &args.ovs_rundir,
        &args.bridge,
        userspace,
    ));
    let clock = Arc::new(|| Timestamp::from(SystemTime::now()));
    let engine = Engine::new(world.clone(), ipam, spec, clock);

    let dead: Vec<_> = recovery
        .uncommitted
        .into_iter()
        .chain(recovery.earlier_boot)
        .collect();
    engine.recover(&dead).await;
    let spool = Spool::new(&args.spool);
    replay(&engine, &spool).await;

    let metrics = Arc::new(Metrics::default());
    let options = NodeOptions {
        bridge: args.bridge.clone(),
        datapath: args.datapath.as_str().to_owned(),
    };
    let reconciler = Arc::new(Reconciler::new(engine.clone(), options));
    let listener = socket::bind("netd", &args.socket)?;
    let (stop, stopping) = watch::channel(false);

    let dirty = engine.dirty();
    dirty.notify_one();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(watch_events(
        world.clone(),
        engine.clone(),
        Arc::clone(&dirty),
    ));
    tasks.spawn(reconcile_loop(
        Arc::clone(&reconciler),
        Arc::clone(&metrics),
        dirty,
        args.resync,
    ));
    tasks.spawn(replay_loop(engine.clone(), spool));
    if let Some(followers) = followers {
        tasks.spawn(followers.own.follow(engine.clone()));
        if let Some(peers) = followers.peers {
            tasks.spawn(peers.follow(engine.clone()));
        }
    }

    let tracer = NodeTracer {
        engine: engine.clone(),
        reconciler: Arc::clone(&reconciler),
        kernel: world.kernel().clone(),
        rundir: args.ovs_rundir.clone(),
        bridge: args.bridge.clone(),
    };
    let app = App {
        tracer: Arc::new(tracer),
        engine: engine.clone(),
        reconciler,
        metrics: Arc::clone(&metrics),
        scrape: Arc::new(Scraper::new(engine, metrics)),
    };
    info!(socket = %args.socket.display(), "serving");
    let mut served = tokio::spawn(server::serve(listener, app, stop::told(stopping)));
    tokio::select! {
        ended = &mut served => {
            ended.context("the server died")?.context("serve")?;
            bail!("the server stopped by itself");
        }
        signal = stop::wanted() => info!(signal = signal?, "stopping; the data path goes on"),
    }
    stop.send_replace(true);
    if tokio::time::timeout(STOP_TIMEOUT, served).await.is_err() {
        warn!("requests still run; the next start mends what they leave");
    }
    tasks.shutdown().await;
    let _ = std::fs::remove_file(&args.socket);
    Ok(())
}

/// Reconciles whenever something says so, and every `resync`; again soon where something was
/// left over.
async fn reconcile_loop(
    reconciler: Arc<Reconciler<Live>>,
    metrics: Arc<Metrics>,
    dirty: Arc<Notify>,
    resync: Duration,
) {
    const FIRST_RETRY: Duration = Duration::from_millis(50);
    const LAST_RETRY: Duration = Duration::from_secs(5);
    let mut retry = FIRST_RETRY;
    let mut pause = resync;
    loop {
        // Woken or not: it is time.
        let _ = tokio::time::timeout(pause, dirty.notified()).await;
        tokio::time::sleep(SETTLE).await;
        let report = reconciler.reconcile().await;
        metrics.reconciled(&report);
        // A reconcile has every flow of the bridge in memory for a moment.
        flatnet_kernel::memory::give_back();
        // An undoing that failed again is among what failed, in a report that converged.
        let seen = &report.view;
        let settled = seen.converged && seen.failed.is_empty() && seen.problems.is_empty();
        pause = if settled { resync } else { retry };
        retry = if settled {
            FIRST_RETRY
        } else {
            (retry * 2).min(LAST_RETRY)
        };
    }
}

/// Turns what happens on the node into reconciles. Cancel safe: it holds nothing.
async fn watch_events(world: Live, engine: Engine<Live>, dirty: Arc<Notify>) {
    let mut links = world.kernel().watch();
    let mut database = world.database().state();
    let mut switch = world.switch().state();
    let uplink = engine.spec().uplink.clone();
    let matters = |name: &str| name == HOST_PORT || name == uplink.as_str();
    loop {
        let wake = tokio::select! {
            event = links.next() => match event {
                Some(LinkEvent::Changed(link)) => matters(&link.name),
                Some(LinkEvent::Deleted { name, .. }) => matters(&name),
                Some(LinkEvent::Resync) => true,
                None => return,
            },
            changed = database.changed() => match changed {
                Ok(()) => matches!(*database.borrow_and_update(), ConnState::Ready { .. }),
                Err(_) => return,
            },
            changed = switch.changed() => match changed {
                Ok(()) => matches!(*switch.borrow_and_update(), SwitchState::Connected { .. }),
                Err(_) => return,
            },
        };
        if wake {
            dirty.notify_one();
        }
    }
}

async fn replay_loop(engine: Engine<Live>, spool: Spool) {
    loop {
        tokio::time::sleep(SPOOL_EVERY).await;
        replay(&engine, &spool).await;
    }
}

/// Does the DELs that were answered while netd was away.
async fn replay(engine: &Engine<Live>, spool: &Spool) {
    let listing = match spool.read_all() {
        Ok(listing) => listing,
        Err(e) => return warn!(error = %e, "the spool cannot be read"),
    };
    for bad in &listing.bad {
        warn!(file = %bad.path.display(), reason = %bad.reason, "moved aside: not an entry of the spool");
    }
    for entry in &listing.entries {
        match replay_one(engine, entry).await {
            Ok(existed) => {
                info!(key = %entry.del.request.key, existed, "a spooled DEL was done");
                if let Err(e) = spool.remove(entry) {
                    warn!(error = %e, "it will be done again");
                }
            }
            Err(e) => warn!(key = %entry.del.request.key, error = %e, "a spooled DEL waits"),
        }
    }
}

async fn replay_one(
    engine: &Engine<Live>,
    entry: &Entry,
) -> Result<bool, crate::attach::AttachError> {
    // One that is gone already, or was made after that DEL, is left alone.
    let meant = |record: &Record| entry.del.applies_to(record.created_at.as_millis());
    Ok(engine.del_if(&entry.del.request.key, meant).await?.existed)
}
