//! The plan's objects on an API server.
//!
//! ```text
//!   desired objects, listed objects ─▶ [changes] what to create, update, delete (pure)
//!
//!   kubeconfig │ a pod's service account ─▶ [Cluster] ─┬─ list: all objects of all kinds, page by page
//!                                                      ├─ apply: server-side, as one field manager
//!                                                      ├─ delete: an object that the plan has no more
//!                                                      ├─ follow: a kind listed and watched ─▶ [Event]
//!                                                      ├─ follow_services: what Services claim ─▶ [ServiceEvent]
//!                                                      ├─ plan_statuses, apply_plan_status
//!                                                      ├─ what ipamd makes for nodes: apply_part, delete_part;
//!                                                      │  a node's own: follow_one, apply_node_status,
//!                                                      │  patch_kubernetes_node, create_pod_event,
//!                                                      │  follow_gated_pods, patch_gated_pod
//!                                                      ├─ [ledger] ipamd's: its head, the ranges it assigned
//!                                                      └─ AddressSets: follow_sets, follow_pods, follow_leases,
//!                                                         publish_set, acknowledge, renew_subscriber
//! ```
//!
//! # Guarantees
//! - Nothing is applied over another manager's fields unless that is asked for ([`Write::force`]).
//! - A dry run is the server's own: schema, rules and rights are asked, and nothing is stored.
//! - An object is deleted only in the version in which it was listed.

mod changes;
mod error;
mod events;
mod gates;
mod ledger;
mod listing;
mod node;
mod parts;
mod policies;
mod sets;
mod slices;
mod status;
mod watch;

use std::path::Path;
use std::time::Duration;

use flatnet_k8s_api::{Kind, Object};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

pub use changes::{Changes, changes};
pub use error::ClusterError;
pub use gates::PodWritten;
pub use ledger::{LedgerHead, LedgerPlace, StoredRange};
pub use listing::Told;
pub use parts::NODE_MANAGER;
pub use sets::{ADDRESSD_MANAGER, Key, Pod, Set, SubscriberLease, Written};
pub use status::STATUS_MANAGER;
pub use watch::{Event, OneEvent, Seen, ServiceEvent};

/// The field manager of what is applied from a plan's file.
pub const MANAGER: &str = "flatctl-plan";
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take; a page of objects is far below it.
const ANSWER: Duration = Duration::from_secs(30);
/// Objects of a page.
const PAGE: u32 = 500;

/// How to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Write {
    /// Let the server judge it, and store nothing.
    pub dry_run: bool,
    /// Take fields over that another manager wrote.
    pub force: bool,
}

/// An object as it was listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// What the plan declares of it.
    pub object: Object,
    uid: Option<String>,
    version: Option<String>,
}

/// An API server.
pub struct Cluster {
    client: Client,
    server: String,
}

impl Cluster {
    /// The way to the API server: by the kubeconfig that is named, else as a pod's service account, else as
    /// `kubectl` would. Nothing is asked yet.
    ///
    /// # Errors
    /// [`ClusterError::Config`].
    pub async fn open(kubeconfig: Option<&Path>) -> Result<Self, ClusterError> {
        let mut config = config(kubeconfig).await?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(ANSWER);
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|e| ClusterError::config(&server, e))?;
        Ok(Self { client, server })
    }

    /// Every object of the plan, of all kinds. The ranges that ipamd assigned are none.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn list(&self) -> Result<Vec<Listed>, ClusterError> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let (found, _) = self.list_kind(kind).await?;
            all.extend(found.iter().map(|object| listed(kind, object)));
        }
        Ok(all)
    }

    async fn list_kind(&self, kind: Kind) -> Result<(Vec<DynamicObject>, String), ClusterError> {
        self.pages(&self.of_plan(kind, None)).await
    }

    /// Applies an object: fields that were applied before and are not in it any more go.
    ///
    /// # Errors
    /// [`ClusterError`]; [`ClusterError::Conflict`] where another manager has a field.
    pub async fn apply(&self, object: &Object, write: Write) -> Result<(), ClusterError> {
        let params = PatchParams {
            dry_run: write.dry_run,
            force: write.force,
            field_manager: Some(MANAGER.to_owned()),
            // A field that this server's definitions do not know is an error, and is not dropped.
            field_validation: Some(kube::api::ValidationDirective::Strict),
        };
        let patch = Patch::Apply(object.to_api());
        let api = self.api(object.kind);
        match api.patch(&object.name, &params, &patch).await {
            Ok(_) => Ok(()),
            Err(e) => Err(self.error("apply", &object.reference(), e)),
        }
    }

    /// Deletes an object, if it is still the one that was listed.
    ///
    /// # Errors
    /// [`ClusterError`]; none where it is gone already.
    pub async fn delete(&self, listed: &Listed, write: Write) -> Result<(), ClusterError> {
        let params = DeleteParams {
            dry_run: write.dry_run,
            preconditions: Some(Preconditions {
                uid: listed.uid.clone(),
                resource_version: listed.version.clone(),
            }),
            ..DeleteParams::default()
        };
        let object = &listed.object;
        match self.api(object.kind).delete(&object.name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(e) => Err(self.error("delete", &object.reference(), e)),
        }
    }

    /// The server's address, as the configuration has it.
    pub fn server(&self) -> &str {
        &self.server
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        self.resource(&kind.resource())
    }

    /// All objects of a kind, of all namespaces where it has any.
    fn resource(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), resource)
    }

    fn error(&self, doing: &'static str, what: &str, error: kube::Error) -> ClusterError {
        ClusterError::of(doing, what, &self.server, error)
    }
}

async fn config(kubeconfig: Option<&Path>) -> Result<Config, ClusterError> {
    let Some(path) = kubeconfig else {
        return Config::infer()
            .await
            .map_err(|e| ClusterError::config("as a pod, or by $KUBECONFIG", e));
    };
    let place = path.display().to_string();
    let read = Kubeconfig::read_from(path).map_err(|e| ClusterError::config(&place, e))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(read, &options).await;
    config.map_err(|e| ClusterError::config(&place, e))
}

fn listed(kind: Kind, object: &DynamicObject) -> Listed {
    Listed {
        object: Object::of_api(kind, object),
        uid: object.metadata.uid.clone(),
        version: object.metadata.resource_version.clone(),
    }
}
