//! One node's part of the plan, as objects: its `NodeNetwork`, the `NodePeers` of its vSwitch, and the
//! `ServiceAddresses` of all nodes.
//!
//! ```text
//!   API server ─ one object each ─▶ [Known] ─ quiet ─▶ [NodeDocument] ─▶ the same check, copy, state as of a file
//!                                      └─▶ [OwnObject]: whose status says what became of it
//! ```

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_k8s_api::{Joined, Kind, Object, node};
use flatnet_k8s_client::{Cluster, ClusterError, OneEvent, Seen};
use flatnet_plan::{NetworkPlan, diagnose};
use flatnet_types::{NodeName, Timestamp};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::error;

use super::{EVENTS, RETRY_SAVE};
use crate::document::Document;
use crate::policy::{Clock, OpenError, Policy, Take};
use crate::{PlanSource, Refusal, State, UnusablePlan};

/// How long no object may have changed before they are a plan: where several change, ipamd writes one after
/// the other.
const QUIET: Duration = Duration::from_millis(200);
/// The same where they are no valid plan as they are: the other one may not be written yet.
const UNFINISHED: Duration = Duration::from_secs(3);
/// How long a start waits for the API server where there is an accepted copy.
const FIRST_ANSWER: Duration = Duration::from_secs(3);
/// What the document is called.
const NAME: &str = "the node's objects";

/// The node's own object as it is now; `None` while it is not known, or not there.
pub type OwnObject = watch::Receiver<Option<Arc<Seen>>>;

/// Why there are no objects to read.
#[derive(Debug, Error)]
enum Absent {
    #[error(
        "{server} has no NodeNetwork/{name}; ipamd makes it of the plan's Host of that name (`kubectl get fnhost,fnplan`)"
    )]
    Own { server: String, name: String },
    #[error(
        "{server} has no NodePeers/{name}; ipamd makes it of the accepted plan (`kubectl get fnplan`)"
    )]
    Peers { server: String, name: String },
    #[error(
        "{server} has no ServiceAddresses/{}; ipamd makes it of the cluster's Services (`kubectl -n flatnet logs -l app.kubernetes.io/name=ipamd`)",
        node::SERVICES
    )]
    Services { server: String },
    #[error("no answer from {server} within {} s", FIRST_ANSWER.as_secs())]
    NoAnswer { server: String },
    #[error("{object} of {server} is not of this version's shape")]
    Shape {
        server: String,
        object: String,
        #[source]
        source: serde_json::Error,
    },
}

/// A node's objects on an API server, and the directory of the accepted copy.
#[derive(Clone)]
pub struct NodeObjects {
    cluster: Arc<Cluster>,
    name: String,
    state: PathBuf,
    clock: Clock,
}

impl NodeObjects {
    /// Those of a node, by the wall clock; the copy is in the directory `state`.
    pub fn new(cluster: Arc<Cluster>, node: &NodeName, state: &Path) -> Self {
        Self {
            cluster,
            name: node::network_name(node),
            state: state.to_owned(),
            clock: Arc::new(|| Timestamp::from(SystemTime::now())),
        }
    }

    /// The name of the node's own object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API server's address.
    pub fn server(&self) -> &str {
        self.cluster.server()
    }

    /// Reads the node's plan as it is now; nothing is accepted or kept.
    ///
    /// # Errors
    /// [`Refusal::Cluster`] where the objects are not there or the API server gives no answer within three
    /// seconds; else what is wrong with them.
    pub async fn read(&self) -> Result<NetworkPlan, Refusal> {
        let mut following = Following::begin(self.clone());
        let due = Instant::now() + FIRST_ANSWER;
        loop {
            tokio::select! {
                _ = following.next() => {}
                () = sleep_until(due) => return Err(self.no_answer()),
            }
            if let Some(read) = following.read() {
                return read?.plan();
            }
        }
    }

    fn no_answer(&self) -> Refusal {
        let server = self.server().to_owned();
        Refusal::Cluster(Box::new(Absent::NoAnswer { server }))
    }
}

/// What is known of an object.
#[derive(Debug, Default)]
enum Slot {
    #[default]
    Unknown,
    Away(Arc<ClusterError>),
    Absent,
    There(Arc<Seen>),
}

/// What is known of the objects.
#[derive(Debug, Default)]
pub(super) struct Known {
    own: Slot,
    peers: Slot,
    services: Slot,
}

