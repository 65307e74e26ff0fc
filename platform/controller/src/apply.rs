//! What is to be done for an application, done: the release's status first, then requests to members, then the
//! application's status.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use flatnet_platform_types::kinds::{App, Release};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::request::{Kind, Request};
use flatnet_daemon::causes::chain;
use flatnet_leader::Leadership;
use flatnet_platform_watch::cache::Key;
use flatnet_platform_watch::member::Wrote;
use flatnet_platform_watch::seen::{FenceSeen, PdbSeen, PodSeen, ServiceSeen, SetSeen};

/// The field manager of everything that is written here. Members' policies know the controller's writes by it.
pub(crate) const MANAGER: &str = "flatnet-platform";
/// How long a write may take. After that nobody knows whether it was done.
const WRITE: Duration = Duration::from_secs(15);

/// Requests to one member.
pub(crate) struct Batch {
    pub(crate) cluster: String,
    pub(crate) life: u64,
    pub(crate) client: Client,
    pub(crate) requests: Vec<Request>,
}

/// Work on one application.
pub(crate) struct Job {
    pub(crate) key: Key,
    pub(crate) hub: Client,
    /// With the status that is to be written.
    pub(crate) release: Option<Release>,
    pub(crate) batches: Vec<Batch>,
    /// With the status that is to be written.
    pub(crate) app: Option<App>,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) key: Key,
    pub(crate) release: Option<Release>,
    pub(crate) app: Option<App>,
    pub(crate) wrote: Vec<(String, u64, Wrote)>,
    /// Members in which nobody knows what was done.
    pub(crate) unsure: Vec<(String, u64)>,
    pub(crate) done: u64,
    pub(crate) failed: Vec<String>,
}

/// Why a write was not done, as far as is known.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The server said no: what it was decided on is another by now, or it is not allowed.
    Refused(String),
    /// It may have been done.
    Unsure(String),
}

impl Job {
    /// Does it. Whatever is cut here is done or not; the next look goes by what is seen.
    pub(crate) async fn work(self, leadership: Arc<Leadership>) -> Outcome {
        let mut outcome = Outcome {
            key: self.key,
            ..Outcome::default()
        };
        if let Some(release) = &self.release {
            match write_status(&self.hub, release, &leadership).await {
                Ok(written) => {
                    outcome.release = Some(written);
                    outcome.done += 1;
                }
                // What nobody wrote down is not acted on.
                Err(error) => {
                    outcome.failed.push(error);
                    return outcome;
                }
            }
        }
        let mut skipped: Vec<String> = Vec::new();
        for batch in self.batches {
            if skipped.contains(&batch.cluster) {
                continue;
            }
            for request in &batch.requests {
                if !leadership.leads() {
                    outcome.failed.push("the lease is over".to_owned());
                    return outcome;
                }
                match send(&batch.client, request).await {
                    Ok(wrote) => {
                        outcome.done += 1;
                        let of = |wrote| (batch.cluster.clone(), batch.life, wrote);
                        outcome.wrote.extend(wrote.map(of));
                    }
                    Err(Failed::Refused(why)) => {
                        outcome.failed.push(format!("{}: {why}", batch.cluster));
                        break;
                    }
                    Err(Failed::Unsure(why)) => {
                        outcome.failed.push(format!("{}: {why}", batch.cluster));
                        outcome.unsure.push((batch.cluster.clone(), batch.life));
                        skipped.push(batch.cluster.clone());
                        break;
                    }
                }
            }
        }
        if let Some(app) = &self.app {
            match write_status(&self.hub, app, &leadership).await {
                Ok(written) => {
                    outcome.app = Some(written);
                    outcome.done += 1;
                }
                Err(error) => outcome.failed.push(error),
            }
        }
        outcome
    }
}

/// Replaces the status of a hub's object in the version in which it was seen.
pub(crate) async fn write_status<K>(
    hub: &Client,
    object: &K,
    leadership: &Leadership,
) -> Result<K, String>
where
    K: kube::Resource<Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + serde::Serialize
        + Debug,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(hub.clone(), &object.namespace().unwrap_or_default());
    replace_status(&api, object, leadership).await
}

