//! Reads the plan at netd's start.

use anyhow::{Context, Result};
use flatnet_client::{Access, Client};
use flatnet_plan::NodeSpec;
use flatnet_plan::node::Mode;
use flatnet_types::NodeName;

use crate::config::{PlanArgs, RunArgs};
use crate::plan_file::PlanFile;
use crate::ranges::{DrainingRanges, FollowerConfig, PeerFollower, RangeFollower};
use crate::source::Source;

/// What netd starts with.
pub(crate) struct Started {
    /// The node's part of the plan.
    pub(crate) spec: NodeSpec,
    /// Takes over later plans.
    pub(crate) file: PlanFile,
    /// Watches the plan.
    pub(crate) source: Source,
    /// The followers of ipamd; `None` where the plan declares ranges.
    pub(crate) followers: Option<Followers>,
}

/// The followers that keep the spec as ipamd says.
pub(crate) struct Followers {
    pub(crate) own: RangeFollower,
    /// `Some` in mode `routed`.
    pub(crate) peers: Option<PeerFollower>,
}

/// Reads the plan, or the copy of the accepted one if it cannot be used, and joins the ranges from ipamd. The
/// state directory must exist.
pub(crate) async fn start(args: &RunArgs) -> Result<Started> {
    let node = node_name(&args.plan)?;
    let (source, origin) = Source::open(args, &node).await?;
    let plan = source.watch();
    let accepted = plan.borrow().accepted.clone();
    let mut file = PlanFile {
        origin,
        state: args.state.clone(),
        plan: plan.clone(),
        ipamd: args.ipamd.is_some(),
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

/// The node's part of the plan's file, for commands other than `run`.
///
/// # Errors
/// The file is no plan, or does not have the node.
pub(crate) fn derive(args: &PlanArgs) -> Result<NodeSpec> {
    let plan = flatnet_plan_source::read(&args.plan)?;
    Ok(flatnet_plan::node::derive(&plan, &node_name(args)?)?)
}

/// The node's name in the plan.
///
/// # Errors
/// None is given, and the host's own is no name.
pub(crate) fn node_name(args: &PlanArgs) -> Result<NodeName> {
    match &args.node {
        Some(node) => Ok(node.clone()),
        None => {
            let name = nix::unistd::gethostname().context("read the host's name")?;
            NodeName::new(name.to_string_lossy()).context("the host's name; use --node")
        }
    }
}
