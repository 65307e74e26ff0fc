//! The engine's operations as requests to a member's API server. Pure.

use flatnet_platform_engine::Op;
use flatnet_platform_types::kinds::{NodeGroup, Resources, Spread};
use flatnet_platform_types::{IN_SERVICE, Moment, SERVE_LABEL};
use serde::Serialize;
use serde_json::{Value, json};

use crate::render::Recipe;
use flatnet_platform_watch::cache::Key;
use flatnet_platform_watch::seen::{
    APP_LABEL, DELETION_COST, EPOCH, FENCE, GROUP_LABEL, REVISION_LABEL, SWITCH, WITHDRAWN,
};

/// Kubernetes' label of a node with its name.
const HOST: &str = "kubernetes.io/hostname";

/// Kinds that are written in a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// A namespace.
    Namespace,
    /// The fence's ConfigMap.
    Fence,
    /// A ReplicaSet.
    Set,
    /// A pod.
    Pod,
    /// A PodDisruptionBudget.
    Pdb,
    /// A Service.
    Service,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Request {
    /// Make it; that it is there already is no error for a namespace.
    Create {
        /// The kind of the object.
        kind: Kind,
        /// Namespace and name; no namespace for what has none.
        key: Key,
        /// The object.
        object: Value,
    },
    /// A JSON merge patch (RFC 7386) with the version that it is for.
    Patch {
        /// The kind of the object.
        kind: Kind,
        /// Namespace and name; no namespace for what has none.
        key: Key,
        /// The patch.
        patch: Value,
    },
    /// Delete it, if it is of that version.
    Delete {
        /// The kind of the object.
        kind: Kind,
        /// Namespace and name; no namespace for what has none.
        key: Key,
        /// The version.
        version: String,
    },
}

/// What a ReplicaSet is made of, beside what [`Op::CreateSet`] says.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    /// The image and the pod's template.
    pub recipe: Recipe,
    /// The group of nodes.
    pub group: NodeGroup,
    /// What an instance requests.
    pub resources: Resources,
    /// How instances are kept apart.
    pub spread: Spread,
}

/// Who writes, for whom, and when.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The application's namespace and name.
    pub app: &'a Key,
    /// The epoch in which the writer leads; it is annotated on what it makes.
    pub epoch: u64,
    /// The wall clock.
    pub now: Moment,
    /// The version of the fence, where there is one.
    pub fence: Option<&'a str>,
}

