//! One round: what should be, what is, the ops between the two, done and verified.
//!
//! ```text
//!   ipamd ─────┐
//!   plan file ─┤                    ┌─▶ Outcome (for the CLI, the log, the metrics)
//!              ├▶ targets ─▶ list ─▶ diff ─▶ record ─▶ apply ─▶ list again
//!   pin ───────┘
//! ```
//!
//! A VPC's tables are taken one after the other, since the API refuses a second write in a VPC;
//! the VPCs and routers side by side. Whatever goes wrong in one leaves the others alone, and
//! one that takes long keeps them waiting for [`Round::limit`] at most.

mod error;
mod writers;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_plan::NetworkPlan;
use flatnet_plan::grants::with_grants;
use tokio::sync::Mutex;

use crate::aliyun::client::Observer;
use crate::aliyun::{Client, ClientConfig, Credentials, Http};
use crate::ambient::{Ambient, System};
use crate::apply::{Applier, ApplyError, Pace, Patience, Report};
use crate::config::{Config, EdgeConfig};
use crate::desired::{Target, TargetError, targets};
use crate::diff::{Plan, Rules, Sightings, diff};
use crate::fleet::{Fleet, Router};
use crate::model::{DesiredEntry, DesiredTable, Generation, Table, Timestamp};
use crate::provider::Provider;
use crate::ranges::Ranges;
use crate::router::{FileRouter, FrrRouter, LinuxRouter};
use crate::show::chain;
use crate::store::{Seen, Store, StoreError};
use writers::by_writer;

pub use error::{ControllerError, RoundError};

/// The longest time between two calls, however much the API throttles.
const SLOWEST: Duration = Duration::from_secs(5);

/// Everything that a round needs.
pub struct Controller {
    /// The configuration.
    pub config: Config,
    /// The providers.
    pub fleet: Fleet,
    /// What is kept between rounds.
    pub store: Store,
    /// What hosts hold, where that is not all in the plan.
    pub ranges: Option<Ranges>,
    /// Clock and dice.
    pub ambient: Arc<dyn Ambient>,
    /// How patient applies are.
    pub patience: Patience,
    pace: Mutex<Pace>,
}

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
    pub looked: Option<Looked>,
}

/// A table as it should be, and as it was listed.
#[derive(Debug)]
pub struct Looked {
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
    /// Entries of ours.
    pub ours: usize,
    /// Custom entries of others.
    pub foreign: usize,
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
    /// and what is in transition at the start is waited for ([`Patience::settle`]).
    pub limit: Option<Duration>,
}

type Targets = Vec<Result<Target, TargetError>>;

