//! Writes the condition `flatnet.io/in-service` of this node's pods.
//!
//! ```text
//!   pods of the node with the gate ─┐
//!   AddressSets ────────────────────┼─▶ [Known] ─▶ in_service::decide ─▶ patch ─▶ Pod: status.conditions
//!   the store's attachments ────────┤                (pure)
//!   EndpointSlices, new connections ┘ [drains], while a pod is being drained
//! ```
//!
//! Nothing is kept beside what is observed: a netd that starts again finds the conditions as it left them, and a
//! condition that still holds is not written. A drain that is under way begins its quiet time anew.

mod counter;
mod drains;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_ipam::{Ipam, RecordState};
use flatnet_k8s_api::in_service::{GatedPod, Progress, Sets, State, decide, patch};
use flatnet_k8s_client::{Cluster, ClusterError, PodWritten, Set, Told};
use flatnet_types::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::attach::plan::Attachment;
use crate::metrics::Metrics;
use crate::state::NodeState;

pub(crate) use self::counter::ConnectionCounter;
use self::drains::{Drains, SliceEvent};

/// Events that may wait while a pod is written; more wait in the connection.
const WAITING: usize = 64;
/// How often attachments are looked at, which tell of no changes; and when what failed is tried again.
const TICK: Duration = Duration::from_secs(1);
/// How often new connections are looked at while a pod is being drained.
const DRAIN_TICK: Duration = Duration::from_millis(250);

/// Namespace and name.
type Key = (String, String);

/// The writer of one node's pods.
pub(crate) struct InService<N> {
    cluster: Arc<Cluster>,
    state: NodeState<N>,
    metrics: Arc<Metrics>,
}

/// What is told by the API server, as it comes.
struct Inbox {
    pods: mpsc::Receiver<Told<GatedPod>>,
    sets: mpsc::Receiver<Told<Set>>,
    slices: mpsc::Receiver<SliceEvent>,
}

/// What was told by the API server. `None`: not yet.
#[derive(Debug, Default)]
struct Known {
    pods: Option<BTreeMap<Key, GatedPod>>,
    sets: Option<Sets>,
}

/// What is to be written, and how many pods are in each state.
#[derive(Debug, Default)]
struct Due {
    writes: Vec<(GatedPod, State)>,
    counts: BTreeMap<&'static str, i64>,
}

impl Known {
    fn pod(&mut self, told: Told<GatedPod>) {
        let key = |pod: &GatedPod| (pod.namespace.clone(), pod.name.clone());
        match told {
            Told::Listed(all) => {
                let all = all.into_iter().map(|pod| (key(&pod), pod));
                self.pods = Some(all.collect());
            }
            Told::Applied(pod) => {
                let pods = self.pods.get_or_insert_default();
                pods.insert(key(&pod), pod);
            }
            Told::Deleted(pod) => {
                let pods = self.pods.get_or_insert_default();
                pods.remove(&key(&pod));
            }
            // What is known stays: a server that is away has withdrawn nothing.
            Told::Away(_) => {}
        }
    }

    fn set(&mut self, told: Told<Set>) {
        let key = |set: &Set| (set.key.namespace.clone(), set.key.name.clone());
        let apply = |sets: &mut Sets, set: Set| {
            sets.apply(key(&set), set.spec_generation, set.spec, set.status);
        };
        match told {
            Told::Listed(all) => {
                let sets = self.sets.get_or_insert_default();
                sets.retain(&all.iter().map(key).collect::<Vec<_>>());
                for set in all {
                    apply(sets, set);
                }
            }
            Told::Applied(set) => apply(self.sets.get_or_insert_default(), set),
            Told::Deleted(set) => {
                let sets = self.sets.get_or_insert_default();
                sets.delete(&key(&set));
            }
            // Without the kind there are no sets to wait for.
            Told::Away(ClusterError::NoKinds { .. }) => {
                self.sets.get_or_insert_default();
            }
            Told::Away(_) => {}
        }
    }

    fn all_pods(&self) -> impl Iterator<Item = &GatedPod> {
        self.pods.iter().flat_map(BTreeMap::values)
    }

    /// `drains`: how each drain stands, by the pod's uid.
    fn due(
        &self,
        holds: impl Fn(&str, IpAddr) -> bool,
        drains: &BTreeMap<String, Progress>,
        now: Timestamp,
    ) -> Due {
        let mut due = Due::default();
        for pod in self.all_pods() {
            let waits = self.sets.as_ref().map(|sets| sets.waits(pod));
            let drain = drains.get(&pod.uid).unwrap_or(&Progress::Draining);
            let Some(state) = decide(pod, &holds, waits, drain) else {
                continue;
            };
            *due.counts.entry(state.label()).or_insert(0) += 1;
            if patch(pod, &state, now).is_some() {
                due.writes.push((pod.clone(), state));
            }
        }
        due
    }

    fn has_pods(&self) -> bool {
        self.pods.as_ref().is_some_and(|pods| !pods.is_empty())
    }
}

/// Whether an attachment whose ADD has completed, and so was announced, has that address for a pod of that uid. A
/// runtime that told no uid is believed by the address.
fn holds(ipam: &Ipam, uid: &str, address: IpAddr) -> bool {
    let Some(record) = ipam.owner_of(address) else {
        return false;
    };
    let of_uid = Attachment::from_record(&record)
        .is_ok_and(|a| a.detail.pod.uid.is_empty() || a.detail.pod.uid == uid);
    record.state == RecordState::Committed && of_uid
}

