//! The plan as a cluster's objects.
//!
//! `flatctl plan apply` and `kubectl apply` write one object after another, so that what is there in between
//! may be wrong together. The objects are joined when none changed for [`QUIET`].

mod gather;
mod node;
mod node_status;
mod objects;
mod parts;
mod policies;
mod services;
#[cfg(test)]
mod tests;
mod verdict;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_k8s_api::{Kind, Object, join};
use flatnet_k8s_client::{Cluster, ClusterError, Event};
use flatnet_plan::NetworkPlan;
use flatnet_types::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::error;

use crate::policy::{Clock, OpenError, Policy};
use crate::{PlanSource, Refusal, State, UnusablePlan};
use gather::{Gathered, Quiet};
use objects::Objects;

pub use node::{NodeObjects, NodeSource, OwnObject};
pub use node_status::{NodeReport, publish_node_status};
pub use parts::{AcceptedPlan, publish_parts};
pub use policies::{Policies, follow_policies};
pub use verdict::publish_verdicts;

/// How long no object may have changed before the objects are a plan.
const QUIET: Duration = Duration::from_secs(1);
/// The longest time that changes are waited for: where somebody writes without a pause, the objects are
/// checked as they are.
const LONGEST: Duration = Duration::from_secs(30);
/// How often writing the copy is tried again.
const RETRY_SAVE: Duration = Duration::from_secs(1);
/// Events that may wait. Whoever lists waits while there are more; the server keeps them meanwhile.
const EVENTS: usize = 64;

/// The API server, and the directory of the accepted copy.
#[derive(Clone)]
pub struct ClusterPlan {
    cluster: Arc<Cluster>,
    state: PathBuf,
    clock: Clock,
    /// Whether the objects are the plan only once ipamd has accepted them.
    follows_ipamd: bool,
}

impl ClusterPlan {
    /// The plan on an API server, by the wall clock; its copy is in the directory `state`.
    pub fn new(cluster: Arc<Cluster>, state: &Path) -> Self {
        Self {
            cluster,
            state: state.to_owned(),
            clock: Arc::new(|| Timestamp::from(SystemTime::now())),
            follows_ipamd: false,
        }
    }

    /// Takes the objects for the plan only where ipamd has accepted just these, by the status of the plan's
    /// head: what ipamd refuses, nobody goes by.
    #[must_use]
    pub fn following_ipamd(mut self) -> Self {
        self.follows_ipamd = true;
        self
    }

    /// Uses another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        self.clock = clock;
        self
    }

    /// Lists the objects until two lists are one document, but no longer than [`LONGEST`].
    async fn read(&self) -> Result<Objects, Refusal> {
        let begun = Instant::now();
        let mut last: Option<Objects> = None;
        loop {
            let listed = self.cluster.list().await.map_err(unreadable)?;
            let objects: Vec<Object> = listed.into_iter().map(|l| l.object).collect();
            let in_force = self.in_force().await.map_err(unreadable)?;
            let now = self.objects(&objects, in_force);
            if last.is_some_and(|last| last.joined == now.joined) || begun.elapsed() > LONGEST {
                return Ok(now);
            }
            last = Some(now);
            sleep(QUIET).await;
        }
    }

    fn objects(&self, objects: &[Object], in_force: Option<Vec<String>>) -> Objects {
        Objects {
            server: self.cluster.server().to_owned(),
            joined: join(objects),
            in_force,
        }
    }

    /// The revisions that ipamd has accepted; `None` where they do not matter.
    async fn in_force(&self) -> Result<Option<Vec<String>>, ClusterError> {
        if !self.follows_ipamd {
            return Ok(None);
        }
        let heads = self.cluster.plan_statuses().await?;
        let accepted = heads.into_iter().filter_map(|(_, status)| status.accepted);
        Ok(Some(accepted.map(|a| a.revision).collect()))
    }
}

fn unreadable(error: ClusterError) -> Refusal {
    Refusal::Cluster(Box::new(error))
}

/// A watched cluster.
pub struct ClusterSource<T> {
    plan: ClusterPlan,
    policy: Arc<Policy<T>>,
}

