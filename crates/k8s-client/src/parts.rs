//! What ipamd writes for nodes, and what nodes say.

use flatnet_k8s_api::status::NodeNetworkStatus;
use flatnet_k8s_api::{GROUP, Kind, Object, VERSION};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::status::STATUS_MANAGER;
use crate::{Cluster, ClusterError, Listed, Write, listed};

/// The field manager of what a node's netd says.
pub const NODE_MANAGER: &str = "flatnet-netd";

impl Cluster {
    /// Makes an object that is for nodes what it is to be, whoever changed it. Fields that somebody else
    /// added go too.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn apply_part(&self, object: &Object) -> Result<(), ClusterError> {
        let (api, name) = (self.api(object.kind), object.name.as_str());
        let error = |e| self.error("apply", &object.reference(), e);
        let mut params = PatchParams::apply(STATUS_MANAGER).force();
        params.field_validation = Some(kube::api::ValidationDirective::Strict);
        let patch = Patch::Apply(object.to_api());
        let mut applied = api.patch(name, &params, &patch).await.map_err(error)?;
        if Object::of_api(object.kind, &applied).spec == object.spec {
            return Ok(());
        }
        // A field that another manager added is not in the patch, and stays: the object is replaced.
        applied.data["spec"] = Value::Object(object.spec.clone());
        let params = PostParams {
            field_manager: Some(STATUS_MANAGER.to_owned()),
            ..PostParams::default()
        };
        api.replace(name, &params, &applied).await.map_err(error)?;
        Ok(())
    }

    /// Deletes an object that is for nodes, if it is one of ipamd's.
    ///
    /// # Errors
    /// [`ClusterError`]; none where it is gone already.
    pub async fn delete_part(&self, kind: Kind, name: &str) -> Result<(), ClusterError> {
        let found = self.api(kind).get_opt(name).await;
        let found =
            found.map_err(|e| self.error("get", &format!("{}/{name}", kind.as_str()), e))?;
        let found: Option<Listed> = found.map(|object| listed(kind, &object));
        match found.filter(|l| l.object.plan.is_some()) {
            Some(own) => self.delete(&own, Write::default()).await,
            None => Ok(()),
        }
    }

    /// Applies the status of a node's `NodeNetwork`, as [`NODE_MANAGER`]. The fields are netd's alone: those
    /// that somebody else wrote are taken over.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn apply_node_status(
        &self,
        name: &str,
        status: &NodeNetworkStatus,
    ) -> Result<(), ClusterError> {
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": Kind::NodeNetwork.as_str(),
            "metadata": {"name": name},
            "status": status,
        });
        let params = PatchParams::apply(NODE_MANAGER).force();
        let api = self.api(Kind::NodeNetwork);
        match api.patch_status(name, &params, &Patch::Apply(patch)).await {
            Ok(_) => Ok(()),
            Err(e) => Err(self.error("apply the status of NodeNetwork", name, e)),
        }
    }
}
