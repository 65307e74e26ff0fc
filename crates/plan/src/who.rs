//! What an address is in a plan.

use std::net::IpAddr;

use flatnet_types::VlanId;
use ipnetwork::IpNetwork;
use serde::Serialize;

use crate::model::{NetworkPlan, SiteType};

/// All that a plan says of one address, from the widest to the narrowest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whois {
    /// The address.
    pub address: IpAddr,
    /// What it lies in and what it is.
    pub places: Vec<Place>,
}

/// One thing that an address lies in, or is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Place {
    /// A service prefix: it is no machine's.
    Service {
        /// The prefix.
        prefix: IpNetwork,
    },
    /// A subnet of a VLAN.
    Vlan {
        /// The IDC.
        site: String,
        /// The 802.1Q ID.
        id: VlanId,
        /// Its name.
        name: String,
        /// The subnet.
        prefix: IpNetwork,
    },
    /// A subnet of a vSwitch.
    VSwitch {
        /// The name of the VPC's site.
        site: String,
        /// Its name.
        name: String,
        /// The subnet.
        prefix: IpNetwork,
    },
    /// The transfer network of a leased line.
    Transfer {
        /// The name of the leased line.
        line: String,
        /// The prefix.
        prefix: IpNetwork,
        /// Whose end it is: `edge router`, `VBR`, or nobody's.
        #[serde(skip_serializing_if = "Option::is_none")]
        end: Option<&'static str>,
    },
    /// The router's address in a subnet.
    Gateway {
        /// The subnet.
        of: IpNetwork,
    },
    /// A host's own address.
    Host {
        /// The name of the host.
        host: String,
        /// Its site.
        site: String,
    },
    /// A pool.
    Pool {
        /// The name of the site.
        site: String,
        /// The name of the network.
        network: String,
        /// The pool.
        prefix: IpNetwork,
    },
    /// Excluded from a pool: no container has it.
    Excluded {
        /// The exclusion.
        prefix: IpNetwork,
    },
    /// Reserved in a pool: no host's range has it.
    Reserved {
        /// The reservation.
        prefix: IpNetwork,
        /// What for.
        purpose: String,
    },
    /// A host's range: a container of that host has it, or none.
    Range {
        /// The name of the host.
        host: String,
        /// The host's site.
        site: String,
        /// The name of the network.
        network: String,
        /// The range.
        prefix: IpNetwork,
    },
}

impl Whois {
    /// The host whose range it is in, or whose own address it is.
    pub fn host(&self) -> Option<&str> {
        self.places.iter().rev().find_map(|p| match p {
            Place::Range { host, .. } | Place::Host { host, .. } => Some(host.as_str()),
            _ => None,
        })
    }

    /// Whether a container may have it.
    pub fn is_in_range(&self) -> bool {
        let mut places = self.places.iter();
        places.any(|p| matches!(p, Place::Range { .. }))
    }
}

/// Looks an address up in a plan whose groups are written out. O(n) in hosts.
pub fn who(plan: &NetworkPlan, address: IpAddr) -> Whois {
    let spec = &plan.spec;
    let mut places = Vec::new();
    for prefix in spec.service_prefixes.iter().filter(|p| p.contains(address)) {
        places.push(Place::Service { prefix: *prefix });
    }
    for site in &spec.sites {
        let vlans = site
            .vlans
            .iter()
            .flat_map(|v| v.subnets.iter().map(move |s| (v, s)));
        for (vlan, subnet) in vlans.filter(|(_, s)| s.prefix.contains(address)) {
            places.push(Place::Vlan {
                site: site.name.clone(),
                id: vlan.id,
                name: vlan.name.clone(),
                prefix: subnet.prefix,
            });
            if subnet.gateway == address {
                places.push(Place::Gateway { of: subnet.prefix });
            }
        }
        let zones = site
            .v_switches
            .iter()
            .flat_map(|v| v.subnets.iter().map(move |s| (v, s)));
        for (v_switch, subnet) in zones.filter(|(_, s)| s.prefix.contains(address)) {
            places.push(Place::VSwitch {
                site: site.name.clone(),
                name: v_switch.name.clone(),
                prefix: subnet.prefix,
            });
            if subnet.gateway == address {
                places.push(Place::Gateway { of: subnet.prefix });
            }
        }
    }
    for line in &spec.links {
        for t in line.transfer.iter().filter(|t| t.prefix.contains(address)) {
            let end = match address {
                a if a == t.idc => Some("edge router"),
                a if a == t.vpc => Some("VBR"),
                _ => None,
            };
            places.push(Place::Transfer {
                line: line.name.clone(),
                prefix: t.prefix,
                end,
            });
        }
    }
    for network in &spec.networks {
        for pool in network.pools.iter().filter(|p| p.prefix.contains(address)) {
            places.push(Place::Pool {
                site: network.site.clone(),
                network: network.name.to_string(),
                prefix: pool.prefix,
            });
            for prefix in pool.exclude.iter().filter(|p| p.contains(address)) {
                places.push(Place::Excluded { prefix: *prefix });
            }
            for r in pool
                .reservations
                .iter()
                .filter(|r| r.prefix.contains(address))
            {
                places.push(Place::Reserved {
                    prefix: r.prefix,
                    purpose: r.purpose.clone(),
                });
            }
        }
    }
    for host in &spec.hosts {
        if host.addresses.iter().any(|a| a.ip() == address) {
            places.push(Place::Host {
                host: host.name.to_string(),
                site: host.site.clone(),
            });
        }
        for range in host.ranges.iter().filter(|r| r.prefix.contains(address)) {
            places.push(Place::Range {
                host: host.name.to_string(),
                site: host.site.clone(),
                network: range.network.to_string(),
                prefix: range.prefix,
            });
            let routed = plan.site(&host.site).map(|s| s.site_type) == Some(SiteType::Vpc);
            if routed && crate::prefix::first_address(range.prefix) == address {
                places.push(Place::Gateway { of: range.prefix });
            }
        }
    }
    Whois { address, places }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Whois {
        let plan = crate::load(include_str!("../../../examples/lab.yaml")).expect("the lab");
        who(&plan, address.parse().expect("an address"))
    }

    #[test]
    fn a_containers_address_is_its_hosts() {
        let found = of("10.100.16.7");
        assert_eq!(found.host(), Some("idc1"));
        assert!(found.is_in_range());
        assert!(matches!(
            found.places[..],
            [Place::Vlan { .. }, Place::Pool { .. }, Place::Range { .. }]
        ));
    }

    #[test]
    fn every_kind_of_address_is_known() {
        let last = |a: &str| of(a).places.pop();
        assert!(matches!(last("10.96.0.1"), Some(Place::Service { .. })));
        assert!(matches!(last("10.10.0.1"), Some(Place::Gateway { .. })));
        assert!(matches!(last("10.10.0.11"), Some(Place::Host { .. })));
        assert!(matches!(last("10.100.0.9"), Some(Place::Excluded { .. })));
        assert!(matches!(last("172.30.16.1"), Some(Place::Gateway { .. })));
        assert!(matches!(last("fd20:30::1:5"), Some(Place::Range { .. })));
        let vbr = last("10.255.0.2");
        assert!(matches!(
            vbr,
            Some(Place::Transfer {
                end: Some("VBR"),
                ..
            })
        ));
        assert!(of("192.0.2.1").places.is_empty());
        assert!(!of("10.10.0.11").is_in_range());
    }
}