impl Known {
    /// Takes an event; whether the plan may be another one now.
    pub(super) fn take(&mut self, event: OneEvent) -> bool {
        let (kind, new) = match event {
            OneEvent::There(seen) => (seen.object.kind, Slot::There(seen.into())),
            OneEvent::Absent(kind) => (kind, Slot::Absent),
            OneEvent::Away(kind, error) => (kind, Slot::Away(error.into())),
        };
        let slot = match kind {
            Kind::NodePeers => &mut self.peers,
            Kind::ServiceAddresses => &mut self.services,
            _ => &mut self.own,
        };
        // netd's own status is no change of the plan.
        let same = matches!((&*slot, &new), (Slot::There(old), Slot::There(new)) if old.object == new.object);
        *slot = new;
        !same
    }

    /// The peers' object that the node's own wants, where that is known.
    fn wanted_peers(&self) -> Option<String> {
        match &self.own {
            Slot::There(own) => node::peers_of(&own.object),
            _ => None,
        }
    }

    /// The document of all; `None` while one of them is not known yet.
    pub(super) fn read(&self, of: &NodeObjects) -> Option<Result<NodeDocument, Refusal>> {
        let server = || of.server().to_owned();
        let absent = |why: Absent| Some(Err(Refusal::Cluster(Box::new(why))));
        let away = |e: &Arc<ClusterError>| Some(Err(Refusal::Cluster(Box::new(Arc::clone(e)))));
        let shape = |object: &Object, source| {
            absent(Absent::Shape {
                server: server(),
                object: object.reference(),
                source,
            })
        };
        let own = match &self.own {
            Slot::Unknown => return None,
            Slot::Away(error) => return away(error),
            Slot::Absent => {
                let name = of.name.clone();
                return absent(Absent::Own {
                    server: server(),
                    name,
                });
            }
            Slot::There(own) => own,
        };
        let wanted = node::peers_of(&own.object);
        let peers = match (&wanted, &self.peers) {
            (None, _) => None,
            (Some(_), Slot::Unknown) => return None,
            (Some(_), Slot::Away(error)) => return away(error),
            (Some(name), Slot::Absent) => {
                let name = name.clone();
                return absent(Absent::Peers {
                    server: server(),
                    name,
                });
            }
            // That of a vSwitch that the node is no more in.
            (Some(name), Slot::There(peers)) if *name != peers.object.name => return None,
            (Some(_), Slot::There(peers)) => Some(&peers.object),
        };
        let services = match &self.services {
            Slot::Unknown => return None,
            Slot::Away(error) => return away(error),
            Slot::Absent => return absent(Absent::Services { server: server() }),
            Slot::There(services) => &services.object,
        };
        let served = match node::served(services) {
            Ok(served) => served,
            Err(source) => return shape(services, source),
        };
        match node::document(&own.object, peers, &served) {
            Ok(joined) => Some(Ok(NodeDocument {
                server: server(),
                joined,
            })),
            Err(source) => shape(peers.unwrap_or(&own.object), source),
        }
    }
}

/// The node's plan as it was read.
#[derive(Debug)]
pub(super) struct NodeDocument {
    server: String,
    joined: Joined,
}

impl Document for NodeDocument {
    fn text(&self) -> &str {
        &self.joined.text
    }

    fn place(&self) -> PathBuf {
        format!("of {}", self.server).into()
    }

    fn plan(&self) -> Result<NetworkPlan, Refusal> {
        let text = &self.joined.text;
        flatnet_plan::load_named(text, NAME)
            .map_err(|_| Refusal::Objects(self.joined.blame(&diagnose(text, NAME))))
    }
}

/// The objects, listed and watched.
struct Following {
    objects: NodeObjects,
    known: Known,
    events: mpsc::Receiver<OneEvent>,
    sender: mpsc::Sender<OneEvent>,
    /// Dropped, and with it all of them, when this is.
    tasks: JoinSet<()>,
    /// The peers' object that is followed.
    peers: Option<(String, AbortHandle)>,
    own: watch::Sender<Option<Arc<Seen>>>,
}

