//! What the cloud asks of its hosts, and families that a host lacks.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::{Context, Findings};
use crate::finding::{CLOUD_ADDRESS, CLOUD_GATEWAY, FOREIGN_ZONE, NO_VSWITCH, ONE_FAMILY};
use crate::model::{SiteType, Subnet};
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    gateways(c, found);
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((_, site)) = c.site_of(i) else {
            continue;
        };
        if site.site_type != SiteType::Vpc {
            continue;
        }
        if host.v_switch.is_none() && !site.v_switches.is_empty() {
            let message = format!("{} is in {} and has no vSwitch", host.name, site.name);
            found.add(&NO_VSWITCH, c.host_at(i), message);
        }
        let subnets = c.segment_of(i).map_or(&[][..], |s| s.subnets);
        for (j, address) in host.addresses.iter().enumerate() {
            let kept = subnets.iter().filter(|s| is_kept(s, address.ip())).count() > 0;
            if kept {
                let message = format!(
                    "{address} of {} is one of the last three of its vSwitch, which the cloud keeps",
                    host.name
                );
                found.add(&CLOUD_ADDRESS, c.host_at(i).at("addresses").at(j), message);
            }
        }
    }
    families(c, found);
}

/// The address that the cloud's router has in a vSwitch: the third from its end. The cloud keeps
/// the first and the last three (Aliyun, "CIDR blocks of vSwitches"); of IPv6 nothing is said.
fn router(prefix: IpNetwork) -> Option<IpAddr> {
    match prefix {
        IpNetwork::V4(p) if p.prefix() <= 29 => {
            let last = u32::from(p.broadcast());
            Some(IpAddr::from((last - 2).to_be_bytes()))
        }
        _ => None,
    }
}

/// Whether an address is the cloud's; those that the subnet itself has, and its gateway, are told
/// as what they are.
fn is_kept(subnet: &Subnet, address: IpAddr) -> bool {
    let Some(router) = router(subnet.prefix) else {
        return false;
    };
    let next = crate::prefix::forward(router, 1);
    address != subnet.gateway && (address == router || Some(address) == next)
}

fn gateways(c: &Context<'_>, found: &mut Findings) {
    for (i, site) in c.sites().iter().enumerate() {
        for (j, v) in site.v_switches.iter().enumerate() {
            let at = Path::spec().at("sites").at(i).at("vSwitches").at(j);
            if let (Some(zone), Some(region)) = (&v.zone, &site.region)
                && zone.contains('-')
                && region.contains('-')
                && !zone.starts_with(region.as_str())
            {
                let message = format!("{zone} of vSwitch {} is no zone of {region}", v.name);
                found.add(&FOREIGN_ZONE, at.clone().at("zone"), message);
            }
            for (k, subnet) in v.subnets.iter().enumerate() {
                let inside = super::infrastructure::unfit(subnet.gateway, subnet.prefix).is_none();
                let Some(router) = router(subnet.prefix).filter(|r| inside && *r != subnet.gateway)
                else {
                    continue;
                };
                let message = format!(
                    "the gateway of vSwitch {} is {router}, not {}",
                    v.name, subnet.gateway
                );
                found.add(
                    &CLOUD_GATEWAY,
                    at.clone().at("subnets").at(k).at("gateway"),
                    message,
                );
            }
        }
    }
}

/// A network with pools of both families, all of whose hosts have addresses of the same one.
fn unused(c: &Context<'_>, network: usize, users: &[(usize, bool, bool)], found: &mut Findings) {
    let Some((first, v4, _)) = users.first() else {
        return;
    };
    let alike = users.iter().all(|(_, of, _)| of == v4);
    // Another network shows that the plan means both.
    let shown = c.ranges().any(|r| r.range.prefix.is_ipv4() != *v4);
    if !alike || !shown {
        return;
    }
    let lacks = if *v4 { "IPv6" } else { "IPv4" };
    let name = &c.networks()[network].name;
    let pools = c.networks()[network].pools.iter();
    let pool = pools.enumerate().find(|(_, p)| p.prefix.is_ipv4() != *v4);
    let Some((pool, of)) = pool else { return };
    let pool = Path::spec().at("networks").at(network).at("pools").at(pool);
    let lines: BTreeSet<Path> = users.iter().map(|(host, ..)| c.host_at(*host)).collect();
    let message = format!(
        "no host has an {lacks} range of {name}, whose pool {} is for them",
        of.prefix
    );
    match lines.len() {
        1 => {
            let related = (pool.at("prefix"), "the pool");
            found.add_with(&ONE_FAMILY, c.host_at(*first), message, related);
        }
        _ => found.add(&ONE_FAMILY, pool.at("prefix"), message),
    }
}

/// Hosts that have addresses of one family only, in a network where most have both.
fn families(c: &Context<'_>, found: &mut Findings) {
    let has = |host: usize, network: usize, v4: bool| {
        let ranges = c.hosts()[host].ranges.iter().enumerate();
        let mut ranges = ranges.filter(|(j, _)| {
            c.network_of(host, *j)
                .is_some_and(|(index, _)| index == network)
        });
        ranges.any(|(_, r)| r.prefix.is_ipv4() == v4)
            || c.slices_of(host)
                .iter()
                .any(|s| s.network == network && s.like.is_ipv4() == v4)
    };
    let dual = |n: &crate::model::Network| {
        let of = |v4| n.pools.iter().any(|p| p.prefix.is_ipv4() == v4);
        of(true) && of(false)
    };
    let duals: Vec<usize> = (0..c.networks().len())
        .filter(|n| dual(&c.networks()[*n]))
        .collect();
    for network in duals {
        let name = &c.networks()[network].name;
        let each = (0..c.hosts().len()).map(|h| (h, has(h, network, true), has(h, network, false)));
        let users: Vec<_> = each.filter(|(_, v4, v6)| *v4 || *v6).collect();
        let both = users.iter().filter(|(_, v4, v6)| *v4 && *v6).count();
        if both == 0 {
            unused(c, network, &users, found);
            continue;
        }
        // A group of its own kind is meant; one host among its like, or a few of many, are not.
        let few = users.len() - both;
        if few * 4 > both && (few > 1 || both < 2) {
            continue;
        }
        for (host, v4, _) in users.iter().filter(|(_, v4, v6)| v4 != v6) {
            let lacks = if *v4 { "IPv6" } else { "IPv4" };
            let message = format!(
                "{} has no {lacks} range of {name}, which {both} other hosts have",
                c.hosts()[*host].name
            );
            found.add(&ONE_FAMILY, c.host_at(*host), message);
        }
    }
}
