//! Which addresses of a cluster's Services the hosts serve: what the cluster claims, less what the plan has
//! another use for. Pure.
//!
//! ```text
//!   ServiceCIDRs, externalIPs, load balancers' addresses ─▶ [Claim] ─┐
//!                                    plan: who has which addresses ──┴─▶ [accepted] ─▶ prefixes, refusals
//!   the plan's own servicePrefixes ─────────────────────── [union] ◀──────┘
//! ```
//!
//! kube-proxy translates on every host, so that traffic to such an address is given to the container's own
//! host. An address that a machine or a container of the plan has would be cut off by that, whoever claimed
//! it: such claims are refused, and named.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Input, aggregate};
use crate::check::special;
use crate::model::{NetworkPlan, SiteType, formats, prefixes};
use crate::prefix::{covers, overlap};

/// The most claims that are accepted: each is up to twenty flows on every node.
pub const MOST: usize = 1024;
/// The most refusals that are listed; the others are counted.
const MOST_REFUSED: usize = 100;

/// Addresses that something in the cluster is to be reached at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The addresses.
    pub prefix: IpNetwork,
    /// Whose they are, for people: `Service default/web`.
    pub of: String,
}

/// What hosts serve for a cluster's Services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceAddresses {
    /// Prefixes whose traffic goes to the host, beside the plan's `servicePrefixes`. They overlap nothing of
    /// the plan, and cover exactly what is claimed.
    #[serde(default, deserialize_with = "prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub prefixes: Vec<IpNetwork>,
    /// How many claims are refused.
    #[serde(default)]
    pub refused_count: u32,
    /// Claims that are refused, and why; the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedClaim>,
}

/// A claim that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RefusedClaim {
    /// The addresses, as a prefix.
    pub prefix: String,
    /// Whose they are: kind, namespace and name.
    pub of: String,
    /// Why they are not served by every host.
    pub why: String,
}

/// Addresses that are something else in the plan.
struct Use {
    prefix: IpNetwork,
    what: String,
}

/// What is served of `claims`, in whose order they count where there are too many.
///
/// Guarantees: depends on nothing but its arguments; every claim is either covered by the prefixes or refused;
/// a plan that is valid stays so with [`union`] of its own service prefixes and these.
pub fn accepted(plan: &NetworkPlan, claims: &[Claim]) -> ServiceAddresses {
    let uses = uses(plan);
    let cloud = plan.spec.sites.iter().any(|s| s.site_type == SiteType::Vpc);
    let mut kept: BTreeSet<IpNetwork> = BTreeSet::new();
    let mut found = ServiceAddresses::default();
    for claim in claims {
        let prefix = masked(claim.prefix);
        if kept.contains(&prefix) {
            continue;
        }
        let why = refusal(prefix, &uses, cloud).or_else(|| {
            (kept.len() >= MOST)
                .then(|| format!("there are {MOST} before it, and no more are served"))
        });
        let Some(why) = why else {
            kept.insert(prefix);
            continue;
        };
        found.refused_count = found.refused_count.saturating_add(1);
        if found.refused.len() < MOST_REFUSED {
            found.refused.push(RefusedClaim {
                prefix: prefix.to_string(),
                of: claim.of.clone(),
                why,
            });
        }
    }
    found.prefixes = fewest(kept);
    found
}

/// Both lists without what is inside another prefix of them: `own` first, in its order.
pub fn union(own: &[IpNetwork], more: &[IpNetwork]) -> Vec<IpNetwork> {
    let wider = |p: IpNetwork| more.iter().any(|m| covers(*m, p) && *m != p);
    let mut all: Vec<IpNetwork> = own.iter().copied().filter(|p| !wider(*p)).collect();
    for prefix in more {
        if !all.iter().any(|p| covers(*p, *prefix)) {
            all.push(*prefix);
        }
    }
    all
}

/// Without host bits.
fn masked(prefix: IpNetwork) -> IpNetwork {
    IpNetwork::new(prefix.network(), prefix.prefix()).unwrap_or(prefix)
}

/// The fewest prefixes that cover just these.
fn fewest(kept: BTreeSet<IpNetwork>) -> Vec<IpNetwork> {
    let entries: Vec<(IpNetwork, ())> = kept.iter().map(|p| (*p, ())).collect();
    let input = Input {
        entries: &entries,
        foreign: &[],
        free: &[],
    };
    match aggregate(&input) {
        Ok(all) => all.into_iter().map(|a| a.prefix).collect(),
        // Of one next hop and nothing foreign there is no contradiction.
        Err(_) => kept.into_iter().collect(),
    }
}

/// Why no host may serve it.
fn refusal(prefix: IpNetwork, uses: &[Use], cloud: bool) -> Option<String> {
    if let Some(block) = special::touched(prefix).filter(|b| b.is_nobodys()) {
        return Some(format!(
            "it has addresses of {}: {}",
            block.prefix, block.what
        ));
    }
    let own = special::clouds_own().filter(|own| cloud && overlap(*own, prefix));
    if let Some(own) = own {
        return Some(format!(
            "it has addresses of {own}, the cloud's own services"
        ));
    }
    let other = uses.iter().find(|u| overlap(u.prefix, prefix))?;
    Some(format!(
        "it overlaps {} of {}: it is reached there, and not at kube-proxy on each host",
        other.prefix, other.what
    ))
}

