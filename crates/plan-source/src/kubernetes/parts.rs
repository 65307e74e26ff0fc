//! ipamd's objects for nodes, kept as the accepted plan and the cluster's Services have them.
//!
//! ```text
//!   accepted plan, Services' claims ─▶ digests that are wanted ──┐
//!                                                                ├─▶ [Parts::due] ─▶ apply, delete: only what differs
//!   API server ─ list, watch ─▶ digests there ───────────────────┘
//! ```
//!
//! Of objects only digests are held, so that ten thousand of them are a megabyte; one that is to be written is
//! made anew of the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flatnet_k8s_api::node::{self, PartError};
use flatnet_k8s_api::service::ServiceKind;
use flatnet_k8s_api::{Kind, Object};
use flatnet_k8s_client::{Cluster, ClusterError, Event, ServiceEvent};
use flatnet_plan::NetworkPlan;
use flatnet_plan::services::{self, ServiceAddresses};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::EVENTS;
use super::services::Gathered;

/// How long events are collected before it is looked what differs.
const COLLECT: Duration = Duration::from_millis(100);
/// When what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long what Services claim is collected: each write of it goes to all nodes.
const SETTLE: Duration = Duration::from_millis(500);
/// Writes at a time: a change of all of 10,000 nodes takes some seconds, and the API server serves others.
const WRITES: usize = 8;

/// The accepted plan, once there is one.
pub type AcceptedPlan = watch::Receiver<Option<Arc<NetworkPlan>>>;

type Key = (Kind, String);
type Digested = [u8; 32];

/// An object that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct There {
    digest: Digested,
    /// Whether ipamd made it.
    ours: bool,
}

/// What is to be, and what is there.
#[derive(Debug, Default)]
pub(super) struct Parts {
    wanted: BTreeMap<Key, Digested>,
    there: BTreeMap<Kind, BTreeMap<String, There>>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// To be made or put right.
    pub(super) apply: BTreeSet<Key>,
    /// Whose host is in the plan no more.
    pub(super) delete: Vec<Key>,
}

impl Due {
    fn is_empty(&self) -> bool {
        self.apply.is_empty() && self.delete.is_empty()
    }
}

impl Parts {
    /// Takes the objects of a new plan for what is to be.
    pub(super) fn want<'o>(&mut self, objects: impl Iterator<Item = &'o Object>) {
        let key = |o: &Object| (o.kind, o.name.clone());
        self.wanted = objects.map(|o| (key(o), digest(o))).collect();
    }

    /// Takes one object for what is to be, beside those of a plan; without a plan nothing is to be.
    pub(super) fn want_one(&mut self, object: &Object) {
        if !self.wanted.is_empty() {
            let key = (object.kind, object.name.clone());
            self.wanted.insert(key, digest(object));
        }
    }

    /// Takes an event.
    pub(super) fn take(&mut self, event: &Event) {
        let there = |object: &Object| There {
            digest: digest(object),
            ours: object.plan.is_some(),
        };
        match event {
            Event::Listed(kind, all) => {
                let all = all.iter().map(|o| (o.name.clone(), there(o)));
                self.there.insert(*kind, all.collect());
            }
            Event::Applied(object) => {
                let kind = self.there.entry(object.kind).or_default();
                kind.insert(object.name.clone(), there(object));
            }
            Event::Deleted(kind, name) => {
                if let Some(all) = self.there.get_mut(kind) {
                    all.remove(name);
                }
            }
            Event::Away(kind, _) => {
                self.there.remove(kind);
            }
        }
    }

    /// What differs; nothing while it is not known what is there, or what is to be.
    pub(super) fn due(&self) -> Due {
        let known = Kind::NODE.iter().all(|k| self.there.contains_key(k));
        if !known || self.wanted.is_empty() {
            return Due::default();
        }
        let there = |(kind, name): &Key| self.there.get(kind).and_then(|all| all.get(name));
        let differs = |(key, digest): &(&Key, &Digested)| {
            there(key).is_none_or(|t| t.digest != **digest || !t.ours)
        };
        let apply = self.wanted.iter().filter(differs);
        // A list of peers goes after the nodes that are of it.
        let all = Kind::NODE
            .iter()
            .rev()
            .filter_map(|k| Some((*k, self.there.get(k)?)));
        let ours = all.flat_map(|(kind, all)| {
            let ours = all.iter().filter(|(_, t)| t.ours);
            ours.map(move |(name, _)| (kind, name.clone()))
        });
        // Where Services are not known, what is served stays.
        let gone = |key: &Key| key.0 != Kind::ServiceAddresses && !self.wanted.contains_key(key);
        Due {
            apply: apply.map(|(key, _)| key.clone()).collect(),
            delete: ours.filter(gone).collect(),
        }
    }
}

