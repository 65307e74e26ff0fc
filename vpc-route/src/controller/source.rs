//! Where the plan comes from: a file, or the objects of a Kubernetes cluster as ipamd has accepted them.

use std::convert::Infallible;
use std::sync::Arc;

use flatnet_k8s_client::Cluster;
use flatnet_plan_source::{ClusterPlan, ClusterSource, FilePlan, FileSource, PlanSource};

use super::{ControllerError, Plans};
use crate::config::{Config, PlanOrigin};

/// The plan's source. What is taken of a plan is its text: its tables are made for each round.
pub enum Source {
    /// A file.
    File(FileSource<String>),
    /// A cluster's objects.
    Objects(ClusterSource<String>),
}

impl Source {
    pub(super) async fn open(config: &Config) -> Result<Self, ControllerError> {
        match &config.plan {
            PlanOrigin::File(path) => {
                let file = FilePlan::new(path, &config.state_dir);
                let source = FileSource::open(file, |_, text| Ok(text.to_owned()))?;
                Ok(Self::File(source))
            }
            PlanOrigin::Objects(objects) => {
                let kubeconfig = objects.cluster.kubeconfig.as_deref();
                let cluster = Cluster::open(kubeconfig).await;
                let cluster = Arc::new(cluster.map_err(ControllerError::Cluster)?);
                let plan = ClusterPlan::new(cluster, &config.state_dir).following_ipamd();
                let source = ClusterSource::open(plan, |_, text| Ok(text.to_owned())).await?;
                Ok(Self::Objects(source))
            }
        }
    }

    /// The state of the plan.
    pub fn watch(&self) -> Plans {
        match self {
            Self::File(source) => source.watch(),
            Self::Objects(source) => source.watch(),
        }
    }

    /// Follows it. Does not end by itself. Cancel safe.
    pub async fn follow(self) -> Infallible {
        match self {
            Self::File(source) => source.follow().await,
            Self::Objects(source) => source.follow().await,
        }
    }
}
