//! The plan's objects, or one of them, and what Services claim, listed and then watched.

use flatnet_k8s_api::range::DECLARED;
use flatnet_k8s_api::service::{self, Claims, ServiceKind};
use flatnet_k8s_api::{Kind, Object};
use kube::api::DynamicObject;
use serde_json::Value;
use tokio::sync::mpsc::Sender;

use crate::listing::{Followed, Told};
use crate::{Cluster, ClusterError};

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

impl Cluster {
    /// Objects of the plan. The ranges that ipamd assigned are of its ledger, and no part of the plan: who reads
    /// the plan does not get them.
    pub(crate) fn of_plan(&self, kind: Kind, name: Option<&str>) -> Followed {
        Followed {
            api: self.resource(&kind.resource()),
            what: kind.plural().to_owned(),
            fields: name.map(|name| format!("metadata.name={name}")),
            labels: (kind == Kind::HostRange).then(|| DECLARED.to_owned()),
        }
    }

    /// Lists a kind and watches it, until nobody receives the events any more. Cancel safe.
    pub async fn follow(&self, kind: Kind, events: &Sender<Event>) {
        let followed = self.of_plan(kind, None);
        self.tell(&followed, |told| Some(of_kind(kind, told)), events)
            .await;
    }

    /// The same of what Kubernetes' own objects claim for Services, in all namespaces. A server that does not
    /// have the kind (ServiceCIDR before 1.33) has no objects of it.
    pub async fn follow_services(&self, kind: ServiceKind, events: &Sender<ServiceEvent>) {
        let resource = kind.resource();
        let followed = Followed {
            api: self.resource(&resource),
            what: resource.plural,
            fields: None,
            labels: None,
        };
        self.tell(&followed, |told| Some(of_service(kind, told)), events)
            .await;
    }

    /// The same of one object: the server is asked for no other.
    pub async fn follow_one(&self, kind: Kind, name: &str, events: &Sender<OneEvent>) {
        let followed = self.of_plan(kind, Some(name));
        self.tell(&followed, |told| Some(of_one(kind, told)), events)
            .await;
    }
}

fn of_kind(kind: Kind, told: Told<DynamicObject>) -> Event {
    let object = |object: &DynamicObject| Object::of_api(kind, object);
    match told {
        Told::Listed(all) => Event::Listed(kind, all.iter().map(object).collect()),
        Told::Applied(one) => Event::Applied(object(&one)),
        Told::Deleted(one) => Event::Deleted(kind, one.metadata.name.unwrap_or_default()),
        Told::Away(error) => Event::Away(kind, error),
    }
}

fn of_service(kind: ServiceKind, told: Told<DynamicObject>) -> ServiceEvent {
    let claims = |object: &DynamicObject| Claims::of_api(kind, object);
    match told {
        Told::Listed(all) => ServiceEvent::Listed(kind, all.iter().map(claims).collect()),
        Told::Applied(one) => ServiceEvent::Applied(kind, claims(&one)),
        Told::Deleted(one) => ServiceEvent::Deleted(kind, service::key(&one)),
        Told::Away(ClusterError::NoKinds { .. }) => ServiceEvent::Listed(kind, Vec::new()),
        Told::Away(error) => ServiceEvent::Away(kind, error),
    }
}

fn of_one(kind: Kind, told: Told<DynamicObject>) -> OneEvent {
    let there = |mut object: DynamicObject| {
        OneEvent::There(Box::new(Seen {
            generation: object.metadata.generation,
            status: object.data["status"].take(),
            object: Object::of_api(kind, &object),
        }))
    };
    match told {
        Told::Listed(all) => all.into_iter().next().map_or(OneEvent::Absent(kind), there),
        Told::Applied(one) => there(one),
        Told::Deleted(_) => OneEvent::Absent(kind),
        Told::Away(error) => OneEvent::Away(kind, error),
    }
}