impl Writer<'_> {
    /// The requests of an operation, in order; none for a ReplicaSet without material.
    pub fn requests(&self, op: &Op, material: Option<&Material>) -> Vec<Request> {
        let key = |name: &str| Key::new(&self.app.namespace, name);
        match op {
            Op::Fence => self.fence(),
            Op::CreateSet {
                revision,
                group,
                replicas,
            } => {
                let Some(material) = material else {
                    return Vec::new();
                };
                let name = set_name(&self.app.name, revision, group);
                let place = key(&name);
                let object = self.set(&place, revision, *replicas, material);
                let create = Request::Create {
                    kind: Kind::Set,
                    key: place,
                    object,
                };
                vec![namespace(&self.app.namespace), create]
            }
            Op::RaiseSet {
                set,
                replicas,
                resource_version,
            }
            | Op::LowerSet {
                set,
                replicas,
                resource_version,
            } => {
                let patch = json!({"spec": {"replicas": replicas}});
                vec![self.patch(Kind::Set, key(set), resource_version, patch)]
            }
            Op::DeleteSet {
                set,
                resource_version,
            } => vec![Request::Delete {
                kind: Kind::Set,
                key: key(set),
                version: resource_version.clone(),
            }],
            Op::Serve {
                instance,
                on,
                resource_version,
            } => {
                let since = match on {
                    true => Value::Null,
                    false => json!(self.now),
                };
                let patch = json!({"metadata": {
                    "labels": {SERVE_LABEL: on.to_string()}, "annotations": {WITHDRAWN: since}}});
                vec![self.patch(Kind::Pod, key(instance), resource_version, patch)]
            }
            Op::DeletionCost {
                instance,
                cost,
                resource_version,
            } => {
                let patch = json!({"metadata": {"annotations": {DELETION_COST: cost.to_string()}}});
                vec![self.patch(Kind::Pod, key(instance), resource_version, patch)]
            }
            Op::DeleteInstance {
                instance,
                resource_version,
                ..
            } => vec![Request::Delete {
                kind: Kind::Pod,
                key: key(instance),
                version: resource_version.clone(),
            }],
            Op::SetPdb {
                min_available,
                resource_version,
            } => self.pdb(*min_available, resource_version.as_deref()),
        }
    }

    fn fence(&self) -> Vec<Request> {
        let key = Key::new(FENCE.0, FENCE.1);
        let epoch = self.epoch.to_string();
        if let Some(version) = self.fence {
            let patch = json!({"data": {"epoch": epoch}});
            return vec![self.patch(Kind::Fence, key, version, patch)];
        }
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"namespace": FENCE.0, "name": FENCE.1, "annotations": {EPOCH: epoch}},
            "data": {"epoch": epoch},
        });
        let create = Request::Create {
            kind: Kind::Fence,
            key,
            object,
        };
        vec![namespace(FENCE.0), create]
    }

    fn pdb(&self, min_available: u32, version: Option<&str>) -> Vec<Request> {
        if let Some(version) = version {
            let patch = json!({"spec": {"minAvailable": min_available, "maxUnavailable": null}});
            return vec![self.patch(Kind::Pdb, self.app.clone(), version, patch)];
        }
        let object = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {
                "namespace": self.app.namespace, "name": self.app.name,
                "labels": {APP_LABEL: self.app.name},
                "annotations": {EPOCH: self.epoch.to_string()},
            },
            "spec": {
                "minAvailable": min_available,
                "selector": {"matchLabels": {APP_LABEL: self.app.name, SERVE_LABEL: "true"}},
                // Instances that are drained or broken may always be evicted.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        });
        let create = Request::Create {
            kind: Kind::Pdb,
            key: self.app.clone(),
            object,
        };
        vec![namespace(&self.app.namespace), create]
    }

    /// A patch with its precondition and the epoch.
    pub(crate) fn patch(&self, kind: Kind, key: Key, version: &str, mut patch: Value) -> Request {
        let meta = &mut patch["metadata"];
        meta["resourceVersion"] = json!(version);
        meta["annotations"][EPOCH] = json!(self.epoch.to_string());
        Request::Patch { kind, key, patch }
    }

    fn set(&self, key: &Key, revision: &str, replicas: u32, material: &Material) -> Value {
        let app = &self.app.name;
        let labels =
            json!({APP_LABEL: app, REVISION_LABEL: revision, GROUP_LABEL: material.group.name});
        let mut template = material.recipe.pod_template.clone();
        if !template.is_object() {
            template = json!({});
        }
        merge(
            &mut template["metadata"]["labels"],
            &[&labels, &json!({SERVE_LABEL: "true"})],
        );
        let spec = &mut template["spec"];
        let gate = json!({"conditionType": IN_SERVICE});
        match spec["readinessGates"].as_array_mut() {
            Some(gates) if gates.contains(&gate) => {}
            Some(gates) => gates.push(gate),
            None => spec["readinessGates"] = json!([gate]),
        }
        merge(
            &mut spec["nodeSelector"],
            &[&json!(material.group.node_selector)],
        );
        // What the template says holds here too.
        if spec["topologySpreadConstraints"].is_null() {
            spec["topologySpreadConstraints"] = apart(material.spread, &labels);
        }
        let first = spec["containers"]
            .as_array_mut()
            .and_then(|c| c.first_mut());
        if let Some(container) = first {
            let requests = &mut container["resources"]["requests"];
            if requests.is_null() {
                *requests = json!({
                    "cpu": format!("{}m", material.resources.cpu_millis),
                    "memory": material.resources.memory_bytes.to_string(),
                });
            }
        }
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "namespace": key.namespace, "name": key.name, "labels": labels,
                "annotations": {
                    EPOCH: self.epoch.to_string(),
                    "platform.flatnet.io/digest": material.recipe.digest,
                },
            },
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        })
    }
}

/// How the scheduler keeps pods with those labels apart, where there is a choice.
fn apart(spread: Spread, labels: &Value) -> Value {
    let keys: &[&str] = match spread {
        Spread::Switch => &[SWITCH, HOST],
        Spread::Host => &[HOST],
        Spread::Pack => return Value::Null,
    };
    let constraint = |key: &&str| {
        json!({
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        })
    };
    keys.iter().map(constraint).collect()
}

/// The name of an application's ReplicaSet.
pub fn set_name(app: &str, revision: &str, group: &str) -> String {
    format!("{app}-{revision}-{group}")
}

pub(crate) fn namespace(name: &str) -> Request {
    Request::Create {
        kind: Kind::Namespace,
        key: Key::new("", name),
        object: json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
    }
}