impl<N: ConnectionCounter> InService<N> {
    pub(crate) fn new(cluster: Arc<Cluster>, state: NodeState<N>, metrics: Arc<Metrics>) -> Self {
        Self {
            cluster,
            state,
            metrics,
        }
    }

    /// Keeps the conditions. Does not end by itself. Cancel safe: each patch is whole.
    pub(crate) async fn follow(self) {
        let (pods, told_pods) = mpsc::channel(WAITING);
        let (sets, told_sets) = mpsc::channel(WAITING);
        let (slices, told_slices) = mpsc::channel(WAITING);
        let drains = Drains::new(Arc::clone(&self.cluster), slices);
        let node = self.state.spec().node.to_string();
        let wanted = Notify::new();
        // Sets are the whole cluster's, and nobody's business on a node without such pods.
        let follow_sets = async {
            wanted.notified().await;
            self.cluster.follow_sets(None, &sets).await;
        };
        tokio::join!(
            self.cluster.follow_gated_pods(&node, &pods),
            follow_sets,
            self.work(
                Inbox {
                    pods: told_pods,
                    sets: told_sets,
                    slices: told_slices,
                },
                drains,
                &wanted,
            ),
        );
    }

    async fn work(&self, mut inbox: Inbox, mut drains: Drains, wanted: &Notify) {
        let mut known = Known::default();
        let (mut again, mut told) = (Instant::now(), String::new());
        loop {
            let pause = if drains.under_way() { DRAIN_TICK } else { TICK };
            tokio::select! {
                Some(event) = inbox.pods.recv() => known.pod(event),
                Some(event) = inbox.sets.recv() => known.set(event),
                Some(event) = inbox.slices.recv() => drains.told(event),
                () = sleep(pause) => {}
            }
            // What has come meanwhile belongs to the same decision.
            while let Ok(event) = inbox.pods.try_recv() {
                known.pod(event);
            }
            while let Ok(event) = inbox.sets.try_recv() {
                known.set(event);
            }
            while let Ok(event) = inbox.slices.try_recv() {
                drains.told(event);
            }
            if known.has_pods() && known.sets.is_none() {
                wanted.notify_one();
            }
            let ipam = self.state.ipam();
            let stands = drains
                .look(known.all_pods(), &self.state, &self.metrics)
                .await;
            let due = known.due(|uid, ip| holds(ipam, uid, ip), &stands, now());
            self.metrics.gates(&due.counts);
            if Instant::now() < again {
                continue;
            }
            match self.write(&mut known, due.writes).await {
                Ok(()) => told.clear(),
                Err(error) => {
                    again = Instant::now() + TICK;
                    let why = error.to_string();
                    if why != told {
                        warn!(why, "a pod's condition is not written; trying again");
                        told = why;
                    }
                }
            }
        }
    }

    async fn write(
        &self,
        known: &mut Known,
        writes: Vec<(GatedPod, State)>,
    ) -> Result<(), ClusterError> {
        for (pod, state) in writes {
            let Some(patch) = patch(&pod, &state, now()) else {
                continue;
            };
            match self.cluster.patch_gated_pod(&pod, &patch).await? {
                PodWritten::Done(pod) => {
                    info!(pod = %format_args!("{}/{}", pod.namespace, pod.name), state = state.label(),
                        "in-service condition written");
                    known.pod(Told::Applied(*pod));
                }
                // The watch tells what it is now.
                PodWritten::Stale => {}
            }
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flatnet_k8s_api::in_service::{QUIET_DEFAULT, SERVE_LABEL, Shown};

    const AT: Timestamp = Timestamp::from_millis(1_000);

    fn pod(wished: bool, serves: bool) -> GatedPod {
        let labels = [(SERVE_LABEL.to_owned(), wished.to_string())];
        GatedPod {
            namespace: "shop".to_owned(),
            name: "web-0".to_owned(),
            uid: "u".to_owned(),
            version: "1".to_owned(),
            labels: labels.into(),
            deleting: false,
            containers_ready: true,
            addresses: vec![IpAddr::from([10, 0, 0, 2])],
            quiet: QUIET_DEFAULT,
            probes: Vec::new(),
            shown: serves.then(|| Shown {
                is_true: true,
                ..Shown::default()
            }),
        }
    }

    fn states(known: &Known) -> Vec<State> {
        let due = known.due(|_, _| true, &BTreeMap::new(), AT);
        due.writes.into_iter().map(|(_, state)| state).collect()
    }

    #[test]
    fn before_the_sets_are_listed_nobody_comes_in_and_who_is_not_wished_goes_out() {
        let mut known = Known::default();
        assert!(states(&known).is_empty());
        known.pod(Told::Listed(vec![pod(true, false)]));
        assert!(states(&known).is_empty(), "the sets are not known");
        known.pod(Told::Applied(pod(false, true)));
        assert_eq!(states(&known), [State::NotWished { listed: None }]);
        known.pod(Told::Applied(pod(true, false)));
        known.set(Told::Listed(Vec::new()));
        assert_eq!(states(&known), [State::InService]);
        known.pod(Told::Deleted(pod(true, false)));
        assert!(states(&known).is_empty());
    }
}
