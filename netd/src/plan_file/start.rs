//! The node's part of the plan at netd's start.

use anyhow::{Context, Result};
use flatnet_client::{Access, Client};
use flatnet_plan::NodeSpec;
use flatnet_plan::node::Mode;
use flatnet_plan_source::{FilePlan, FileSource, PlanSource};
use flatnet_types::NodeName;

use super::{NodePlan, PlanFile};
use crate::config::{PlanArgs, RunArgs};
use crate::ranges::{DrainingRanges, FollowerConfig, PeerFollower, RangeFollower};

/// What netd begins with.
pub(crate) struct Started {
    /// What it runs by.
    pub(crate) spec: NodeSpec,
    /// The plan while it runs.
    pub(crate) file: PlanFile,
    /// Notices changes of the plan.
    pub(crate) source: FileSource<NodePlan>,
    /// Who keeps the spec up to date where ranges are ipamd's.
    pub(crate) followers: Option<Followers>,
}

/// Who keeps the node's part of the plan up to date where ranges are ipamd's.
pub(crate) struct Followers {
    pub(crate) own: RangeFollower,
    /// In mode `routed`.
    pub(crate) peers: Option<PeerFollower>,
}

/// Takes the plan, or where its file is of no use the one that was accepted before, and joins what
/// ipamd gave. The state directory is there.
pub(crate) async fn start(args: &RunArgs) -> Result<Started> {
    let node = node_name(&args.plan)?;
    let (name, ipamd) = (node.clone(), args.ipamd.is_some());
    let file = FilePlan::new(&args.plan.plan, &args.state);
    let source = FileSource::open(file, move |plan, _| NodePlan::of(plan, &name, ipamd))?;
    let plan = source.watch();
    let accepted = plan.borrow().accepted.clone();
    let mut file = PlanFile {
        path: args.plan.plan.clone(),
        state: args.state.clone(),
        plan: plan.clone(),
        ipamd,
        drains: DrainingRanges::default(),
    };
    let Some(endpoint) = args.ipamd.clone() else {
        return Ok(Started {
            spec: accepted.plan.spec.clone(),
            file,
            source,
            followers: None,
        });
    };
    let access = Access {
        token_file: args.ipamd_token_file.clone(),
        ca: args.ipamd_ca.clone(),
        cert: args.ipamd_cert.clone(),
        key: args.ipamd_key.clone(),
    };
    let client = Client::open(endpoint, access).context("the way to ipamd")?;
    let start = FollowerConfig {
        client,
        node,
        plan,
        state: args.state.clone(),
    };
    let (own, mut spec) = RangeFollower::begin(start.clone()).await?;
    file.drains = own.drains();
    let peers = match spec.mode {
        Mode::Vlan { .. } => None,
        Mode::Routed => {
            let (peers, routes) = PeerFollower::begin(start)?;
            spec.peers = routes;
            Some(peers)
        }
    };
    Ok(Started {
        spec,
        file,
        source,
        followers: Some(Followers { own, peers }),
    })
}

/// What a node derives from the plan's file, for commands that end.
///
/// # Errors
/// The file is no plan, or does not have the node.
pub(crate) fn derive(args: &PlanArgs) -> Result<NodeSpec> {
    let plan = flatnet_plan_source::read(&args.plan)?;
    Ok(flatnet_plan::node::derive(&plan, &node_name(args)?)?)
}

fn node_name(args: &PlanArgs) -> Result<NodeName> {
    match &args.node {
        Some(node) => Ok(node.clone()),
        None => {
            let name = nix::unistd::gethostname().context("read the host's name")?;
            NodeName::new(name.to_string_lossy()).context("the host's name; use --node")
        }
    }
}
