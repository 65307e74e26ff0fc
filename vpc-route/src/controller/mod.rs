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
mod round;
mod writers;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flatnet_plan::NetworkPlan;
use flatnet_plan::grants::with_grants;
use tokio::sync::Mutex;

use crate::aliyun::client::Observer;
use crate::aliyun::{Client, ClientConfig, Credentials, Http};
use crate::ambient::{Ambient, System};
use crate::apply::{Pace, Patience};
use crate::config::{Config, EdgeConfig};
use crate::desired::{Target, TargetError, targets};
use crate::fleet::{Fleet, Router};
use crate::model::{DesiredTable, Generation, Timestamp};
use crate::provider::Provider;
use crate::ranges::Ranges;
use crate::router::{FileRouter, FrrRouter, LinuxRouter};
use crate::show::chain;
use crate::store::Store;
use writers::by_writer;

pub use error::{ControllerError, RoundError};
pub use round::{Looked, Outcome, Round, Usage};

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
            let (joined, misfits) = with_grants(plan, &ranges.current()?.ranges);
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

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.ambient.timestamp()
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
