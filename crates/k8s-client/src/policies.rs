//! NetworkPolicies of all namespaces, and what is said at them.

use flatnet_k8s_api::network_policy::{self, NetworkPolicy};
use flatnet_k8s_api::pod_event;
use flatnet_types::Timestamp;
use kube::api::PostParams;
use tokio::sync::mpsc::Sender;

use crate::listing::{Followed, Told, formed};
use crate::{Cluster, ClusterError, STATUS_MANAGER};

/// `Conflict`: there is one of that name.
const CONFLICT: u16 = 409;

impl Cluster {
    /// Lists NetworkPolicies and watches them, until nobody receives the events any more. Cancel safe.
    pub async fn follow_policies(&self, events: &Sender<Told<NetworkPolicy>>) {
        let resource = network_policy::resource();
        let followed = Followed {
            api: self.resource(&resource),
            what: resource.plural,
            fields: None,
            labels: None,
        };
        let form = |told| formed(told, |object| Some(NetworkPolicy::of_api(object)));
        self.tell(&followed, form, events).await;
    }

    /// Says at a policy that it is not enforced; nothing where that was said.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn create_policy_event(
        &self,
        policy: &NetworkPolicy,
        at: Timestamp,
    ) -> Result<(), ClusterError> {
        let params = PostParams {
            field_manager: Some(STATUS_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let made = match pod_event::object(&policy.event(at)) {
            Ok(object) => {
                let api = self.events(&policy.namespace);
                api.create(&params, &object).await.map(drop)
            }
            Err(e) => Err(kube::Error::SerdeError(e)),
        };
        match made {
            Err(kube::Error::Api(status)) if status.code == CONFLICT => Ok(()),
            made => made.map_err(|e| self.error("make the event at", &policy.key(), e)),
        }
    }
}
