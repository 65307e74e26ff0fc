//! `run`: leads or stands by, and keeps the tables right while it leads.
//!
//! ```text
//!   lease task ── Leading { epoch } / Standby ──▶ watch ──▶ rounds: at once, when the plan or
//!      ▲ renews every third of the lease                    the ranges change, every interval
//! ```

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use tokio::sync::watch;

use super::{holder, serve};
use crate::cli::Change;
use crate::config::Config;
use crate::controller::{Controller, Outcome, Round};
use crate::lease::{Decision, LeaseError, LeaseFile, millis};
use crate::metrics::Metrics;
use crate::model::Generation;
use crate::ranges::Ranges;
use crate::show::chain;

/// The least time that writing gets in a round, while others wait for the next.
const LEAST: Duration = Duration::from_secs(10);
/// How often the plan's file is looked at.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(config: Config, change: Change) -> Result<u8> {
    let metrics = Arc::new(Metrics::default());
    if let Some(address) = config.metrics {
        serve_metrics(address, Arc::clone(&metrics)).await?;
    }
    let observer = Arc::clone(&metrics);
    let controller = Arc::new(Controller::new(config, Some(observer))?);
    serve::tables(&controller);
    let path = controller.config.lease_file();
    let file = LeaseFile::new(path, holder(), controller.config.lease());
    let leadership = Leadership {
        until: Arc::default(),
        file: file.clone(),
        every: controller.config.lease() / 3,
    };
    let (tell, told) = watch::channel(None);
    tokio::select! {
        // A round that is cut here stops between two writes or leaves one in doubt, which the
        // next leader's listing resolves.
        () = rounds(&controller, &metrics, &leadership, told, change) => {}
        () = leadership.keep(&controller, tell) => {}
        () = controller.follow() => {}
        signal = flatnet_daemon::stop::wanted() => { signal.context("listen to signals")?; }
    }
    tracing::info!("ending; the tables stay as they are");
    file.give_up(SystemTime::now())?;
    Ok(0)
}

/// The lease, and until when it is ours.
struct Leadership {
    until: Arc<AtomicU64>,
    file: LeaseFile,
    every: Duration,
}

impl Leadership {
    /// Whether it is ours now: asked before each write.
    fn leads(&self) -> bool {
        millis(SystemTime::now()) < self.until.load(Ordering::Relaxed)
    }

    /// Takes the lease when it can be had, and keeps it.
    async fn keep(&self, controller: &Controller, tell: watch::Sender<Option<Generation>>) {
        let mut at_least = 0;
        loop {
            let wait = match self.step(at_least, &tell) {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(error = chain(&error), "the lease");
                    tell.send_replace(None);
                    self.every
                }
            };
            if at_least == 0 && tell.borrow().is_some() {
                // A lease that was lost must not lead to a generation that was there before.
                if let Ok(targets) = controller.targets() {
                    at_least = controller.highest_generation(&targets).await.0.max(1);
                    continue;
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn step(
        &self,
        at_least: u64,
        tell: &watch::Sender<Option<Generation>>,
    ) -> Result<Duration, LeaseError> {
        let before = *tell.borrow();
        match self.file.try_take(SystemTime::now(), at_least)? {
            Decision::Take(lease) => {
                self.until.store(lease.expires, Ordering::Relaxed);
                let now = Some(Generation(lease.epoch));
                if before != now {
                    tracing::info!(generation = lease.epoch, "leads");
                    tell.send_replace(now);
                }
                Ok(self.every)
            }
            Decision::Wait {
                holder,
                millis: left,
            } => {
                if before.is_some() {
                    tracing::warn!(leader = holder, "does not lead any more");
                    tell.send_replace(None);
                }
                // Soon after it may expire, and not much later than a renewal would show.
                let left = Duration::from_millis(left + 50);
                Ok(left.min(self.every))
            }
        }
    }
}

async fn rounds(
    controller: &Controller,
    metrics: &Metrics,
    leadership: &Leadership,
    mut told: watch::Receiver<Option<Generation>>,
    change: Change,
) {
    let interval = Duration::from_secs(controller.config.interval_seconds);
    let mut ranges = controller.ranges.as_ref().map(Ranges::changes);
    loop {
        if let Some(ranges) = &mut ranges {
            ranges.mark_unchanged();
        }
        let generation = *told.borrow_and_update();
        metrics.leads(generation.is_some());
        let mut wait = interval;
        let plan = modified(&controller.config.plan);
        if let Some(generation) = generation {
            let leads = || leadership.leads();
            let round = Round {
                leads: Some(&leads),
                generation,
                allow_mass_delete: change.allow_mass_delete,
                limit: Some(interval.max(LEAST)),
            };
            let started = Instant::now();
            match controller.round(&round).await {
                Ok(outcomes) => {
                    metrics.round(&outcomes, started.elapsed(), controller.now().0);
                    tell(&outcomes);
                    wait = next(&outcomes, controller.now().0, interval);
                }
                Err(error) => tracing::error!(error = chain(&error), "no round: nothing changed"),
            }
        }
        let until = tokio::time::Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let changed = tokio::time::timeout(left.min(LOOK), told.changed()).await;
            // The sender lives as long as the controller.
            let others = |r: &watch::Receiver<_>| r.has_changed().unwrap_or(false);
            let heard = ranges.as_ref().is_some_and(others);
            if changed.is_ok()
                || heard
                || left.is_zero()
                || modified(&controller.config.plan) != plan
            {
                break;
            }
        }
    }
}

/// Sooner than the interval where an orphan's grace ends or entries were in transition.
fn next(outcomes: &[Outcome], now: u64, interval: Duration) -> Duration {
    let plans = || outcomes.iter().filter_map(|o| o.result.as_ref().ok());
    if plans().any(|(plan, _)| !plan.unsettled.is_empty()) {
        return interval.min(LOOK);
    }
    let due = plans().flat_map(|(plan, _)| &plan.orphans).map(|o| o.due.0);
    match due.filter(|due| *due > now).min() {
        Some(due) => interval.min(Duration::from_secs(due - now)),
        None => interval,
    }
}

/// What a person has to know goes into the log.
fn tell(outcomes: &[Outcome]) {
    for outcome in outcomes {
        let table = &outcome.title;
        let (plan, report) = match &outcome.result {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(table, error = chain(error), "not kept");
                continue;
            }
        };
        for conflict in &plan.conflicts {
            tracing::warn!(table, %conflict, "conflict");
        }
        for refusal in &plan.refused {
            tracing::error!(table, %refusal, "refused");
        }
        for undone in report.iter().flat_map(|r| &r.undone) {
            tracing::error!(table, destination = %undone.op.destination(), why = %undone.why, "not done");
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

async fn serve_metrics(address: std::net::SocketAddr, metrics: Arc<Metrics>) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("listen on {address} for metrics"))?;
    let app = Router::new()
        .route(
            "/metrics",
            get(|State(m): State<Arc<Metrics>>| async move { m.render() }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(metrics);
    // Ends with the process; dropped at any point it loses one answer.
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(())
}
