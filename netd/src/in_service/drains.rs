//! Pods that are not wished to serve, until they are drained.
//!
//! ```text
//!   withdrawn pods ─┬─▶ [Followed] EndpointSlices of their namespaces ─▶ offered? ─┐
//!                   └─▶ state.count(…) ─▶ reconciler: flows, meters ─▶ [Counter] ──┴─▶ Drain::look (pure)
//! ```
//!
//! Nothing of it runs while no pod is being drained.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flatnet_ipam::Record;
use flatnet_k8s_api::in_service::{Counts, Drain, GatedPod, Offered, Progress, Slice, Slices};
use flatnet_k8s_client::{Cluster, Told};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::counter::{ConnectionCounter, Counter};
use crate::metrics::Metrics;
use crate::state::NodeState;

/// What a watch of EndpointSlices tells: the namespace, and what of it.
pub(super) type SliceEvent = (String, Told<Slice>);

/// The EndpointSlices of the namespaces in which a pod is being drained.
struct Followed {
    cluster: Arc<Cluster>,
    events: mpsc::Sender<SliceEvent>,
    tasks: BTreeMap<String, AbortHandle>,
    /// By namespace. What is not listed yet, or is being asked for again, is not in it.
    known: BTreeMap<String, Slices>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.follow(&BTreeSet::new());
    }
}

impl Followed {
    fn follow(&mut self, namespaces: &BTreeSet<&str>) {
        self.tasks.retain(|namespace, task| {
            let stays = namespaces.contains(namespace.as_str());
            if !stays {
                task.abort();
            }
            stays
        });
        let tasks = &self.tasks;
        self.known
            .retain(|namespace, _| tasks.contains_key(namespace));
        for namespace in namespaces {
            let (cluster, events) = (Arc::clone(&self.cluster), self.events.clone());
            let name = (*namespace).to_owned();
            self.tasks.entry(name.clone()).or_insert_with(|| {
                let following = async move { cluster.follow_slices(&name, &events).await };
                tokio::spawn(following).abort_handle()
            });
        }
    }

    fn told(&mut self, (namespace, told): SliceEvent) {
        if !self.tasks.contains_key(&namespace) {
            // Of a watch that was ended meanwhile.
            return;
        }
        match told {
            Told::Listed(all) => {
                self.known.insert(namespace, Slices::of(all));
            }
            Told::Applied(slice) => {
                if let Some(slices) = self.known.get_mut(&namespace) {
                    slices.apply(slice);
                }
            }
            Told::Deleted(slice) => {
                if let Some(slices) = self.known.get_mut(&namespace) {
                    slices.delete(&slice.name);
                }
            }
            Told::Away(error) => {
                debug!(namespace, %error, "endpointslices are not known");
                self.known.remove(&namespace);
            }
        }
    }
}

/// One pod's drain.
struct Running {
    drain: Drain,
    counters: BTreeMap<u64, Counter>,
}

/// The drains of a node's pods.
pub(super) struct Drains {
    followed: Followed,
    begun: Instant,
    /// By the pod's uid.
    running: BTreeMap<String, Running>,
}

impl Drains {
    /// No drains; what their watches tell goes to `events`, and from there to [`Drains::told`].
    pub(super) fn new(cluster: Arc<Cluster>, events: mpsc::Sender<SliceEvent>) -> Self {
        Self {
            followed: Followed {
                cluster,
                events,
                tasks: BTreeMap::new(),
                known: BTreeMap::new(),
            },
            begun: Instant::now(),
            running: BTreeMap::new(),
        }
    }

    pub(super) fn told(&mut self, event: SliceEvent) {
        self.followed.told(event);
    }

    /// Whether a pod is being drained.
    pub(super) fn under_way(&self) -> bool {
        !self.running.is_empty()
    }

    /// Looks after the drains of these pods and ends all others; how each stands, by the pod's uid. Those whose
    /// condition says that they are drained are none.
    pub(super) async fn look<N: ConnectionCounter>(
        &mut self,
        pods: impl Iterator<Item = &GatedPod>,
        state: &NodeState<N>,
        metrics: &Metrics,
    ) -> BTreeMap<String, Progress> {
        let pods: Vec<&GatedPod> = pods.filter(|p| p.withdrawn() && !p.drained()).collect();
        let namespaces = pods.iter().map(|p| p.namespace.as_str()).collect();
        self.followed.follow(&namespaces);
        let uids: BTreeSet<&str> = pods.iter().map(|p| p.uid.as_str()).collect();
        self.running.retain(|uid, _| uids.contains(uid.as_str()));

        let ports: Vec<BTreeMap<u64, Arc<Record>>> =
            pods.iter().map(|p| records(p, state)).collect();
        let wanted = pods.iter().zip(&ports).flat_map(|(pod, records)| {
            let slices = self.followed.known.get(&pod.namespace);
            let datagrams = slices.map(|slices| slices.datagrams(pod));
            records
                .keys()
                .filter_map(move |generation| Some((*generation, datagrams.clone()?)))
        });
        state.count(&wanted.collect());

        let counted = state.counted();
        let mut stands = BTreeMap::new();
        for (pod, records) in pods.into_iter().zip(&ports) {
            let now = self.begun.elapsed();
            let running = self.running.entry(pod.uid.clone()).or_insert_with(|| {
                info!(pod = %format_args!("{}/{}", pod.namespace, pod.name), "it is being drained");
                Running {
                    drain: Drain::begin(now),
                    counters: BTreeMap::new(),
                }
            });
            running
                .counters
                .retain(|generation, _| records.contains_key(generation));
            let mut counts = Some(Counts::default());
            for (generation, record) in records {
                let of_port = match counted.get(generation) {
                    None => None,
                    Some(counted) => {
                        let new = || Counter::new(counted.clone());
                        let counter = running.counters.entry(*generation).or_insert_with(new);
                        counter.read(state, record, counted).await
                    }
                };
                counts = counts.zip(of_port).map(|(a, b)| a.plus(b));
            }
            let slices = self.followed.known.get(&pod.namespace);
            let offered = slices.map_or(Offered::Unknown, |slices| slices.offered(pod));
            let progress = look(
                running,
                self.begun.elapsed(),
                (offered, counts),
                pod,
                metrics,
            );
            stands.insert(pod.uid.clone(), progress);
        }
        stands
    }
}

fn look(
    running: &mut Running,
    now: Duration,
    (offered, counts): (Offered<'_>, Option<Counts>),
    pod: &GatedPod,
    metrics: &Metrics,
) -> Progress {
    let before = running.drain.late();
    let progress = running
        .drain
        .look(now, offered, counts, (pod.quiet, &pod.probes));
    let late = running.drain.late();
    if late != before {
        metrics.late(late.all_connections() - before.all_connections());
        warn!(pod = %format_args!("{}/{}", pod.namespace, pod.name), connections = late.all_connections(),
            datagrams = late.datagrams,
            "new connections came after the pod's endpoints were withdrawn, and were delivered");
    }
    progress
}

/// The attachments of this node that have the pod's addresses, by generation.
fn records<N: ConnectionCounter>(
    pod: &GatedPod,
    state: &NodeState<N>,
) -> BTreeMap<u64, Arc<Record>> {
    let of_pod = pod
        .addresses
        .iter()
        .filter(|ip| super::holds(state.ipam(), &pod.uid, **ip));
    let of_pod = of_pod.filter_map(|ip| state.ipam().owner_of(*ip));
    of_pod.map(|record| (record.generation, record)).collect()
}