impl Following {
    fn begin(objects: NodeObjects) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let mut following = Self {
            known: Known::default(),
            events,
            sender,
            tasks: JoinSet::new(),
            peers: None,
            own: watch::Sender::new(None),
            objects,
        };
        let name = following.objects.name.clone();
        following.follow(Kind::NodeNetwork, name);
        following.follow(Kind::ServiceAddresses, node::SERVICES.to_owned());
        following
    }

    fn follow(&mut self, kind: Kind, name: String) -> AbortHandle {
        let (cluster, sender) = (Arc::clone(&self.objects.cluster), self.sender.clone());
        self.tasks
            .spawn(async move { cluster.follow_one(kind, &name, &sender).await })
    }

    /// Waits for an event; whether the plan may be another one now. Cancel safe.
    async fn next(&mut self) -> bool {
        // `sender` lives as long as this: there is always an event to wait for.
        let Some(event) = self.events.recv().await else {
            return false;
        };
        let changed = self.known.take(event);
        self.own.send_replace(match &self.known.own {
            Slot::There(own) => Some(Arc::clone(own)),
            _ => None,
        });
        let wanted = self.known.wanted_peers();
        if let Some(name) = wanted.filter(|w| self.peers.as_ref().is_none_or(|(n, _)| n != w)) {
            if let Some((_, task)) = self.peers.take() {
                task.abort();
            }
            self.known.peers = Slot::Unknown;
            let task = self.follow(Kind::NodePeers, name.clone());
            self.peers = Some((name, task));
        }
        changed
    }

    fn read(&self) -> Option<Result<NodeDocument, Refusal>> {
        self.known.read(&self.objects)
    }
}

/// A node's watched objects.
pub struct NodeSource<T> {
    following: Following,
    policy: Arc<Policy<T>>,
}

impl<T: Send + Sync + 'static> NodeSource<T> {
    /// Reads the node's plan: its objects, or the accepted copy if they are invalid or the API server gives no
    /// answer. Where there is neither, `waiting` is told why, and this waits until there is; `take` is as of
    /// [`crate::FileSource::open`]. Cancel safe.
    pub async fn open(
        objects: NodeObjects,
        take: impl Fn(NetworkPlan, &str) -> Result<T, UnusablePlan> + Send + Sync + 'static,
        mut waiting: impl FnMut(&OpenError),
    ) -> Self {
        let take: Arc<Take<T>> = Arc::new(take);
        let mut following = Following::begin(objects);
        let mut due = Some(Instant::now() + FIRST_ANSWER);
        loop {
            tokio::select! {
                changed = following.next() => {
                    // Where the server has answered, the rest is a moment away.
                    if changed && following.read().is_some() {
                        due = Some(Instant::now() + QUIET);
                    }
                    continue;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => due = None,
            }
            let objects = &following.objects;
            let read = following.read();
            let read = read.unwrap_or_else(|| Err(objects.no_answer()));
            let take = Arc::clone(&take);
            let take = Box::new(move |plan, text: &str| take(plan, text));
            match Policy::open(&objects.state, Arc::clone(&objects.clock), read, take) {
                Ok(policy) => {
                    let policy = Arc::new(policy);
                    return Self { following, policy };
                }
                Err(error) => waiting(&error),
            }
        }
    }

    /// The node's own object.
    pub fn own(&self) -> OwnObject {
        self.following.own.subscribe()
    }

    /// Checks what was read, not on a tokio worker: a vSwitch may have thousands of hosts.
    async fn accept_or_refuse(&self, read: Result<NodeDocument, Refusal>) {
        let policy = Arc::clone(&self.policy);
        let done = tokio::task::spawn_blocking(move || policy.accept_or_refuse(read));
        if let Err(error) = done.await {
            error!(%error, "checking the node's objects failed");
        }
    }

    async fn retry_save(&self) {
        if self.policy.watch().borrow().unkept.is_none() {
            return;
        }
        let Some(Ok(document)) = self.following.read() else {
            return;
        };
        let policy = Arc::clone(&self.policy);
        let save = move || policy.retry_save(|| Some(document.joined.text));
        if let Err(error) = tokio::task::spawn_blocking(save).await {
            error!(%error, "keeping the accepted plan failed");
        }
    }
}

impl<T: Send + Sync + 'static> PlanSource<T> for NodeSource<T> {
    fn watch(&self) -> watch::Receiver<State<T>> {
        self.policy.watch()
    }

    async fn follow(mut self) -> Infallible {
        let mut retry = tokio::time::interval(RETRY_SAVE);
        // What was read before the start is looked at again: it may have changed since.
        let mut due = Some(Instant::now());
        let mut changed_at = Instant::now();
        loop {
            tokio::select! {
                changed = self.following.next() => {
                    if changed {
                        changed_at = Instant::now();
                        due = Some(changed_at + QUIET);
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    due = None;
                    let Some(read) = self.following.read() else { continue };
                    let unfinished = matches!(&read, Ok(d) if d.plan().is_err());
                    if unfinished && changed_at.elapsed() < UNFINISHED {
                        due = Some(changed_at + UNFINISHED);
                        continue;
                    }
                    self.accept_or_refuse(read).await;
                }
                _ = retry.tick() => self.retry_save().await,
            }
        }
    }
}
