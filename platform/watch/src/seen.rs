//! What is read of a member's objects. Pure.

use std::collections::BTreeMap;

use flatnet_platform_engine::action::CHEAPEST;
use flatnet_platform_engine::observed::{Drain, NodeState};
use flatnet_platform_types::{IN_SERVICE, Moment, SERVE_LABEL};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, PodSpec, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::cache::{Key, Seen};
use crate::quantity::{thousandths, units};

/// The label with the application's name, on all that is ours in a member.
pub const APP_LABEL: &str = "platform.flatnet.io/app";
/// The label with the revision.
pub const REVISION_LABEL: &str = "platform.flatnet.io/revision";
/// The label with the group of nodes.
pub const GROUP_LABEL: &str = "platform.flatnet.io/group";
/// The annotation with the epoch of the controller that wrote last.
pub const EPOCH: &str = "platform.flatnet.io/epoch";
/// The annotation with the moment in which the wish to serve was taken away.
pub const WITHDRAWN: &str = "platform.flatnet.io/withdrawn";
/// Kubernetes' annotation with a pod's deletion cost.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// The reason of the condition `flatnet.io/in-service` when a pod is drained: who can acknowledge has, and its port was
/// quiet.
pub const DRAINED: &str = "Drained";
/// Extended resources with a node's addresses begin so; the network's name follows.
pub const ADDRESSES: &str = "flatnet.io/addresses-";
/// The namespace of a member that the fence is in, and the fence's ConfigMap.
pub const FENCE: (&str, &str) = ("flatnet-platform", "controller");
/// The taint of a node that is known to be gone.
const GONE: &str = "node.kubernetes.io/out-of-service";
/// The label of a node with its top-of-rack switch.
pub const SWITCH: &str = "flatnet.io/switch";

macro_rules! seen {
    ($($kind:ty),*) => {
        $(impl Seen for $kind {
            fn key(&self) -> Key {
                self.key.clone()
            }

            fn version(&self) -> &str {
                &self.version
            }
        })*
    };
}

seen!(SetSeen, PodSeen, NodeSeen, PdbSeen, ServiceSeen, FenceSeen);

/// A ReplicaSet of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetSeen {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// The application's name.
    pub app: String,
    /// The value of its label [`REVISION_LABEL`].
    pub revision: String,
    /// The group of nodes.
    pub group: String,
    /// Its `spec.replicas`.
    pub replicas: u32,
}

/// What a pod requests of its node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Addresses.
    pub addresses: u64,
}

/// A pod, of an application or of anybody: those of others take room too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSeen {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// The application's name; `None` for pods of others.
    pub app: Option<String>,
    /// The ReplicaSet that it is of.
    pub set: Option<String>,
    /// The node that it is on.
    pub node: Option<String>,
    /// It has ended, and takes no room.
    pub ended: bool,
    /// The wish to serve.
    pub serve: bool,
    /// netd's condition, and the kubelet's.
    pub in_service: bool,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// Its drain.
    pub drain: Drain,
    /// Its deletion cost.
    pub deletion_cost: i32,
    /// What keeps it from being in service.
    pub trouble: Option<String>,
    /// What it requests.
    pub requests: Requests,
    /// IP addresses as `status.podIPs` has them, the primary one first.
    pub addresses: Vec<String>,
    /// The first port that a container of it declares.
    pub port: Option<u16>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSeen {
    /// Its name; the namespace is empty.
    pub key: Key,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its state.
    pub state: NodeState,
    /// The switch that it hangs on.
    pub switch: Option<String>,
    /// What its pods may request in all.
    pub allocatable: Requests,
    /// Pods that its kubelet takes in all.
    pub pods: u64,
    /// Whether it publishes its addresses.
    pub counts_addresses: bool,
}

/// A PodDisruptionBudget of an application, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PdbSeen {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Its `spec.minAvailable`.
    pub min_available: u32,
}

