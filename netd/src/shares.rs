//! Each container's share of connections to services: the limit of its conntrack zone
//! (`flows/shares.rs`). Open vSwitch keeps limits beside its flows and its database, and tells nobody
//! of a change: they are looked at every second, and after each start of the switch. A new container's
//! is set with its port, before its ADD is answered; and the node is not ready before the first look.

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
use tracing::debug;

use crate::attach::Engine;
use crate::daemon_node::DaemonNode;
use crate::problems::{Board, Problem};

/// Between two looks at what nobody has told of yet.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The name on the board of problems.
const SOURCE: &str = "shares";
/// No limit on the userspace datapath, where Open vSwitch's own word for it, 0, lets no connection pass.
const UNLIMITED: u32 = 1_000_000_000;
/// How many containers a problem names.
const NAMED_MAX: usize = 5;

/// Keeps the limits.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    /// Where the sockets of `ovs-vswitchd` are.
    pub(crate) rundir: PathBuf,
    /// `system@ovs-system`, as `ovs-appctl dpctl/dump-dps` names it.
    pub(crate) datapath: String,
    /// Whether it is the userspace datapath.
    pub(crate) userspace: bool,
    /// Connections of one container.
    pub(crate) limit: u32,
}

/// Posts what holds until the first look.
pub(crate) fn post_initial_problem(board: &Board) {
    let text = "the limits of containers' connections to services are not in force yet";
    board.post(SOURCE, vec![Problem::blocking("share-unset", text)]);
}

impl Shares {
    /// Limits a container's zone, before it can send. Where that fails, the next look sets it, or
    /// says why nobody can.
    pub(crate) async fn limit(&self, zone: u16) {
        let wanted = BTreeMap::from([(zone, self.limit)]);
        if let Err(error) = set_conntrack_limits(&self.rundir, &self.datapath, &wanted).await {
            debug!(%error, zone, "the limit of connections is not set yet");
        }
    }

    /// Until it is dropped. Cancel safe.
    pub(crate) async fn follow(self, node: DaemonNode, engine: Engine<DaemonNode>) {
        let mut state = node.switch().state();
        loop {
            let connected = matches!(*state.borrow_and_update(), SwitchState::Connected { .. });
            let polled = match node.features().zones() {
                Some(true) if connected => self.poll(&engine).await,
                // All connections are in one zone: there are no shares.
                Some(false) => Some(Vec::new()),
                // A switch that is away or busy has problems of its own.
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
            // A timeout is the next look.
            if let Ok(Err(_)) = tokio::time::timeout(pause, state.changed()).await {
                return;
            }
        }
    }

    /// Sets right what differs, and tells whose share is used up; `None` if the switch did not say.
    async fn poll(&self, engine: &Engine<DaemonNode>) -> Option<Vec<Problem>> {
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
                Some(vec![Problem::named("share-unlimited", text)])
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
        // What the host forwards has passed a share, or comes from outside.
        let unlimited = match self.userspace {
            true => UNLIMITED,
            false => 0,
        };
        let mut wanted: BTreeMap<u16, u32> =
            owners.keys().map(|zone| (*zone, self.limit)).collect();
        wanted.insert(WAY_BACK_ZONE, unlimited);
        let gone = limits.keys().copied();
        let mut gone = gone.filter(|zone| is_our_zone(*zone) && !wanted.contains_key(zone));
        let gone = gone.next();
        wanted.retain(|zone, limit| limits.get(zone).map(|is| is.limit) != Some(*limit));
        if wanted.contains_key(&WAY_BACK_ZONE) && self.userspace {
            // A switch that has started anew.
            take_any_sequence(&self.rundir, &self.datapath).await?;
        }
        if !wanted.is_empty() {
            set_conntrack_limits(&self.rundir, &self.datapath, &wanted).await?;
            debug!(zones = wanted.len(), "limits of connections set");
        }
        if let Some(zone) = gone {
            self.flush_zone(zone).await?;
        }
        Ok(limits)
    }

    /// Who gets the slot next is not to begin with what a dead container left: an established TCP
    /// connection may stay there for days. One zone at a look, for the switch goes through all
    /// connections for each; the limit goes last, for it is what tells that there is something left.
    async fn flush_zone(&self, zone: u16) -> Result<(), AppctlError> {
        if let Err(error) = flush_conntrack(&self.rundir, zone).await {
            debug!(%error, zone, "what a dead container left is still there");
            return Ok(());
        }
        delete_conntrack_limits(&self.rundir, &self.datapath, &[zone]).await
    }

    fn used_up(&self, limits: &Limits, owners: &BTreeMap<u16, AttachmentKey>) -> Option<Problem> {
        let full = |zone: &u16| {
            let of = limits.get(zone);
            of.is_some_and(|of| of.count >= of.limit)
        };
        let full: Vec<String> = owners
            .iter()
            .filter(|(zone, _)| full(zone))
            .map(|(_, key)| key.to_string())
            .collect();
        let (named, more) = full.split_at(full.len().min(NAMED_MAX));
        let mut names = named.join(", ");
        if !more.is_empty() {
            names = format!("{names} and {} more", more.len());
        }
        (!full.is_empty()).then(|| {
            let text = format!(
                "{names}: all {} connections to services are in use, and new ones of these \
                 containers are refused; nobody else's are (`--service-connections`)",
                self.limit
            );
            Problem::named("share-used-up", text)
        })
    }
}
