//! Starts, runs and stops the daemon.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Parser;
use flatnet_clock::Backoff;
use flatnet_daemon::{LogFormat, socket, stop};
use flatnet_ipam::Ipam;
use flatnet_kernel::Kernel;
use flatnet_plan::NodeSpec;
use flatnet_spool::Spool;
use flatnet_types::Timestamp;
use tokio::sync::{Notify, watch as watched};
use tracing::{info, warn};

use crate::allocator::networks;
use crate::attach::{Engine, recover};
use crate::cli::{Cli, Command};
use crate::cni_files;
use crate::config::{Datapath, RunArgs};
use crate::daemon_node::{self, DaemonNode};
use crate::failover;
use crate::features;
use crate::host::{self, Host};
use crate::metrics::Metrics;
use crate::plan_file;
use crate::preflight;
use crate::probe;
use crate::problems::{Board, Problem};
use crate::ready;
use crate::real::RealNode;
use crate::reconcile::{NodeOptions, Reconciler};
use crate::replay::{self, Replayer};
use crate::scrape::Scraper;
use crate::scraped;
use crate::server::{self, App};
use crate::shares::{self, Shares};
use crate::start::{self, Started};
use crate::state::NodeState;
use crate::view::trace::NodeTracer;
use crate::watch;

/// The store's file in the state directory.
const STORE_FILE: &str = "netd.redb";
/// How long events are collected before a reconcile: those that come together have one cause.
const DEBOUNCE: Duration = Duration::from_millis(5);
/// How long a stop waits for running requests.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// The program: executes the command line. Prints errors to standard error.
pub fn main() -> ExitCode {
    match run_command(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("netd: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Derive(args) => {
            let spec = start::derive(&args)?;
            let text = serde_json::to_string_pretty(&spec)?;
            std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes())?;
            Ok(())
        }
        Command::Preflight(args) => preflight::run(&args),
        Command::Ready(args) => ready::run(&args),
        Command::Cni(command) => {
            flatnet_daemon::log::to_stderr(LogFormat::Text);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .context("start the runtime")?;
            runtime.block_on(cni_files::run(command))
        }
        Command::Uplink(command) => crate::uplink::run(command),
        Command::Run(args) => {
            flatnet_kernel::memory::use_one_arena();
            flatnet_daemon::log::to_stderr(args.log_format);
            // Two workers: the work is short and mostly waits, and each thread costs memory.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context("start the runtime")?;
            runtime.block_on(run(*args))
        }
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
    Ok(daemon_node::open_store(
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
    if let Some(directory) = &args.sysctls {
        flatnet_kernel::use_sysctl_directory(directory);
    }
    socket::is_free("netd", &args.socket)?;
    make_state_directory(&args.state)?;
    let Started {
        spec,
        file: plan_file,
        source,
        followers,
    } = start::start(&args).await?;
    let kernel = Kernel::start().context("open netlink")?;
    host::ensure_store_present(&args.state, STORE_FILE, &kernel).await?;
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

    let dead: Vec<_> = recovery
        .uncommitted
        .into_iter()
        .chain(recovery.earlier_boot)
        .collect();
    recover(&state, &dead).await;
    let spool = Spool::new(&args.spool).with_lock_timeout(replay::LOCK_TIMEOUT);
    let engine = Engine::new(state.clone()).with_spool(spool.clone());
    let mut replayer = Replayer::new(engine.clone(), spool);
    replayer.replay().await;

    let metrics = Arc::new(Metrics::default());
    let options = NodeOptions {
        bridge: args.bridge.clone(),
        datapath: args.datapath.as_str().to_owned(),
    };
    let reconciler = Arc::new(Reconciler::new(state.clone(), options));
    let listener = socket::bind("netd", &args.socket)?;
    let (stop, stopping) = watched::channel(false);

    probe::post_initial_problem(state.board());
    shares::post_initial_problem(state.board());
    let repair_requested = state.repair_requested();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(probe::run(
        node.kernel().clone(),
        state.board().clone(),
        args.bridge.clone(),
        Arc::clone(&repair_requested),
    ));
    watch::spawn(&state, &mut tasks);
    // With `--no-events` the reconciler gets a `Notify` that is only notified here, once.
    let reconcile_signal = match args.no_events {
        true => Arc::new(Notify::new()),
        false => Arc::clone(&repair_requested),
    };
    reconcile_signal.notify_one();
    tasks.spawn(reconcile_loop(
        Arc::clone(&reconciler),
        Arc::clone(&metrics),
        reconcile_signal,
        args.resync,
        args.state.clone(),
    ));
    let host = Host {
        state: state.clone(),
        reconciler: Arc::clone(&reconciler),
        kernel: node.kernel().clone(),
        store,
        userspace,
    };
    host.spawn(&mut tasks);
    let features = node.features().clone();
    let switch = features::FeatureQuery {
        rundir: args.ovs_rundir.clone(),
        bridge: args.bridge.clone(),
        kind: args.datapath.as_str(),
    };
    let following = features.clone();
    tasks.spawn(following.follow(node.switch().state(), switch, state.clone()));
    tasks.spawn(shares.follow(node.switch().state(), features.clone(), state.clone()));
    tasks.spawn(failover::watch(node.clone(), state.clone()));
    tasks.spawn(replayer.follow());
    tasks.spawn(crate::uplink::follow_plan(
        args.clone(),
        NodeSpec::clone(&state.spec()),
        state.repair_requested(),
    ));
    let plan = source.watch();
    let (pod_events, events_writer) = source.pod_events(&state.spec().node);
    tasks.spawn(events_writer);
    tasks.spawn(source.follow(state.clone()));
    tasks.spawn(plan_file::watch(
        plan_file,
        state.clone(),
        Arc::clone(&metrics),
    ));
    if let Some(followers) = followers {
        tasks.spawn(followers.own.follow(state.clone()));
        if let Some(peers) = followers.peers {
            tasks.spawn(peers.follow(state.clone()));
        }
    }

    let tracer = NodeTracer {
        state: state.clone(),
        reconciler: Arc::clone(&reconciler),
        kernel: node.kernel().clone(),
        rundir: args.ovs_rundir.clone(),
        bridge: args.bridge.clone(),
    };
    let app = App {
        tracer: Arc::new(tracer),
        features,
        pod_events,
        plan,
        state: state.clone(),
        engine,
        reconciler,
        metrics: Arc::clone(&metrics),
        scrape: Arc::new(Scraper::new(state, metrics)),
    };
    if let Some(address) = args.metrics {
        let scraped = scraped::router(Arc::clone(&app.metrics), Arc::clone(&app.scrape));
        tasks.spawn(flatnet_daemon::metrics::keep(address, scraped));
    }
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
        warn!("requests still run; the next start repairs what they leave");
    }
    tasks.shutdown().await;
    let _ = std::fs::remove_file(&args.socket);
    Ok(())
}

/// Whether a move of the uplink is unfinished. `true` if its journal cannot be read, which is a
/// problem, because it blocks every repair.
fn has_unfinished_move(state: &Path, board: &Board) -> bool {
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

/// Reconciles when `repair_requested` is notified, and every `resync`; again soon if something is left to do.
async fn reconcile_loop(
    reconciler: Arc<Reconciler<DaemonNode>>,
    metrics: Arc<Metrics>,
    repair_requested: Arc<Notify>,
    resync: Duration,
    state: PathBuf,
) {
    /// Interval between checks of an unfinished move of the uplink: a reconcile would change the
    /// same things.
    const MOVE_POLL: Duration = Duration::from_millis(200);
    const RETRY: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    let mut delays = RETRY.delays();
    let mut pause = resync;
    loop {
        // A timeout is the regular resync.
        let _ = tokio::time::timeout(pause, repair_requested.notified()).await;
        tokio::time::sleep(DEBOUNCE).await;
        while has_unfinished_move(&state, reconciler.board()) {
            tokio::time::sleep(MOVE_POLL).await;
        }
        let report = reconciler.reconcile().await;
        metrics.reconciled(&report);
        let clean = report.again.is_none() && report.view.failed.is_empty();
        pause = if clean {
            delays.reset();
            resync
        } else {
            // After a problem the node is observed again soon; a held op has its own time.
            let held = report
                .again
                .map(|at| at.saturating_duration_since(Instant::now()));
            delays.after_failure().max(held.unwrap_or_default())
        };
    }
}
