//! Who is asked to reach whom, and what the plan says of each pair. Pure.

use std::net::IpAddr;

use flatnet_plan::model::{Site, SiteType};
use flatnet_plan::node::first_address;
use flatnet_plan::{NetworkPlan, node};
use serde::Serialize;

/// What an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Container,
    Host,
    Gateway,
}

/// Something with addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `idc1/web/a`, `idc1`, `idc/web gateway`.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The site of the plan.
    pub(super) site: String,
    /// The node that it is on; a router is on none.
    pub(super) node: Option<String>,
    /// IPv4 first, without prefix lengths.
    pub(super) addresses: Vec<IpAddr>,
}

/// Whether an address answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reach {
    Reachable,
    Unreachable,
}

/// One cell of the matrix before it is measured: indices into the endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) address: IpAddr,
    pub(super) expected: Reach,
}

/// The hosts and the gateways of a plan.
pub(super) fn infrastructure(plan: &NetworkPlan) -> Vec<Endpoint> {
    let hosts = plan.spec.hosts.iter().map(|host| Endpoint {
        name: host.name.to_string(),
        kind: Kind::Host,
        site: host.site.clone(),
        node: Some(host.name.to_string()),
        addresses: host.addresses.iter().map(|a| a.ip()).collect(),
    });
    let mut endpoints: Vec<Endpoint> = hosts.collect();
    for site in &plan.spec.sites {
        endpoints.extend(routers(site));
        if site.site_type == SiteType::Vpc {
            endpoints.extend(range_gateways(plan, site));
        }
    }
    for endpoint in &mut endpoints {
        endpoint.addresses.sort_by_key(IpAddr::is_ipv6);
    }
    endpoints
}

/// The physical routers: of each VLAN, of each vSwitch.
fn routers(site: &Site) -> impl Iterator<Item = Endpoint> + '_ {
    let vlans = site.vlans.iter().map(|v| (&v.name, &v.subnets));
    let v_switches = site.v_switches.iter().map(|v| (&v.name, &v.subnets));
    vlans.chain(v_switches).map(|(name, subnets)| Endpoint {
        name: format!("{}/{name} gateway", site.name),
        kind: Kind::Gateway,
        site: site.name.clone(),
        node: None,
        addresses: subnets.iter().map(|s| s.gateway).collect(),
    })
}

/// In mode `routed` each host is the gateway of its ranges.
fn range_gateways<'p>(
    plan: &'p NetworkPlan,
    site: &'p Site,
) -> impl Iterator<Item = Endpoint> + 'p {
    let hosts = plan.spec.hosts.iter().filter(|h| h.site == site.name);
    hosts.flat_map(|host| {
        let networks = node::derive(plan, &host.name).map_or(Vec::new(), |spec| spec.networks);
        networks.into_iter().map(|network| Endpoint {
            name: format!("{}/{} gateway", host.name, network.name),
            kind: Kind::Gateway,
            site: site.name.clone(),
            node: Some(host.name.to_string()),
            addresses: network
                .ranges
                .iter()
                .map(|r| first_address(r.prefix))
                .collect(),
        })
    })
}

/// What the plan says: within a site everything is reachable, and between sites what a leased
/// line carries in that family.
pub(super) fn expected(plan: &NetworkPlan, from: &str, to: &str, v6: bool) -> Reach {
    let joined = || {
        plan.spec.links.iter().any(|line| {
            let ends = [line.idc.as_str(), line.vpc.as_str()];
            ends.contains(&from)
                && ends.contains(&to)
                && line.transfer.iter().any(|t| t.prefix.is_ipv6() == v6)
        })
    };
    if from == to || joined() {
        Reach::Reachable
    } else {
        Reach::Unreachable
    }
}

/// Every container to every other endpoint, in each family that both have.
pub(super) fn questions(plan: &NetworkPlan, endpoints: &[Endpoint]) -> Vec<Question> {
    let mut questions = Vec::new();
    for (from, asking) in endpoints.iter().enumerate() {
        if asking.kind != Kind::Container {
            continue;
        }
        for (to, asked) in endpoints.iter().enumerate().filter(|(to, _)| *to != from) {
            for &address in &asked.addresses {
                if asking.in_family(address).is_some() {
                    questions.push(Question {
                        from,
                        to,
                        address,
                        expected: expected(plan, &asking.site, &asked.site, address.is_ipv6()),
                    });
                }
            }
        }
    }
    questions
}

