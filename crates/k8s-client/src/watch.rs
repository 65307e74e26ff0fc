//! A kind's objects, or one of them, listed and then watched.

use std::pin::pin;
use std::time::Duration;

use flatnet_k8s_api::range::DECLARED;
use flatnet_k8s_api::service::{self, Claims, ServiceKind};
use flatnet_k8s_api::{Kind, Object};
use futures_util::StreamExt;
use kube::api::{ApiResource, DynamicObject, WatchEvent, WatchParams};
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};

use crate::{Cluster, ClusterError};

/// How long one watch lasts, in seconds. It is below the time that an answer may take, so that a server
/// that vanished without a word is noticed; the next watch goes on from the same version.
const WATCH: u32 = 20;
/// The pause after an error, and the shortest time from one watch to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// `Gone`: the version to go on from is too old.
const GONE: u16 = 410;

/// What is told of a kind.
#[derive(Debug)]
pub enum Event {
    /// All its objects.
    Listed(Kind, Vec<Object>),
    /// One that is new or changed, perhaps in nothing but its status.
    Applied(Object),
    /// One that is gone.
    Deleted(Kind, String),
    /// The server gives no answer, or refuses. It is asked again until it does.
    Away(Kind, ClusterError),
}

/// What is told of one object.
#[derive(Debug)]
pub enum OneEvent {
    /// It is there, as it is now.
    There(Box<Seen>),
    /// There is none of that name.
    Absent(Kind),
    /// The server gives no answer, or refuses. It is asked again until it does.
    Away(Kind, ClusterError),
}

/// What is told of Kubernetes' own kinds of Services.
#[derive(Debug)]
pub enum ServiceEvent {
    /// What all objects of a kind claim.
    Listed(ServiceKind, Vec<Claims>),
    /// What an object that is new or changed claims now.
    Applied(ServiceKind, Claims),
    /// One that is gone, by its key.
    Deleted(ServiceKind, String),
    /// The server gives no answer, or refuses. It is asked again until it does.
    Away(ServiceKind, ClusterError),
}

/// An object, and what was said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What is declared.
    pub object: Object,
    /// `metadata.generation`: of what is declared.
    pub generation: Option<i64>,
    /// `status`; null where there is none.
    pub status: Value,
}

/// What to follow.
pub(crate) struct Selection<'a> {
    pub(crate) resource: ApiResource,
    /// The only object that is wanted.
    pub(crate) name: Option<&'a str>,
    /// A label selector.
    pub(crate) labels: Option<&'static str>,
}

impl<'a> Selection<'a> {
    /// Of the plan. The ranges that ipamd assigned are of its ledger, and no part of the plan: who reads the
    /// plan does not get them.
    pub(crate) fn of_plan(kind: Kind, name: Option<&'a str>) -> Self {
        Self {
            resource: kind.resource(),
            name,
            labels: (kind == Kind::HostRange).then_some(DECLARED),
        }
    }

    pub(crate) fn fields(&self) -> Option<String> {
        self.name.map(|name| format!("metadata.name={name}"))
    }
}

/// What a server said.
pub(crate) enum Raw {
    Listed(Vec<DynamicObject>),
    Applied(DynamicObject),
    Deleted(DynamicObject),
    Away(ClusterError),
}

/// Nobody receives events any more, or the kind has to be listed again.
enum Ended {
    Unheard,
    ListAgain,
}

/// Where events of a kind go, and in which form.
pub(crate) struct Target<'a, K, E> {
    pub(crate) selection: Selection<'a>,
    pub(crate) kind: K,
    pub(crate) events: &'a Sender<E>,
    pub(crate) form: fn(K, Raw) -> E,
}

impl<K: Copy, E> Target<'_, K, E> {
    /// Whether somebody receives it.
    async fn send(&self, raw: Raw) -> bool {
        let event = (self.form)(self.kind, raw);
        self.events.send(event).await.is_ok()
    }
}

impl Cluster {
    /// Lists a kind and watches it, until nobody receives the events any more. Cancel safe.
    pub async fn follow(&self, kind: Kind, events: &Sender<Event>) {
        self.follow_as(&Target {
            selection: Selection::of_plan(kind, None),
            kind,
            events,
            form: of_kind,
        })
        .await;
    }

    /// The same of what Kubernetes' own objects claim for Services, in all namespaces. A server that does not
    /// have the kind (ServiceCIDR before 1.33) has no objects of it.
    pub async fn follow_services(&self, kind: ServiceKind, events: &Sender<ServiceEvent>) {
        self.follow_as(&Target {
            selection: Selection {
                resource: kind.resource(),
                name: None,
                labels: None,
            },
            kind,
            events,
            form: of_service,
        })
        .await;
    }

