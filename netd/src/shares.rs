//! Each container's share of connections to services: the limit of its conntrack zone
//! (`flows/shares.rs`). Open vSwitch keeps limits neither in flows nor in its database, and sends
//! no event when one changes: they are polled every second, and after each start of the switch.
//!
//! `ovs-vswitchd` answers such a call only after it has gone over all of its ports, for which the
//! port of an ADD is the occasion: with 200 ports the ADD would wait for that. So a poll also sets
//! the limits of the slots that come next ([`LIMITED_AHEAD`]). An ADD whose slot has none yet sets it
//! with its port, before it is answered. The node is not ready before the first poll.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flatnet_ovs::appctl::{
    AppctlError, Limits, conntrack_limits, delete_conntrack_limits, flush_conntrack,
    set_conntrack_limits, take_any_sequence,
};
use flatnet_ovs::openflow::SwitchState;
use flatnet_types::AttachmentKey;
use flatnet_types::marks::{WAY_BACK_ZONE, is_our_zone, zone_of};
use tokio::sync::watch;
use tracing::debug;

use crate::features::Features;
use crate::node_ops::NodeOps;
use crate::problems::{Board, Problem};
use crate::state::NodeState;

/// Interval between polls while the switch has not answered.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Interval between two polls.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Source name of these problems on the board.
const SOURCE: &str = "shares";
/// Stands for "no limit" on the userspace datapath, where 0 admits no connection.
const UNLIMITED: u32 = 1_000_000_000;
/// For how many slots to come the limits are set: at least as many as ADDs between two polls.
const LIMITED_AHEAD: usize = 128;
/// How many containers a problem names.
const NAMED_MAX: usize = 5;

/// Sets the limits.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    /// The directory of the sockets of `ovs-vswitchd`.
    pub(crate) rundir: PathBuf,
    /// `system@ovs-system`, as `ovs-appctl dpctl/dump-dps` names it.
    pub(crate) datapath: String,
    /// Whether it is the userspace datapath.
    pub(crate) userspace: bool,
    /// The most connections of one container.
    pub(crate) limit: u32,
    pub(crate) limited: Arc<LimitedZones>,
}

/// The zones whose limits the last poll has found or set.
#[derive(Debug, Default)]
pub(crate) struct LimitedZones(Mutex<Polled>);

#[derive(Debug, Default)]
struct Polled {
    /// The generation of the connection to the switch ([`SwitchState::Connected`]) at the poll: a
    /// switch that has restarted has no limits.
    generation: u64,
    zones: BTreeSet<u16>,
}

impl LimitedZones {
    fn record(&self, generation: u64, zones: BTreeSet<u16>) {
        let mut polled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *polled = Polled { generation, zones };
    }

    fn contains(&self, generation: u64, zone: u16) -> bool {
        let polled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        polled.generation == generation && polled.zones.contains(&zone)
    }
}

/// Posts the problem that exists until the first poll.
pub(crate) fn post_initial_problem(board: &Board) {
    let text = "the limits of containers' connections to services are not in force yet";
    board.post(SOURCE, vec![Problem::blocking("share-unset", text)]);
}

impl Shares {
    /// Limits a container's zone, before the container can send, unless the last poll has.
    /// `generation` is that of the connection to the switch. If it fails, the next poll sets the
    /// limit or posts the problem.
    pub(crate) async fn limit(&self, zone: u16, generation: Option<u64>) {
        if generation.is_some_and(|g| self.limited.contains(g, zone)) {
            return;
        }
        let wanted = BTreeMap::from([(zone, self.limit)]);
        if let Err(error) = set_conntrack_limits(&self.rundir, &self.datapath, &wanted).await {
            debug!(%error, zone, "the limit of connections is not set yet");
        }
    }

    /// Polls until it is dropped. Cancel safe.
    pub(crate) async fn follow<N: NodeOps>(
        self,
        mut connection: watch::Receiver<SwitchState>,
        features: Features,
        state: NodeState<N>,
    ) {
        loop {
            let generation = connection.borrow_and_update().generation();
            let polled = match (features.zones(), generation) {
                (Some(true), Some(generation)) => self.poll(&state, generation).await,
                // Without zones there are no shares.
                (Some(false), _) => Some(Vec::new()),
                // A switch that is away or busy is another problem.
                _ => None,
            };
            let pause = if polled.is_some() {
                POLL_INTERVAL
            } else {
                RETRY_INTERVAL
            };
            if let Some(problems) = polled {
                state.board().post(SOURCE, problems);
            }
            // A timeout is the next poll.
            if let Ok(Err(_)) = tokio::time::timeout(pause, connection.changed()).await {
                return;
            }
        }
    }