/// A Service of an application, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceSeen {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Its ports, each its own target, in order.
    pub ports: Vec<u16>,
    /// Whether it selects the application's pods and no less, and each port is its own target.
    pub is_ours: bool,
}

/// The epoch that was written last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FenceSeen {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// The highest epoch in which anybody led that wrote here.
    pub epoch: u64,
}

fn place(meta: &ObjectMeta) -> (Key, String) {
    let key = Key {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    };
    (key, meta.resource_version.clone().unwrap_or_default())
}

fn label(meta: &ObjectMeta, name: &str) -> Option<String> {
    meta.labels.as_ref()?.get(name).cloned()
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}

impl SetSeen {
    /// What is read of a ReplicaSet; none where it is not ours.
    pub fn of(set: &ReplicaSet) -> Option<Self> {
        let (key, version) = place(&set.metadata);
        let replicas = set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
        Some(Self {
            key,
            version,
            app: label(&set.metadata, APP_LABEL)?,
            revision: label(&set.metadata, REVISION_LABEL)?,
            group: label(&set.metadata, GROUP_LABEL)?,
            replicas: u32::try_from(replicas).unwrap_or(0),
        })
    }
}

impl PodSeen {
    /// What is read of a pod.
    pub fn of(pod: &Pod) -> Self {
        let meta = &pod.metadata;
        let (key, version) = place(meta);
        let owners = meta.owner_references.iter().flatten();
        let set = owners
            .filter(|o| o.controller == Some(true) && o.kind == "ReplicaSet")
            .map(|o| o.name.clone())
            .next();
        let status = pod.status.as_ref();
        let phase = status.and_then(|s| s.phase.as_deref()).unwrap_or("");
        let conditions = || {
            status
                .into_iter()
                .flat_map(|s| s.conditions.iter().flatten())
        };
        let holds = |name: &str| conditions().any(|c| c.type_ == name && c.status == "True");
        let gate = conditions().find(|c| c.type_ == IN_SERVICE);
        let serve = label(meta, SERVE_LABEL).as_deref() == Some("true");
        let in_service = holds(IN_SERVICE) && holds("ContainersReady");
        // One that netd never said anything of was never in service.
        let quiet =
            gate.is_none_or(|c| c.status == "False" && c.reason.as_deref() == Some(DRAINED));
        let withdrawn = annotation(meta, WITHDRAWN).and_then(moment);
        let cost = annotation(meta, DELETION_COST).and_then(|c| c.parse().ok());
        Self {
            key,
            version,
            app: label(meta, APP_LABEL),
            set,
            node: pod.spec.as_ref().and_then(|s| s.node_name.clone()),
            ended: matches!(phase, "Succeeded" | "Failed"),
            serve,
            in_service,
            deleting: meta.deletion_timestamp.is_some(),
            drain: Drain {
                done: !serve && quiet,
                since: withdrawn.filter(|_| !serve),
            },
            deletion_cost: cost.unwrap_or(0),
            trouble: if in_service { None } else { trouble(pod) },
            requests: pod.spec.as_ref().map(requests).unwrap_or_default(),
            addresses: status
                .and_then(|s| s.pod_ips.as_ref())
                .map_or_else(Vec::new, |ips| ips.iter().map(|ip| ip.ip.clone()).collect()),
            port: pod.spec.as_ref().and_then(port),
        }
    }

    /// Whether it is the cheapest to delete.
    pub fn is_cheapest(&self) -> bool {
        self.deletion_cost == CHEAPEST
    }
}

fn port(spec: &PodSpec) -> Option<u16> {
    let containers = spec.containers.iter();
    let mut ports = containers.flat_map(|c| c.ports.iter().flatten());
    ports.find_map(|p| u16::try_from(p.container_port).ok())
}

