//! **Stands in for the route controller**, which takes this over: the routes of the VPC
//! router and of the edge router, straight from the plan. Nothing else in the lab sets
//! routes between nodes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Site, Transfer};
use ipnetwork::IpNetwork;

use super::Route;

/// The protocol number that marks routes of this module (the kernel gives no meaning to
/// it), so that what takes over can tell them from its own.
pub(crate) const STAND_IN: u8 = 197;
/// `RTPROT_DHCP`: the default routes that a cloud's DHCP gives its machines.
pub(crate) const DHCP: u8 = 16;

/// The interface of leased line number `n` at both ends.
pub(crate) fn line_name(n: usize) -> String {
    format!("line{n}")
}

/// On the VPC router: each node's ranges by that node's address.
pub(crate) fn vpc_nodes(plan: &NetworkPlan, vpc: &Site) -> Vec<Route> {
    let hosts = plan.spec.hosts.iter().filter(|h| h.site == vpc.name);
    hosts
        .flat_map(|host| {
            host.ranges.iter().filter_map(|range| {
                let via = host
                    .addresses
                    .iter()
                    .find(|a| a.is_ipv4() == range.prefix.is_ipv4())?;
                Some(Route {
                    prefix: range.prefix,
                    via: via.ip(),
                    link: host.v_switch.clone()?,
                    protocol: STAND_IN,
                })
            })
        })
        .collect()
}

/// On the VPC router: all subnets of the IDC's VLANs by the leased line.
pub(crate) fn vpc_router(plan: &NetworkPlan, idc: &Site) -> Vec<Route> {
    let prefixes = idc.vlans.iter().flat_map(|v| &v.subnets).map(|s| s.prefix);
    by_line(plan, prefixes.collect(), |t| t.idc)
}

/// On the edge router: the VPC's vSwitches and its containers' pools by the leased line.
pub(crate) fn edge(plan: &NetworkPlan, vpc: &Site) -> Vec<Route> {
    let subnets = vpc.v_switches.iter().flat_map(|v| &v.subnets);
    let networks = plan.spec.networks.iter().filter(|n| n.site == vpc.name);
    let pools = networks.flat_map(|n| &n.pools).map(|p| p.prefix);
    by_line(
        plan,
        subnets.map(|s| s.prefix).chain(pools).collect(),
        |t| t.vpc,
    )
}

/// The first line carries everything; a second one is for what takes over.
fn by_line(
    plan: &NetworkPlan,
    prefixes: Vec<IpNetwork>,
    far_end: impl Fn(&Transfer) -> IpAddr,
) -> Vec<Route> {
    let Some(line) = plan.spec.links.first() else {
        return Vec::new();
    };
    prefixes
        .into_iter()
        .filter_map(|prefix| {
            let transfer = line
                .transfer
                .iter()
                .find(|t| t.prefix.is_ipv4() == prefix.is_ipv4())?;
            Some(Route {
                prefix,
                via: far_end(transfer),
                link: line_name(0),
                protocol: STAND_IN,
            })
        })
        .collect()
}

/// The default prefix of an address's family.
pub(crate) fn default_of(ip: IpAddr) -> IpNetwork {
    let any = match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // A length of 0 is right in both families.
    IpNetwork::new(any, 0).unwrap_or_else(|_| IpNetwork::from(any))
}
