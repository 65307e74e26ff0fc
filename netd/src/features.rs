//! The features of the bridge's datapath, read after each connection to the switch, because a
//! restart may be an upgrade. Of them netd's flows depend only on conntrack zones; `/v1/node` shows
//! all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flatnet_ovs::appctl::{self, AppctlError};
use flatnet_ovs::openflow::SwitchState;
use flatnet_plan::node::NodeSpec;
use flatnet_types::api::view::DatapathView;
use tokio::sync::watch;
use tracing::debug;

use crate::node_ops::NodeOps;
use crate::problems::Problem;
use crate::state::NodeState;

/// Pause before a switch that did not answer is queried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Open vSwitch's name of the feature that [`Features::timeouts`] returns.
const TIMEOUTS: &str = "Conntrack timeout policy";
/// Source name of these problems on the board.
const SOURCE: &str = "features";

/// The features that were read last. Clones share them.
#[derive(Clone, Default)]
pub struct Features(Arc<Mutex<Option<DatapathView>>>);

/// How to query the switch.
pub(crate) struct FeatureQuery {
    /// Where the sockets of `ovs-vswitchd` are.
    pub(crate) rundir: PathBuf,
    pub(crate) bridge: String,
    /// `system` or `netdev`.
    pub(crate) kind: &'static str,
}

impl Features {
    /// All features; `None` until a switch has answered.
    pub fn get(&self) -> Option<DatapathView> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the datapath separates conntrack zones; `None` until a switch has answered. Only a
    /// kernel that was built without them (CONFIG_NF_CONNTRACK_ZONES) reports `No`.
    pub fn zones(&self) -> Option<bool> {
        let view = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let features = &view.as_ref()?.features;
        Some(features.get("CT zone").is_none_or(|has| has != "No"))
    }

    /// Whether the datapath supports time-outs for each conntrack zone; `None` until a switch has
    /// answered. Open vSwitch probes for it at its start, from 2.13 on.
    pub fn timeouts(&self) -> Option<bool> {
        let view = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let features = &view.as_ref()?.features;
        Some(features.get(TIMEOUTS).is_some_and(|has| has != "No"))
    }

    /// Stores the features; returns whether they changed.
    fn set(&self, view: DatapathView) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.replace(view.clone()) != Some(view)
    }

    /// Reads the features after each connection to the switch. Requests a reconcile when they have
    /// changed, and posts the problems of missing ones. While the switch is away, the last ones
    /// stay. Runs until it is dropped; cancel safe.
    pub(crate) async fn follow<N: NodeOps>(
        self,
        mut connection: watch::Receiver<SwitchState>,
        at: FeatureQuery,
        state: NodeState<N>,
    ) {
        loop {
            let connected = matches!(
                *connection.borrow_and_update(),
                SwitchState::Connected { .. }
            );
            let view = match connected {
                true => at.read().await,
                false => None,
            };
            let missed = connected && view.is_none();
            if view.is_some_and(|view| self.set(view)) {
                let spec = state.spec();
                let zones = no_zones(&spec, self.zones());
                let timeouts = no_timeouts(&spec, self.zones(), self.timeouts());
                state
                    .board()
                    .post(SOURCE, zones.into_iter().chain(timeouts).collect());
                state.repair_requested().notify_one();
            }
            let changed = connection.changed();
            let changed = match missed {
                // A switch that is still starting answers later.
                true => tokio::time::timeout(RETRY_INTERVAL, changed)
                    .await
                    .unwrap_or(Ok(())),
                false => changed.await,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

/// The problem of a datapath without conntrack zones, on a node with services.
fn no_zones(spec: &NodeSpec, zones: Option<bool>) -> Option<Problem> {
    (!spec.service_prefixes.is_empty() && zones == Some(false)).then(|| {
        let text = "this kernel is built without conntrack zones (CONFIG_NF_CONNTRACK_ZONES): answers \
                    of services do not pass the host that translates them, and are lost; all else \
                    works";
        Problem::non_blocking("conntrack-zones", text)
    })
}

/// The problem of a datapath without time-outs, on a node with services.
fn no_timeouts(spec: &NodeSpec, zones: Option<bool>, timeouts: Option<bool>) -> Option<Problem> {
    let needed = !spec.service_prefixes.is_empty() && zones == Some(true);
    (needed && timeouts == Some(false)).then(|| {
        let text = "this datapath has no time-outs by conntrack zone (CONFIG_NF_CONNTRACK_TIMEOUT, Open \
                    vSwitch 2.13): connections to services that nobody answers count against their \
                    container's share for as long as `net.netfilter.nf_conntrack_*_timeout_*` say; all else \
                    works";
        Problem::non_blocking("share-timeouts", text)
    })
}

impl FeatureQuery {
    async fn read(&self) -> Option<DatapathView> {
        match appctl::features(&self.rundir, &self.bridge).await {
            Ok(features) => Some(DatapathView {
                kind: self.kind.to_owned(),
                features,
            }),
            // An old Open vSwitch does not know the command.
            Err(AppctlError::Refused { .. }) => Some(DatapathView {
                kind: self.kind.to_owned(),
                features: BTreeMap::new(),
            }),
            Err(e) => {
                debug!(error = %e, "the datapath's features are not known");
                None
            }
        }
    }
}
