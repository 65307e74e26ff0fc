//! What the bridge's datapath can do, read anew with each connection to the switch: a restart may
//! be an upgrade. Of the features that datapaths differ in netd's flows depend on conntrack's
//! zones alone; people and tools read all of them in `/v1/node`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flatnet_ovs::appctl::{self, AppctlError};
use flatnet_ovs::openflow::SwitchState;
use flatnet_plan::node::NodeSpec;
use flatnet_types::api::view::DatapathView;
use tracing::debug;

use crate::attach::Engine;
use crate::daemon_node::DaemonNode;
use crate::problems::Problem;

/// When a switch that did not answer is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Open vSwitch's name of what [`Features::timeouts`] tells.
const TIMEOUTS: &str = "Conntrack timeout policy";
/// The name on the board of problems.
const SOURCE: &str = "features";

/// What was read last. Clones share it.
#[derive(Clone, Default)]
pub struct Features(Arc<Mutex<Option<DatapathView>>>);

/// Where to ask.
pub(crate) struct FeatureQuery {
    /// Where the sockets of `ovs-vswitchd` are.
    pub(crate) rundir: PathBuf,
    pub(crate) bridge: String,
    /// `system` or `netdev`.
    pub(crate) kind: &'static str,
}

impl Features {
    /// `None` until a switch has answered.
    pub fn get(&self) -> Option<DatapathView> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether connections of one conntrack zone are not known in another, if that is known yet.
    /// Only the kernel tells of it, where it was built without (CONFIG_NF_CONNTRACK_ZONES).
    pub fn zones(&self) -> Option<bool> {
        let view = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let features = &view.as_ref()?.features;
        Some(features.get("CT zone").is_none_or(|has| has != "No"))
    }

    /// Whether the datapath keeps connections of a conntrack zone as long as it is told, if that is
    /// known yet. Open vSwitch tries it at its start; before 2.13 it could not.
    pub fn timeouts(&self) -> Option<bool> {
        let view = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let features = &view.as_ref()?.features;
        Some(features.get(TIMEOUTS).is_some_and(|has| has != "No"))
    }

    /// Whether it is another than before.
    fn set(&self, view: DatapathView) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.replace(view.clone()) != Some(view)
    }

    /// Reads them whenever the switch is connected anew, until it is dropped, has the node reconciled
    /// when they have changed, and names what it lacks for that. While the switch is away, what was
    /// read last stands. Cancel safe.
    pub(crate) async fn follow(
        self,
        node: DaemonNode,
        at: FeatureQuery,
        engine: Engine<DaemonNode>,
    ) {
        let mut state = node.switch().state();
        loop {
            let connected = matches!(*state.borrow_and_update(), SwitchState::Connected { .. });
            let view = match connected {
                true => at.read().await,
                false => None,
            };
            let missed = connected && view.is_none();
            if view.is_some_and(|view| self.set(view)) {
                let spec = engine.spec();
                let zones = no_zones(&spec, self.zones());
                let timeouts = no_timeouts(&spec, self.zones(), self.timeouts());
                engine
                    .board()
                    .post(SOURCE, zones.into_iter().chain(timeouts).collect());
                engine.dirty().notify_one();
            }
            let changed = state.changed();
            let changed = match missed {
                // A switch that is busy with its start answers later.
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

/// Services that cannot work.
fn no_zones(spec: &NodeSpec, zones: Option<bool>) -> Option<Problem> {
    (!spec.service_prefixes.is_empty() && zones == Some(false)).then(|| {
        let text = "this kernel is built without conntrack zones (CONFIG_NF_CONNTRACK_ZONES): answers \
                    of services do not pass the host that translates them, and are lost; all else \
                    works";
        Problem::named("conntrack-zones", text)
    })
}

/// Connections that nobody answers and that stay.
fn no_timeouts(spec: &NodeSpec, zones: Option<bool>, timeouts: Option<bool>) -> Option<Problem> {
    let needed = !spec.service_prefixes.is_empty() && zones == Some(true);
    (needed && timeouts == Some(false)).then(|| {
        let text = "this datapath has no time-outs by conntrack zone (CONFIG_NF_CONNTRACK_TIMEOUT, Open \
                    vSwitch 2.13): connections to services that nobody answers count against their \
                    container's share for as long as `net.netfilter.nf_conntrack_*_timeout_*` say; all else \
                    works";
        Problem::named("share-timeouts", text)
    })
}

impl FeatureQuery {
    async fn read(&self) -> Option<DatapathView> {
        match appctl::features(&self.rundir, &self.bridge).await {
            Ok(features) => Some(DatapathView {
                kind: self.kind.to_owned(),
                features,
            }),
            // A switch that does not know the command is an old one, on a kernel of its time.
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
