//! Follows the node's ranges at ipamd: an answer is written to disk first, then applied.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use flatnet_client::{ClientError, Session};
use flatnet_plan::NodeSpec;
use flatnet_types::ipamd::HostRanges;
use ipnetwork::IpNetwork;
use tracing::{info, warn};

use super::held::{HeldRanges, RangeUse};
use super::{DrainingRanges, FollowerConfig, RETRY, WATCH, disk, spec};
use crate::allocator::networks;
use crate::node_ops::NodeOps;
use crate::state::NodeState;

/// Name of the file in the state directory.
const FILE: &str = "ranges.json";
/// Like [`WATCH`], while a range drains: another host may wait for it.
const DRAINING_WATCH: Duration = Duration::from_secs(2);
/// How long a node without a range waits for ipamd at its start.
const FIRST_RANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval between checks of draining ranges that are empty.
const RELEASE_POLL: Duration = Duration::from_secs(1);

/// Applies the ranges that ipamd grants to this node.
#[derive(Debug)]
pub struct RangeFollower {
    start: FollowerConfig,
    held: HeldRanges,
    /// Whether the plan had no place for one of the ranges.
    left_out: bool,
    drains: DrainingRanges,
}

impl RangeFollower {
    /// Reads the ranges kept on disk. A node without any waits for ipamd, at most 10 s.
    ///
    /// # Errors
    /// The file cannot be read, or the plan does not have the node.
    pub async fn begin(start: FollowerConfig) -> Result<(Self, NodeSpec)> {
        let kept = disk::load(&start.state, FILE)
            .with_context(|| format!("read the ranges kept in {}", start.state.display()))?;
        let mut follower = Self {
            left_out: false,
            drains: DrainingRanges::default(),
            start,
            held: kept.unwrap_or_default(),
        };
        if follower.held.ranges.is_empty() {
            match tokio::time::timeout(FIRST_RANGE_TIMEOUT, follower.first_answer()).await {
                Ok(answer) => follower.save(follower.held.after_answer(&answer))?,
                Err(_) => warn!(
                    ipamd = %follower.start.client.endpoint(),
                    "ipamd has given this node no range yet: attaching waits for it"
                ),
            }
        }
        let spec = follower.derive()?;
        info!(ranges = follower.held.ranges.len(), "ranges from ipamd");
        Ok((follower, spec))
    }

    /// The shared set of draining ranges.
    pub(crate) fn drains(&self) -> DrainingRanges {
        Arc::clone(&self.drains)
    }

    /// The node's spec, from the accepted plan and the ranges that it holds.
    fn derive(&mut self) -> Result<NodeSpec> {
        let accepted = self.start.accepted();
        let plan = accepted.plan.whole()?;
        let (spec, misfits) = spec::derive(plan, &self.start.node, &self.held)?;
        self.left_out = !misfits.is_empty();
        let drains = self.held.draining().collect();
        *self.drains.lock().unwrap_or_else(PoisonError::into_inner) = drains;
        for misfit in misfits {
            warn!(error = %misfit, "left out: the plan file on this node is older than ipamd's?");
        }
        Ok(spec)
    }

