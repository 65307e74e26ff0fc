//! Starting, running and stopping the daemon.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use flatnet_daemon::serve::{Limits, serve};
use flatnet_daemon::socket::Peer;
use flatnet_daemon::{socket, stop};
use flatnet_plan_source::Version;
use flatnet_types::Timestamp;
use flatnet_types::ipamd::Incarnation;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::cli::{Cli, Command, InitArgs, RunArgs};
use super::http::{self, App, Plans};
use super::listen;
use super::listener::{self, ListenerConfig};
use super::metrics::Metrics;
use super::source::Source;
use crate::assign::{
    Clock, Declared, LedgerConfig, RedbLedger, Service, ServiceError, ServiceStart, Trust,
};

/// The ledger's file in the state directory.
const LEDGER_FILE: &str = "ledger.redb";
/// How often quarantines are checked, and a plan that could not be applied is tried again.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// How often pools are sampled for the forecast and the metrics.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);
/// The most connections at a time on the unix socket.
const ROOT_CONNECTIONS_MAX: usize = 256;
/// How long a stop waits for running requests; then they are aborted, long polls too.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the command of the command line.
///
/// # Errors
/// The failed step and its causes, for an operator.
pub fn main(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Init(args) => init(&args),
        Command::Run(args) => {
            flatnet_daemon::log::to_stderr(args.log_format);
            listen::raise_file_limit();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("start the runtime")?;
            runtime.block_on(run(*args))
        }
    }
}

fn init(args: &InitArgs) -> Result<()> {
    make_dir(&args.state)?;
    let trust = if args.after_loss {
        Trust::RestoredFromBackup
    } else {
        Trust::New
    };
    RedbLedger::create(&args.state.join(LEDGER_FILE), trust)?;
    Ok(())
}

fn make_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("make {}", dir.display()))
}

/// A random incarnation.
fn incarnation() -> Result<Incarnation> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .context("read /dev/urandom")?;
    Ok(Incarnation(u64::from_ne_bytes(bytes)))
}

/// The wall clock at the start plus the monotonic time since: steps of the clock have no effect.
fn steady_clock() -> Clock {
    let (wall, begun) = (Timestamp::from(SystemTime::now()), Instant::now());
    Arc::new(move || wall.saturating_add(begun.elapsed()))
}

fn open(args: &RunArgs) -> Result<RedbLedger> {
    make_dir(&args.state)?;
    let path = args.state.join(LEDGER_FILE);
    let there = flatnet_files::is_there(&path)
        .with_context(|| format!("look for the ledger {}", path.display()))?;
    if !there && args.init {
        RedbLedger::create(&path, Trust::New)?;
    } else if !there {
        bail!(
            "there is no ledger at {}: `ipamd init` makes one for a new cluster, `ipamd init --after-loss` one for a cluster whose hosts hold ranges",
            path.display()
        );
    }
    Ok(RedbLedger::open(&path)?)
}

