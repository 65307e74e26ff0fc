//! The look at the plan: whether it can be used and has this node.

use std::path::Path;

use anyhow::{Context, Result};
use flatnet_k8s_client::Cluster;
use flatnet_plan::NodeSpec;
use flatnet_plan_source::{NodeObjects, Refusal};

use super::Finding;
use crate::config::PlanArgs;
use crate::start;

/// What the node's part is in the plan's file, and the finding.
pub(super) fn of_file(args: &PlanArgs) -> (Option<NodeSpec>, Finding) {
    let what = format!("the plan {}", args.plan.display());
    match start::derive(args) {
        Ok(spec) => (Some(spec), Finding::new(what, None)),
        Err(e) => {
            let wrong = format!(
                "{e:#}; a node's name in Kubernetes is to be its host's name in the plan: add the host, or \
                 put the plan in its place (ConfigMap flatnet-plan)"
            );
            (None, Finding::new(what, Some(wrong)))
        }
    }
}

/// The same of the node's objects in a cluster. That they are not there yet, or that the API server gives no
/// answer, is no lack of the host: netd waits for them, or goes by its copy.
pub(super) fn of_cluster(
    args: &PlanArgs,
    kubeconfig: Option<&Path>,
) -> (Option<NodeSpec>, Finding) {
    match read(args, kubeconfig) {
        Ok(Read::Spec(spec, what)) => (Some(*spec), Finding::new(what, None)),
        Ok(Read::Waits(why)) => {
            let what = format!("the plan is not there yet, and netd will wait for it: {why}");
            (None, Finding::new(what, None))
        }
        Err(e) => {
            let what = "the plan in the cluster".to_owned();
            (None, Finding::new(what, Some(format!("{e:#}"))))
        }
    }
}

/// What became of the look at the objects.
enum Read {
    /// The node's part, and what it is called.
    Spec(Box<NodeSpec>, String),
    /// Why there is none yet.
    Waits(String),
}

fn read(args: &PlanArgs, kubeconfig: Option<&Path>) -> Result<Read> {
    let node = start::node_name(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let cluster = Cluster::open(kubeconfig).await?;
        // Nothing is kept: the directory is of no meaning.
        let objects = NodeObjects::new(cluster.into(), &node, Path::new(""));
        let plan = match objects.read().await {
            Ok(plan) => plan,
            Err(why @ Refusal::Cluster(_)) => return Ok(Read::Waits(why.text())),
            Err(why) => return Err(why.into()),
        };
        let spec = flatnet_plan::node::derive(&plan, &node)?;
        let what = format!(
            "the plan NodeNetwork/{} of {}",
            objects.name(),
            objects.server()
        );
        Ok(Read::Spec(Box::new(spec), what))
    })
}
