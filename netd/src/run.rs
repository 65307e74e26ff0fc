//! Starting, running and stopping the daemon.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Parser;
use flatnet_cni::spool::Spool;
use flatnet_daemon::{socket, stop};
use flatnet_ipam::{HostRange, Ipam, Networks, Span};
use flatnet_kernel::Kernel;
use flatnet_plan::NodeSpec;
use flatnet_plan::node::NodeNetwork;
use flatnet_plan_source::PlanSource;
use flatnet_types::Timestamp;
use tokio::sync::{Notify, watch as watched};
use tracing::{info, warn};

use crate::attach::Engine;
use crate::config::{Cli, Command, Datapath, RunArgs};
use crate::failover;
use crate::features;
use crate::host::{self, Host};
use crate::live::{self, Live};
use crate::metrics::Metrics;
use crate::plan_file::{self, Started};
use crate::probe;
use crate::problems::{Board, Problem};
use crate::real::RealWorld;
use crate::reconcile::{NodeOptions, Reconciler};
use crate::replay::{self, Replayer};
use crate::scrape::Scraper;
use crate::server::{self, App};
use crate::shares::{self, Shares};
use crate::view::trace::NodeTracer;
use crate::watch;

/// The store's file in the state directory.
const STORE_FILE: &str = "netd.redb";
/// Events that come together are one cause.
const SETTLE: Duration = Duration::from_millis(5);
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
            let spec = plan_file::derive(&args)?;
            let text = serde_json::to_string_pretty(&spec)?;
            std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes())?;
            Ok(())
        }
        Command::Uplink(command) => crate::uplink::obey(command),
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
        quarantine: rest,
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
    socket::is_free("netd", &args.socket)?;
    make_state_directory(&args.state)?;
    let Started {
        spec,
        file: plan_file,
        source,
        followers,
    } = plan_file::start(&args).await?;
    let kernel = Kernel::start().context("open netlink")?;
    host::is_not_missing(&args.state, STORE_FILE, &kernel).await?;
    let (ipam, recovery) = open_store(&args.state, &spec, args.rest)?;
    let store = host::store_file(&args.state, STORE_FILE);
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
    let userspace = args.datapath == Datapath::Netdev;
    let shares = Shares {
        rundir: args.ovs_rundir.clone(),
        datapath: format!("{kind}@ovs-{kind}", kind = args.datapath.as_str()),
        userspace,
        limit: args.service_connections,
    };
    let world = RealWorld::start(
        kernel,
        &args.ovsdb,
        &args.ovs_rundir,
        &args.bridge,
        userspace,
    );
    let world = live::world(world.limited_to(shares.clone()));
    let clock = Arc::new(|| Timestamp::from(SystemTime::now()));
    let engine = Engine::new(world.clone(), ipam, spec, clock);

    let dead: Vec<_> = recovery
        .uncommitted
        .into_iter()
        .chain(recovery.earlier_boot)
        .collect();
    engine.recover(&dead).await;
    let spool = Spool::new(&args.spool).with_lock_timeout(replay::PATIENCE);
    engine.set_spool(spool.clone());
    let mut replayer = Replayer::new(engine.clone(), spool);
    replayer.replay().await;

    let metrics = Arc::new(Metrics::default());
    let options = NodeOptions {
        bridge: args.bridge.clone(),
        datapath: args.datapath.as_str().to_owned(),
    };
    let reconciler = Arc::new(Reconciler::new(engine.clone(), options));
    let listener = socket::bind("netd", &args.socket)?;
    let (stop, stopping) = watched::channel(false);

    probe::not_yet(engine.board());
    shares::not_yet(engine.board());
    let dirty = engine.dirty();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(probe::run(
        world.kernel().clone(),
        engine.board().clone(),
        args.bridge.clone(),
        Arc::clone(&dirty),
    ));
    watch::spawn(&engine, &mut tasks);
    // What nobody rings but here, once.
    let woken = match args.no_events {
        true => Arc::new(Notify::new()),
        false => Arc::clone(&dirty),
    };
    woken.notify_one();
    tasks.spawn(reconcile_loop(
        Arc::clone(&reconciler),
        Arc::clone(&metrics),
        woken,
        args.resync,
        args.state.clone(),
    ));
    let host = Host {
        engine: engine.clone(),
        reconciler: Arc::clone(&reconciler),
        kernel: world.kernel().clone(),
        store,
        userspace,
    };
    host.spawn(&mut tasks);
    let features = world.features().clone();
    let switch = features::Switch {
        rundir: args.ovs_rundir.clone(),
        bridge: args.bridge.clone(),
        kind: args.datapath.as_str(),
    };
    let following = features.clone();
    tasks.spawn(following.follow(world.clone(), switch, engine.clone()));
    tasks.spawn(shares.follow(world.clone(), engine.clone()));
    tasks.spawn(failover::watch(world.clone(), engine.clone()));
    tasks.spawn(replayer.follow());
    tasks.spawn(crate::uplink::follow_plan(
        args.clone(),
        NodeSpec::clone(&engine.spec()),
        engine.dirty(),
    ));
    let plan = source.watch();
    tasks.spawn(async { match source.follow().await {} });
    tasks.spawn(plan_file::watch(
        plan_file,
        engine.clone(),
        Arc::clone(&metrics),
    ));
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
        features,
        plan,
        engine: engine.clone(),
        reconciler,
        metrics: Arc::clone(&metrics),
        scrape: Arc::new(Scraper::new(engine, metrics)),
    };
    info!(socket = %args.socket.display(), "serving");
    let mut served = tokio::spawn(server::serve(listener, app, stop::notified(stopping)));
    tokio::select! {
        ended = &mut served => {
            ended.context("the server died")?.context("serve")?;
            bail!("the server stopped by itself");
        }
        signal = stop::wait_for_signal() => info!(signal = signal?, "stopping; the data path goes on"),
    }
    stop.send_replace(true);
    if tokio::time::timeout(STOP_TIMEOUT, served).await.is_err() {
        warn!("requests still run; the next start mends what they leave");
    }
    tasks.shutdown().await;
    let _ = std::fs::remove_file(&args.socket);
    Ok(())
}

