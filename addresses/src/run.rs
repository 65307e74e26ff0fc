//! Follows pods, sets and leases, and writes what is to be said of each set while this process leads.
//!
//! Standbys follow too, so that one that becomes the leader decides at once. A set has one write under way at a
//! time; what changes meanwhile is in the next one, so that a burst of pods is a few generations and not one for
//! each pod.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use flatnet_clock::{Clock, System};
use flatnet_daemon::causes::chain;
use flatnet_daemon::serve::{Limits, serve};
use flatnet_k8s_api::addresses::AddressSetStatus;
use flatnet_k8s_client::{Cluster, ClusterError, Key, Pod, Set, SubscriberLease, Told, Written};
use flatnet_leader::{Election, KubernetesLease, Leadership, LeaseKind, ObjectName, Participant};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli::Cli;
use crate::metrics::Metrics;
use crate::plan::Now;
use crate::world::World;

/// The manifest that grants what this daemon needs, for messages.
const MANIFEST: &str = "deploy/kubernetes/addressd.yaml";
/// Events that wait to be taken in: the watch of pods is slowed down where more do.
const WAITING: usize = 1024;
/// The shortest time between two writes of one set.
const APART: Duration = Duration::from_millis(100);
/// After what a write that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Writes under way at a time.
const WRITES: usize = 16;
/// Connections for health and metrics.
const LIMITS: Limits = Limits { connections: 64 };

