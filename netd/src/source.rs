//! Where the node's plan comes from: a file, or the node's objects in a Kubernetes cluster.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use flatnet_k8s_client::Cluster;
use flatnet_plan_source::{
    FilePlan, FileSource, NodeObjects, NodeSource, OwnObject, PlanSource, publish_node_status,
};
use flatnet_types::NodeName;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::RunArgs;
use crate::in_service::{ConnectionCounter, InService};
use crate::kubernetes_node::{self, NotReady};
use crate::metrics::Metrics;
use crate::node_ops::NodeOps;
use crate::node_plan::{NodePlan, PlanReceiver};
use crate::node_report::report;
use crate::pod_events::{self, PodEvents};
use crate::state::NodeState;
use crate::waiting::Waiting;

/// How often it is looked whether the node is ready, for its Node in Kubernetes.
const LOOK: Duration = Duration::from_secs(1);

/// The plan's source.
pub(crate) enum Source {
    File(FileSource<NodePlan>),
    Cluster(Box<NodeSource<NodePlan>>, ToldCluster),
}

/// The cluster that the plan comes from, which is told how the node is.
pub(crate) struct ToldCluster {
    cluster: Arc<Cluster>,
    not_ready: watch::Sender<NotReady>,
    /// Writes to the Node. Dropped, and with it the task, when this is.
    _tasks: JoinSet<()>,
}

impl ToldCluster {
    /// Says in the node's Node that netd starts.
    fn new(cluster: Arc<Cluster>, node: &str) -> Self {
        let (not_ready, says) = watch::channel(Some("netd starts".to_owned()));
        let mut tasks = JoinSet::new();
        tasks.spawn(kubernetes_node::publish(
            Arc::clone(&cluster),
            node.to_owned(),
            says,
        ));
        Self {
            cluster,
            not_ready,
            _tasks: tasks,
        }
    }

    fn tell(&self, now: NotReady) {
        self.not_ready.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }

    /// Tells whether the node is ready. Does not end by itself.
    async fn follow<N: NodeOps>(&self, state: &NodeState<N>) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tell(state.ready().err().map(|e| e.to_string()));
        }
    }
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
        let told = ToldCluster::new(cluster, objects.name());
        let mut waiting = Waiting::new(&args.socket);
        let source = NodeSource::open(objects, take, |why| {
            let why = waiting.tell(why);
            told.tell(Some(format!("the node has no plan yet: {why}")));
        })
        .await;
        waiting.end().await;
        Ok((Self::Cluster(Box::new(source), told), origin))
    }

    pub(crate) fn watch(&self) -> PlanReceiver {
        match self {
            Self::File(source) => source.watch(),
            Self::Cluster(source, _) => source.watch(),
        }
    }

    /// Where failed ADDs are told, and what writes them to the cluster, as a task to be run. Nothing is told
    /// where the plan is a file.
    pub(crate) fn pod_events(
        &self,
        node: &NodeName,
    ) -> (PodEvents, Pin<Box<dyn Future<Output = ()> + Send>>) {
        match self {
            Self::File(_) => (PodEvents::default(), Box::pin(std::future::ready(()))),
            Self::Cluster(_, told) => {
                let cluster = Arc::clone(&told.cluster);
                let (events, writer) = pod_events::channel(cluster, node.clone());
                (events, Box::pin(writer))
            }
        }
    }

    /// Follows the plan; where it comes from a cluster, says there how the node is, and which of its pods are in
    /// service. Does not end by itself. Cancel safe.
    pub(crate) async fn follow<N: ConnectionCounter>(
        self,
        state: NodeState<N>,
        metrics: Arc<Metrics>,
    ) {
        let states = self.watch();
        match self {
            Self::File(source) => match source.follow().await {},
            Self::Cluster(source, told) => {
                let (own, cluster): (OwnObject, _) = (source.own(), Arc::clone(&told.cluster));
                let status = publish_node_status(cluster, own, states, || report(&state));
                let gate = InService::new(Arc::clone(&told.cluster), state.clone(), metrics);
                let (never, (), (), ()) =
                    tokio::join!(source.follow(), status, told.follow(&state), gate.follow());
                match never {}
            }
        }
    }
}