/// Whether a move of the uplink is unfinished. One whose journal cannot be read may be: that is
/// named, for it holds up every repair.
fn uplink_moves(state: &Path, board: &Board) -> bool {
    let found = flatnet_uplink::unfinished(state);
    let unreadable = found.as_ref().err().map(|e| {
        Problem::blocking(
            "uplink-journal",
            format!(
                "nothing is repaired while it is not known whether the uplink is being moved: {e}"
            ),
        )
        .repaired_by("netd uplink status")
    });
    board.post("uplink-journal", unreadable.into_iter().collect());
    found.unwrap_or(true)
}

/// Reconciles whenever something says so, and every `resync`; again soon where something was
/// left over.
async fn reconcile_loop(
    reconciler: Arc<Reconciler<Live>>,
    metrics: Arc<Metrics>,
    dirty: Arc<Notify>,
    resync: Duration,
    state: PathBuf,
) {
    /// Between two looks at a move of the uplink that is under way: it and a reconcile would
    /// change the same things.
    const MOVE: Duration = Duration::from_millis(200);
    const FIRST_RETRY: Duration = Duration::from_millis(50);
    const LAST_RETRY: Duration = Duration::from_secs(2);
    let mut retry = FIRST_RETRY;
    let mut pause = resync;
    loop {
        // Woken or not: it is time.
        let _ = tokio::time::timeout(pause, dirty.notified()).await;
        tokio::time::sleep(SETTLE).await;
        while uplink_moves(&state, reconciler.board()) {
            tokio::time::sleep(MOVE).await;
        }
        let report = reconciler.reconcile().await;
        metrics.reconciled(&report);
        // A reconcile has every flow of the bridge in memory for a moment.
        flatnet_kernel::memory::give_back();
        let clean = report.again.is_none() && report.view.failed.is_empty();
        pause = match report.again {
            // A held op is due at its own time; a problem is looked at again soon.
            Some(at) => retry.max(at.saturating_duration_since(Instant::now())),
            None if clean => resync,
            None => retry,
        };
        retry = if clean {
            FIRST_RETRY
        } else {
            (retry * 2).min(LAST_RETRY)
        };
    }
}
