//! The record in Kubernetes: a `Lease` of `coordination.k8s.io/v1`, by the crate `kube`.

use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use flatnet_clock::Rng;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::api::{KubernetesError, LeaseApi, Written};
use crate::candidate::{Record, Stored};
use crate::settings::KubernetesLease;

/// Kubernetes' API, as far as one Lease goes.
pub struct KubeApi {
    leases: Api<Lease>,
    namespace: String,
    name: String,
    server: String,
    manifest: &'static str,
    /// As it was read or written last: what is not ours in it is written back as it was.
    last: Mutex<Option<Lease>>,
}

impl KubeApi {
    /// The way to the Lease: by the kubeconfig that is named, else as a pod's service account,
    /// else as `kubectl` would. `manifest` is named where RBAC refuses. Nothing is asked yet.
    ///
    /// # Errors
    /// [`KubernetesError`], where the way is not known.
    pub async fn open(
        wanted: &KubernetesLease,
        connect_timeout: Duration,
        manifest: &'static str,
    ) -> Result<Self, KubernetesError> {
        let mut config = match &wanted.kubeconfig {
            Some(path) => from_kubeconfig(path).await?,
            None => Config::infer()
                .await
                .map_err(|e| KubernetesError::Nowhere {
                    source: Box::new(e),
                })?,
        };
        config.connect_timeout = Some(connect_timeout);
        // Who retries has to know whether its lease still stands.
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|e| KubernetesError::Client {
            server: server.clone(),
            source: Box::new(e),
        })?;
        Ok(Self {
            leases: Api::namespaced(client, &wanted.namespace),
            namespace: wanted.namespace.to_string(),
            name: wanted.name.to_string(),
            server,
            manifest,
            last: Mutex::new(None),
        })
    }

    fn keep(&self, lease: Lease) -> Stored {
        let stored = stored(&lease);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
        stored
    }

    /// The object to write over that version.
    fn object(&self, record: &Record, over: Option<&str>) -> Lease {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let of_version = |l: &&Lease| l.metadata.resource_version.as_deref() == over;
        let mut lease = match (over, last.as_ref().filter(of_version)) {
            (Some(_), Some(last)) => last.clone(),
            _ => Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    namespace: Some(self.namespace.clone()),
                    resource_version: over.map(str::to_owned),
                    ..ObjectMeta::default()
                },
                spec: None,
            },
        };
        fill(lease.spec.get_or_insert_default(), record);
        lease
    }

    fn error(&self, doing: &'static str, error: kube::Error) -> KubernetesError {
        let kube::Error::Api(status) = error else {
            return KubernetesError::Unreachable {
                doing,
                server: self.server.clone(),
                source: Box::new(error),
            };
        };
        let of_namespace = status
            .details
            .as_ref()
            .is_some_and(|d| d.kind == "namespaces");
        match status.code {
            401 => KubernetesError::Unauthorized {
                server: self.server.clone(),
            },
            403 => KubernetesError::Forbidden {
                verb: if doing == "read" { "get" } else { doing },
                namespace: self.namespace.clone(),
                manifest: self.manifest,
                said: status.message,
            },
            404 if of_namespace => KubernetesError::NoNamespace {
                namespace: self.namespace.clone(),
            },
            code => KubernetesError::Refused {
                doing,
                code,
                reason: status.reason,
                said: status.message,
            },
        }
    }
}

impl fmt::Display for KubeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl LeaseApi for KubeApi {
    async fn read(&self) -> Result<Option<Stored>, KubernetesError> {
        match self.leases.get_opt(&self.name).await {
            Ok(found) => Ok(found.map(|lease| self.keep(lease))),
            Err(error) => Err(self.error("read", error)),
        }
    }

    async fn write(&self, record: &Record, over: Option<&str>) -> Result<Written, KubernetesError> {
        let (lease, how) = (self.object(record, over), PostParams::default());
        let (doing, outcome) = match over {
            Some(_) => (
                "update",
                self.leases.replace(&self.name, &how, &lease).await,
            ),
            None => ("create", self.leases.create(&how, &lease).await),
        };
        match outcome {
            Ok(lease) => Ok(Written::Done(self.keep(lease))),
            // Another version is there, one is there already, or it has gone.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Written::Conflict),
            Err(kube::Error::Api(status)) if status.code == 404 && over.is_some() => {
                Ok(Written::Conflict)
            }
            Err(error) => Err(self.error(doing, error)),
        }
    }
}

async fn from_kubeconfig(path: &Path) -> Result<Config, KubernetesError> {
    let unusable = |source| KubernetesError::Kubeconfig {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    config.map_err(unusable)
}

/// Who this process is in a Lease: the configured name, or the host's (a pod's name), and a
/// random number: two processes of one name would both lead.
pub fn identity(wanted: &KubernetesLease, rng: &dyn Rng) -> String {
    let host = || nix::unistd::gethostname().unwrap_or_default();
    let name = wanted.identity.clone();
    let name = name.unwrap_or_else(|| host().to_string_lossy().into_owned());
    let random = rng.random() & 0xffff_ffff;
    format!("{name}_{random:08x}")
}

fn stored(lease: &Lease) -> Stored {
    let none = LeaseSpec::default();
    let spec = lease.spec.as_ref().unwrap_or(&none);
    let time = |t: &Option<MicroTime>| t.as_ref().map(|t| SystemTime::from(t.0));
    let seconds = spec
        .lease_duration_seconds
        .and_then(|s| u64::try_from(s).ok());
    let transitions = spec.lease_transitions.and_then(|n| u64::try_from(n).ok());
    Stored {
        record: Record {
            holder: spec.holder_identity.clone().unwrap_or_default(),
            duration: seconds.filter(|s| *s > 0).map(Duration::from_secs),
            transitions: transitions.unwrap_or_default(),
            acquired: time(&spec.acquire_time),
            renewed: time(&spec.renew_time),
        },
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

fn fill(spec: &mut LeaseSpec, record: &Record) {
    // A time that its type cannot hold is left out: nobody decides by it.
    let time = |t: Option<SystemTime>| t.and_then(|t| Timestamp::try_from(t).ok()).map(MicroTime);
    // The API wants no field that is empty, and no duration below 1 s.
    spec.holder_identity = Some(record.holder.clone());
    let seconds = record.duration.map(|d| d.as_secs().max(1));
    spec.lease_duration_seconds = seconds.map(|s| i32::try_from(s).unwrap_or(i32::MAX));
    spec.lease_transitions = Some(i32::try_from(record.transitions).unwrap_or(i32::MAX));
    spec.acquire_time = time(record.acquired);
    spec.renew_time = time(record.renewed);
}

#[cfg(test)]
mod tests;
