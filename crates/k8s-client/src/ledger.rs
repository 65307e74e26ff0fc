//! ipamd's ledger on an API server: a ConfigMap, its head, and a `HostRange` for each lease.
//!
//! Every write is of a version that was read before, or of an object that is not there: whoever was overtaken
//! by another finds out, and changes nothing.

use std::fmt;

use flatnet_k8s_api::Kind;
use flatnet_k8s_api::range::{self, ASSIGNED, LEASE_ANNOTATION};
use flatnet_k8s_api::status::HostRangeStatus;
use flatnet_k8s_api::{GROUP, VERSION};
use flatnet_types::ipamd::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, TypeMeta,
};
use serde_json::{Value, json};

use crate::listing::Followed;
use crate::status::STATUS_MANAGER;
use crate::{Cluster, ClusterError};

/// How often an object that others change meanwhile is read again.
const TRIES: usize = 5;
/// The key of the ConfigMap that has the head.
const KEY: &str = "ledger";

/// The ConfigMap that is the head of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPlace {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl fmt::Display for LedgerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The head in one version.
#[derive(Debug, Clone)]
pub struct LedgerHead(ConfigMap);

impl LedgerHead {
    /// What is in it; `None` in one that nothing was written to yet.
    pub fn text(&self) -> Option<&str> {
        self.0.data.as_ref()?.get(KEY).map(String::as_str)
    }
}

/// A range that ipamd assigned, in one version.
#[derive(Debug, Clone)]
pub struct StoredRange {
    /// What is recorded in it.
    pub lease: Lease,
    /// `status`; null where there is none.
    pub status: Value,
    object: DynamicObject,
}

impl StoredRange {
    fn of(mut object: DynamicObject, doing: &'static str) -> Result<Self, ClusterError> {
        let lease = range::lease(&object).map_err(|source| ClusterError::Damaged {
            doing,
            what: reference(object.metadata.name.as_deref().unwrap_or_default()),
            source: Box::new(source),
        })?;
        // The items of a list need not say what they are.
        object.types = Some(TypeMeta {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: Kind::HostRange.as_str().to_owned(),
        });
        // They are half of its size, and the server keeps them.
        object.metadata.managed_fields = None;
        let status = match object.data.as_object_mut() {
            Some(fields) => fields.remove("status").unwrap_or_default(),
            None => Value::Null,
        };
        Ok(Self {
            lease,
            status,
            object,
        })
    }
}

