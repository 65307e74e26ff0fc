//! Starting, running and stopping the daemon.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use flatnet_daemon::socket::Peer;
use flatnet_daemon::{socket, stop};
use flatnet_types::Timestamp;
use flatnet_types::ipamd::Incarnation;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::cli::{Cli, Command, InitArgs, RunArgs};
use super::door::{self, Door};
use super::http::{self, App, PlanStatus};
use super::listen;
use super::metrics::Metrics;
use super::plan_file::{self, Loaded, Stamp};
use crate::assign::{LedgerConfig, RedbLedger, Service, ServiceStart, Trust};

/// The ledger's file in the state directory.
const LEDGER_FILE: &str = "ledger.redb";
/// How often the plan file is looked at, and rests are.
const EVERY: Duration = Duration::from_secs(1);
/// How often pools are sampled for the forecast and the metrics.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);
/// How long a stop waits for requests that run. Long polls are cut.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Does what the command line says.
///
/// # Errors
/// What went wrong, with what was being done, for a person.
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
        Trust::Old
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

/// A number that no earlier start had.
fn incarnation() -> Result<Incarnation> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .context("read /dev/urandom")?;
    Ok(Incarnation(u64::from_ne_bytes(bytes)))
}

/// Wall time that no step of the clock disturbs.
fn steady_clock() -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
    let (wall, begun) = (Timestamp::from(SystemTime::now()), Instant::now());
    Arc::new(move || wall.saturating_add(begun.elapsed()))
}

fn open(args: &RunArgs) -> Result<RedbLedger> {
    make_dir(&args.state)?;
    let path = args.state.join(LEDGER_FILE);
    let there = path
        .try_exists()
        .with_context(|| format!("look for {}", path.display()))?;
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

/// The plan to begin with: the file's, or where that is wrong the one in force before.
fn first_plan(args: &RunArgs) -> Result<(Loaded, Option<String>)> {
    match plan_file::load(&args.plan) {
        Ok(loaded) => Ok((loaded, None)),
        Err(e) => {
            let kept = plan_file::accepted(&args.state);
            let Ok(loaded) = plan_file::load(&kept) else {
                return Err(e.into());
            };
            error!(error = %e, "the plan is refused; the one that was in force before is kept");
            Ok((loaded, Some(e.to_string())))
        }
    }
}

async fn run(args: RunArgs) -> Result<()> {
    let begun = Instant::now();
    let seen = plan_file::stamp(&args.plan);
    let (plan, refused) = first_plan(&args)?;
    let store = open(&args)?;
    let trust = store.trust();
    let clock = steady_clock();
    let metrics = Arc::new(Metrics::default());
    metrics.plan(refused.is_none(), clock());
    if refused.is_none() {
        plan_file::keep(&args.state, &plan.text).context("keep a copy of the plan")?;
    }
    let start = ServiceStart {
        incarnation: incarnation()?,
        trust,
        config: LedgerConfig {
            rest: args.rest,
            settle: args.settle,
        },
        declared: Arc::clone(&plan.declared),
        clock: Arc::clone(&clock),
    };
    let (service, outcome) = Service::start(Box::new(store), start)?;
    if trust == Trust::Old {
        warn!(
            "the ledger is an older copy, or was made after a loss: nothing new is granted until every host of the plan has said what it holds (or `POST /v1/ledger/trust`)"
        );
    }
    let app = App {
        service,
        metrics,
        plan: Arc::new(RwLock::new(PlanStatus {
            loaded_at: clock(),
            refused,
        })),
    };
    let unix = socket::bind("ipamd", &args.socket)?;
    let (stop, stopping) = watch::channel(false);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve_unix(unix, app.clone(), stopping.clone()));
    let door = Door::open(&args)?;
    let tls = door.as_ref().and_then(|d| d.tls.clone());
    if let Some(door) = door {
        tasks.spawn(door.serve(app.clone(), stopping.clone()));
    }
    let background = [
        tokio::spawn(door::keep_tls(tls)),
        tokio::spawn(keep_plan(
            app.clone(),
            args.clone(),
            seen,
            Arc::clone(&clock),
        )),
        tokio::spawn(keep_time(app)),
    ];
    info!(
        version = env!("CARGO_PKG_VERSION"),
        hosts = plan.declared.hosts().len(),
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
        signal = stop::wanted() => info!(signal = signal?, "stopping; hosts go on with what they have"),
    }
    stop.send_replace(true);
    for task in background {
        task.abort();
    }
    let ended = async { while tasks.join_next().await.is_some() {} };
    // What runs longer is cut: its caller asks again.
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
    let service = http::unix_router(app).into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stop::told(stopping))
        .await
}

/// Takes the plan over when its file changes. Cancel safe: a plan is taken over whole.
async fn keep_plan(
    app: App,
    args: RunArgs,
    mut seen: Option<Stamp>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        let now = plan_file::stamp(&args.plan);
        if now == seen {
            continue;
        }
        let path = args.plan.clone();
        let loaded = tokio::task::spawn_blocking(move || plan_file::load(&path)).await;
        let refused = match loaded {
            Ok(Ok(loaded)) => match take_over(&app, &args, loaded).await {
                Ok(()) => None,
                // Not the plan's fault: try again.
                Err(e) => {
                    error!(error = %e, "the plan could not be taken over yet");
                    continue;
                }
            },
            Ok(Err(e)) => Some(e.to_string()),
            Err(e) => Some(e.to_string()),
        };
        seen = now;
        app.metrics.plan(refused.is_none(), clock());
        let mut status = app.plan.write().unwrap_or_else(PoisonError::into_inner);
        match refused {
            None => status.loaded_at = clock(),
            Some(ref why) => error!(
                why,
                "the changed plan is refused; the old one stays in force"
            ),
        }
        status.refused = refused;
    }
}

async fn take_over(app: &App, args: &RunArgs, loaded: Loaded) -> Result<()> {
    let outcome = app.service.declare(Arc::clone(&loaded.declared)).await?;
    plan_file::keep(&args.state, &loaded.text).context("keep a copy of the plan")?;
    info!(
        hosts = loaded.declared.hosts().len(),
        drained = outcome.drained.len(),
        waiting = outcome.waiting,
        "the changed plan is in force"
    );
    for (host, range) in outcome.drained {
        info!(%host, %range, "drains: the plan no longer gives it to this host");
    }
    Ok(())
}

/// Ends rests, and samples pools. Cancel safe.
async fn keep_time(app: App) {
    let mut ticks = 0;
    loop {
        tokio::time::sleep(EVERY).await;
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