    /// Repairs the limits, and returns the problem of containers whose share is used up; `None` if
    /// the switch did not answer.
    async fn poll<N: NodeOps>(
        &self,
        state: &NodeState<N>,
        generation: u64,
    ) -> Option<Vec<Problem>> {
        // Before the owners: a slot that is taken in between is in both.
        let upcoming = state.ipam().upcoming_slots(LIMITED_AHEAD);
        let upcoming: BTreeSet<u16> = upcoming.into_iter().filter_map(zone_of).collect();
        let owners: BTreeMap<u16, AttachmentKey> = state
            .ipam()
            .list()
            .into_iter()
            .filter_map(|record| Some((zone_of(record.slot)?, record.key.clone())))
            .collect();
        let zones: BTreeSet<u16> = owners.keys().copied().chain(upcoming).collect();
        let applied = self.apply_limits(&zones).await;
        if applied.is_ok() {
            self.limited.record(generation, zones);
        }
        match applied {
            Ok(limits) => Some(self.used_up(&limits, &owners).into_iter().collect()),
            Err(error @ AppctlError::Refused { .. }) => {
                let text = format!(
                    "Open vSwitch takes no limits of connections, and a container may use up those \
                     of the node: {error}"
                );
                Some(vec![Problem::non_blocking("share-unlimited", text)])
            }
            Err(error) => {
                debug!(%error, "the limits of connections are not known");
                None
            }
        }
    }

    /// Limits these zones and no other of netd's. Returns the limits that were found.
    async fn apply_limits(&self, zones: &BTreeSet<u16>) -> Result<Limits, AppctlError> {
        let limits = conntrack_limits(&self.rundir, &self.datapath).await?;
        // Connections of the return path count in a container's zone already, or come from outside.
        let unlimited = match self.userspace {
            true => UNLIMITED,
            false => 0,
        };
        let mut wanted: BTreeMap<u16, u32> = zones.iter().map(|zone| (*zone, self.limit)).collect();
        wanted.insert(WAY_BACK_ZONE, unlimited);
        let mut limited = limits.keys().copied();
        let unused_zone = limited.find(|zone| is_our_zone(*zone) && !wanted.contains_key(zone));
        wanted.retain(|zone, limit| limits.get(zone).map(|is| is.limit) != Some(*limit));
        if wanted.contains_key(&WAY_BACK_ZONE) && self.userspace {
            // The switch has restarted.
            take_any_sequence(&self.rundir, &self.datapath).await?;
        }
        if !wanted.is_empty() {
            set_conntrack_limits(&self.rundir, &self.datapath, &wanted).await?;
            debug!(zones = wanted.len(), "limits of connections set");
        }
        if let Some(zone) = unused_zone {
            self.flush_zone(zone).await?;
        }
        Ok(limits)
    }

    /// Removes the connections that a dead container has left, which may stay for days, before the
    /// slot is used again. One zone at each poll, because the switch scans all connections for
    /// each. The limit is deleted last, because it marks the zone as not empty.
    async fn flush_zone(&self, zone: u16) -> Result<(), AppctlError> {
        if let Err(error) = flush_conntrack(&self.rundir, zone).await {
            debug!(%error, zone, "what a dead container left is still there");
            return Ok(());
        }
        delete_conntrack_limits(&self.rundir, &self.datapath, &[zone]).await
    }

    fn used_up(&self, limits: &Limits, owners: &BTreeMap<u16, AttachmentKey>) -> Option<Problem> {
        let used_up_zones = |zone: &u16| {
            let of = limits.get(zone);
            of.is_some_and(|of| of.count >= of.limit)
        };
        let used_up_zones: Vec<String> = owners
            .iter()
            .filter(|(zone, _)| used_up_zones(zone))
            .map(|(_, key)| key.to_string())
            .collect();
        let (named, more) = used_up_zones.split_at(used_up_zones.len().min(NAMED_MAX));
        let mut names = named.join(", ");
        if !more.is_empty() {
            names = format!("{names} and {} more", more.len());
        }
        (!used_up_zones.is_empty()).then(|| {
            let text = format!(
                "{names}: all {} connections to services are in use, and new ones of these \
                 containers are refused; nobody else's are (`--service-connections`)",
                self.limit
            );
            Problem::non_blocking("share-used-up", text)
        })
    }
}