impl Cluster {
    /// The head of a ledger; `None` where there is no such ConfigMap.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn ledger_head(
        &self,
        place: &LedgerPlace,
    ) -> Result<Option<LedgerHead>, ClusterError> {
        let found = self.heads(place).get_opt(&place.name).await;
        let found = found.map_err(|e| self.error("get", &config_map(place), e))?;
        Ok(found.map(LedgerHead))
    }

    /// Writes `text` over that version of the head.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] where another version is there; nothing was written then.
    pub async fn replace_ledger_head(
        &self,
        place: &LedgerPlace,
        over: &LedgerHead,
        text: String,
    ) -> Result<LedgerHead, ClusterError> {
        let mut next = over.0.clone();
        next.data.get_or_insert_default().insert(KEY.into(), text);
        let params = params();
        let written = self.heads(place).replace(&place.name, &params, &next).await;
        let written = written.map_err(|e| self.error("write", &config_map(place), e))?;
        Ok(LedgerHead(written))
    }

    /// Every range that ipamd assigned.
    ///
    /// # Errors
    /// [`ClusterError`]; [`ClusterError::Damaged`] where one is none that ipamd wrote.
    pub async fn assigned_ranges(&self) -> Result<Vec<StoredRange>, ClusterError> {
        let assigned = Followed {
            labels: Some(ASSIGNED.to_owned()),
            ..self.of_plan(Kind::HostRange, None)
        };
        let (found, _) = self.pages(&assigned).await?;
        let found = found.into_iter();
        found.map(|o| StoredRange::of(o, "read")).collect()
    }

    /// Makes the object of a lease, or makes it another's than `known`, which is what it was when it was read
    /// or written last. A status that was written meanwhile is no change.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] where somebody else made it, or changed its lease.
    pub async fn put_range(
        &self,
        known: Option<&StoredRange>,
        lease: &Lease,
    ) -> Result<StoredRange, ClusterError> {
        let mut known = known.cloned();
        for _ in 0..TRIES {
            let outcome = match &known {
                None => self.create_range(lease).await?,
                Some(old) if is_same_range(&old.lease, lease) => {
                    self.replace_range(old, lease).await?
                }
                // A spec is never changed.
                Some(old) => match self.delete_range(old).await? {
                    Attempt::Done(()) => self.create_range(lease).await?,
                    Attempt::Overtaken => Attempt::Overtaken,
                },
            };
            if let Attempt::Done(done) = outcome {
                return Ok(done);
            }
            let name = range::name(lease.prefix);
            let found = self.find_range(&name).await?;
            match (&known, found) {
                // What was done without an answer is done.
                (_, Some(found)) if found.lease == *lease => return Ok(found),
                (Some(old), Some(found)) if found.lease == old.lease => known = Some(found),
                (_, None) => known = None,
                (_, Some(found)) => return Err(contended("write", &name, &found.lease)),
            }
        }
        Err(busy("write", &range::name(lease.prefix)))
    }

    /// Deletes the object of a lease, if it has that lease still.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] where somebody changed its lease; none where it is gone already.
    pub async fn remove_range(&self, known: &StoredRange) -> Result<(), ClusterError> {
        let mut known = known.clone();
        let name = range::name(known.lease.prefix);
        for _ in 0..TRIES {
            if let Attempt::Done(()) = self.delete_range(&known).await? {
                return Ok(());
            }
            match self.find_range(&name).await? {
                None => return Ok(()),
                Some(found) if found.lease == known.lease => known = found,
                Some(found) => return Err(contended("delete", &name, &found.lease)),
            }
        }
        Err(busy("delete", &name))
    }

    /// Applies the status of a range that ipamd assigned.
    ///
    /// # Errors
    /// [`ClusterError`]; none where the range is gone.
    pub async fn apply_range_status(
        &self,
        lease: &Lease,
        status: &HostRangeStatus,
    ) -> Result<(), ClusterError> {
        let name = range::name(lease.prefix);
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": Kind::HostRange.as_str(),
            "metadata": {"name": name},
            "status": status,
        });
        let params = PatchParams::apply(STATUS_MANAGER).force();
        let api = self.api(Kind::HostRange);
        match api.patch_status(&name, &params, &Patch::Apply(patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(e) => Err(self.error("apply the status of", &reference(&name), e)),
        }
    }

    async fn find_range(&self, name: &str) -> Result<Option<StoredRange>, ClusterError> {
        let found = self.api(Kind::HostRange).get_opt(name).await;
        let found = found.map_err(|e| self.error("get", &reference(name), e))?;
        found.map(|o| StoredRange::of(o, "read")).transpose()
    }

    async fn create_range(&self, lease: &Lease) -> Result<Attempt<StoredRange>, ClusterError> {
        let object = range::object(lease).map_err(kube::Error::SerdeError);
        let name = range::name(lease.prefix);
        let error = |e| self.error("create", &reference(&name), e);
        let object = object.map_err(error)?;
        match self.api(Kind::HostRange).create(&params(), &object).await {
            Ok(made) => Ok(Attempt::Done(StoredRange::of(made, "create")?)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Attempt::Overtaken),
            Err(e) => Err(error(e)),
        }
    }

    async fn replace_range(
        &self,
        old: &StoredRange,
        lease: &Lease,
    ) -> Result<Attempt<StoredRange>, ClusterError> {
        let name = range::name(lease.prefix);
        let error = |e| self.error("write", &reference(&name), e);
        let text = serde_json::to_string(lease).map_err(|e| error(kube::Error::SerdeError(e)))?;
        let mut next = old.object.clone();
        let annotations = next.metadata.annotations.get_or_insert_default();
        annotations.insert(LEASE_ANNOTATION.to_owned(), text);
        let api = self.api(Kind::HostRange);
        match api.replace(&name, &params(), &next).await {
            Ok(written) => Ok(Attempt::Done(StoredRange::of(written, "write")?)),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Ok(Attempt::Overtaken)
            }
            Err(e) => Err(error(e)),
        }
    }

    async fn delete_range(&self, old: &StoredRange) -> Result<Attempt<()>, ClusterError> {
        let name = range::name(old.lease.prefix);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: old.object.metadata.uid.clone(),
                resource_version: old.object.metadata.resource_version.clone(),
            }),
            ..DeleteParams::default()
        };
        match self.api(Kind::HostRange).delete(&name, &params).await {
            Ok(_) => Ok(Attempt::Done(())),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Attempt::Done(())),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Attempt::Overtaken),
            Err(e) => Err(self.error("delete", &reference(&name), e)),
        }
    }

    fn heads(&self, place: &LedgerPlace) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &place.namespace)
    }
}

/// What came of a write.
enum Attempt<T> {
    Done(T),
    /// The object is another, or in another version, than it was thought to be.
    Overtaken,
}

fn is_same_range(a: &Lease, b: &Lease) -> bool {
    (&a.host, &a.network, a.prefix) == (&b.host, &b.network, b.prefix)
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(STATUS_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn reference(name: &str) -> String {
    format!("HostRange/{name}")
}

fn config_map(place: &LedgerPlace) -> String {
    format!("the ConfigMap {place}")
}

fn contended(doing: &'static str, name: &str, found: &Lease) -> ClusterError {
    ClusterError::Conflict {
        doing,
        what: reference(name),
        said: format!(
            "it is {} of host {}, by lease {} that another one recorded",
            found.prefix, found.host, found.id
        ),
    }
}

fn busy(doing: &'static str, name: &str) -> ClusterError {
    ClusterError::Conflict {
        doing,
        what: reference(name),
        said: format!("somebody changed it {TRIES} times meanwhile"),
    }
}