fn moment(text: &str) -> Option<Moment> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    let waiting = containers
        .filter_map(|c| c.state.as_ref()?.waiting.as_ref()?.reason.clone())
        .find(|reason| reason != "ContainerCreating" && reason != "PodInitializing");
    let bad = |name: &str| {
        let conditions = status.conditions.iter().flatten();
        conditions
            .filter(|c| c.type_ == name && c.status == "False")
            .find_map(|c| c.reason.clone().or_else(|| c.message.clone()))
    };
    waiting
        .or_else(|| bad("PodScheduled"))
        .or_else(|| bad(IN_SERVICE))
}

fn requests(spec: &PodSpec) -> Requests {
    let sum = |of: &dyn Fn(&BTreeMap<String, Quantity>) -> u64| -> u64 {
        let containers = spec.containers.iter();
        let each = containers.filter_map(|c| c.resources.as_ref()?.requests.as_ref().map(of));
        each.sum()
    };
    Requests {
        cpu_millis: sum(&|r| amount(r, "cpu", thousandths)),
        memory_bytes: sum(&|r| amount(r, "memory", units)),
        addresses: sum(&|r| addresses(r).unwrap_or(0)),
    }
}

fn amount(of: &BTreeMap<String, Quantity>, name: &str, read: fn(&str) -> Option<u64>) -> u64 {
    of.get(name).and_then(|q| read(&q.0)).unwrap_or(0)
}

/// The addresses of all networks; none where none are named.
fn addresses(of: &BTreeMap<String, Quantity>) -> Option<u64> {
    let mut named = of
        .iter()
        .filter(|(name, _)| name.starts_with(ADDRESSES))
        .peekable();
    named.peek()?;
    Some(named.filter_map(|(_, q)| units(&q.0)).sum())
}

impl NodeSeen {
    /// What is read of a node.
    pub fn of(node: &Node) -> Self {
        let (key, version) = place(&node.metadata);
        let spec = node.spec.clone().unwrap_or_default();
        let status = node.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let is = |name: &str| {
            conditions
                .iter()
                .any(|c| c.type_ == name && c.status == "True")
        };
        let gone = spec.taints.iter().flatten().any(|t| t.key == GONE);
        let state = match () {
            () if gone => NodeState::Gone,
            () if !is("Ready") || is("NetworkUnavailable") => NodeState::Mute,
            () if spec.unschedulable == Some(true) => NodeState::Leaving,
            () => NodeState::Well,
        };
        let allocatable = status.allocatable.unwrap_or_default();
        let published = addresses(&allocatable);
        let labels = node.metadata.labels.clone().unwrap_or_default();
        Self {
            key,
            version,
            state,
            switch: labels.get(SWITCH).cloned(),
            labels,
            allocatable: Requests {
                cpu_millis: amount(&allocatable, "cpu", thousandths),
                memory_bytes: amount(&allocatable, "memory", units),
                addresses: published.unwrap_or(0),
            },
            pods: amount(&allocatable, "pods", units),
            counts_addresses: published.is_some(),
        }
    }

    /// Whether anything but its version is another: a kubelet that says that it is alive changes nothing.
    pub fn differs(&self, other: &Self) -> bool {
        let mut same = self.clone();
        same.version.clone_from(&other.version);
        same != *other
    }
}

impl PdbSeen {
    /// What is read of a PodDisruptionBudget.
    pub fn of(pdb: &PodDisruptionBudget) -> Self {
        let (key, version) = place(&pdb.metadata);
        let min = pdb.spec.as_ref().and_then(|s| s.min_available.as_ref());
        let min = match min {
            Some(IntOrString::Int(n)) => u32::try_from(*n).unwrap_or(0),
            // A share is not what this controller writes: it is written anew.
            _ => u32::MAX,
        };
        Self {
            key,
            version,
            min_available: min,
        }
    }
}

