//! A node of Kubernetes, as far as its own netd may write it.

use flatnet_k8s_api::own_node::NodePatch;
use kube::api::{ApiResource, Patch, PatchParams};
use serde_json::Value;

use crate::{Cluster, ClusterError, NODE_MANAGER};

impl Cluster {
    /// Applies a patch to a Node of Kubernetes; the whole object, as it is then. `None` where there is no such
    /// Node.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn patch_kubernetes_node(
        &self,
        name: &str,
        patch: &NodePatch,
    ) -> Result<Option<Value>, ClusterError> {
        let api = self.resource(&ApiResource {
            group: String::new(),
            version: "v1".to_owned(),
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            plural: "nodes".to_owned(),
        });
        let params = PatchParams {
            field_manager: Some(NODE_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = match patch {
            NodePatch::Status(patch) => {
                let patch = Patch::Strategic(patch);
                api.patch_status(name, &params, &patch).await
            }
            NodePatch::Spec(patch) => api.patch(name, &params, &Patch::Strategic(patch)).await,
        };
        match patched {
            Ok(node) => Ok(Some(serde_json::to_value(&node).unwrap_or_default())),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(e) => Err(self.error("patch the Node", name, e)),
        }
    }
}