impl Endpoint {
    /// Its address in the family of another.
    pub(super) fn in_family(&self, of: IpAddr) -> Option<IpAddr> {
        self.addresses
            .iter()
            .copied()
            .find(|a| a.is_ipv6() == of.is_ipv6())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> NetworkPlan {
        flatnet_plan::load(include_str!("../../../examples/lab.yaml")).expect("the lab's plan")
    }

    fn container(name: &str, site: &str, addresses: &[&str]) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            kind: Kind::Container,
            site: site.to_owned(),
            node: Some(name.split('/').next().expect("a node").to_owned()),
            addresses: addresses
                .iter()
                .map(|a| a.parse().expect("an address"))
                .collect(),
        }
    }

    fn names(kind: Kind) -> Vec<String> {
        let all = infrastructure(&plan());
        let of_kind = all.into_iter().filter(|e| e.kind == kind);
        of_kind.map(|e| e.name).collect()
    }

    #[test]
    fn every_host_and_every_gateway_of_the_lab_is_asked_for() {
        assert_eq!(names(Kind::Host), ["idc1", "idc2", "vpc1", "vpc2"]);
        assert_eq!(
            names(Kind::Gateway),
            [
                "idc/hosts gateway",
                "idc/web gateway",
                "idc/db gateway",
                "vpc/zone-a gateway",
                "vpc/zone-b gateway",
                "vpc1/cloud gateway",
                "vpc2/cloud gateway"
            ]
        );
    }

    #[test]
    fn a_routed_host_is_the_gateway_of_its_range() {
        let all = infrastructure(&plan());
        let gateway = all.iter().find(|e| e.name == "vpc2/cloud gateway");
        let addresses = &gateway.expect("it is there").addresses;
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["172.30.32.1", "fd20:30::2:1"]);
    }

    #[test]
    fn in_the_lab_everybody_reaches_everybody_and_nobody_asks_himself() {
        let plan = plan();
        let mut endpoints = vec![
            container("idc1/web/a", "idc", &["10.100.16.2", "fd10:100::1:2"]),
            container("vpc1/cloud/a", "vpc", &["172.30.16.2", "fd20:30::1:2"]),
        ];
        endpoints.extend(infrastructure(&plan));
        let questions = questions(&plan, &endpoints);
        // 2 containers × (1 other container + 4 hosts + 7 gateways) × 2 families
        assert_eq!(questions.len(), 2 * 12 * 2);
        assert!(questions.iter().all(|q| q.expected == Reach::Reachable));
        assert!(questions.iter().all(|q| q.from != q.to));
    }

    #[test]
    fn without_a_line_the_sites_are_apart() {
        let mut plan = plan();
        plan.spec.links.clear();
        assert_eq!(expected(&plan, "idc", "vpc", false), Reach::Unreachable);
        assert_eq!(expected(&plan, "idc", "idc", false), Reach::Reachable);
    }

    #[test]
    fn a_line_joins_only_the_families_that_it_carries() {
        let mut plan = plan();
        plan.spec.links[0].transfer.retain(|t| t.prefix.is_ipv4());
        assert_eq!(expected(&plan, "idc", "vpc", false), Reach::Reachable);
        assert_eq!(expected(&plan, "vpc", "idc", true), Reach::Unreachable);
    }

    #[test]
    fn a_family_that_one_side_lacks_is_not_asked_about() {
        let plan = plan();
        let endpoints = [
            container("idc1/web/a", "idc", &["10.100.16.2"]),
            container("idc2/web/a", "idc", &["10.100.32.2", "fd10:100::2:2"]),
        ];
        let asked: Vec<IpAddr> = questions(&plan, &endpoints)
            .iter()
            .map(|q| q.address)
            .collect();
        assert_eq!(
            asked,
            [endpoints[1].addresses[0], endpoints[0].addresses[0]]
        );
    }
}