impl<T: Send + Sync + 'static> ClusterSource<T> {
    /// Reads the plan: the cluster's objects, or the accepted copy if they are invalid or the API server gives
    /// no answer. `take` is as of [`crate::FileSource::open`].
    ///
    /// # Errors
    /// [`OpenError`] if neither is valid.
    pub async fn open(
        plan: ClusterPlan,
        take: impl Fn(NetworkPlan, &str) -> Result<T, UnusablePlan> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let read = plan.read().await;
        let clock = Arc::clone(&plan.clock);
        let policy = Policy::open(&plan.state, clock, read, Box::new(take))?;
        let policy = Arc::new(policy);
        Ok(Self { plan, policy })
    }

    /// Checks what was read, not on a tokio worker: a plan of thousands of hosts takes long.
    async fn accept_or_refuse(&self, read: Result<Vec<Object>, ClusterError>) {
        let (plan, policy) = (self.plan.clone(), Arc::clone(&self.policy));
        let in_force = match &read {
            Ok(_) => plan.in_force().await,
            Err(_) => Ok(None),
        };
        let done = tokio::task::spawn_blocking(move || {
            let read = read.and_then(|objects| Ok(plan.objects(&objects, in_force?)));
            policy.accept_or_refuse(read.map_err(unreadable));
        });
        if let Err(error) = done.await {
            error!(%error, "checking the cluster's objects failed");
        }
    }

    /// Checks the objects again where they wait for ipamd, which has accepted others meanwhile. What ipamd says
    /// is a change of a status, and no event.
    async fn look_at_ipamd(&self, gathered: &Gathered, last: &mut Option<Vec<String>>) {
        let state = self.policy.watch().borrow().clone();
        let waits = state
            .refused
            .is_some_and(|r| matches!(r.why, Refusal::NotInForce { .. }));
        if !waits || !gathered.is_complete() {
            *last = None;
            return;
        }
        let Ok(now) = self.plan.in_force().await else {
            return;
        };
        if *last != now {
            *last = now;
            self.accept_or_refuse(Ok(gathered.objects())).await;
        }
    }

    async fn retry_save(&self, gathered: &Gathered) {
        if self.policy.watch().borrow().unkept.is_none() || !gathered.is_complete() {
            return;
        }
        let (objects, policy) = (gathered.objects(), Arc::clone(&self.policy));
        let save = move || policy.retry_save(|| Some(join(&objects).text));
        if let Err(error) = tokio::task::spawn_blocking(save).await {
            error!(%error, "keeping the accepted plan failed");
        }
    }
}

impl<T: Send + Sync + 'static> PlanSource<T> for ClusterSource<T> {
    fn watch(&self) -> watch::Receiver<State<T>> {
        self.policy.watch()
    }

    async fn follow(self) -> Infallible {
        let (sender, mut events) = mpsc::channel(EVENTS);
        // Dropped, and with it all of them, when this future is.
        let mut tasks = JoinSet::new();
        for kind in Kind::ALL {
            let (cluster, sender) = (Arc::clone(&self.plan.cluster), sender.clone());
            tasks.spawn(async move { cluster.follow(kind, &sender).await });
        }
        let mut gathered = Gathered::default();
        let mut quiet = Quiet::default();
        let mut retry = tokio::time::interval(RETRY_SAVE);
        let mut in_force = None;
        loop {
            let due = quiet.due();
            tokio::select! {
                // `sender` lives as long as this function: there is always an event to wait for.
                Some(event) = events.recv() => {
                    if gathered.take(&event) {
                        quiet.changed(Instant::now());
                    }
                    if let Event::Away(kind, error) = event
                        && gathered.is_told(kind)
                    {
                        self.accept_or_refuse(Err(error)).await;
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    quiet = Quiet::default();
                    // Where a kind is not there, it is listed again, which is a change.
                    if gathered.is_complete() {
                        self.accept_or_refuse(Ok(gathered.objects())).await;
                    }
                }
                _ = retry.tick() => {
                    self.retry_save(&gathered).await;
                    self.look_at_ipamd(&gathered, &mut in_force).await;
                }
            }
        }
    }
}