impl Controller {
    /// A controller; nothing is called yet.
    ///
    /// # Errors
    /// The state directory, or TLS.
    pub fn new(
        config: Config,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, ControllerError> {
        let ambient: Arc<dyn Ambient> = Arc::new(System);
        let mut fleet = Fleet::default();
        let mut gap = Duration::ZERO;
        if let Some(aliyun) = &config.aliyun {
            gap = Duration::from_millis(aliyun.call_gap_millis);
            let http = Http::new(Duration::from_secs(aliyun.timeout_seconds))?;
            let client = Client::new(
                ClientConfig {
                    endpoint: aliyun.endpoint.clone(),
                    region: aliyun.region.clone(),
                    signature: aliyun.signature,
                },
                http,
                Credentials::new(aliyun.source()?),
                Arc::clone(&ambient),
            );
            fleet.aliyun = Some(match observer {
                Some(observer) => client.observed(observer),
                None => client,
            });
        }
        for (name, edge) in &config.edge_routers {
            let router = match edge {
                EdgeConfig::File { path } => Router::File(FileRouter::new(path)),
                EdgeConfig::Frr(frr) => {
                    Router::Frr(FrrRouter::new(frr.clone(), config.cluster.clone()))
                }
                EdgeConfig::Linux { netns } => Router::Linux(LinuxRouter::start(
                    netns.as_deref(),
                    config.cluster.clone(),
                )?),
            };
            fleet.routers.insert(name.clone(), router);
        }
        let store = Store::open(&config.state_dir)?;
        let ranges = match &config.ipamd {
            Some(ipamd) => Some(Ranges::open(ipamd.client()?, &config.state_dir)?),
            None => None,
        };
        Ok(Self {
            store,
            ranges,
            fleet,
            ambient,
            patience: Patience::default(),
            pace: Mutex::new(Pace::new(gap, SLOWEST.max(gap))),
            config,
        })
    }

    /// Asks ipamd once, for a command that ends. Where it is away, what it said last stands.
    pub async fn hear(&self) {
        if let Some(ranges) = &self.ranges
            && let Err(error) = ranges.ask().await
        {
            tracing::warn!(
                error = chain(&error),
                "ipamd does not answer; going by what it said last"
            );
        }
    }

    /// Follows ipamd for ever. Cancel safe, as [`Ranges::follow`] is.
    pub async fn follow(&self) {
        match &self.ranges {
            Some(ranges) => ranges.follow().await,
            None => std::future::pending().await,
        }
    }

    /// The tables as the plan and what hosts hold want them, or as the state wants them that
    /// is pinned.
    ///
    /// # Errors
    /// The plan, the ranges or the state cannot be read.
    pub fn targets(&self) -> Result<Targets, ControllerError> {
        let mut plan = load(&self.config.plan)?;
        if let Some(ranges) = &self.ranges {
            let (joined, misfits) = with_grants(&plan, &ranges.current()?.ranges);
            for misfit in misfits {
                tracing::warn!(%misfit, "left out");
            }
            plan = joined;
        }
        let none = BTreeMap::new();
        let aliyun = self.config.aliyun.as_ref();
        let lines = aliyun.map_or(&none, |a| &a.line_interfaces);
        let mut found = targets(&plan, lines)?;
        if let Some(record) = self.store.pinned()? {
            for slot in &mut found {
                let Ok(target) = slot else { continue };
                let of = |t: &&DesiredTable| t.table == target.desired.table;
                match record.tables.iter().find(of) {
                    Some(pinned) => target.desired.entries.clone_from(&pinned.entries),
                    // It could not be listed then: nothing says that it was empty.
                    None => {
                        let title = target.title.clone();
                        let number = record.number;
                        *slot = Err(TargetError::NotRecorded { title, number });
                    }
                }
            }
        }
        Ok(found)
    }

    /// The highest generation in any table: no leader's may be lower.
    pub async fn highest_generation(&self, targets: &Targets) -> Generation {
        let tables = targets.iter().flatten();
        let tables = tables.map(|t| (t.writer(), &t.desired.table));
        let listed = by_writer(tables.collect(), |table| self.fleet.list(table)).await;
        // One that cannot be listed is told of by the round itself.
        let entries = listed.iter().flatten().flat_map(|t| &t.entries);
        let owners = entries.filter_map(|e| e.owner_in(&self.config.cluster));
        owners.map(|o| o.generation).max().unwrap_or_default()
    }

    /// One round over every table.
    ///
    /// # Errors
    /// What concerns all tables; what concerns one is in its [`Outcome`].
    pub async fn round(&self, round: &Round<'_>) -> Result<Vec<Outcome>, ControllerError> {
        let targets = self.targets()?;
        let mut seen = self.store.seen()?;
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
                .map_or(String::new(), |p| p.looked.target.writer());
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
        seen: &Seen,
    ) -> Result<Planned, Outcome> {
        let failed = |title: &str, error: RoundError| Outcome {
            title: title.to_owned(),
            result: Err(error),
            usage: None,
            looked: None,
        };
        let target = target.map_err(|e| {
            let title = e.title().to_owned();
            failed(&title, e.into())
        })?;
        let mut rules = Rules::new(self.config.cluster.clone(), round.generation);
        rules.quota = target.quota;
        rules.reserved.clone_from(&target.reserved);
        rules.equal_cost = target.equal_cost;
        rules.in_place = target.in_place;
        rules.grace = self.config.grace_seconds;
        rules.mass_delete = self.config.mass_delete;
        rules.mass_delete.allowed |= round.allow_mass_delete;
        let none = Sightings::new();
        let sightings = seen.get(&target.desired.table).unwrap_or(&none);
        let patient = round.leads.is_some() && round.limit.is_none();
        let deadline = tokio::time::Instant::now() + self.patience.settle;
        loop {
            let table = &target.desired.table;
            let listed = self.fleet.list(table).await.map_err(|source| {
                let table = table.clone();
                failed(&target.title, RoundError::List { table, source })
            })?;
            let now = self.ambient.timestamp();
            let plan = diff(&target.desired, &listed, &rules, sightings, now);
            let waits = patient && !plan.unsettled.is_empty();
            if waits && tokio::time::Instant::now() < deadline {
                tracing::info!(%table, entries = plan.unsettled.len(), "waits for what is in transition");
                tokio::time::sleep(self.patience.poll).await;
                continue;
            }
            return Ok(Planned {
                ours: self.ours(&listed),
                looked: Looked { target, listed },
                plan,
            });
        }
    }

    /// What is ours in a table, as it could be desired again.
    fn ours(&self, table: &Table) -> DesiredTable {
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
        seen: &mut Seen,
        planned: impl Iterator<Item = &'p Planned> + Clone,
    ) -> Result<(), StoreError> {
        let before = seen.clone();
        for p in planned.clone() {
            seen.insert(p.plan.table.clone(), p.plan.sightings());
        }
        if *seen != before {
            self.store.remember(seen)?;
        }
        if planned.clone().any(|p| !p.plan.ops.is_empty()) {
            let tables = planned.map(|p| p.ours.clone()).collect();
            let number = self.store.record(self.ambient.timestamp(), tables)?;
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
            provider: &self.fleet,
            cluster: &self.config.cluster,
            ambient: &*self.ambient,
            patience: self.patience,
            pace: &self.pace,
            leads,
        };
        let started = Instant::now();
        let report = applier.apply(&planned.plan).await?;
        tracing::info!(table = %planned.plan.table, ops = planned.plan.ops.len(), done = report.done,
            undone = report.undone.len(), writes = report.writes, lists = report.lists,
            took = ?started.elapsed(), "applied");
        Ok(Some(report))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.ambient.timestamp()
    }
}

/// A table's plan before it is carried out.
struct Planned {
    looked: Looked,
    ours: DesiredTable,
    plan: Plan,
}

impl Planned {
    fn outcome(self, done: Result<Option<Report>, RoundError>) -> Outcome {
        Outcome {
            title: self.looked.target.title.clone(),
            usage: Some(Usage {
                quota: self.looked.target.quota,
                ours: self.ours.entries.len(),
                foreign: self.plan.foreign,
            }),
            result: done.map(|report| (self.plan, report)),
            looked: Some(self.looked),
        }
    }
}

fn load(path: &Path) -> Result<NetworkPlan, ControllerError> {
    let text = std::fs::read_to_string(path).map_err(|source| ControllerError::Plan {
        path: path.to_owned(),
        source,
    })?;
    let name = path.display().to_string();
    flatnet_plan::load_named(&text, &name).map_err(|source| ControllerError::Load {
        path: path.to_owned(),
        source,
    })
}
