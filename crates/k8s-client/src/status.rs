//! The status of the plan's head.

use flatnet_k8s_api::status::NetworkPlanStatus;
use flatnet_k8s_api::{GROUP, Kind, VERSION};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{Cluster, ClusterError};

/// The field manager of what a daemon says of the objects.
pub const STATUS_MANAGER: &str = "flatnet-ipamd";

impl Cluster {
    /// The plan's heads, of which there is to be one: their names, and what was said of them last. A status
    /// that this version does not understand counts as none.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn plan_statuses(&self) -> Result<Vec<(String, NetworkPlanStatus)>, ClusterError> {
        let (heads, _) = self.list_kind(Kind::NetworkPlan).await?;
        let status = |data: &serde_json::Value| {
            let status = data.get("status").cloned().unwrap_or_default();
            serde_json::from_value(status).unwrap_or_default()
        };
        let heads = heads.into_iter();
        Ok(heads
            .map(|head| (head.metadata.name.unwrap_or_default(), status(&head.data)))
            .collect())
    }

    /// Applies the status of a plan's head, server-side, as [`STATUS_MANAGER`]. The fields are the daemon's
    /// alone: those that somebody else wrote are taken over.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn apply_plan_status(
        &self,
        name: &str,
        status: &NetworkPlanStatus,
    ) -> Result<(), ClusterError> {
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": Kind::NetworkPlan.as_str(),
            "metadata": {"name": name},
            "status": status,
        });
        let params = PatchParams::apply(STATUS_MANAGER).force();
        let api = self.api(Kind::NetworkPlan);
        match api.patch_status(name, &params, &Patch::Apply(patch)).await {
            Ok(_) => Ok(()),
            Err(e) => Err(self.error("apply the status of", name, e)),
        }
    }
}
