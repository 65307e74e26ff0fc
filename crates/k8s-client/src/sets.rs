//! AddressSets, the pods that they are of, and the Leases of who follows them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use flatnet_k8s_api::addresses::{
    Acknowledgement, AddressSetSpec, AddressSetStatus, SET_LABEL, SUBSCRIBER_ANNOTATION, lease_name,
};
use flatnet_k8s_api::{GROUP, VERSION};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;

use crate::listing::{Followed, Told, formed};
use crate::{Cluster, ClusterError};

/// The field manager of what addressd says of a set.
pub const ADDRESSD_MANAGER: &str = "flatnet-addressd";

/// `namespace/name` of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A set as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// Which one.
    pub key: Key,
    /// `metadata.uid`: another one of the same name has another.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `metadata.generation`: of the spec.
    pub spec_generation: Option<i64>,
    /// What is declared.
    pub spec: AddressSetSpec,
    /// What is said of it.
    pub status: AddressSetStatus,
}

/// What of a pod matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Which one.
    pub key: Key,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The addresses that its status has.
    pub addresses: Vec<IpAddr>,
    /// Whether its containers have ended for good (`phase` Succeeded or Failed): its addresses are released or
    /// about to be, although its status has them still.
    pub ended: bool,
    /// Whether it has its host's addresses.
    pub host_network: bool,
}

/// A subscriber's Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriberLease {
    /// The set.
    pub set: Key,
    /// The subscriber.
    pub subscriber: String,
    /// Whatever is said in it. A change of it is a sign of life; no clock but one's own is compared.
    pub renewed: String,
}

/// What a write came to.
#[derive(Debug)]
pub enum Written {
    /// Done: the set as it is now.
    Done(Box<Set>),
    /// Somebody has changed the set since it was seen.
    Stale,
    /// There is no such set any more.
    Gone,
}

impl Cluster {
    /// Lists and watches all sets, or the one of that key, until nobody receives the events any more. Cancel
    /// safe. A set that this version does not understand is not told.
    pub async fn follow_sets(&self, one: Option<&Key>, events: &Sender<Told<Set>>) {
        let followed = Followed {
            api: match one {
                Some(key) => self.sets(&key.namespace),
                None => Api::all_with(self.client.clone(), &set_resource()),
            },
            what: "addresssets".to_owned(),
            fields: one.map(|key| format!("metadata.name={}", key.name)),
            labels: None,
        };
        self.tell(&followed, |told| formed(told, set_of), events)
            .await;
    }

    /// The same of every pod of the cluster.
    pub async fn follow_pods(&self, events: &Sender<Told<Pod>>) {
        let pods = core("", "Pod", "pods");
        let followed = Followed {
            api: Api::all_with(self.client.clone(), &pods),
            what: "pods".to_owned(),
            fields: None,
            labels: None,
        };
        let form = |told| formed(told, |object| Some(pod_of(object)));
        self.tell(&followed, form, events).await;
    }

    /// The same of the Leases of subscribers.
    pub async fn follow_leases(&self, events: &Sender<Told<SubscriberLease>>) {
        let followed = Followed {
            api: Api::all_with(self.client.clone(), &lease_resource()),
            what: "leases".to_owned(),
            fields: None,
            labels: Some(SET_LABEL.to_owned()),
        };
        self.tell(&followed, |told| formed(told, lease_of), events)
            .await;
    }

