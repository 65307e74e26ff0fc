//! What runs beside the server, each as a task: events, repair, probes, the plan, ipamd's ranges.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_clock::Backoff;
use flatnet_plan::NodeSpec;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::compose::Composed;
use crate::config::{Datapath, RunArgs};
use crate::daemon_node::DaemonNode;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::problems::{Board, Problem};
use crate::reconcile::Reconciler;
use crate::scrape::Scraper;
use crate::server::App;
use crate::view::trace::NodeTracer;
use crate::{failover, features, plan_file, probe, scraped, shares, uplink, watch};

/// How long events are collected before a reconcile: those that come together have one cause.
const DEBOUNCE: Duration = Duration::from_millis(5);

/// Starts all of them in `tasks`, and gives what the server answers from.
pub(crate) fn spawn(args: &RunArgs, parts: Composed, tasks: &mut JoinSet<()>) -> App<DaemonNode> {
    let Composed {
        node,
        state,
        engine,
        reconciler,
        replayer,
        metrics,
        shares,
        store,
        file,
        source,
        followers,
    } = parts;
    probe::post_initial_problem(state.board());
    shares::post_initial_problem(state.board());
    tasks.spawn(probe::run(
        node.kernel().clone(),
        state.board().clone(),
        args.bridge.clone(),
        state.repair_requested(),
    ));
    watch::spawn(&state, tasks);
    let requested = state.repair_requested();
    spawn_repair(args, (&reconciler, requested), &metrics, tasks);
    let host = Host {
        state: state.clone(),
        reconciler: Arc::clone(&reconciler),
        kernel: node.kernel().clone(),
        store,
        userspace: args.datapath == Datapath::Netdev,
    };
    host.spawn(tasks);
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
    tasks.spawn(uplink::follow_plan(
        args.clone(),
        NodeSpec::clone(&state.spec()),
        state.repair_requested(),
    ));
    let plan = source.watch();
    let (pod_events, events_writer) = source.pod_events(&state.spec().node);
    tasks.spawn(events_writer);
    tasks.spawn(source.follow(state.clone(), Arc::clone(&metrics)));
    tasks.spawn(plan_file::watch(file, state.clone(), Arc::clone(&metrics)));
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
    app
}

fn spawn_repair(
    args: &RunArgs,
    (reconciler, requested): (&Arc<Reconciler<DaemonNode>>, Arc<Notify>),
    metrics: &Arc<Metrics>,
    tasks: &mut JoinSet<()>,
) {
    // With `--no-events` the reconciler gets a `Notify` that is only notified here, once.
    let signal = match args.no_events {
        true => Arc::new(Notify::new()),
        false => requested,
    };
    signal.notify_one();
    tasks.spawn(reconcile_loop(
        Arc::clone(reconciler),
        Arc::clone(metrics),
        signal,
        args.resync,
        args.state.clone(),
    ));
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
