//! Where the plan comes from: a file, or a Kubernetes cluster's objects.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Result;
use flatnet_k8s_client::Cluster;
use flatnet_plan_source::{
    AcceptedPlan, ClusterPlan, ClusterSource, FilePlan, FileSource, PlanSource, Policies,
    follow_policies, publish_parts, publish_verdicts,
};
use tokio::sync::watch;

use super::carried;
use super::cli::RunArgs;
use super::declare::declare;
use super::http::Plans;
use super::metrics::Metrics;
use crate::assign::{Clock, Declared, Service};

/// The plan's source.
pub(super) enum Source {
    File(FileSource<Declared>),
    Cluster {
        source: ClusterSource<Declared>,
        cluster: Arc<Cluster>,
        /// The plan of which the objects for nodes are made.
        accepted: AcceptedPlan,
    },
}

impl Source {
    /// Opens the plan, or the last accepted copy if it is invalid or the API server gives no answer.
    ///
    /// # Errors
    /// Neither is valid, or the kubeconfig is not.
    pub(super) async fn open(args: &RunArgs, clock: Clock) -> Result<Self> {
        if !args.plan_from_cluster {
            let file = FilePlan::new(&args.plan, &args.state).with_clock(clock);
            let source = FileSource::open(file, |plan, _| Ok(declare(&plan)?))?;
            return Ok(Self::File(source));
        }
        let cluster = Arc::new(Cluster::open(args.kubeconfig.as_deref()).await?);
        let plan = ClusterPlan::new(Arc::clone(&cluster), &args.state).with_clock(clock);
        let (sender, accepted) = watch::channel(None);
        let take = move |plan, _: &str| {
            let declared = declare(&plan)?;
            // What can be declared is accepted: nothing refuses it after this.
            sender.send_replace(Some(Arc::new(plan)));
            Ok(declared)
        };
        let source = ClusterSource::open(plan, take).await?;
        Ok(Self::Cluster {
            source,
            cluster,
            accepted,
        })
    }

    pub(super) fn watch(&self) -> Plans {
        match self {
            Self::File(source) => source.watch(),
            Self::Cluster { source, .. } => source.watch(),
        }
    }

    /// Who writes to the cluster what becomes of the plan; `None` where the plan is a file.
    pub(super) fn publisher(&self) -> Option<Publisher> {
        match self {
            Self::File(_) => None,
            Self::Cluster {
                source,
                cluster,
                accepted,
            } => Some(Publisher {
                cluster: Arc::clone(cluster),
                plans: source.watch(),
                accepted: accepted.clone(),
            }),
        }
    }

    /// Follows the plan. Does not end by itself. Cancel safe.
    pub(super) async fn follow(self) -> Infallible {
        match self {
            Self::File(source) => source.follow().await,
            Self::Cluster { source, .. } => source.follow().await,
        }
    }
}

/// Writes to the cluster what became of its objects, and what nodes need of the accepted plan.
pub(super) struct Publisher {
    cluster: Arc<Cluster>,
    plans: Plans,
    accepted: AcceptedPlan,
}

impl Publisher {
    pub(super) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// With a service, what nodes read has the ranges that it granted. Ends when there are no more plans. Cancel
    /// safe.
    pub(super) async fn run(self, grants: Option<Service>, metrics: &Metrics) {
        let (sender, policies) = watch::channel(Policies::None);
        let counted = count_policies(policies.clone(), metrics);
        let followed = follow_policies(Arc::clone(&self.cluster), sender);
        let verdicts = publish_verdicts(Arc::clone(&self.cluster), self.plans, policies);
        let parts = async {
            let Some(service) = grants else {
                return publish_parts(self.cluster, self.accepted).await;
            };
            let (sender, carried) = watch::channel(None);
            let follows = carried::follow(service, self.accepted, sender);
            let ((), ()) = tokio::join!(follows, publish_parts(self.cluster, carried));
        };
        let ((), (), (), ()) = tokio::join!(verdicts, parts, counted, followed);
    }
}

/// Shows how many NetworkPolicies exist. Cancel safe.
async fn count_policies(mut policies: watch::Receiver<Policies>, metrics: &Metrics) {
    while policies.changed().await.is_ok() {
        let there = policies.borrow_and_update().clone();
        metrics.unenforced_policies(there.map_or(0, |p| p.len()));
    }
}
