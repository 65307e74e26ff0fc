//! NetworkPolicies of all namespaces, and what is said at them.

use flatnet_k8s_api::network_policy::{self, NetworkPolicy};
use flatnet_k8s_api::pod_event;
use flatnet_types::Timestamp;
use kube::api::PostParams;
use tokio::sync::mpsc::Sender;

use crate::watch::{Raw, Selection, Target};
use crate::{Cluster, ClusterError, STATUS_MANAGER};

/// `Conflict`: there is one of that name.
const CONFLICT: u16 = 409;

/// What is told of NetworkPolicies.
#[derive(Debug)]
pub enum PolicyEvent {
    /// All that there are.
    Listed(Vec<NetworkPolicy>),
    /// One that is new or changed.
    Applied(NetworkPolicy),
    /// One that is gone.
    Deleted(NetworkPolicy),
    /// The server gives no answer, or refuses. It is asked again until it does.
    Away(ClusterError),
}

impl Cluster {
    /// Lists NetworkPolicies and watches them, until nobody receives the events any more. Cancel safe.
    pub async fn follow_policies(&self, events: &Sender<PolicyEvent>) {
        self.follow_as(&Target {
            selection: Selection {
                resource: network_policy::resource(),
                name: None,
                labels: None,
            },
            kind: (),
            events,
            form: of_policy,
        })
        .await;
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

fn of_policy((): (), raw: Raw) -> PolicyEvent {
    let policy = NetworkPolicy::of_api;
    match raw {
        Raw::Listed(all) => PolicyEvent::Listed(all.iter().map(policy).collect()),
        Raw::Applied(one) => PolicyEvent::Applied(policy(&one)),
        Raw::Deleted(one) => PolicyEvent::Deleted(policy(&one)),
        Raw::Away(error) => PolicyEvent::Away(error),
    }
}
