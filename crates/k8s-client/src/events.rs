//! Events at pods.

use flatnet_k8s_api::pod_event::{self, PodEvent};
use flatnet_types::Timestamp;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};

use crate::{Cluster, ClusterError, NODE_MANAGER};

impl Cluster {
    /// Makes an event at a pod. `node`: whose netd says so.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn create_pod_event(&self, event: &PodEvent, node: &str) -> Result<(), ClusterError> {
        let object = pod_event::object(&event.to_api(node)).map_err(kube::Error::SerdeError);
        let params = PostParams {
            field_manager: Some(NODE_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let api = self.events(&event.pod.namespace);
        let made = match object {
            Ok(object) => api.create(&params, &object).await.map(drop),
            Err(e) => Err(e),
        };
        made.map_err(|e| self.error("make the event", &event.name, e))
    }

    /// Says that an event happened again: `count` times in all.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn repeat_pod_event(
        &self,
        (namespace, name): (&str, &str),
        count: u32,
        at: Timestamp,
    ) -> Result<(), ClusterError> {
        let params = PatchParams {
            field_manager: Some(NODE_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(pod_event::again(count, at));
        let patched = self.events(namespace).patch(name, &params, &patch).await;
        patched
            .map(drop)
            .map_err(|e| self.error("repeat the event", name, e))
    }

    pub(crate) fn events(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &pod_event::resource())
    }
}
