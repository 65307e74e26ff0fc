//! A round's steps: each table's plan, the record of what was, and the plans carried out.

use std::time::{Duration, Instant};

use tracing::Instrument;

use super::writers::by_writer;
use super::{Controller, ControllerError, RoundError};
use crate::apply::{Applier, ApplyError, Report};
use crate::desired::{Target, TargetError};
use crate::diff::{Plan, Rules, Sightings, diff};
use crate::model::{DesiredEntry, DesiredTable, Generation, Table, TableId, Timestamp};
use crate::providers::Provider;
use crate::store::{OrphanSightings, StoreError};

/// How a round went in one table.
#[derive(Debug)]
pub struct Outcome {
    /// The table, for people.
    pub title: String,
    /// The plan, and what came of it if it was carried out.
    pub result: Result<(Plan, Option<Report>), RoundError>,
    /// The quota, and how many custom entries the table held when it was listed.
    pub usage: Option<Usage>,
    /// What the plan was made from; none where the table could not be listed.
    pub observed: Option<Observed>,
}

/// A table as it should be, and as it was listed.
#[derive(Debug)]
pub struct Observed {
    /// As it should be.
    pub target: Target,
    /// As it was listed, before anything was changed.
    pub listed: Table,
}

/// How full a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Custom entries that it may hold.
    pub quota: Option<usize>,
    /// Managed entries.
    pub managed: usize,
    /// Unmanaged custom entries.
    pub unmanaged: usize,
}

/// How a round is to be.
pub struct Round<'a> {
    /// Under which leadership; none: a dry run.
    pub leads: Option<&'a (dyn Fn() -> bool + Send + Sync)>,
    /// What new entries bear.
    pub generation: Generation,
    /// Somebody said that much may be deleted.
    pub allow_mass_delete: bool,
    /// How long writing may take where there are several writers; none: as long as it takes,
    /// and what is in transition at the start is waited for ([`RetryPolicy::settle`](crate::apply::RetryPolicy::settle)).
    pub limit: Option<Duration>,
}

impl Controller {
    /// One round over every table.
    ///
    /// # Errors
    /// What concerns all tables; what concerns one is in its [`Outcome`].
    pub async fn round(&self, round: &Round<'_>) -> Result<Vec<Outcome>, ControllerError> {
        let span = tracing::info_span!(
            "round",
            generation = round.generation.0,
            dry = round.leads.is_none(),
        );
        self.round_in_span(round).instrument(span).await
    }

    async fn round_in_span(&self, round: &Round<'_>) -> Result<Vec<Outcome>, ControllerError> {
        let targets = self.targets()?;
        let mut seen = self.store.orphans()?;
        let queued = targets.into_iter().map(|target| {
            let writer = target.as_ref().map_or(String::new(), Target::writer);
            (writer, target)
        });
        let plans = by_writer(queued.collect(), |t| self.plan(t, round, &seen)).await;
        let Some(leads) = round.leads else {
            let shown = plans.into_iter().map(|plan| match plan {
                Ok(planned) => planned.outcome(Ok(None)),
                Err(outcome) => outcome,
            });
            return Ok(shown.collect());
        };
        self.remember(&mut seen, plans.iter().flatten())?;
        let queued = plans.into_iter().map(|plan| {
            let writer = plan
                .as_ref()
                .map_or(String::new(), |p| p.observed.target.writer());
            (writer, plan)
        });
        let queued: Vec<_> = queued.collect();
        let alone = queued.iter().all(|(writer, _)| *writer == queued[0].0);
        let limit = round.limit.filter(|_| !alone);
        let limit = limit.map(|limit| (tokio::time::Instant::now() + limit, limit));
        let outcomes = by_writer(queued, |plan| async move {
            match plan {
                Ok(plan) => {
                    let done = self.in_time(&plan, leads, limit).await;
                    plan.outcome(done)
                }
                Err(outcome) => outcome,
            }
        });
        Ok(outcomes.await)
    }

    async fn plan(
        &self,
        target: Result<Target, TargetError>,
        round: &Round<'_>,
        seen: &OrphanSightings,
    ) -> Result<Planned, Outcome> {
        let target = target.map_err(|e| {
            let title = e.title().to_owned();
            failed(&title, e.into())
        })?;
        let span = table_span(&target.desired.table);
        self.plan_table(target, round, seen).instrument(span).await
    }