/// The same by an API.
pub(crate) async fn replace_status<K>(
    api: &Api<K>,
    object: &K,
    leadership: &Leadership,
) -> Result<K, String>
where
    K: kube::Resource + Clone + DeserializeOwned + serde::Serialize + Debug,
{
    if !leadership.leads() {
        return Err("the lease is over".to_owned());
    }
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let name = object.name_any();
    let write = api.replace_status(&name, &params, object);
    match tokio::time::timeout(WRITE, write).await {
        Ok(Ok(written)) => Ok(written),
        Ok(Err(error)) => Err(format!(
            "cannot write the status of {name}: {}",
            chain(&error)
        )),
        Err(_) => Err(format!(
            "cannot write the status of {name}: no answer within {WRITE:?}"
        )),
    }
}

async fn send(client: &Client, request: &Request) -> Result<Option<Wrote>, Failed> {
    let sent = tokio::time::timeout(WRITE, dispatch(client, request)).await;
    let Ok(answer) = sent else {
        return Err(Failed::Unsure(format!("no answer within {WRITE:?}")));
    };
    match (answer, request) {
        (Ok(None), Request::Delete { kind, key, .. }) => Ok(gone(*kind, key)),
        (Ok(wrote), _) => Ok(wrote),
        (Err(kube::Error::Api(status)), _) => match (status.code, request) {
            (
                409,
                Request::Create {
                    kind: Kind::Namespace,
                    ..
                },
            ) => Ok(None),
            (404, Request::Patch { kind, key, .. } | Request::Delete { kind, key, .. }) => {
                Ok(gone(*kind, key))
            }
            (500.., _) => Err(Failed::Unsure(status.message)),
            _ => Err(Failed::Refused(status.message)),
        },
        (Err(error), _) => Err(Failed::Unsure(chain(&error))),
    }
}

fn gone(kind: Kind, key: &Key) -> Option<Wrote> {
    match kind {
        Kind::Namespace => None,
        Kind::Fence => Some(Wrote::FenceGone(key.clone())),
        Kind::Set => Some(Wrote::SetGone(key.clone())),
        Kind::Pod => Some(Wrote::PodGone(key.clone())),
        Kind::Pdb => Some(Wrote::PdbGone(key.clone())),
        Kind::Service => Some(Wrote::ServiceGone(key.clone())),
    }
}

async fn dispatch(client: &Client, request: &Request) -> kube::Result<Option<Wrote>> {
    let kind = match request {
        Request::Create { kind, .. }
        | Request::Patch { kind, .. }
        | Request::Delete { kind, .. } => *kind,
    };
    Ok(match kind {
        Kind::Namespace => {
            if let Request::Create { object, .. } = request {
                let api: Api<Namespace> = Api::all(client.clone());
                api.create(&post(), &parsed(object)?).await?;
            }
            None
        }
        Kind::Fence => ask::<ConfigMap>(client, request)
            .await?
            .map(|o| Wrote::Fence(FenceSeen::of(&o))),
        Kind::Set => ask::<ReplicaSet>(client, request)
            .await?
            .and_then(|o| SetSeen::of(&o))
            .map(Wrote::Set),
        Kind::Pod => ask::<Pod>(client, request).await?.map(|o| {
            let mut pod = PodSeen::of(&o);
            pod.deleting |= matches!(request, Request::Delete { .. });
            Wrote::Pod(pod)
        }),
        Kind::Pdb => ask::<PodDisruptionBudget>(client, request)
            .await?
            .map(|o| Wrote::Pdb(PdbSeen::of(&o))),
        Kind::Service => ask::<Service>(client, request)
            .await?
            .and_then(|o| ServiceSeen::of(&o))
            .map(Wrote::Service),
    })
}

fn post() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn parsed<K: DeserializeOwned>(object: &Value) -> kube::Result<K> {
    serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)
}

/// Sends a request for an object of a namespace; the object as it is then.
async fn ask<K>(client: &Client, request: &Request) -> kube::Result<Option<K>>
where
    K: kube::Resource<Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + serde::Serialize
        + Debug,
    K::DynamicType: Default,
{
    let api = |key: &Key| -> Api<K> { Api::namespaced(client.clone(), &key.namespace) };
    match request {
        Request::Create { key, object, .. } => {
            api(key).create(&post(), &parsed(object)?).await.map(Some)
        }
        Request::Patch { key, patch, .. } => {
            let params = PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            };
            api(key)
                .patch(&key.name, &params, &Patch::Merge(patch))
                .await
                .map(Some)
        }
        Request::Delete { key, version, .. } => {
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: None,
                    resource_version: Some(version.clone()),
                }),
                ..DeleteParams::default()
            };
            Ok(api(key).delete(&key.name, &params).await?.left())
        }
    }
}
