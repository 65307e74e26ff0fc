//! What an address is in the plan, as far as a packet's way goes.

use std::net::IpAddr;

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Host, Site, SiteType, VSwitch, Vlan};

/// Where an address is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    /// The plan's site.
    pub site: &'p Site,
    /// The broadcast domain.
    pub segment: Segment<'p>,
    /// The host whose it is; none: a machine that the plan does not name, such as a router.
    pub host: Option<&'p Host>,
    /// Whether it is a container's.
    pub container: bool,
}

/// A broadcast domain.
#[derive(Debug, Clone, Copy)]
pub enum Segment<'p> {
    /// A VLAN of an IDC.
    Vlan(&'p Vlan),
    /// A vSwitch of a VPC.
    VSwitch(&'p VSwitch),
    /// A host's own: containers of a VPC's node.
    Range,
}

/// Why an address is nowhere that a packet could go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlace {
    /// The plan does not know it.
    Unknown,
    /// It is in a pool, and no host has a range with it.
    Unowned {
        /// The pool's network.
        network: String,
    },
    /// It is a service's: no machine has it.
    Service,
}

impl Place<'_> {
    /// The VLAN's ID; none: it is in no VLAN.
    pub fn vlan(&self) -> Option<u16> {
        match self.segment {
            Segment::Vlan(vlan) => Some(vlan.id.get()),
            Segment::VSwitch(_) | Segment::Range => None,
        }
    }

    /// Whether both are on one node.
    pub fn shares_host(&self, other: &Self) -> bool {
        match (self.host, other.host) {
            (Some(a), Some(b)) => a.name == b.name,
            _ => false,
        }
    }

    /// Whether both are in one VLAN of one IDC.
    pub fn shares_vlan(&self, other: &Self) -> bool {
        self.site.name == other.site.name && self.vlan().is_some() && self.vlan() == other.vlan()
    }

    /// The vSwitch that it is in, or that its node is in.
    pub fn v_switch(&self) -> Option<&str> {
        match self.segment {
            Segment::VSwitch(v) => Some(&v.name),
            Segment::Vlan(_) | Segment::Range => self.host?.v_switch.as_deref(),
        }
    }

    /// Whether it is in an IDC.
    pub fn is_idc(&self) -> bool {
        self.site.site_type == SiteType::Idc
    }

    /// For people: `container of idc1`, `host vpc2`, `a machine in VLAN 100`.
    pub fn title(&self) -> String {
        match (self.host, self.segment) {
            (Some(host), _) if self.container => format!("container of {}", host.name),
            (Some(host), _) => format!("host {}", host.name),
            (None, Segment::Vlan(v)) => format!("a machine in VLAN {} of {}", v.id, self.site.name),
            (None, Segment::VSwitch(v)) => {
                format!("a machine in vSwitch {} of {}", v.name, self.site.name)
            }
            (None, Segment::Range) => format!("a machine of {}", self.site.name),
        }
    }
}

/// Where an address is. O(n) in hosts.
///
/// # Errors
/// [`NoPlace`].
pub fn place(plan: &NetworkPlan, address: IpAddr) -> Result<Place<'_>, NoPlace> {
    let spec = &plan.spec;
    for host in &spec.hosts {
        let own = host.addresses.iter().any(|a| a.ip() == address);
        let mut ranges = host.ranges.iter();
        let range = ranges.find(|r| r.prefix.contains(address));
        let Some(site) = plan.site(&host.site).filter(|_| own || range.is_some()) else {
            continue;
        };
        let vlan = match range.filter(|_| !own) {
            Some(range) => plan
                .network(&range.network)
                .and_then(|n| n.vlan)
                .and_then(|id| site.vlan(id)),
            None => site.host_vlan_of(host),
        };
        let v_switch = host.v_switch.as_deref().and_then(|v| site.v_switch(v));
        let segment = match (site.site_type, vlan, v_switch) {
            (SiteType::Idc, Some(vlan), _) => Segment::Vlan(vlan),
            (SiteType::Vpc, _, Some(v_switch)) if own => Segment::VSwitch(v_switch),
            _ => Segment::Range,
        };
        return Ok(Place {
            site,
            segment,
            host: Some(host),
            container: !own,
        });
    }
    if spec.service_prefixes.iter().any(|p| p.contains(address)) {
        return Err(NoPlace::Service);
    }
    if let Some(place) = machine(plan, address) {
        return place;
    }
    let mut networks = spec.networks.iter();
    match networks.find(|n| n.pools.iter().any(|p| p.prefix.contains(address))) {
        Some(network) => Err(NoPlace::Unowned {
            network: network.name.to_string(),
        }),
        None => Err(NoPlace::Unknown),
    }
}

/// A machine that the plan does not name: in a subnet, and in no pool.
fn machine(plan: &NetworkPlan, address: IpAddr) -> Option<Result<Place<'_>, NoPlace>> {
    let pooled = plan.spec.networks.iter().find(|n| {
        n.pools
            .iter()
            .any(|p| p.prefix.contains(address) && !p.exclude.iter().any(|e| e.contains(address)))
    });
    for site in &plan.spec.sites {
        let vlans = site.vlans.iter().map(|v| (Segment::Vlan(v), &v.subnets));
        let zones = site.v_switches.iter();
        let zones = zones.map(|v| (Segment::VSwitch(v), &v.subnets));
        for (segment, subnets) in vlans.chain(zones) {
            let Some(subnet) = subnets.iter().find(|s| s.prefix.contains(address)) else {
                continue;
            };
            return Some(match pooled {
                Some(network) if subnet.gateway != address => Err(NoPlace::Unowned {
                    network: network.name.to_string(),
                }),
                _ => Ok(Place {
                    site,
                    segment,
                    host: None,
                    container: false,
                }),
            });
        }
    }
    None
}
