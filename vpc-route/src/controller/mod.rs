//! One round: what should be, what is, the ops between the two, done and verified.
//!
//! ```text
//!   ipamd ─────┐
//!   plan ──────┤                    ┌─▶ Outcome (for the CLI, the log, the metrics)
//!              ├▶ targets ─▶ list ─▶ diff ─▶ record ─▶ apply ─▶ list again
//!   pin ───────┘
//! ```
//!
//! A VPC's tables are taken one after the other, since the API refuses a second write in a VPC;
//! the VPCs and routers side by side. Whatever goes wrong in one leaves the others alone, and
//! one that takes long keeps them waiting for [`Round::limit`] at most.

mod error;
mod round;
mod source;
mod writers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_clock::{Clock, Rng, System};
use flatnet_plan::NetworkPlan;
use flatnet_plan::grants::with_grants;
use flatnet_plan_source::{Refusal, State};
use tokio::sync::{Mutex, watch};

use crate::apply::{RateLimiter, RetryPolicy};
use crate::config::{Config, PlanOrigin};
use crate::desired::{Target, TargetError, idle_edge_routers, targets};
use crate::model::{DesiredTable, Generation, Timestamp};
use crate::providers::{Environment, Observer, Provider, ProviderRegistry};
use crate::ranges::Ranges;
use crate::store::Store;
use flatnet_daemon::causes::chain;
use writers::by_writer;

pub use error::{ControllerError, RoundError};
pub use round::{Observed, Outcome, Round, Usage};
pub use source::Source;

/// The longest time between two calls, however much the API throttles.
const SLOWEST: Duration = Duration::from_secs(5);

/// Everything that a round needs.
pub struct Controller {
    /// The configuration.
    pub config: Config,
    /// The providers.
    pub providers: ProviderRegistry,
    /// What is kept between rounds.
    pub store: Store,
    /// What hosts hold, where that is not all in the plan.
    pub ranges: Option<Ranges>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// How often and how long applies try again.
    pub retry: RetryPolicy,
    /// The plan as its source accepts it; `None` in a command that ends and reads a file.
    plan: Option<Plans>,
    limiter: Mutex<RateLimiter>,
}

/// The plan's text, as its source accepts it. A plan of ten thousand nodes takes ten times its text's
/// room, and is read again for each round.
pub type Plans = watch::Receiver<State<String>>;

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
        let clock: Arc<dyn Clock> = Arc::new(System);
        let rng: Arc<dyn Rng> = Arc::new(System);
        let environment = Environment {
            cluster: config.cluster.clone(),
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            observer,
        };
        let providers =
            ProviderRegistry::open(config.cloud.as_deref(), &config.edge_routers, &environment)?;
        let gap = providers.call_gap();
        let store = Store::open(&config.state_dir)?;
        let ranges = match &config.ipamd {
            Some(ipamd) => Some(Ranges::open(ipamd.client()?, &config.state_dir)?),
            None => None,
        };
        Ok(Self {
            store,
            ranges,
            providers,
            clock,
            rng,
            retry: RetryPolicy::default(),
            plan: None,
            limiter: Mutex::new(RateLimiter::new(gap, SLOWEST.max(gap))),
            config,
        })
    }

    /// Takes the plan from a source from now on. Its accepted copy is in the state directory.
    ///
    /// # Errors
    /// There is no plan to go by, or no way to the cluster.
    pub async fn watch_plan(&mut self) -> Result<Source, ControllerError> {
        let source = Source::open(&self.config).await?;
        self.plan = Some(source.watch());
        Ok(source)
    }

    /// For a command that ends: reads the plan of a cluster once. One of a file is read for each round.
    ///
    /// # Errors
    /// As [`Controller::watch_plan`].
    pub async fn read_plan(&mut self) -> Result<(), ControllerError> {
        match self.config.plan {
            PlanOrigin::File(_) => Ok(()),
            PlanOrigin::Objects(_) => self.watch_plan().await.map(drop),
        }
    }

    /// The plan as its source accepts it; none in a command that ends.
    pub fn plans(&self) -> Option<Plans> {
        self.plan.clone()
    }

    /// Asks ipamd once, for a command that ends. While it is away, the last known ranges stand.
    pub async fn refresh_ranges(&self) {
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
        let mut plan = self.load()?;
        if let Some(ranges) = &self.ranges {
            let (joined, misfits) = with_grants(plan, &ranges.current()?.ranges);
            for misfit in misfits {
                tracing::warn!(%misfit, "left out");
            }
            plan = joined;
        }
        let none = BTreeMap::new();
        let cloud = self.config.cloud.as_ref();
        let lines = cloud.map_or(&none, |cloud| cloud.line_interfaces());
        let mut found = targets(&plan, lines)?;
        let routers = self.config.edge_routers.keys();
        found.extend(idle_edge_routers(&plan, routers).into_iter().map(Ok));
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

    fn load(&self) -> Result<NetworkPlan, ControllerError> {
        let plan = match (&self.plan, &self.config.plan) {
            (Some(plan), _) => plan,
            (None, PlanOrigin::File(path)) => return Ok(flatnet_plan_source::read(path)?),
            (None, PlanOrigin::Objects(_)) => return Err(ControllerError::NotRead),
        };
        let text = Arc::clone(&plan.borrow().accepted.plan);
        Ok(flatnet_plan::load(&text).map_err(Refusal::Load)?)
    }

    /// The highest generation in any table: no leader's may be lower.
    pub async fn highest_generation(&self, targets: &Targets) -> Generation {
        let tables = targets.iter().flatten();
        let tables = tables.map(|t| (t.writer(), t.scope()));
        let listed = by_writer(tables.collect(), |table| async move {
            self.providers.list(&table).await
        });
        let listed = listed.await;
        // The round itself reports a table that cannot be listed.
        let entries = listed.iter().flatten().flat_map(|t| &t.entries);
        let owners = entries.filter_map(|e| e.owner_in(&self.config.cluster));
        owners.map(|o| o.generation).max().unwrap_or_default()
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp::of(self.clock.now())
    }
}