impl ServiceSeen {
    /// What is read of a Service; none where it is not of the application of its name.
    pub fn of(service: &Service) -> Option<Self> {
        let (key, version) = place(&service.metadata);
        let app = label(&service.metadata, APP_LABEL)?;
        let spec = service.spec.clone().unwrap_or_default();
        let ports = spec.ports.unwrap_or_default();
        let same = ports.iter().all(|p| {
            p.target_port
                .as_ref()
                .is_none_or(|t| *t == IntOrString::Int(p.port))
        });
        let selector = BTreeMap::from([(APP_LABEL.to_owned(), app.clone())]);
        let ports = ports.iter().filter_map(|p| u16::try_from(p.port).ok());
        (app == key.name).then(|| Self {
            key,
            version,
            ports: ports.collect(),
            is_ours: same && spec.selector.as_ref() == Some(&selector),
        })
    }
}

impl FenceSeen {
    /// What is read of the fence's ConfigMap. One that cannot be read is as high as can be: nothing is done there.
    pub fn of(map: &ConfigMap) -> Self {
        let (key, version) = place(&map.metadata);
        let epoch = map.data.as_ref().and_then(|d| d.get("epoch"));
        Self {
            key,
            version,
            epoch: epoch.and_then(|e| e.parse().ok()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(serve: &str, conditions: &serde_json::Value) -> PodSeen {
        let pod = json!({
            "metadata": {"name": "p", "namespace": "shop", "resourceVersion": "3",
                "labels": {APP_LABEL: "web", SERVE_LABEL: serve},
                "annotations": {WITHDRAWN: "1970-01-01T00:00:02Z"}},
            "spec": {"containers": [
                {"name": "a", "resources": {"requests": {"cpu": "250m", "memory": "1Mi", "flatnet.io/addresses-pods": "1"}}},
                {"name": "b", "ports": [{"containerPort": 8080}]}]},
            "status": {"conditions": conditions, "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
        });
        PodSeen::of(&serde_json::from_value(pod).expect("a pod"))
    }

    #[test]
    fn a_pod_is_in_service_by_netds_condition_and_drained_by_its_reason() {
        let both = json!([
            {"type": IN_SERVICE, "status": "True"}, {"type": "ContainersReady", "status": "True"}]);
        let serving = pod("true", &both);
        assert!(serving.in_service && serving.serve && !serving.drain.done);
        assert_eq!(serving.drain.since, None);
        assert_eq!(
            (serving.requests.cpu_millis, serving.requests.addresses),
            (250, 1)
        );
        assert_eq!(serving.addresses, ["10.0.0.1", "fd00::1"]);
        assert_eq!(serving.port, Some(8080));
        let only = json!([{"type": IN_SERVICE, "status": "True"}]);
        assert!(!pod("true", &only).in_service);
        let out = |reason: &str| json!([{"type": IN_SERVICE, "status": "False", "reason": reason}]);
        let draining = pod("false", &out("Draining"));
        assert!(!draining.drain.done);
        assert_eq!(draining.drain.since, Some(Moment::from_millis(2000)));
        assert!(pod("false", &out(DRAINED)).drain.done);
        // netd never said anything of it: nobody ever was sent to it.
        assert!(pod("false", &json!([])).drain.done);
    }

    #[test]
    fn a_node_without_addresses_says_so_and_one_that_is_not_ready_is_mute() {
        let node = |ready: &str, allocatable: serde_json::Value| {
            let node = json!({"metadata": {"name": "n"}, "status": {
                "allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]}});
            NodeSeen::of(&serde_json::from_value(node).expect("a node"))
        };
        let plain = node("True", json!({"cpu": "4", "memory": "8Gi", "pods": "110"}));
        assert_eq!(
            (plain.state, plain.counts_addresses, plain.pods),
            (NodeState::Well, false, 110)
        );
        let told = node(
            "Unknown",
            json!({"flatnet.io/addresses-a": "5", "flatnet.io/addresses-b": "7"}),
        );
        assert_eq!(
            (told.state, told.allocatable.addresses),
            (NodeState::Mute, 12)
        );
    }
}
