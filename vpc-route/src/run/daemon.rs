//! `run`: leads or stands by, and keeps the tables right while it leads.
//!
//! Four loops share the state of leadership, a watch that holds the generation while this process
//! leads and none while it stands by:
//!
//! ```text
//!   keep    takes and renews the lease ────────────┐
//!   expire  ends a lease that was not renewed ─────┴─ publish ─▶ [watch] ─▶ rounds, floor
//!   rounds  works on the tables while a generation is published
//!   floor   once: makes the highest generation in the tables the least that keep takes, and
//!           wakes keep
//! ```
//!
//! An example with `leaseSeconds: 10` in Kubernetes, where nobody else leads. The Lease was
//! deleted, so its count begins anew, and this process has waited its 10 s; the tables have
//! entries of generation 9.
//!
//! ```text
//!    0.0 s  keep    takes the Lease with epoch 1            publishes 1
//!           rounds  refuses everything: the entries' generation 9 is higher than its own
//!    0.1 s  floor   has listed the tables: no epoch below 9   wakes keep, and is done
//!    0.2 s  keep    renews with epoch 9                     publishes 9
//!           rounds  at once under generation 9, then every intervalSeconds, and when the plan or
//!                   the ranges change
//!    2.3 s  keep    renews, every 2.0 to 2.4 s
//!    4.5 s  keep    the API server is away: logs it once, tries again every second
//!    9.3 s  expire  7 s after the last answered renewal was sent   publishes none
//!           rounds  writes nothing more: each write asks before whether the lease still stands
//!   20.0 s  keep    the API server is back, and nobody took the Lease meanwhile: renews with
//!                   epoch 9                                publishes 9
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::{Notify, watch};

use super::health::{self, Health, Lease};
use super::serve;
use crate::cli::Change;
use crate::config::Config;
use crate::controller::{Controller, Outcome, Plans, Round};
use crate::metrics::Metrics;
use crate::model::Generation;
use crate::ranges::Ranges;
use flatnet_daemon::causes::chain;
use flatnet_leader::{Election, Verdict};

/// The least time that writing gets in a round, while others wait for the next.
const LEAST: Duration = Duration::from_secs(10);
/// How often it is looked whether the plan or the ranges are others.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(config: Config, change: Change) -> Result<u8> {
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::default());
    if let Some(address) = config.metrics {
        let listener = flatnet_daemon::metrics::listen(address).await?;
        let app = health::router(Arc::clone(&metrics), Arc::clone(&health));
        // Ends with the process; dropped at any point it loses one answer.
        tokio::spawn(flatnet_daemon::metrics::follow(listener, app));
    }
    let observer = Arc::clone(&metrics);
    let mut controller = Controller::new(config, Some(observer))?;
    let source = controller.watch_plan().await?;
    let plan = source.watch();
    metrics.plan.observe(&*plan.borrow());
    health.has_plan();
    let controller = Arc::new(controller);
    let election = Arc::new(Election::open(controller.config.participant()).await?);
    serve::tables(&controller, &election);
    let leadership = Leadership {
        election: Arc::clone(&election),
        metrics: Arc::clone(&metrics),
        health,
        leading: watch::Sender::new(None),
        at_least: AtomicU64::new(0),
        raised: Notify::new(),
    };
    let status = tokio::select! {
        // A round that is cut here stops between two writes or leaves one in doubt, which the
        // next leader's listing resolves.
        () = rounds(&controller, &metrics, &leadership, plan, change) => Ok(()),
        never = source.follow() => match never {},
        () = leadership.keep() => Ok(()),
        () = leadership.expire() => Ok(()),
        () = leadership.floor(&controller) => Ok(()),
        () = controller.follow() => Ok(()),
        signal = flatnet_daemon::stop::wait_for_signal() => signal.map(drop).context("listen to signals"),
    };
    tracing::info!("ending; the tables stay as they are");
    status?;
    election.resign().await?;
    Ok(0)
}

