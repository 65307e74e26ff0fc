//! What the cluster's Services claim, as it is known. Pure.

use std::collections::BTreeMap;

use flatnet_k8s_api::service::{Claims, ServiceKind};
use flatnet_k8s_client::ServiceEvent;
use flatnet_plan::services::Claim;

/// The claims of each kind. A kind that the API server told once stays as it was told while the server is
/// away: what is served is not taken away because nobody can ask.
#[derive(Debug, Default)]
pub(super) struct Gathered(BTreeMap<ServiceKind, BTreeMap<String, Claims>>);

impl Gathered {
    /// Takes an event; whether anything else is claimed now. Objects that claim nothing are not held: most
    /// Services have a ClusterIP only.
    pub(super) fn take(&mut self, event: ServiceEvent) -> bool {
        let of_key = |claims: Claims| (claims.key.clone(), claims);
        match event {
            ServiceEvent::Listed(kind, all) => {
                let all = all.into_iter().filter(|c| !c.prefixes.is_empty());
                let all: BTreeMap<_, _> = all.map(of_key).collect();
                self.0.insert(kind, all.clone()) != Some(all)
            }
            ServiceEvent::Applied(kind, claims) => {
                let known = self.0.entry(kind).or_default();
                if claims.prefixes.is_empty() {
                    return known.remove(&claims.key).is_some();
                }
                known.insert(claims.key.clone(), claims.clone()) != Some(claims)
            }
            ServiceEvent::Deleted(kind, key) => {
                let known = self.0.get_mut(&kind);
                known.is_some_and(|all| all.remove(&key).is_some())
            }
            ServiceEvent::Away(..) => false,
        }
    }

    /// All claims: those of ServiceCIDRs first, then those of the oldest Services. `None` until both kinds
    /// were told.
    pub(super) fn claims(&self) -> Option<Vec<Claim>> {
        let mut all = Vec::new();
        for kind in ServiceKind::ALL {
            let mut of_kind: Vec<&Claims> = self.0.get(&kind)?.values().collect();
            of_kind.sort_by_key(|c| (c.created, &c.key));
            all.extend(of_kind.into_iter().flat_map(|c| c.named(kind)));
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(key: &str, created: i64, prefixes: &[&str]) -> Claims {
        let prefixes = prefixes.iter().map(|p| p.parse().expect("a prefix"));
        Claims {
            key: key.to_owned(),
            created,
            prefixes: prefixes.collect(),
        }
    }

    fn of(gathered: &Gathered) -> Vec<String> {
        let all = gathered.claims().expect("known");
        all.into_iter().map(|c| c.of).collect()
    }

    #[test]
    fn nothing_is_claimed_until_both_kinds_are_known_and_what_is_known_outlives_the_server() {
        let mut gathered = Gathered::default();
        let (cidr, service) = (ServiceKind::ServiceCidr, ServiceKind::Service);
        let web = claims("shop/web", 20, &["203.0.113.1/32"]);
        assert!(gathered.take(ServiceEvent::Listed(service, vec![web.clone()])));
        assert_eq!(gathered.claims(), None);
        let all = claims("kubernetes", 90, &["10.96.0.0/16"]);
        assert!(gathered.take(ServiceEvent::Listed(cidr, vec![all])));
        assert_eq!(
            of(&gathered),
            ["ServiceCIDR kubernetes", "Service shop/web"]
        );
        // An older one is served before.
        let old = claims("shop/zoo", 10, &["203.0.113.2/32"]);
        assert!(gathered.take(ServiceEvent::Applied(service, old.clone())));
        assert_eq!(of(&gathered)[1], "Service shop/zoo");
        let away = flatnet_k8s_client::ClusterError::Forbidden {
            doing: "list",
            what: "services".to_owned(),
            server: "s".to_owned(),
            said: "no".to_owned(),
        };
        assert!(!gathered.take(ServiceEvent::Away(service, away)));
        assert_eq!(of(&gathered).len(), 3);
        // What is as it was is no change, also where all is told again.
        assert!(!gathered.take(ServiceEvent::Applied(service, old.clone())));
        assert!(!gathered.take(ServiceEvent::Listed(service, vec![old, web])));
    }

    #[test]
    fn a_service_that_claims_nothing_is_not_held() {
        let mut gathered = Gathered::default();
        let (cidr, service) = (ServiceKind::ServiceCidr, ServiceKind::Service);
        gathered.take(ServiceEvent::Listed(cidr, Vec::new()));
        gathered.take(ServiceEvent::Listed(service, Vec::new()));
        assert!(!gathered.take(ServiceEvent::Applied(service, claims("a/b", 1, &[]))));
        assert!(gathered.take(ServiceEvent::Applied(
            service,
            claims("a/b", 1, &["203.0.113.1/32"])
        )));
        assert!(gathered.take(ServiceEvent::Applied(service, claims("a/b", 1, &[]))));
        assert!(!gathered.take(ServiceEvent::Deleted(service, "a/b".to_owned())));
        assert_eq!(gathered.claims(), Some(Vec::new()));
    }
}
