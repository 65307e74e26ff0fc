//! Follows the ranges of the nodes of this node's segment at ipamd: there are direct routes to them
//! (host-gw).

use std::time::Duration;

use anyhow::{Context, Result};
use flatnet_client::ClientError;
use flatnet_clock::Delays;
use flatnet_plan::grants::{heard, with_grants};
use flatnet_plan::node::{self, PeerRoute};
use flatnet_types::ipamd::Grants;
use tracing::{info, warn};

use super::{FollowerConfig, RETRY, WATCH, disk};
use crate::node_ops::NodeOps;
use crate::state::NodeState;

/// Name of the file in the state directory.
const FILE: &str = "peers.json";
/// Shortest time between two answers, so that nodes that join at once are one change.
const MIN_PAUSE: Duration = Duration::from_millis(200);

/// Keeps the node's routes to the ranges that its peers hold.
#[derive(Debug)]
pub struct PeerFollower {
    start: FollowerConfig,
    known: Option<Grants>,
}

impl PeerFollower {
    /// Reads the grants kept on disk. Returns the routes that follow from them, or from the plan
    /// alone if there are none.
    ///
    /// # Errors
    /// The file cannot be read, or the plan does not have the node.
    pub fn begin(start: FollowerConfig) -> Result<(Self, Vec<PeerRoute>)> {
        let known = disk::load(&start.state, FILE)
            .with_context(|| format!("read the peers' ranges kept in {}", start.state.display()))?;
        let peers = Self { start, known };
        let routes = peers.routes()?;
        Ok((peers, routes))
    }

    /// The routes from the accepted plan and the peers' grants.
    fn routes(&self) -> Result<Vec<PeerRoute>> {
        let accepted = self.start.accepted();
        let known = self.known.as_ref();
        let grants = known.map_or(&[][..], |k| k.ranges.as_slice());
        let (plan, misfits) = with_grants(accepted.plan.whole()?.clone(), grants);
        for misfit in misfits {
            warn!(%misfit, "left out: the plan file on this node is older than ipamd's?");
        }
        Ok(node::derive(&plan, &self.start.node)?.peers)
    }

    /// Runs for ever, unless ipamd is too old. Cancel safe: the file is replaced atomically, and
    /// only grants that are in it are applied.
    pub async fn follow<N: NodeOps>(mut self, state: NodeState<N>) {
        let mut delays = RETRY.delays();
        let mut away = false;
        loop {
            match self.run_session(&state, &mut away, &mut delays).await {
                Ok(never) => match never {},
                // An older ipamd does not serve this call: routes follow the plan.
                Err(e) if lacks_peers_call(&e) => {
                    warn!("this ipamd does not say what peers hold: routing by the plan");
                    return;
                }
                Err(e) if !away => {
                    warn!(error = %e, "ipamd is away; routes to peers stay as they are");
                    away = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(delays.after_failure()).await;
        }
    }

    /// Runs one connection until it breaks.
    async fn run_session<N: NodeOps>(
        &mut self,
        state: &NodeState<N>,
        away: &mut bool,
        delays: &mut Delays,
    ) -> Result<std::convert::Infallible> {
        let mut session = self.start.client.connect().await?;
        let node = self.start.node.clone();
        let mut revision = None;
        loop {
            let answer = tokio::select! {
                answer = session.peers(&node, revision.as_deref(), WATCH) => answer?,
                Ok(()) = self.start.plan.changed() => {
                    // A peer may be new, gone, or have another address.
                    self.apply(state)?;
                    // On the old connection the answer to the cancelled request would come first.
                    session = self.start.client.connect().await?;
                    continue;
                }
            };
            *away = false;
            delays.reset();
            revision = Some(answer.revision.clone());
            self.take_over(answer, state)?;
            tokio::time::sleep(MIN_PAUSE).await;
        }
    }

    fn take_over<N: NodeOps>(&mut self, answer: Grants, state: &NodeState<N>) -> Result<()> {
        let now = heard(self.known.as_ref(), answer);
        let other = self.known.as_ref().map(|k| &k.ranges) != Some(&now.ranges);
        if self.known.as_ref() != Some(&now) {
            disk::save(&self.start.state, FILE, &now).with_context(|| {
                format!("keep the peers' ranges in {}", self.start.state.display())
            })?;
            self.known = Some(now);
        }
        match other {
            true => self.apply(state),
            false => Ok(()),
        }
    }

    fn apply<N: NodeOps>(&self, state: &NodeState<N>) -> Result<()> {
        let routes = self.routes()?;
        if state.spec().peers == routes {
            return Ok(());
        }
        info!(routes = routes.len(), "routes to peers");
        state.update_spec(|spec| spec.peers = routes);
        Ok(())
    }
}

fn lacks_peers_call(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(ClientError::Refused { body, .. }) if body.code == "noRoute"
    )
}