    async fn plan_table(
        &self,
        target: Target,
        round: &Round<'_>,
        seen: &OrphanSightings,
    ) -> Result<Planned, Outcome> {
        let mut rules = Rules::new(self.config.cluster.clone(), round.generation);
        rules.quota = target.quota;
        let scope = target.scope();
        let can = self.providers.capabilities(&scope);
        rules.quota_kind = can.quota;
        rules.reserved.clone_from(&target.reserved);
        rules.reserved.extend(can.reserved);
        rules.equal_cost = can.equal_cost;
        rules.in_place = can.in_place;
        rules.grace = self.config.grace_seconds;
        rules.mass_delete = self.config.mass_delete;
        rules.mass_delete.allowed |= round.allow_mass_delete;
        let none = Sightings::new();
        let sightings = seen.get(&target.desired.table).unwrap_or(&none);
        let patient = round.leads.is_some() && round.limit.is_none();
        let deadline = tokio::time::Instant::now() + self.retry.settle;
        loop {
            let table = &target.desired.table;
            let listed = self.providers.list(&scope).await.map_err(|source| {
                let table = table.clone();
                failed(&target.title, RoundError::List { table, source })
            })?;
            let now = Timestamp::of(self.clock.now());
            let plan = diff(&target.desired, &listed, &rules, sightings, now);
            let waits = patient && !plan.unsettled.is_empty();
            if waits && tokio::time::Instant::now() < deadline {
                tracing::info!(%table, entries = plan.unsettled.len(), "waits for what is in transition");
                tokio::time::sleep(self.retry.poll).await;
                continue;
            }
            return Ok(Planned {
                managed: self.managed(&listed),
                observed: Observed { target, listed },
                plan,
            });
        }
    }

    /// What is managed in a table, as it could be desired again.
    fn managed(&self, table: &Table) -> DesiredTable {
        let entries = table.entries.iter().filter_map(|entry| {
            let owner = entry.owner_in(&self.config.cluster)?;
            Some(DesiredEntry {
                destination: entry.destination,
                next_hops: entry.next_hops.clone(),
                label: owner.label,
            })
        });
        DesiredTable {
            table: table.table.clone(),
            entries: entries.collect(),
        }
    }

    /// Keeps what this round saw, and the state before its changes.
    fn remember<'p>(
        &self,
        seen: &mut OrphanSightings,
        planned: impl Iterator<Item = &'p Planned> + Clone,
    ) -> Result<(), StoreError> {
        let before = seen.clone();
        for p in planned.clone() {
            seen.insert(p.plan.table.clone(), p.plan.sightings());
        }
        if *seen != before {
            self.store.keep_orphans(seen)?;
        }
        if planned.clone().any(|p| !p.plan.ops.is_empty()) {
            let tables = planned.map(|p| p.managed.clone()).collect();
            let number = self.store.record(Timestamp::of(self.clock.now()), tables)?;
            tracing::info!(number, "the state before the change is recorded");
        }
        Ok(())
    }

    async fn in_time(
        &self,
        planned: &Planned,
        leads: &(dyn Fn() -> bool + Send + Sync),
        limit: Option<(tokio::time::Instant, Duration)>,
    ) -> Result<Option<Report>, RoundError> {
        let work = self.carry_out(planned, leads);
        let work = work.instrument(table_span(&planned.plan.table));
        let Some((deadline, after)) = limit else {
            return Ok(work.await?);
        };
        match tokio::time::timeout_at(deadline, work).await {
            Ok(done) => Ok(done?),
            // As if the process had ended here: the next round begins with what is listed.
            Err(_) => Err(RoundError::Late {
                table: planned.plan.table.clone(),
                after,
            }),
        }
    }

    async fn carry_out(
        &self,
        planned: &Planned,
        leads: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Option<Report>, ApplyError> {
        if planned.plan.ops.is_empty() {
            return Ok(None);
        }
        let applier = Applier {
            provider: &self.providers,
            table: &planned.observed.target.scope(),
            cluster: &self.config.cluster,
            rng: &*self.rng,
            retry: self.retry,
            limiter: &self.limiter,
            leads,
        };
        let started = Instant::now();
        let report = applier.apply(&planned.plan).await?;
        tracing::info!(table = %planned.plan.table, ops = planned.plan.ops.len(), done = report.done,
            failed = report.failed.len(), writes = report.writes, lists = report.lists,
            took = ?started.elapsed(), "applied");
        Ok(Some(report))
    }
}

/// The span of what is done for one table.
fn table_span(table: &TableId) -> tracing::Span {
    tracing::info_span!("table", %table)
}

/// The outcome of a table that could not be planned.
fn failed(title: &str, error: RoundError) -> Outcome {
    Outcome {
        title: title.to_owned(),
        result: Err(error),
        usage: None,
        observed: None,
    }
}

/// A table's plan before it is carried out.
struct Planned {
    observed: Observed,
    managed: DesiredTable,
    plan: Plan,
}

impl Planned {
    fn outcome(self, done: Result<Option<Report>, RoundError>) -> Outcome {
        Outcome {
            title: self.observed.target.title.clone(),
            usage: Some(Usage {
                quota: self.observed.target.quota,
                managed: self.managed.entries.len(),
                unmanaged: self.plan.unmanaged,
            }),
            result: done.map(|report| (self.plan, report)),
            observed: Some(self.observed),
        }
    }
}