/// Of what is declared, whatever the order of its fields.
fn digest(object: &Object) -> Digested {
    let mut hash = Sha256::new();
    for (key, value) in sorted(&object.spec) {
        hash.update(key.as_bytes());
        add(&mut hash, value);
    }
    hash.finalize().into()
}

fn sorted(fields: &serde_json::Map<String, Value>) -> BTreeMap<&String, &Value> {
    fields.iter().collect()
}

fn add(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(fields) => {
            hash.update(b"{");
            for (key, value) in sorted(fields) {
                hash.update(key.as_bytes());
                add(hash, value);
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            items.iter().for_each(|item| add(hash, item));
            hash.update(b"]");
        }
        // JSON's own form, in which a string is in quotes.
        scalar => hash.update(scalar.to_string().as_bytes()),
    }
    hash.update(b",");
}

/// Keeps the cluster's `NodeNetwork` and `NodePeers` objects as the accepted plan has them, and its
/// `ServiceAddresses` as its Services do, until there are no more plans. What is as it is to be is not written;
/// what somebody changes is put back. Cancel safe: each object is written as a whole.
pub async fn publish_parts(cluster: Arc<Cluster>, mut plans: AcceptedPlan) {
    let (sender, mut events) = mpsc::channel(EVENTS);
    let mut tasks = JoinSet::new();
    for kind in Kind::NODE {
        let (cluster, sender) = (Arc::clone(&cluster), sender.clone());
        tasks.spawn(async move { cluster.follow(kind, &sender).await });
    }
    let (sender_of_services, mut service_events) = mpsc::channel(EVENTS);
    for kind in ServiceKind::ALL {
        let (cluster, sender) = (Arc::clone(&cluster), sender_of_services.clone());
        tasks.spawn(async move { cluster.follow_services(kind, &sender).await });
    }
    let mut publisher = Publisher {
        cluster,
        parts: Parts::default(),
        plan: None,
        services: Gathered::default(),
        served: None,
        told: String::new(),
    };
    let plan = plans.borrow_and_update().clone();
    publisher.take_plan(plan).await;
    let mut retry: Option<Instant> = None;
    let mut settled: Option<Instant> = None;
    loop {
        tokio::select! {
            changed = plans.changed() => {
                if changed.is_err() {
                    return;
                }
                let plan = plans.borrow_and_update().clone();
                publisher.take_plan(plan).await;
            }
            // `sender` lives as long as this function, and so does the other one.
            Some(event) = events.recv() => {
                publisher.take_event(&event);
                // Those that come together are one change.
                let collected = async {
                    while let Some(event) = events.recv().await {
                        publisher.take_event(&event);
                    }
                };
                let _ = timeout(COLLECT, collected).await;
            }
            Some(event) = service_events.recv() => {
                if publisher.take_service(event) {
                    settled.get_or_insert(Instant::now() + SETTLE);
                }
                continue;
            }
            () = sleep_until(settled.unwrap_or_else(Instant::now)), if settled.is_some() => {
                settled = None;
                publisher.want_services().await;
            }
            () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {}
        }
        retry = match publisher.write().await {
            true => None,
            false => Some(Instant::now() + RETRY),
        };
    }
}

struct Publisher {
    cluster: Arc<Cluster>,
    parts: Parts,
    plan: Option<Arc<NetworkPlan>>,
    services: Gathered,
    /// What is served of their claims; `None` while they are not known.
    served: Option<ServiceAddresses>,
    /// The last error that was logged.
    told: String,
}

impl Publisher {
    async fn take_plan(&mut self, plan: Option<Arc<NetworkPlan>>) {
        let Some(plan) = plan else { return };
        self.plan = Some(plan);
        self.want().await;
    }

    /// Takes what the plan is now for what is to be.
    async fn want(&mut self) {
        match self.objects(|_| true).await {
            Ok(objects) => self.parts.want(objects.iter()),
            Err(error) => return self.tell(error.to_string()),
        }
        self.want_services().await;
    }

    /// Takes what the Services claim now for what is to be; nothing is made of the plan for that.
    async fn want_services(&mut self) {
        let served = self.serve().await;
        if served != self.served {
            tell_refused(served.as_ref());
            self.served = served;
        }
        match self.services_object() {
            None => {}
            Some(Ok(object)) => self.parts.want_one(&object),
            Some(Err(error)) => self.tell(error.to_string()),
        }
    }

    fn take_event(&mut self, event: &Event) {
        if let Event::Away(_, error) = event {
            self.tell(error.to_string());
        }
        self.parts.take(event);
    }