    /// The same of one object: the server is asked for no other.
    pub async fn follow_one(&self, kind: Kind, name: &str, events: &Sender<OneEvent>) {
        let name = Some(name);
        self.follow_as(&Target {
            selection: Selection::of_plan(kind, name),
            kind,
            events,
            form: of_one,
        })
        .await;
    }

    pub(crate) async fn follow_as<K: Copy, E>(&self, target: &Target<'_, K, E>) {
        loop {
            match self.list_and_watch(target).await {
                Ok(Ended::Unheard) => return,
                Ok(Ended::ListAgain) => {}
                Err(error) => {
                    if !target.send(Raw::Away(error)).await {
                        return;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn list_and_watch<K: Copy, E>(
        &self,
        target: &Target<'_, K, E>,
    ) -> Result<Ended, ClusterError> {
        let (found, mut version) = self.list_selected(&target.selection).await?;
        if !target.send(Raw::Listed(found)).await {
            return Ok(Ended::Unheard);
        }
        loop {
            let begun = Instant::now();
            if let Some(ended) = self.watch(target, &mut version).await? {
                return Ok(ended);
            }
            // A server that ends each watch at once is not asked in a loop.
            tokio::time::sleep_until(begun + PAUSE).await;
        }
    }

    /// One watch, until its time is over. `version` is what the next one goes on from.
    async fn watch<K: Copy, E>(
        &self,
        target: &Target<'_, K, E>,
        version: &mut String,
    ) -> Result<Option<Ended>, ClusterError> {
        let resource = &target.selection.resource;
        let plural = resource.plural.as_str();
        let mut params = WatchParams::default().timeout(WATCH);
        params.field_selector = target.selection.fields();
        params.label_selector = target.selection.labels.map(str::to_owned);
        let stream = match self.resource(resource).watch(&params, version).await {
            Ok(stream) => stream,
            Err(kube::Error::Api(status)) if status.code == GONE => {
                return Ok(Some(Ended::ListAgain));
            }
            Err(e) => return Err(self.error("watch", plural, e)),
        };
        let mut stream = pin!(stream);
        while let Some(event) = stream.next().await {
            let raw = match event.map_err(|e| self.error("watch", plural, e))? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    seen(version, &object);
                    Raw::Applied(object)
                }
                WatchEvent::Deleted(object) => {
                    seen(version, &object);
                    Raw::Deleted(object)
                }
                WatchEvent::Bookmark(mark) => {
                    version.clone_from(&mark.metadata.resource_version);
                    continue;
                }
                WatchEvent::Error(status) if status.code == GONE => {
                    return Ok(Some(Ended::ListAgain));
                }
                WatchEvent::Error(status) => {
                    let error = kube::Error::Api(status);
                    return Err(self.error("watch", plural, error));
                }
            };
            if !target.send(raw).await {
                return Ok(Some(Ended::Unheard));
            }
        }
        Ok(None)
    }
}

fn of_kind(kind: Kind, raw: Raw) -> Event {
    let object = |object: &DynamicObject| Object::of_api(kind, object);
    match raw {
        Raw::Listed(all) => Event::Listed(kind, all.iter().map(object).collect()),
        Raw::Applied(one) => Event::Applied(object(&one)),
        Raw::Deleted(one) => Event::Deleted(kind, one.metadata.name.unwrap_or_default()),
        Raw::Away(error) => Event::Away(kind, error),
    }
}

fn of_service(kind: ServiceKind, raw: Raw) -> ServiceEvent {
    let claims = |object: &DynamicObject| Claims::of_api(kind, object);
    match raw {
        Raw::Listed(all) => ServiceEvent::Listed(kind, all.iter().map(claims).collect()),
        Raw::Applied(one) => ServiceEvent::Applied(kind, claims(&one)),
        Raw::Deleted(one) => ServiceEvent::Deleted(kind, service::key(&one)),
        Raw::Away(ClusterError::NoKinds { .. }) => ServiceEvent::Listed(kind, Vec::new()),
        Raw::Away(error) => ServiceEvent::Away(kind, error),
    }
}

fn of_one(kind: Kind, raw: Raw) -> OneEvent {
    let there = |mut object: DynamicObject| {
        OneEvent::There(Box::new(Seen {
            generation: object.metadata.generation,
            status: object.data["status"].take(),
            object: Object::of_api(kind, &object),
        }))
    };
    match raw {
        Raw::Listed(all) => all.into_iter().next().map_or(OneEvent::Absent(kind), there),
        Raw::Applied(one) => there(one),
        Raw::Deleted(_) => OneEvent::Absent(kind),
        Raw::Away(error) => OneEvent::Away(kind, error),
    }
}

fn seen(version: &mut String, object: &DynamicObject) {
    if let Some(now) = &object.metadata.resource_version {
        version.clone_from(now);
    }
}