/// What has addresses in the plan. Hosts and gateways come first: that they are hit tells more than that
/// their subnet is.
fn uses(plan: &NetworkPlan) -> Vec<Use> {
    let mut all = Vec::new();
    let mut add = |prefix: IpNetwork, what: String| all.push(Use { prefix, what });
    for host in &plan.spec.hosts {
        for address in &host.addresses {
            add(address.ip().into(), format!("host {}", host.name));
        }
    }
    if let Some(server) = api_server(plan) {
        add(server.into(), "the API server".to_owned());
    }
    for network in &plan.spec.networks {
        for pool in &network.pools {
            add(pool.prefix, format!("the pool of {}", network.name));
        }
    }
    for site in &plan.spec.sites {
        for vlan in &site.vlans {
            for subnet in &vlan.subnets {
                let what = format!("VLAN {} of {}", vlan.id, site.name);
                add(subnet.prefix, what);
            }
        }
        for v_switch in &site.v_switches {
            for subnet in &v_switch.subnets {
                let what = format!("vSwitch {} of {}", v_switch.name, site.name);
                add(subnet.prefix, what);
            }
        }
        for prefix in &site.prefixes {
            add(*prefix, format!("the VPC {}", site.name));
        }
    }
    for line in &plan.spec.links {
        for transfer in &line.transfer {
            add(transfer.prefix, format!("leased line {}", line.name));
        }
    }
    all
}

/// The address of the API server, where the plan names it by one.
fn api_server(plan: &NetworkPlan) -> Option<IpAddr> {
    let (host, _) = plan.spec.api_server.as_deref()?.rsplit_once(':')?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = include_str!("../../../examples/lab.yaml");

    fn claim(prefix: &str) -> Claim {
        Claim {
            prefix: prefix.parse().expect("a prefix"),
            of: format!("Service default/{prefix}"),
        }
    }

    fn texts(prefixes: &[IpNetwork]) -> Vec<String> {
        prefixes.iter().map(ToString::to_string).collect()
    }

    fn lab() -> NetworkPlan {
        crate::load(LAB).expect("a plan")
    }

    #[test]
    fn neighbouring_addresses_are_one_prefix_and_nothing_else_is_covered() {
        let claims = [
            "10.97.0.0/16",
            "203.0.113.4",
            "203.0.113.5",
            "203.0.113.7",
            "fd77::1",
        ];
        let claims = claims.map(claim);
        let found = accepted(&lab(), &claims);
        assert_eq!(
            texts(&found.prefixes),
            [
                "10.97.0.0/16",
                "203.0.113.4/31",
                "203.0.113.7/32",
                "fd77::1/128"
            ]
        );
        assert_eq!(found.refused_count, 0);
        // Their order is of no meaning.
        let mut turned = claims.to_vec();
        turned.reverse();
        assert_eq!(accepted(&lab(), &turned), found);
    }

    #[test]
    fn what_is_a_hosts_a_containers_or_nobodys_is_refused_with_whose_it_is() {
        let plan = lab();
        let host = plan.spec.hosts[0].addresses[0].ip().to_string();
        let pool = plan.spec.networks[0].pools[0].prefix;
        let container = pool.nth_of(200);
        for (claimed, whose) in [
            (host.as_str(), "of host "),
            (container.as_str(), "of the pool of "),
            ("0.0.0.0/0", "of 0.0.0.0/8"),
            ("127.0.0.1", "loopback"),
            ("169.254.169.254", "metadata"),
            ("100.100.2.136", "the cloud's own services"),
            ("::1", "loopback"),
        ] {
            let found = accepted(&plan, &[claim(claimed), claim("203.0.113.9")]);
            assert_eq!(texts(&found.prefixes), ["203.0.113.9/32"], "{claimed}");
            let refused = &found.refused[0];
            assert!(refused.why.contains(whose), "{claimed}: {}", refused.why);
            assert_eq!(refused.of, format!("Service default/{claimed}"));
        }
    }

    trait Nth {
        fn nth_of(&self, n: u32) -> String;
    }

    impl Nth for IpNetwork {
        fn nth_of(&self, n: u32) -> String {
            match self {
                Self::V4(p) => p.nth(n).expect("inside").to_string(),
                Self::V6(p) => p.nth(n.into()).expect("inside").to_string(),
            }
        }
    }

    #[test]
    fn those_that_are_too_many_are_refused_from_the_end() {
        let all: Vec<Claim> = (0..MOST + 3)
            .map(|i| claim(&format!("20.{}.{}.1", i / 256, i % 256)))
            .collect();
        let found = accepted(&lab(), &all);
        assert_eq!((found.prefixes.len(), found.refused_count), (MOST, 3));
        assert!(found.refused[0].why.contains("1024 before it"));
        let last = all[MOST + 2].of.clone();
        assert_eq!(found.refused[2].of, last);
    }

    #[test]
    fn a_valid_plan_stays_valid_with_what_is_accepted() {
        let mut plan = lab();
        let claims = [
            "10.96.0.0/12",
            "10.10.0.0/16",
            "172.20.0.0/14",
            "203.0.113.1",
            "fd10:96::/112",
        ];
        let found = accepted(&plan, &claims.map(claim));
        assert!(found.refused_count > 0 && !found.prefixes.is_empty());
        plan.spec.service_prefixes = union(&plan.spec.service_prefixes, &found.prefixes);
        let text = serde_json::to_string(&plan).expect("JSON");
        crate::load(&text).expect("valid");
    }

    #[test]
    fn of_nested_prefixes_the_widest_is_left() {
        let list = |all: &[&str]| -> Vec<IpNetwork> {
            all.iter().map(|p| p.parse().expect("a prefix")).collect()
        };
        let own = list(&["10.96.0.0/16", "fd10::/112"]);
        let more = list(&["10.96.0.0/12", "fd10::/120", "203.0.113.1/32"]);
        let all = union(&own, &more);
        assert_eq!(
            texts(&all),
            ["fd10::/112", "10.96.0.0/12", "203.0.113.1/32"]
        );
        assert_eq!(union(&own, &own), own);
        assert_eq!(union(&own, &[]), own);
    }
}
