//! EndpointSlices of a namespace.

use flatnet_k8s_api::in_service::Slice;
use kube::api::{Api, ApiResource};
use tokio::sync::mpsc::Sender;

use crate::Cluster;
use crate::listing::{Followed, Told, formed};

impl Cluster {
    /// Lists and watches the EndpointSlices of a namespace, until nobody receives the events any more. Each event comes
    /// with the namespace. Cancel safe.
    pub async fn follow_slices(&self, namespace: &str, events: &Sender<(String, Told<Slice>)>) {
        let resource = ApiResource {
            group: "discovery.k8s.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "discovery.k8s.io/v1".to_owned(),
            kind: "EndpointSlice".to_owned(),
            plural: "endpointslices".to_owned(),
        };
        let followed = Followed {
            api: Api::namespaced_with(self.client.clone(), namespace, &resource),
            what: format!("endpointslices of {namespace}"),
            fields: None,
            labels: None,
        };
        let form = |told| {
            let told = formed(told, Slice::of_api)?;
            Some((namespace.to_owned(), told))
        };
        self.tell(&followed, form, events).await;
    }
}