fn merge(into: &mut Value, more: &[&Value]) {
    if !into.is_object() {
        *into = json!({});
    }
    for fields in more.iter().filter_map(|m| m.as_object()) {
        for (name, value) in fields {
            into[name] = value.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(op: &Op, material: Option<&Material>, fence: Option<&str>) -> Vec<Request> {
        let app = Key::new("shop", "web");
        let writer = Writer {
            app: &app,
            epoch: 7,
            now: Moment::from_millis(1000),
            fence,
        };
        writer.requests(op, material)
    }

    #[test]
    fn every_patch_bears_version_and_epoch() {
        let serve = Op::Serve {
            instance: "p".to_owned(),
            on: false,
            resource_version: "41".to_owned(),
        };
        let wanted = json!({"metadata": {"resourceVersion": "41", "labels": {SERVE_LABEL: "false"},
            "annotations": {WITHDRAWN: "1970-01-01T00:00:01Z", EPOCH: "7"}}});
        let patch = Request::Patch {
            kind: Kind::Pod,
            key: Key::new("shop", "p"),
            patch: wanted,
        };
        assert_eq!(requests(&serve, None, None), [patch]);
        let lower = Op::LowerSet {
            set: "s".to_owned(),
            replicas: 2,
            resource_version: "5".to_owned(),
        };
        let wanted = json!({"metadata": {"resourceVersion": "5", "annotations": {EPOCH: "7"}}, "spec": {"replicas": 2}});
        let [Request::Patch { patch, .. }] = &requests(&lower, None, None)[..] else {
            panic!("one patch");
        };
        assert_eq!(*patch, wanted);
    }

    #[test]
    fn a_fence_is_made_once_and_then_written_over_the_version_that_was_seen() {
        let made = requests(&Op::Fence, None, None);
        assert!(matches!(
            made[..],
            [
                Request::Create {
                    kind: Kind::Namespace,
                    ..
                },
                Request::Create {
                    kind: Kind::Fence,
                    ..
                }
            ]
        ));
        let [Request::Patch { patch, .. }] = &requests(&Op::Fence, None, Some("9"))[..] else {
            panic!("one patch");
        };
        assert_eq!(patch["metadata"]["resourceVersion"], "9");
        assert_eq!(patch["data"]["epoch"], "7");
    }

    #[test]
    fn a_replicasets_pods_wish_to_serve_and_wait_for_netd() {
        let material = Material {
            recipe: Recipe {
                digest: "sha256:1".to_owned(),
                pod_template: json!({"metadata": {"labels": {"own": "x"}}, "spec": {"containers": [{"name": "a"}]}}),
            },
            group: NodeGroup {
                name: "mixed".to_owned(),
                node_selector: [("pool".to_owned(), "mixed".to_owned())].into(),
                exclusive_for: None,
            },
            resources: Resources {
                cpu_millis: 50,
                memory_bytes: 1024,
            },
            spread: Spread::Switch,
        };
        let create = Op::CreateSet {
            revision: "r1".to_owned(),
            group: "mixed".to_owned(),
            replicas: 3,
        };
        assert_eq!(requests(&create, None, None), []);
        let made = requests(&create, Some(&material), None);
        let [_, Request::Create { key, object, .. }] = &made[..] else {
            panic!("a namespace and a ReplicaSet");
        };
        assert_eq!(key.name, "web-r1-mixed");
        let pod = &object["spec"]["template"];
        assert_eq!(pod["metadata"]["labels"][SERVE_LABEL], "true");
        assert_eq!(pod["metadata"]["labels"]["own"], "x");
        assert_eq!(
            pod["spec"]["readinessGates"],
            json!([{"conditionType": IN_SERVICE}])
        );
        assert_eq!(pod["spec"]["nodeSelector"], json!({"pool": "mixed"}));
        assert_eq!(
            pod["spec"]["containers"][0]["resources"]["requests"]["cpu"],
            "50m"
        );
        let apart = &pod["spec"]["topologySpreadConstraints"];
        assert_eq!(apart[0]["topologyKey"], "flatnet.io/switch");
        assert_eq!(
            apart[1]["labelSelector"]["matchLabels"],
            object["spec"]["selector"]["matchLabels"]
        );
        // The wish is no part of the selector: a drained pod stays its ReplicaSet's.
        assert!(object["spec"]["selector"]["matchLabels"][SERVE_LABEL].is_null());
    }
}
