//! What of a pod with the gate matters.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kube::api::DynamicObject;

use super::{IN_SERVICE, SERVE_LABEL};

/// A pod that has the readiness gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatedPod {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it has a deletionTimestamp.
    pub deleting: bool,
    /// Whether its condition ContainersReady is True.
    pub containers_ready: bool,
    /// The addresses of its status.
    pub addresses: Vec<IpAddr>,
    /// The condition as it is.
    pub shown: Option<Shown>,
}

/// A condition as a pod has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Whether its status is True.
    pub is_true: bool,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
}

impl GatedPod {
    /// The pod of the API; `None` where it does not have the gate.
    pub fn of_api(object: &DynamicObject) -> Option<Self> {
        let gates = object.data["spec"]["readinessGates"].as_array()?;
        gates.iter().find(|g| g["conditionType"] == IN_SERVICE)?;
        let (metadata, status) = (&object.metadata, &object.data["status"]);
        let condition = |type_: &str| {
            let all = status["conditions"].as_array()?;
            all.iter().find(|c| c["type"] == type_)
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let addresses = status["podIPs"].as_array().into_iter().flatten();
        Some(Self {
            namespace: metadata.namespace.clone()?,
            name: metadata.name.clone()?,
            uid: metadata.uid.clone()?,
            version: metadata.resource_version.clone()?,
            labels: metadata.labels.clone().unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            containers_ready: condition("ContainersReady").is_some_and(|c| c["status"] == "True"),
            addresses: addresses
                .filter_map(|ip| ip["ip"].as_str()?.parse().ok())
                .collect(),
            shown: condition(IN_SERVICE).map(|c| Shown {
                is_true: c["status"] == "True",
                reason: text(&c["reason"]),
                message: text(&c["message"]),
            }),
        })
    }

    /// Whether it is wished to be in service.
    pub fn wished(&self) -> bool {
        self.labels.get(SERVE_LABEL).is_some_and(|v| v == "true")
    }

    /// Whether its condition is True.
    pub fn in_service(&self) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.is_true)
    }
}
