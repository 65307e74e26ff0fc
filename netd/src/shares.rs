//! Each container's share of connections to services: the limit of its conntrack zone
//! (`flows/shares.rs`). Open vSwitch keeps limits neither in flows nor in its database, and sends
//! no event when one changes: they are polled every second, and after each start of the switch. A
//! new container's limit is set with its port, before its ADD is answered; the node is not ready
//! before the first poll.

use std::collections::BTreeMap;
use std::path::PathBuf;
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

use crate::attach::Engine;
use crate::features::Features;
use crate::node_ops::NodeOps;
use crate::problems::{Board, Problem};

/// Interval between polls while the switch has not answered.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Interval between two polls.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Source name of these problems on the board.
const SOURCE: &str = "shares";
/// Stands for "no limit" on the userspace datapath, where 0 admits no connection.
const UNLIMITED: u32 = 1_000_000_000;
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
}

/// Posts the problem that exists until the first poll.
pub(crate) fn post_initial_problem(board: &Board) {
    let text = "the limits of containers' connections to services are not in force yet";
    board.post(SOURCE, vec![Problem::blocking("share-unset", text)]);
}

impl Shares {
    /// Limits a container's zone, before the container can send. If that fails, the next poll sets
    /// the limit or posts the problem.
    pub(crate) async fn limit(&self, zone: u16) {
        let wanted = BTreeMap::from([(zone, self.limit)]);
        if let Err(error) = set_conntrack_limits(&self.rundir, &self.datapath, &wanted).await {
            debug!(%error, zone, "the limit of connections is not set yet");
        }
    }

    /// Polls until it is dropped. Cancel safe.
    pub(crate) async fn follow<N: NodeOps>(
        self,
        mut state: watch::Receiver<SwitchState>,
        features: Features,
        engine: Engine<N>,
    ) {
        loop {
            let connected = matches!(*state.borrow_and_update(), SwitchState::Connected { .. });
            let polled = match features.zones() {
                Some(true) if connected => self.poll(&engine).await,
                // Without zones there are no shares.
                Some(false) => Some(Vec::new()),
                // A switch that is away or busy is another problem.
                _ => None,
            };
            let pause = if polled.is_some() {
                POLL_INTERVAL
            } else {
                RETRY_INTERVAL
            };
            if let Some(problems) = polled {
                engine.board().post(SOURCE, problems);
            }
            // A timeout is the next poll.
            if let Ok(Err(_)) = tokio::time::timeout(pause, state.changed()).await {
                return;
            }
        }
    }

    /// Repairs the limits, and returns the problem of containers whose share is used up; `None` if
    /// the switch did not answer.
    async fn poll<N: NodeOps>(&self, engine: &Engine<N>) -> Option<Vec<Problem>> {
        let owners: BTreeMap<u16, AttachmentKey> = engine
            .ipam()
            .list()
            .into_iter()
            .filter_map(|record| Some((zone_of(record.slot)?, record.key.clone())))
            .collect();
        match self.apply_limits(&owners).await {
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

    async fn apply_limits(
        &self,
        owners: &BTreeMap<u16, AttachmentKey>,
    ) -> Result<Limits, AppctlError> {
        let limits = conntrack_limits(&self.rundir, &self.datapath).await?;
        // Connections of the return path count in a container's zone already, or come from outside.
        let unlimited = match self.userspace {
            true => UNLIMITED,
            false => 0,
        };
        let mut wanted: BTreeMap<u16, u32> =
            owners.keys().map(|zone| (*zone, self.limit)).collect();
        wanted.insert(WAY_BACK_ZONE, unlimited);
        let mut zones = limits.keys().copied();
        let unused_zone = zones.find(|zone| is_our_zone(*zone) && !wanted.contains_key(zone));
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
