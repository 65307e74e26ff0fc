//! Where the node's plan comes from: a file, or the node's objects in a Kubernetes cluster.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use flatnet_k8s_client::Cluster;
use flatnet_plan_source::{
    FilePlan, FileSource, NodeObjects, NodeSource, OwnObject, PlanSource, publish_node_status,
};
use flatnet_types::NodeName;

use crate::config::RunArgs;
use crate::node_ops::NodeOps;
use crate::node_plan::{NodePlan, PlanReceiver};
use crate::node_report::report;
use crate::state::NodeState;
use crate::waiting::Waiting;

/// The plan's source.
pub(crate) enum Source {
    File(FileSource<NodePlan>),
    Cluster(NodeSource<NodePlan>, Arc<Cluster>),
}

/// What people call the place that the plan comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// An object of an API server.
    Object {
        /// `metadata.name` of the `NodeNetwork`.
        name: String,
        /// The server's address.
        server: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Object { name, server } => write!(f, "NodeNetwork/{name} of {server}"),
        }
    }
}

impl Origin {
    /// The command that shows what is wrong there.
    pub(crate) fn inspected_by(&self) -> String {
        match self {
            Self::File(path) => format!("flatctl plan check {}", path.display()),
            Self::Object { name, .. } => format!("kubectl get nodenetworks {name} -o yaml"),
        }
    }
}

impl Source {
    /// Opens the plan, or the last accepted copy if it is invalid or the API server gives no answer. A node
    /// that has neither object nor copy waits, and says so on netd's socket.
    ///
    /// # Errors
    /// Neither file nor copy is valid, or the kubeconfig is not.
    pub(crate) async fn open(args: &RunArgs, node: &NodeName) -> Result<(Self, Origin)> {
        let (name, ipamd) = (node.clone(), args.ipamd.is_some());
        let take = move |plan, _: &str| NodePlan::of(plan, &name, ipamd);
        if !args.plan_from_cluster {
            let file = FilePlan::new(&args.plan.plan, &args.state);
            let origin = Origin::File(args.plan.plan.clone());
            return Ok((Self::File(FileSource::open(file, take)?), origin));
        }
        let cluster = Arc::new(Cluster::open(args.kubeconfig.as_deref()).await?);
        let objects = NodeObjects::new(Arc::clone(&cluster), node, &args.state);
        let origin = Origin::Object {
            name: objects.name().to_owned(),
            server: objects.server().to_owned(),
        };
        let mut waiting = Waiting::new(&args.socket);
        let source = NodeSource::open(objects, take, |why| waiting.tell(why)).await;
        waiting.end().await;
        Ok((Self::Cluster(source, cluster), origin))
    }

    pub(crate) fn watch(&self) -> PlanReceiver {
        match self {
            Self::File(source) => source.watch(),
            Self::Cluster(source, _) => source.watch(),
        }
    }

    /// The node's own object, where the plan comes from a cluster.
    fn own(&self) -> Option<(OwnObject, Arc<Cluster>)> {
        match self {
            Self::File(_) => None,
            Self::Cluster(source, cluster) => Some((source.own(), Arc::clone(cluster))),
        }
    }

    async fn follow_plan(self) -> Infallible {
        match self {
            Self::File(source) => source.follow().await,
            Self::Cluster(source, _) => source.follow().await,
        }
    }

    /// Follows the plan; where it comes from a cluster, says there how the node is. Does not end by itself.
    /// Cancel safe.
    pub(crate) async fn follow<N: NodeOps>(self, state: NodeState<N>) {
        let (own, states) = (self.own(), self.watch());
        let status = async {
            if let Some((own, cluster)) = own {
                publish_node_status(cluster, own, states, || report(&state)).await;
            }
        };
        let (never, ()) = tokio::join!(self.follow_plan(), status);
        match never {}
    }
}