    /// The objects of those keys. Where it is the Services' alone, nothing is made of the plan.
    async fn made(&self, keys: BTreeSet<Key>) -> Result<Vec<Object>, PartError> {
        let is_services = |(kind, _): &Key| *kind == Kind::ServiceAddresses;
        let services = match keys.iter().any(is_services) {
            true => self.services_object().transpose()?,
            false => None,
        };
        let mut all = match keys.iter().all(is_services) {
            true => Vec::new(),
            false => {
                let wanted = move |o: &Object| keys.contains(&(o.kind, o.name.clone()));
                self.objects(wanted).await?
            }
        };
        all.extend(services);
        Ok(all)
    }

    fn services_object(&self) -> Option<Result<Object, PartError>> {
        let (plan, served) = (self.plan.as_ref()?, self.served.clone()?);
        Some(node::services_object(plan, served))
    }

    /// What is served of the claims, judged not on a tokio worker: each is compared with all of the plan.
    async fn serve(&self) -> Option<ServiceAddresses> {
        let (plan, claims) = (self.plan.clone()?, self.services.claims()?);
        let judged = tokio::task::spawn_blocking(move || services::accepted(&plan, &claims));
        judged.await.ok()
    }

    /// Takes an event; whether anything else is claimed now.
    fn take_service(&mut self, event: ServiceEvent) -> bool {
        if let ServiceEvent::Away(_, error) = &event {
            self.tell(error.to_string());
        }
        self.services.take(event)
    }

    /// The plan's objects that are `wanted`, made not on a tokio worker: of thousands of hosts it takes long.
    async fn objects(
        &self,
        wanted: impl Fn(&Object) -> bool + Send + 'static,
    ) -> Result<Vec<Object>, PartError> {
        let Some(plan) = self.plan.clone() else {
            return Ok(Vec::new());
        };
        let made = tokio::task::spawn_blocking(move || {
            let mut all = node::objects(&plan)?;
            all.retain(wanted);
            Ok(all)
        });
        // A task that was cancelled is one of a runtime that ends.
        made.await.unwrap_or_else(|_| Ok(Vec::new()))
    }

    /// Writes what differs; whether all of it was written.
    async fn write(&mut self) -> bool {
        let due = self.parts.due();
        if due.is_empty() {
            return true;
        }
        let Due { apply, delete } = due;
        let objects = match self.made(apply).await {
            Ok(objects) => objects,
            Err(error) => {
                self.tell(error.to_string());
                return false;
            }
        };
        let mut written = 0;
        // What nodes have in common first.
        let (shared, own) = objects
            .into_iter()
            .partition(|o| o.kind != Kind::NodeNetwork);
        for objects in [shared, own] {
            for (object, done) in apply_all(&self.cluster, objects).await {
                match done {
                    Ok(()) => {
                        written += 1;
                        self.parts.take(&Event::Applied(object));
                    }
                    Err(error) => return self.failed(&error),
                }
            }
        }
        for (kind, name) in &delete {
            match self.cluster.delete_part(*kind, name).await {
                Ok(()) => self.parts.take(&Event::Deleted(*kind, name.clone())),
                Err(error) => return self.failed(&error),
            }
        }
        let deleted = delete.len();
        info!(
            written,
            deleted, "the objects for nodes are as the accepted plan has them"
        );
        self.told.clear();
        true
    }

    fn failed(&mut self, error: &ClusterError) -> bool {
        self.tell(error.to_string());
        false
    }

    fn tell(&mut self, why: String) {
        if why != self.told {
            warn!(why, "the objects for nodes are not written; trying again");
            self.told = why;
        }
    }
}

fn tell_refused(served: Option<&ServiceAddresses>) {
    let Some(first) = served.and_then(|s| s.refused.first()) else {
        return;
    };
    warn!(
        refused = served.map_or(0, |s| s.refused_count),
        first = first.prefix,
        of = first.of,
        why = first.why,
        "addresses of Services are not served: `kubectl get fnservices -o yaml`"
    );
}

/// Writes objects, [`WRITES`] at a time; what became of each.
async fn apply_all(
    cluster: &Arc<Cluster>,
    objects: Vec<Object>,
) -> Vec<(Object, Result<(), ClusterError>)> {
    let mut writes = Vec::with_capacity(objects.len());
    for object in objects {
        let cluster = Arc::clone(cluster);
        writes.push(async move {
            let done = cluster.apply_part(&object).await;
            (object, done)
        });
    }
    stream::iter(writes)
        .buffer_unordered(WRITES)
        .collect()
        .await
}
