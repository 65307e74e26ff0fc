//! Starting, running and stopping the daemon.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow};
use flatnet_daemon::serve::{Limits, serve};
use flatnet_daemon::socket::Peer;
use flatnet_daemon::{socket, stop};
use flatnet_types::Timestamp;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tracing::{info, warn};

use super::cli::{Cli, Command, InitArgs, RunArgs};
use super::duties::{Duties, LEDGER_FILE, make_dir};
use super::http::{self, App, Plans};
use super::leading::Candidate;
use super::listen;
use super::listener::ListenerConfig;
use super::metrics::Metrics;
use super::probes::Probes;
use super::role::Role;
use super::source::Source;
use crate::assign::{Clock, RedbLedger, Trust};

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

/// The wall clock at the start plus the monotonic time since: steps of the clock have no effect.
fn steady_clock() -> Clock {
    let (wall, begun) = (Timestamp::from(SystemTime::now()), Instant::now());
    Arc::new(move || wall.saturating_add(begun.elapsed()))
}

async fn run(args: RunArgs) -> Result<()> {
    let args = Arc::new(args);
    let clock = steady_clock();
    make_dir(&args.state)?;
    let source = Source::open(&args, Arc::clone(&clock)).await?;
    let metrics = Arc::new(Metrics::default());
    let duties = Duties {
        args: Arc::clone(&args),
        clock,
        plan: source.watch(),
        metrics: Arc::clone(&metrics),
        publisher: source.publisher(),
    };
    let (roles, role) = watch::channel(Role::Starting);
    let app = App {
        role,
        metrics,
        plan: source.watch(),
    };
    let Some(place) = args.elect.clone() else {
        // It serves when it can answer.
        let ready = duties.begin().await?;
        roles.send_replace(Role::Leads(ready.service().clone()));
        return serve_until(&args, app, source, ready.run()).await;
    };
    let candidate = Candidate::open(&args, &place, roles).await?;
    let ended = serve_until(&args, app, source, candidate.run(duties)).await;
    // Nothing is written any more. What is still under way is refused by the ledger's head.
    if let Err(e) = candidate.resign().await {
        warn!(
            error = format!("{e:#}"),
            "the Lease is not given back: a standby waits for its end"
        );
    }
    ended
}

/// Serves until a signal, or until `work` or a server ends. `work` is dropped then.
async fn serve_until(
    args: &RunArgs,
    app: App,
    source: Source,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let unix = socket::bind("ipamd", &args.socket)?;
    let (stop, stopping) = watch::channel(false);
    let mut tasks = tokio::task::JoinSet::new();
    let listener = ListenerConfig::open(args)?;
    let tls = listener.as_ref().and_then(|l| l.tls.clone());
    if let Some(probes) = Probes::open(args.probes)? {
        tasks.spawn(probes.serve(app.role.clone(), stopping.clone()));
    }
    tasks.spawn(serve_unix(unix, app.clone(), stopping.clone()));
    if let Some(listener) = listener {
        tasks.spawn(listener.serve(app.clone(), stopping));
    }
    let background = async {
        let ((), (), (), never) = tokio::join!(
            serve_metrics(args.metrics, app.clone()),
            flatnet_tls::server::keep_current(tls),
            observe_plans(app.plan.clone(), Arc::clone(&app.metrics)),
            source.follow()
        );
        match never {}
    };
    let ended: Result<()> = tokio::select! {
        ended = tasks.join_next() => match ended {
            Some(ended) => {
                let ended = ended.context("a server died");
                ended.and_then(|e| e.context("serve")).and_then(|()| Err(anyhow!("a server stopped by itself")))
            }
            None => Err(anyhow!("no server runs")),
        },
        ended = work => ended,
        never = background => never,
        signal = stop::wait_for_signal() => signal.context("listen to signals").map(|signal| {
            info!(signal, "stopping; hosts go on with what they have");
        }),
    };
    stop.send_replace(true);
    let serving = async { while tasks.join_next().await.is_some() {} };
    // Requests that run longer are aborted; their callers try again.
    let _ = tokio::time::timeout(STOP_TIMEOUT, serving).await;
    tasks.shutdown().await;
    let _ = std::fs::remove_file(&args.socket);
    ended
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

/// Shows in the metrics which plan is accepted. Cancel safe.
async fn observe_plans(mut plan: Plans, metrics: Arc<Metrics>) {
    loop {
        metrics.plan.observe(&plan.borrow_and_update());
        if plan.changed().await.is_err() {
            return;
        }
    }
}
