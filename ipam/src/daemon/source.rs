//! Where the plan comes from: a file, or a Kubernetes cluster's objects.

use std::sync::Arc;

use anyhow::Result;
use flatnet_k8s_client::Cluster;
use flatnet_plan_source::{
    ClusterPlan, ClusterSource, FilePlan, FileSource, PlanSource, publish_verdicts,
};

use super::cli::RunArgs;
use super::declare::declare;
use super::http::Plans;
use crate::assign::{Clock, Declared};

/// The plan's source.
pub(super) enum Source {
    File(FileSource<Declared>),
    Cluster(ClusterSource<Declared>, Arc<Cluster>),
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
        let source = ClusterSource::open(plan, |plan, _| Ok(declare(&plan)?)).await?;
        Ok(Self::Cluster(source, cluster))
    }

    pub(super) fn watch(&self) -> Plans {
        match self {
            Self::File(source) => source.watch(),
            Self::Cluster(source, _) => source.watch(),
        }
    }

    /// Follows the plan, and says in the cluster what became of it. Does not end by itself. Cancel safe.
    pub(super) async fn follow(self) {
        match self {
            Self::File(source) => match source.follow().await {},
            Self::Cluster(source, cluster) => {
                let published = publish_verdicts(cluster, source.watch());
                let ((), never) = tokio::join!(published, source.follow());
                match never {}
            }
        }
    }
}