    /// All sets, or those of a namespace.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn list_sets(&self, namespace: Option<&str>) -> Result<Vec<Set>, ClusterError> {
        let followed = Followed {
            api: match namespace {
                Some(namespace) => self.sets(namespace),
                None => Api::all_with(self.client.clone(), &set_resource()),
            },
            what: "addresssets".to_owned(),
            fields: None,
            labels: None,
        };
        let (sets, _) = self.pages(&followed).await?;
        Ok(sets.iter().filter_map(set_of).collect())
    }

    /// One set; `None`: there is none of that name.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn get_set(&self, key: &Key) -> Result<Option<Set>, ClusterError> {
        let found = self.sets(&key.namespace).get_opt(&key.name).await;
        let found = found.map_err(|e| self.error("get", &format!("AddressSet {key}"), e))?;
        Ok(found.as_ref().and_then(set_of))
    }

    /// Writes what addressd says of a set: all of its status but `acknowledgements`, and only over the version
    /// of the set that it was made of.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn publish_set(
        &self,
        seen: &Set,
        status: &AddressSetStatus,
    ) -> Result<Written, ClusterError> {
        let mut status = status.clone();
        status.acknowledgements.clear();
        let mut patch = named("AddressSet", &seen.key);
        patch["metadata"]["uid"] = seen.uid.clone().into();
        patch["metadata"]["resourceVersion"] = seen.version.clone().into();
        patch["status"] = json!(status);
        let params = PatchParams::apply(ADDRESSD_MANAGER).force();
        let api = self.sets(&seen.key.namespace);
        let patch = Patch::Apply(patch);
        match api.patch_status(&seen.key.name, &params, &patch).await {
            Ok(now) => Ok(set_of(&now).map_or(Written::Gone, |set| Written::Done(Box::new(set)))),
            Err(kube::Error::Api(s)) if s.code == 409 => Ok(Written::Stale),
            Err(kube::Error::Api(s)) if s.code == 404 => Ok(Written::Gone),
            Err(e) => Err(self.error("apply the status of AddressSet", &seen.key.to_string(), e)),
        }
    }

    /// Writes a subscriber's own item of a set's status, by a field manager of its own.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn acknowledge(
        &self,
        set: &Key,
        acknowledgement: &Acknowledgement,
    ) -> Result<(), ClusterError> {
        let mut patch = named("AddressSet", set);
        patch["status"] = json!({"acknowledgements": [acknowledgement]});
        let manager = format!("flatnet-subscriber-{}", acknowledgement.subscriber);
        let params = PatchParams::apply(&manager).force();
        let api = self.sets(&set.namespace);
        let patch = Patch::Apply(patch);
        match api.patch_status(&set.name, &params, &patch).await {
            Ok(_) => Ok(()),
            Err(e) => Err(self.error("acknowledge", &format!("AddressSet {set}"), e)),
        }
    }

    /// Renews a subscriber's lease of so many seconds.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn renew_subscriber(
        &self,
        set: &Key,
        subscriber: &str,
        holder: &str,
        seconds: u32,
    ) -> Result<(), ClusterError> {
        let name = lease_name(&set.name, subscriber);
        let now = Timestamp::try_from(SystemTime::now()).map(MicroTime).ok();
        let patch = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": set.namespace},
            "spec": {
                "holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": now,
            },
        });
        let manager = format!("flatnet-subscriber-{subscriber}");
        let params = PatchParams::apply(&manager).force();
        let api = self.leases(&set.namespace);
        match api.patch(&name, &params, &Patch::Apply(patch)).await {
            Ok(_) => Ok(()),
            Err(e) => Err(self.error("renew", &format!("Lease {}/{name}", set.namespace), e)),
        }
    }

    /// Makes the Lease of a subscriber, without a holder, where there is none: it belongs to the set and goes
    /// with it. So a subscriber needs no right to make Leases, which RBAC cannot limit to a name.
    ///
    /// # Errors
    /// [`ClusterError`]; none where it is there.
    pub async fn make_subscriber_lease(
        &self,
        set: &Set,
        subscriber: &str,
    ) -> Result<(), ClusterError> {
        let name = lease_name(&set.key.name, subscriber);
        let mut lease = DynamicObject::new(&name, &lease_resource());
        let metadata = json!({
            "name": name,
            "namespace": set.key.namespace,
            "labels": {SET_LABEL: label_value(&set.key.name)},
            "annotations": {SUBSCRIBER_ANNOTATION: subscriber, SET_LABEL: set.key.name},
            "ownerReferences": [{
                "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "AddressSet",
                "name": set.key.name, "uid": set.uid,
            }],
        });
        lease.metadata = serde_json::from_value(metadata).unwrap_or_default();
        lease.data = json!({"spec": {}});
        let params = PostParams {
            field_manager: Some(ADDRESSD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match self
            .leases(&set.key.namespace)
            .create(&params, &lease)
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(s)) if s.code == 409 => Ok(()),
            Err(e) => Err(self.error("create", &format!("Lease {}/{name}", set.key.namespace), e)),
        }
    }

    fn sets(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &set_resource())
    }

    fn leases(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &lease_resource())
    }
}

fn set_resource() -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "AddressSet".to_owned(),
        plural: "addresssets".to_owned(),
    }
}