/// Runs until SIGTERM.
///
/// # Errors
/// The failed step and its causes, for an operator.
pub fn main(cli: &Cli) -> Result<()> {
    flatnet_daemon::log::to_stderr(cli.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(run(cli))
}

async fn run(cli: &Cli) -> Result<()> {
    let cluster = Arc::new(Cluster::open(cli.kubeconfig.as_deref()).await?);
    let health = Arc::new(Health::default());
    if let Some(address) = cli.listen {
        listen(address, Arc::clone(&health)).await?;
    }
    let leadership = Arc::new(Leadership::new(election(cli).await?));
    let events = follow(&cluster);
    let mut driver = Driver {
        cluster,
        leadership: Arc::clone(&leadership),
        health,
        linger: cli.linger,
        world: World::default(),
        due: BTreeMap::new(),
        busy: BTreeSet::new(),
        written: BTreeMap::new(),
        made: BTreeMap::new(),
        trouble: BTreeMap::new(),
        writes: JoinSet::new(),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "follows pods and sets");
    let signal = tokio::select! {
        () = driver.drive(events, leadership.watch()) => Ok("the end of its events"),
        () = leadership.keep() => Ok("the end of the lease"),
        () = leadership.expire() => Ok("the end of the lease"),
        signal = flatnet_daemon::stop::wait_for_signal() => signal.context("listen to signals"),
    }?;
    tracing::info!(signal, "stopping; sets stay as they are");
    // A write that is cut here is done or not; the next leader goes by what it reads.
    driver.writes.shutdown().await;
    if let Err(error) = leadership.resign().await {
        // The lease is over by itself soon.
        tracing::warn!(error = chain(&error), "the lease could not be given back");
    }
    Ok(())
}

async fn election(cli: &Cli) -> Result<Election> {
    let name = |text: &str| ObjectName::try_from(text.to_owned());
    let lease = KubernetesLease {
        namespace: name(&cli.lease_namespace).context("--lease-namespace")?,
        name: name(&cli.lease_name).context("--lease-name")?,
        kubeconfig: cli.kubeconfig.clone(),
        identity: cli.identity.clone(),
    };
    let participant = Participant {
        lease: LeaseKind::Kubernetes(lease),
        default_file: std::path::PathBuf::new(),
        duration: cli.lease,
        place: "--lease-name".to_owned(),
        manifest: MANIFEST,
    };
    Ok(Election::open(participant).await?)
}

/// What is told by the API server.
struct Events {
    pods: Receiver<Told<Pod>>,
    sets: Receiver<Told<Set>>,
    leases: Receiver<Told<SubscriberLease>>,
}

/// Follows all three, until their receivers are dropped.
fn follow(cluster: &Arc<Cluster>) -> Events {
    let ((to_pods, pods), (to_sets, sets), (to_leases, leases)) = (
        mpsc::channel(WAITING),
        mpsc::channel(WAITING),
        mpsc::channel(WAITING),
    );
    let of = Arc::clone(cluster);
    tokio::spawn(async move { of.follow_pods(&to_pods).await });
    let of = Arc::clone(cluster);
    tokio::spawn(async move { of.follow_sets(None, &to_sets).await });
    let of = Arc::clone(cluster);
    tokio::spawn(async move { of.follow_leases(&to_leases).await });
    Events { pods, sets, leases }
}

/// What work on a set came to.
struct Outcome {
    key: Key,
    uid: String,
    began: Duration,
    /// Subscribers whose leases were made or found.
    made: Vec<String>,
    /// `None`: nothing was to be written.
    written: Result<Option<Written>, ClusterError>,
}

/// Makes leases, and writes a status where one is given. Cancel safe: what is left the next look does.
async fn work(
    cluster: Arc<Cluster>,
    set: Set,
    leases: Vec<String>,
    status: Option<AddressSetStatus>,
) -> Outcome {
    let mut outcome = Outcome {
        key: set.key.clone(),
        uid: set.uid.clone(),
        began: since_boot(),
        made: Vec::new(),
        written: Ok(None),
    };
    // The list is more urgent than the leases.
    if let Some(status) = status {
        outcome.written = cluster.publish_set(&set, &status).await.map(Some);
    }
    for name in leases {
        match cluster.make_subscriber_lease(&set, &name).await {
            Ok(()) => outcome.made.push(name),
            Err(error) => {
                if outcome.written.is_ok() {
                    outcome.written = Err(error);
                }
                break;
            }
        }
    }
    outcome
}

struct Driver {
    cluster: Arc<Cluster>,
    leadership: Arc<Leadership>,
    health: Arc<Health>,
    linger: Duration,
    world: World,
    /// Sets to look at, and when, since the machine's start.
    due: BTreeMap<Key, Duration>,
    /// Sets of which a write is under way.
    busy: BTreeSet<Key>,
    /// When the last write of a set began.
    written: BTreeMap<Key, Duration>,
    /// The subscribers of a set (by its uid) whose leases were made or found.
    made: BTreeMap<String, BTreeSet<String>>,
    /// What went wrong last, so that it is logged once, however long it lasts.
    trouble: BTreeMap<String, String>,
    writes: JoinSet<Outcome>,
}

impl Driver {
    /// Takes in what is told and acts on it, until nothing more is told. Cancel safe.
    async fn drive(&mut self, mut events: Events, mut leading: watch::Receiver<Option<u64>>) {
        loop {
            let next = self.due.iter().filter(|(key, _)| !self.busy.contains(*key));
            let next = next.map(|(_, at)| at.saturating_sub(since_boot())).min();
            let full = self.writes.len() >= WRITES;
            let wait = next.filter(|_| !full).unwrap_or(AGAIN);
            tokio::select! {
                told = events.sets.recv() => match told {
                    Some(told) => self.on_sets(told),
                    None => return,
                },
                told = events.pods.recv() => match told {
                    Some(told) => self.on_pods(told),
                    None => return,
                },
                told = events.leases.recv() => match told {
                    Some(told) => self.on_leases(told),
                    None => return,
                },
                Some(done) = self.writes.join_next() => {
                    if let Ok(done) = done {
                        self.on_done(done);
                    }
                }
                changed = leading.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.on_lead(leading.borrow_and_update().is_some());
                }
                () = tokio::time::sleep(wait) => {}
            }
            // What came together is looked at together.
            while let Ok(told) = events.pods.try_recv() {
                self.on_pods(told);
            }
            self.act();
        }
    }

    fn on_pods(&mut self, told: Told<Pod>) {
        let told = self.audible("pods", told);
        let concerned = self.world.pods(told);
        self.wake(concerned);
    }

    fn on_sets(&mut self, told: Told<Set>) {
        let told = self.audible("addresssets", told);
        if let Told::Deleted(set) = &told {
            self.health.metrics.forget(set);
            self.due.remove(&set.key);
            self.made.remove(&set.uid);
            self.trouble.remove(&set.key.to_string());
        }
        let concerned = self.world.set_told(told);
        for set in concerned.iter().filter_map(|key| self.world.set(key)) {
            self.health.metrics.set(set);
        }
        self.wake(concerned);
    }

    fn on_leases(&mut self, told: Told<SubscriberLease>) {
        let told = self.audible("leases", told);
        if let Told::Deleted(lease) = &told
            && let Some(set) = self.world.set(&lease.set)
            && let Some(made) = self.made.get_mut(&set.uid)
        {
            made.remove(&lease.subscriber);
        }
        let concerned = self.world.leases(told, since_boot());
        self.wake(concerned);
    }

    fn on_lead(&mut self, leads: bool) {
        self.health.metrics.leads(leads);
        if leads {
            let all = self.world.keys();
            self.wake(all);
        }
    }

    fn on_done(&mut self, outcome: Outcome) {
        let key = outcome.key;
        self.busy.remove(&key);
        let made = self.made.entry(outcome.uid).or_default();
        made.extend(outcome.made);
        match outcome.written {
            Ok(None) => {}
            Ok(Some(Written::Done(set))) => {
                let took = since_boot().saturating_sub(outcome.began);
                self.health.metrics.published(took);
                self.trouble.remove(&key.to_string());
                self.on_sets(Told::Applied(*set));
            }
            // The watch tells what it is now; should it not, it is looked at again.
            Ok(Some(Written::Stale | Written::Gone)) => {
                self.due.insert(key, since_boot() + AGAIN);
            }
            Err(error) => {
                self.health.metrics.failed();
                self.complain(key.to_string(), &error);
                self.due.insert(key, since_boot() + AGAIN);
            }
        }
    }

    /// Logs that the server is away, and that it is there again.
    fn audible<T>(&mut self, what: &str, told: Told<T>) -> Told<T> {
        match &told {
            Told::Away(error) => self.complain(what.to_owned(), error),
            Told::Listed(all) => {
                if self.trouble.remove(what).is_some() {
                    tracing::info!(what, count = all.len(), "can be listed again");
                }
            }
            Told::Applied(_) | Told::Deleted(_) => {}
        }
        told
    }

    fn complain(&mut self, of: String, error: &ClusterError) {
        let words = chain(error);
        if self.trouble.get(&of) != Some(&words) {
            let hint = error.hint().unwrap_or_default();
            tracing::error!(of, error = words, hint, "the API server");
            self.trouble.insert(of, words);
        }
    }

    fn wake(&mut self, concerned: BTreeSet<Key>) {
        let now = since_boot();
        for key in concerned {
            let last = self.written.get(&key);
            let at = last.map_or(now, |last| now.max(*last + APART));
            let due = self.due.entry(key).or_insert(at);
            *due = (*due).min(at);
        }
    }

    /// Looks at what is due, where this process leads and everything is known.
    fn act(&mut self) {
        let complete = self.world.is_complete();
        self.health.ready.store(complete, Ordering::Relaxed);
        if !complete || !self.leadership.leads() {
            // Whoever leads decides; all sets are looked at when this one does.
            self.due.clear();
            return;
        }
        let now = since_boot();
        let due = self.due.iter().filter(|(_, at)| **at <= now);
        let due: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            if self.busy.contains(&key) || self.writes.len() >= WRITES {
                continue;
            }
            self.due.remove(&key);
            self.look(&key, now);
        }
    }

    fn look(&mut self, key: &Key, now: Duration) {
        let now = Now {
            since_boot: now,
            wall: Timestamp::try_from(System.now()).unwrap_or_default(),
        };
        let Some((set, planned)) = self.world.look(key, self.linger, now) else {
            return;
        };
        let set = set.clone();
        if let Some(next) = planned.next {
            let due = self.due.entry(key.clone()).or_insert(next);
            *due = (*due).min(next);
        }
        let leases = self.leases_to_make(&set);
        if planned.differs {
            self.log(&set, &planned.status);
            self.written.insert(key.clone(), now.since_boot);
        }
        if planned.differs || !leases.is_empty() {
            self.busy.insert(key.clone());
            let status = planned.differs.then_some(planned.status);
            let cluster = Arc::clone(&self.cluster);
            self.writes.spawn(work(cluster, set, leases, status));
        }
    }

    /// Subscribers whose leases this process has neither made nor found.
    fn leases_to_make(&self, set: &Set) -> Vec<String> {
        let made = self.made.get(&set.uid);
        let names = set.spec.subscribers.iter().map(|s| s.name.clone());
        names
            .filter(|name| made.is_none_or(|made| !made.contains(name)))
            .collect()
    }

    fn log(&self, set: &Set, status: &AddressSetStatus) {
        let (before, set) = (&set.status, set.key.to_string());
        if before.generation != status.generation {
            let (generation, addresses) = (status.generation, status.count);
            tracing::info!(set, generation, addresses, "another list");
        }
        if before.missing != status.missing {
            tracing::warn!(
                set,
                missing = status.missing.join(", "),
                "subscribers that are missing"
            );
        }
        if before.acknowledged != status.acknowledged {
            tracing::info!(set, acknowledged = status.acknowledged, "acknowledged");
        }
    }
}

fn since_boot() -> Duration {
    System.since_boot()
}

/// What is asked of this process.
#[derive(Default)]
struct Health {
    /// Whether everything has been listed.
    ready: AtomicBool,
    metrics: Metrics,
}

async fn listen(address: std::net::SocketAddr, health: Arc<Health>) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("listen on {address}"))?;
    let ready = |State(health): State<Arc<Health>>| async move {
        match health.ready.load(Ordering::Relaxed) {
            true => (StatusCode::OK, "ok\n"),
            false => (
                StatusCode::SERVICE_UNAVAILABLE,
                "pods, sets and leases have not all been listed yet: the log says why\n",
            ),
        }
    };
    let metrics = |State(health): State<Arc<Health>>| async move { health.metrics.render() };
    let app = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    // Ends with the process; dropped at any point it loses one answer.
    let never = std::future::pending();
    tokio::spawn(serve(listener, |_, _| (), app, LIMITS, never));
    Ok(())
}