    /// The first answer that has a range.
    async fn first_answer(&self) -> HostRanges {
        let report = self.held.report(|_| RangeUse::default());
        let mut warned = false;
        loop {
            let answer = async {
                let mut session = self.start.client.connect().await?;
                session.report(&self.start.node, &report).await
            };
            match answer.await {
                Ok(answer) if !answer.ranges.is_empty() => return answer,
                Ok(_) => {}
                Err(e) if !warned => {
                    warn!(error = %e, "no range from ipamd yet");
                    warned = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(RETRY.first).await;
        }
    }

    /// Runs for ever. Cancel safe: the file is replaced atomically, and a range is released at
    /// ipamd only after it was removed from the file.
    pub async fn follow<N: NodeOps>(mut self, state: NodeState<N>) {
        let mut delays = RETRY.delays();
        let mut away = false;
        loop {
            let ended = match self.start.client.connect().await {
                Ok(mut session) => {
                    if away {
                        info!("ipamd is back");
                    }
                    away = false;
                    delays.reset();
                    self.run_session(&mut session, &state).await
                }
                Err(e) => Err(e.into()),
            };
            if let Err(e) = ended
                && !away
            {
                warn!(error = %e, "ipamd is away; the node goes on with the ranges that it has");
                away = true;
            }
            tokio::time::sleep(delays.after_failure()).await;
        }
    }

    /// Runs one connection until it breaks.
    async fn run_session<N: NodeOps>(
        &mut self,
        session: &mut Session,
        state: &NodeState<N>,
    ) -> Result<(), anyhow::Error> {
        let node = self.start.node.clone();
        loop {
            let before = self.held.clone();
            let report = before.report(|prefix| range_use(state, prefix));
            let answer = session.report(&node, &report).await?;
            self.take_over(&answer, state)?;
            let pending = self.release_drained(&before, session, state).await?;
            if pending {
                tokio::time::sleep(RELEASE_POLL).await;
                continue;
            }
            let revision = self.held.revision.clone();
            let wait = match self.held.drains() {
                true => DRAINING_WATCH,
                false => WATCH,
            };
            let changed = tokio::select! {
                changed = session.ranges(&node, Some(&revision), wait) => changed?,
                Ok(()) = self.start.plan.changed() => {
                    self.retry_left_out(state)?;
                    // On the old connection the answer to the cancelled request would come first.
                    *session = self.start.client.connect().await?;
                    continue;
                }
            };
            self.take_over(&changed, state)?;
        }
    }

    fn take_over<N: NodeOps>(&mut self, answer: &HostRanges, state: &NodeState<N>) -> Result<()> {
        let next = self.held.after_answer(answer);
        for waiting in &answer.waiting {
            tracing::debug!(network = %waiting.network, why = %waiting.message, "waits for a range");
        }
        if next == self.held {
            return Ok(());
        }
        let other = next.ranges != self.held.ranges;
        self.save(next)?;
        if other {
            self.apply(state)?;
        }
        Ok(())
    }

    /// After a new plan: applies it if the last plan had no place for one of the ranges. Other
    /// changes are reported by `plan_file`, and applied with the next ranges or by a restart.
    fn retry_left_out<N: NodeOps>(&mut self, state: &NodeState<N>) -> Result<()> {
        match self.left_out {
            true => self.apply(state),
            false => Ok(()),
        }
    }

    /// Releases draining ranges that are empty. Returns whether another one is empty already, and
    /// can be released after the next report.
    async fn release_drained<N: NodeOps>(
        &mut self,
        before: &HeldRanges,
        session: &mut Session,
        state: &NodeState<N>,
    ) -> Result<bool> {
        let use_of = |prefix| range_use(state, prefix);
        let (kept, releases) = self.held.releasable(before, &self.start.node, use_of);
        if !releases.is_empty() {
            self.save(kept)?;
            self.apply(state)?;
        }
        for release in &releases {
            match session.release(release).await {
                Ok(_) => info!(range = %release.prefix, "let go of"),
                // ipamd's state decides: its next answer lists the range.
                Err(e @ ClientError::Refused { .. }) => {
                    warn!(range = %release.prefix, error = %e, "ipamd does not take it back yet");
                }
                Err(e) => return Err(e.into()),
            }
        }
        let (_, soon) = self.held.releasable(&self.held, &self.start.node, use_of);
        Ok(!soon.is_empty())
    }

    fn save(&mut self, next: HeldRanges) -> Result<()> {
        disk::save(&self.start.state, FILE, &next)
            .with_context(|| format!("keep the ranges in {}", self.start.state.display()))?;
        self.held = next;
        Ok(())
    }

    /// Applies the ranges that the node holds, without a restart.
    fn apply<N: NodeOps>(&mut self, state: &NodeState<N>) -> Result<()> {
        // The plan may have changed too: a larger pool, a new network.
        let fresh = self.derive()?;
        let ranges = networks(&fresh.networks)?;
        state.update_spec(|spec| spec.networks = fresh.networks);
        for record in state.ipam().reconfigure(ranges) {
            warn!(key = %record.key, "its address is in none of this node's ranges any more: kept until its DEL");
        }
        for range in &self.held.ranges {
            let grant = &range.grant;
            info!(network = %grant.network, range = %grant.prefix, state = ?grant.state, "range");
        }
        Ok(())
    }
}

/// How many addresses of a range are in use.
fn range_use<N: NodeOps>(state: &NodeState<N>, prefix: IpNetwork) -> RangeUse {
    let inside = |ip: &IpNetwork| prefix.contains(ip.ip());
    let used = state
        .ipam()
        .list()
        .iter()
        .flat_map(|record| &record.addresses)
        .filter(|assigned| inside(&assigned.address))
        .count();
    let range = flatnet_ipam::Span::from(prefix);
    let spec = state.spec();
    let usage = spec
        .networks
        .iter()
        .filter_map(|n| state.ipam().usage(&n.name, state.now()))
        .flatten()
        .find(|usage| usage.range == range);
    RangeUse {
        used: used as u64,
        capacity: usage.map_or(0, |u| u64::try_from(u.capacity).unwrap_or(u64::MAX)),
    }
}
