//! Pods of one node that have the readiness gate `flatnet.io/in-service`.

use flatnet_k8s_api::in_service::GatedPod;
use kube::api::{Api, ApiResource, Patch, PatchParams};
use serde_json::Value;
use tokio::sync::mpsc::Sender;

use crate::listing::{Followed, Told, formed};
use crate::{Cluster, ClusterError, NODE_MANAGER};

/// What a write of a pod's status came to.
#[derive(Debug)]
pub enum PodWritten {
    /// Done: the pod as it is now.
    Done(Box<GatedPod>),
    /// The pod is gone, or somebody has changed it since it was seen.
    Stale,
}

impl Cluster {
    /// Lists and watches the pods of a node, until nobody receives the events any more. Only those with the gate
    /// are told. Cancel safe.
    pub async fn follow_gated_pods(&self, node: &str, events: &Sender<Told<GatedPod>>) {
        let followed = Followed {
            api: Api::all_with(self.client.clone(), &pods()),
            what: "pods".to_owned(),
            fields: Some(format!("spec.nodeName={node}")),
            labels: None,
        };
        self.tell(&followed, |told| formed(told, GatedPod::of_api), events)
            .await;
    }

    /// Applies a strategic merge patch to the status of the pod.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn patch_gated_pod(
        &self,
        pod: &GatedPod,
        patch: &Value,
    ) -> Result<PodWritten, ClusterError> {
        let params = PatchParams {
            field_manager: Some(NODE_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = Api::<kube::api::DynamicObject>::namespaced_with(
            self.client.clone(),
            &pod.namespace,
            &pods(),
        );
        let patch = Patch::Strategic(patch);
        match api.patch_status(&pod.name, &params, &patch).await {
            Ok(now) => {
                let now = GatedPod::of_api(&now);
                Ok(now.map_or(PodWritten::Stale, |pod| PodWritten::Done(Box::new(pod))))
            }
            Err(kube::Error::Api(s)) if matches!(s.code, 404 | 409) => Ok(PodWritten::Stale),
            Err(e) => {
                let what = format!("{}/{}", pod.namespace, pod.name);
                Err(self.error("patch the status of pod", &what, e))
            }
        }
    }
}

fn pods() -> ApiResource {
    ApiResource {
        group: String::new(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        plural: "pods".to_owned(),
    }
}