/// The lease, and the state that it is published in.
struct Leadership {
    election: Arc<Election>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    /// The generation under which this process leads, published to whoever subscribed.
    leading: watch::Sender<Option<Generation>>,
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
                    self.on_verdict(verdict)
                }
                Err(error) => {
                    let words = chain(&error);
                    self.health.lease(Lease::Trouble(words.clone()));
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

    /// Publishes a change of leadership; the time until the next look at the lease.
    fn on_verdict(&self, verdict: Verdict) -> Duration {
        let every = self.election.every();
        match verdict {
            Verdict::Leads { epoch } => {
                self.health.lease(Lease::Leads);
                let now = Some(Generation(epoch));
                if *self.leading.borrow() != now {
                    tracing::info!(generation = epoch, "leads");
                    self.publish(now);
                }
                every
            }
            Verdict::Standby { holder, left, .. } => {
                self.health.lease(Lease::StandsBy(holder.clone()));
                if self.leading.borrow().is_some() {
                    let leader = holder.as_deref().unwrap_or("nobody");
                    tracing::warn!(leader, "does not lead any more");
                    self.publish(None);
                }
                // Soon after it may expire, and not much later than a renewal would show.
                every.min(left + Duration::from_millis(50))
            }
        }
    }

    /// Publishes the loss of a lease that could not be renewed in time. Cancel safe.
    async fn expire(&self) {
        let mut leading = self.leading.subscribe();
        loop {
            if leading.borrow_and_update().is_none() {
                // The sender is this one's own.
                let _ = leading.changed().await;
                continue;
            }
            let left = self.election.left();
            if left.is_zero() {
                tracing::error!("does not lead any more: the lease could not be renewed in time");
                self.publish(None);
            } else {
                tokio::time::sleep(left).await;
            }
        }
    }

    fn publish(&self, generation: Option<Generation>) {
        self.metrics.leads(generation.is_some());
        self.leading.send_replace(generation);
    }

    /// A lease that was lost must not lead to a generation that was there before: once it leads,
    /// the highest in the tables is the least to take. Cancel safe.
    async fn floor(&self, controller: &Controller) {
        let mut leading = self.leading.subscribe();
        loop {
            // The sender is this one's own.
            let _ = leading.wait_for(Option::is_some).await;
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
    mut plan: Plans,
    change: Change,
) {
    let interval = Duration::from_secs(controller.config.interval_seconds);
    let mut leading = leadership.leading.subscribe();
    let mut ranges = controller.ranges.as_ref().map(Ranges::changes);
    loop {
        if let Some(ranges) = &mut ranges {
            ranges.mark_unchanged();
        }
        let generation = *leading.borrow_and_update();
        let mut wait = interval;
        if plan.has_changed().unwrap_or(false) {
            metrics.plan.observe(&*plan.borrow_and_update());
        }
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
                    log(&outcomes);
                    wait = next(&outcomes, controller.now().0, interval);
                }
                Err(error) => tracing::error!(error = chain(&error), "no round: nothing changed"),
            }
        }
        let until = tokio::time::Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let changed = tokio::time::timeout(left.min(LOOK), leading.changed()).await;
            // The sender lives as long as the controller.
            let others = |r: &watch::Receiver<_>| r.has_changed().unwrap_or(false);
            let notified = ranges.as_ref().is_some_and(others);
            let planned = plan.has_changed().unwrap_or(false);
            if changed.is_ok() || notified || left.is_zero() || planned {
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

/// Logs what a person has to know.
fn log(outcomes: &[Outcome]) {
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
        for entry in &plan.not_understood {
            tracing::warn!(table, %entry, "not understood");
        }
        for refusal in &plan.refused {
            tracing::error!(table, %refusal, "refused");
        }
        for failed in report.iter().flat_map(|r| &r.failed) {
            tracing::error!(table, destination = %failed.op.destination(), why = %failed.reason, "not done");
        }
    }
}