fn lease_resource() -> ApiResource {
    core("coordination.k8s.io", "Lease", "leases")
}

fn core(group: &str, kind: &str, plural: &str) -> ApiResource {
    let api_version = match group {
        "" => "v1".to_owned(),
        group => format!("{group}/v1"),
    };
    ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

fn named(kind: &str, key: &Key) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": kind,
        "metadata": {"name": key.name, "namespace": key.namespace},
    })
}

fn key_of(object: &DynamicObject) -> Key {
    Key {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        name: object.metadata.name.clone().unwrap_or_default(),
    }
}

/// A label has 63 bytes at most, and a name 253: the annotation has the whole.
fn label_value(name: &str) -> &str {
    let cut = name.get(..63).unwrap_or(name);
    cut.trim_end_matches(['-', '.'])
}

fn set_of(object: &DynamicObject) -> Option<Set> {
    let part = |key: &str| object.data.get(key).cloned().unwrap_or_else(|| json!({}));
    Some(Set {
        key: key_of(object),
        uid: object.metadata.uid.clone().unwrap_or_default(),
        version: object.metadata.resource_version.clone().unwrap_or_default(),
        spec_generation: object.metadata.generation,
        spec: serde_json::from_value(part("spec")).ok()?,
        status: serde_json::from_value(part("status")).ok()?,
    })
}

fn pod_of(object: &DynamicObject) -> Pod {
    let status = &object.data["status"];
    let listed = status["podIPs"].as_array();
    let listed = listed
        .into_iter()
        .flatten()
        .filter_map(|ip| ip["ip"].as_str());
    let addresses = listed.filter_map(|ip| ip.parse().ok());
    let phase = status["phase"].as_str().unwrap_or_default();
    Pod {
        key: key_of(object),
        labels: object.metadata.labels.clone().unwrap_or_default(),
        addresses: addresses.collect(),
        ended: matches!(phase, "Succeeded" | "Failed"),
        host_network: object.data["spec"]["hostNetwork"] == true,
    }
}

/// `None`: nobody has ever held it, or it is none of ours.
fn lease_of(object: &DynamicObject) -> Option<SubscriberLease> {
    let annotations = object.metadata.annotations.as_ref()?;
    let holder = object.data["spec"]["holderIdentity"].as_str();
    holder.filter(|holder| !holder.is_empty())?;
    Some(SubscriberLease {
        set: Key {
            namespace: object.metadata.namespace.clone()?,
            name: annotations.get(SET_LABEL)?.clone(),
        },
        subscriber: annotations.get(SUBSCRIBER_ANNOTATION)?.clone(),
        renewed: object.data["spec"].to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn of_a_pod_its_labels_addresses_and_end_matter() {
        let pod = |phase: &str| {
            pod_of(&object(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "a", "namespace": "n", "labels": {"app": "web"}},
                "spec": {"hostNetwork": true},
                "status": {"phase": phase, "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}, {"ip": "x"}]},
            })))
        };
        let running = pod("Running");
        assert_eq!(running.key.to_string(), "n/a");
        assert_eq!(running.addresses.len(), 2);
        assert!(running.host_network && !running.ended);
        assert!(pod("Failed").ended && pod("Succeeded").ended && !pod("Unknown").ended);
    }

    #[test]
    fn a_lease_that_nobody_held_is_none() {
        let lease = |spec: Value| {
            lease_of(&object(json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "web.fw", "namespace": "n",
                    "labels": {SET_LABEL: "web"},
                    "annotations": {SET_LABEL: "web", SUBSCRIBER_ANNOTATION: "fw"}},
                "spec": spec,
            })))
        };
        assert_eq!(lease(json!({})), None);
        let held = lease(json!({"holderIdentity": "h", "renewTime": "1"})).expect("a lease");
        assert_eq!(
            (held.set.to_string().as_str(), held.subscriber.as_str()),
            ("n/web", "fw")
        );
        let renewed = lease(json!({"holderIdentity": "h", "renewTime": "2"})).expect("a lease");
        assert_ne!(held.renewed, renewed.renewed);
    }

    #[test]
    fn a_label_is_never_longer_than_kubernetes_allows() {
        assert_eq!(label_value("web"), "web");
        let long = format!("{}.-{}", "a".repeat(61), "b".repeat(100));
        assert_eq!(label_value(&long), "a".repeat(61));
    }
}
