//! The addresses that a cluster's Services are reached at, of Kubernetes' own objects.
//!
//! What kube-proxy does not serve is left out: Services without a ClusterIP, those of another proxy
//! (`service.kubernetes.io/service-proxy-name`), and load balancers that want to see the traffic themselves
//! (`ipMode: Proxy`).

use std::net::IpAddr;

use flatnet_plan::services::Claim;
use ipnetwork::IpNetwork;
use kube::api::{ApiResource, DynamicObject};
use serde_json::Value;

/// The label of a Service that another proxy serves.
const OTHER_PROXY: &str = "service.kubernetes.io/service-proxy-name";

/// Kubernetes' own kinds that say at which addresses Services are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKind {
    /// `networking.k8s.io/v1`: where ClusterIPs come from.
    ServiceCidr,
    /// `v1`.
    Service,
}

impl ServiceKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ServiceCidr, Self::Service];

    /// As `kind` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceCidr => "ServiceCIDR",
            Self::Service => "Service",
        }
    }

    /// For a client of the API.
    pub fn resource(self) -> ApiResource {
        let (group, plural) = match self {
            Self::ServiceCidr => ("networking.k8s.io", "servicecidrs"),
            Self::Service => ("", "services"),
        };
        let version = "v1".to_owned();
        let api_version = match group {
            "" => version.clone(),
            group => format!("{group}/{version}"),
        };
        ApiResource {
            group: group.to_owned(),
            version,
            api_version,
            kind: self.as_str().to_owned(),
            plural: plural.to_owned(),
        }
    }
}

/// What an object claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `NAMESPACE/NAME`, or the name of what has no namespace.
    pub key: String,
    /// When it was made, in seconds since 1970: who was first is served first.
    pub created: i64,
    /// The addresses.
    pub prefixes: Vec<IpNetwork>,
}

impl Claims {
    /// Of an object of the API.
    pub fn of_api(kind: ServiceKind, object: &DynamicObject) -> Self {
        let created = object.metadata.creation_timestamp.as_ref();
        Self {
            key: key(object),
            created: created.map_or(0, |at| at.0.as_second()),
            prefixes: match kind {
                ServiceKind::ServiceCidr => strings(&object.data["spec"]["cidrs"])
                    .filter_map(|text| text.parse().ok())
                    .collect(),
                ServiceKind::Service => of_service(object),
            },
        }
    }

    /// Each address, with whose it is.
    pub fn named(&self, kind: ServiceKind) -> impl Iterator<Item = Claim> {
        self.prefixes.iter().map(move |prefix| Claim {
            prefix: *prefix,
            of: format!("{} {}", kind.as_str(), self.key),
        })
    }
}

/// The key of an object.
pub fn key(object: &DynamicObject) -> String {
    let name = object.metadata.name.clone().unwrap_or_default();
    match &object.metadata.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name,
    }
}

fn of_service(object: &DynamicObject) -> Vec<IpNetwork> {
    let spec = &object.data["spec"];
    let has_cluster_ip = !matches!(spec["clusterIP"].as_str(), None | Some("" | "None"));
    let labels = object.metadata.labels.as_ref();
    let other_proxy = labels.is_some_and(|l| l.contains_key(OTHER_PROXY));
    if !has_cluster_ip || other_proxy || spec["type"] == "ExternalName" {
        return Vec::new();
    }
    let mut found: Vec<IpNetwork> = strings(&spec["externalIPs"]).filter_map(one).collect();
    if spec["type"] == "LoadBalancer" {
        let ingress = object.data["status"]["loadBalancer"]["ingress"].as_array();
        let vips = ingress
            .into_iter()
            .flatten()
            .filter(|i| i["ipMode"] != "Proxy");
        found.extend(vips.filter_map(|i| one(i["ip"].as_str()?)));
    }
    found
}

/// One address as a prefix.
fn one(text: &str) -> Option<IpNetwork> {
    text.parse::<IpAddr>().ok().map(IpNetwork::from)
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(spec: &Value, ingress: &Value) -> DynamicObject {
        let object = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": "shop", "name": "web", "creationTimestamp": "2026-01-01T00:00:10Z"},
            "spec": spec,
            "status": {"loadBalancer": {"ingress": ingress}},
        });
        serde_json::from_value(object).expect("an object")
    }

    fn claimed(object: &DynamicObject) -> Vec<String> {
        let claims = Claims::of_api(ServiceKind::Service, object);
        claims.prefixes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_service_claims_its_external_ips_and_the_addresses_that_a_load_balancer_leaves_to_kube_proxy()
     {
        let ingress = json!([{"ip": "203.0.113.7"}, {"ip": "203.0.113.8", "ipMode": "VIP"},
            {"ip": "203.0.113.9", "ipMode": "Proxy"}, {"hostname": "lb.example"}]);
        let spec = json!({"type": "LoadBalancer", "clusterIP": "10.96.0.5", "externalIPs": ["203.0.113.1", "fd77::1"]});
        let object = service(&spec, &ingress);
        let wanted = [
            "203.0.113.1/32",
            "fd77::1/128",
            "203.0.113.7/32",
            "203.0.113.8/32",
        ];
        assert_eq!(claimed(&object), wanted);
        let claims = Claims::of_api(ServiceKind::Service, &object);
        let first = claims.named(ServiceKind::Service).next().expect("a claim");
        assert_eq!(first.of, "Service shop/web");
        // A status that is left of another type.
        let spec = json!({"type": "ClusterIP", "clusterIP": "10.96.0.5"});
        assert!(claimed(&service(&spec, &ingress)).is_empty());
    }

    #[test]
    fn what_kube_proxy_does_not_serve_claims_nothing() {
        for spec in [
            json!({"type": "ClusterIP", "clusterIP": "None", "externalIPs": ["203.0.113.1"]}),
            json!({"type": "ExternalName", "externalName": "a", "externalIPs": ["203.0.113.1"]}),
        ] {
            assert!(claimed(&service(&spec, &json!([]))).is_empty());
        }
        let spec =
            json!({"type": "ClusterIP", "clusterIP": "10.96.0.5", "externalIPs": ["203.0.113.1"]});
        let mut other = service(&spec, &json!([]));
        other.metadata.labels = Some([(OTHER_PROXY.to_owned(), "mine".to_owned())].into());
        assert!(claimed(&other).is_empty());
    }

    #[test]
    fn a_service_cidr_claims_both_families() {
        let object = json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
            "metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/16", "fd10:96::/112"]}});
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let claims = Claims::of_api(ServiceKind::ServiceCidr, &object);
        let all: Vec<_> = claims.named(ServiceKind::ServiceCidr).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].of, "ServiceCIDR kubernetes");
        assert_eq!(all[1].prefix.to_string(), "fd10:96::/112");
    }
}