async fn run(args: RunArgs) -> Result<()> {
    let begun = Instant::now();
    let clock = steady_clock();
    make_dir(&args.state)?;
    let source = Source::open(&args, Arc::clone(&clock)).await?;
    let store = open(&args)?;
    let trust = store.trust();
    let metrics = Arc::new(Metrics::default());
    let plan = source.watch();
    let accepted = plan.borrow().accepted.clone();
    let (version, hosts) = (accepted.version, accepted.plan.hosts().len());
    let start = ServiceStart {
        incarnation: incarnation()?,
        trust,
        config: LedgerConfig {
            quarantine: args.quarantine,
            grace: args.grace,
        },
        declared: accepted.plan,
        clock,
    };
    let (service, outcome) = Service::start(Box::new(store), start)?;
    if trust == Trust::RestoredFromBackup {
        warn!(
            "the ledger is an older copy, or was made after a loss: nothing new is granted until every host of the plan has reported what it holds (or `POST /v1/ledger/trust`)"
        );
    }
    let app = App {
        service,
        metrics,
        plan: plan.clone(),
    };
    let unix = socket::bind("ipamd", &args.socket)?;
    let (stop, stopping) = watch::channel(false);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve_unix(unix, app.clone(), stopping.clone()));
    let listener = ListenerConfig::open(&args)?;
    let tls = listener.as_ref().and_then(|l| l.tls.clone());
    if let Some(listener) = listener {
        tasks.spawn(listener.serve(app.clone(), stopping.clone()));
    }
    let background = [
        tokio::spawn(serve_metrics(args.metrics, app.clone())),
        tokio::spawn(listener::reload_tls(tls)),
        tokio::spawn(source.follow()),
        tokio::spawn(apply_plans(app.clone(), plan, version)),
        tokio::spawn(tick_and_sample(app)),
    ];
    info!(
        version = env!("CARGO_PKG_VERSION"),
        hosts,
        waiting = outcome.waiting,
        drained = outcome.drained.len(),
        ?trust,
        took_ms = begun.elapsed().as_millis(),
        socket = %args.socket.display(),
        "serving"
    );
    tokio::select! {
        ended = tasks.join_next() => {
            if let Some(ended) = ended {
                ended.context("a server died")?.context("serve")?;
            }
            bail!("a server stopped by itself");
        }
        signal = stop::wait_for_signal() => info!(signal = signal?, "stopping; hosts go on with what they have"),
    }
    stop.send_replace(true);
    for task in background {
        task.abort();
    }
    let ended = async { while tasks.join_next().await.is_some() {} };
    // Requests that run longer are aborted; their callers try again.
    let _ = tokio::time::timeout(STOP_TIMEOUT, ended).await;
    tasks.shutdown().await;
    let _ = std::fs::remove_file(&args.socket);
    Ok(())
}

async fn serve_unix(
    listener: UnixListener,
    app: App,
    stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let limits = Limits {
        connections: ROOT_CONNECTIONS_MAX,
    };
    let stop = stop::notified(stopping);
    serve(
        listener,
        |io, _| Peer::of(io),
        http::unix_router(app),
        limits,
        stop,
    )
    .await;
    Ok(())
}

/// Serves the metrics where that is asked for. Cancel safe.
async fn serve_metrics(address: Option<SocketAddr>, app: App) {
    if let Some(address) = address {
        flatnet_daemon::metrics::keep(address, http::metrics_router(app)).await;
    }
}

/// Applies each accepted plan to the ledger; `in_force` is the version that it has. Cancel safe: a
/// plan is applied as a whole.
async fn apply_plans(app: App, mut plan: Plans, mut in_force: Version) {
    loop {
        let state = plan.borrow_and_update().clone();
        app.metrics.plan.observe(&state);
        while state.accepted.version != in_force {
            match apply_plan(&app, &state.accepted.plan).await {
                Ok(()) => in_force = state.accepted.version,
                // The store failed: try again, with a newer plan if there is one by then.
                Err(e) => {
                    error!(error = %e, "the plan could not be applied yet");
                    let next = tokio::time::timeout(TICK_EVERY, plan.changed()).await;
                    if next.is_ok() {
                        plan.mark_changed();
                        break;
                    }
                }
            }
        }
        if plan.changed().await.is_err() {
            // The source has ended: ipamd is stopping.
            return;
        }
    }
}

async fn apply_plan(app: &App, declared: &Arc<Declared>) -> Result<(), ServiceError> {
    let outcome = app.service.declare(Arc::clone(declared)).await?;
    info!(
        hosts = declared.hosts().len(),
        drained = outcome.drained.len(),
        waiting = outcome.waiting,
        "the changed plan is in force"
    );
    for (host, range) in outcome.drained {
        info!(%host, %range, "drains: the plan no longer gives it to this host");
    }
    Ok(())
}

/// Ends quarantines and samples the pools, periodically. Cancel safe.
async fn tick_and_sample(app: App) {
    let mut ticks = 0;
    loop {
        tokio::time::sleep(TICK_EVERY).await;
        if let Err(e) = app.service.tick().await {
            warn!(error = %e, "the ledger");
        }
        ticks += 1;
        if ticks % SAMPLE_EVERY.as_secs() == 0
            && let Err(e) = http::sample(&app).await
        {
            warn!(error = %e, "the pools");
        }
    }
}
