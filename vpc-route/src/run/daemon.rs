//! `run`: leads or stands by, and keeps the tables right while it leads.
//!
//! ```text
//!   lease task ── Leading { epoch } / Standby ──▶ watch ──▶ rounds: at once, when the plan or
//!      ▲ renews in time, or is told off                     the ranges change, every interval
//! ```

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use tokio::sync::{Notify, watch};

use super::serve;
use crate::cli::Change;
use crate::config::Config;
use crate::controller::{Controller, Outcome, Round};
use crate::lease::{Election, Verdict};
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
    let election = Arc::new(Election::open(&controller.config).await?);
    serve::tables(&controller, &election);
    let leadership = Leadership {
        election: Arc::clone(&election),
        metrics: Arc::clone(&metrics),
        tell: watch::Sender::new(None),
        at_least: AtomicU64::new(0),
        raised: Notify::new(),
    };
    let told = leadership.tell.subscribe();
    let status = tokio::select! {
        // A round that is cut here stops between two writes or leaves one in doubt, which the
        // next leader's listing resolves.
        () = rounds(&controller, &metrics, &leadership, told, change) => Ok(()),
        () = leadership.keep() => Ok(()),
        () = leadership.expire() => Ok(()),
        () = leadership.floor(&controller) => Ok(()),
        () = controller.follow() => Ok(()),
        signal = flatnet_daemon::stop::wanted() => signal.map(drop).context("listen to signals"),
    };
    tracing::info!("ending; the tables stay as they are");
    status?;
    election.give_up().await?;
    Ok(0)
}

/// The lease, and who is told of it.
struct Leadership {
    election: Arc<Election>,
    metrics: Arc<Metrics>,
    tell: watch::Sender<Option<Generation>>,
    /// The lowest epoch to take.
    at_least: AtomicU64,
    /// That one has grown.
    raised: Notify,
}

impl Leadership {
    /// Takes the lease when it can be had, and keeps it. Cancel safe.
    async fn keep(&self) {
        let mut trouble = None;
        loop {
            let at_least = self.at_least.load(Ordering::Relaxed);
            let wait = match self.election.try_take(at_least).await {
                Ok(verdict) => {
                    if trouble.take().is_some() {
                        tracing::info!("the lease can be had again");
                    }
                    self.heard(verdict)
                }
                Err(error) => {
                    let words = chain(&error);
                    // Once, however long it lasts.
                    if trouble.as_ref() != Some(&words) {
                        tracing::error!(error = words, "the lease");
                        trouble = Some(words);
                    }
                    self.election.soon()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.raised.notified() => {}
            }
        }
    }

    /// The time until the next look.
    fn heard(&self, verdict: Verdict) -> Duration {
        let every = self.election.every();
        match verdict {
            Verdict::Leads { epoch } => {
                let now = Some(Generation(epoch));
                if *self.tell.borrow() != now {
                    tracing::info!(generation = epoch, "leads");
                    self.say(now);
                }
                every
            }
            Verdict::Waits { holder, left, .. } => {
                if self.tell.borrow().is_some() {
                    let leader = holder.as_deref().unwrap_or("nobody");
                    tracing::warn!(leader, "does not lead any more");
                    self.say(None);
                }
                // Soon after it may expire, and not much later than a renewal would show.
                every.min(left + Duration::from_millis(50))
            }
        }
    }

    /// Tells when the time is up of a lease that cannot be renewed. Cancel safe.
    async fn expire(&self) {
        let mut told = self.tell.subscribe();
        loop {
            if told.borrow_and_update().is_none() {
                // The sender is this one's own.
                let _ = told.changed().await;
                continue;
            }
            let left = self.election.left();
            if left.is_zero() {
                tracing::error!("does not lead any more: the lease could not be renewed in time");
                self.say(None);
            } else {
                tokio::time::sleep(left).await;
            }
        }
    }

    fn say(&self, generation: Option<Generation>) {
        self.metrics.leads(generation.is_some());
        self.tell.send_replace(generation);
    }

    /// A lease that was lost must not lead to a generation that was there before: once it leads,
    /// the highest in the tables is the least to take. Cancel safe.
    async fn floor(&self, controller: &Controller) {
        let mut told = self.tell.subscribe();
        loop {
            // The sender is this one's own.
            let _ = told.wait_for(Option::is_some).await;
            if let Ok(targets) = controller.targets() {
                let highest = controller.highest_generation(&targets).await.0.max(1);
                self.at_least.store(highest, Ordering::Relaxed);
                self.raised.notify_one();
                return std::future::pending().await;
            }
            tokio::time::sleep(self.election.every()).await;
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
        let mut wait = interval;
        let plan = modified(&controller.config.plan);
        if let Some(generation) = generation {
            let leads = || leadership.election.leads();
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
