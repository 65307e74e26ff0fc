//! Single addresses: gateways, hosts, network and broadcast addresses. They are where they
//! belong, they are nobody else's, and no range holds them.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::{Context, Findings, context::RangeOf};
use crate::diagnostics::{
    ADDRESS_OUTSIDE, DUPLICATE_ADDRESS, EDGE_IN_RANGE, GATEWAY_IN_RANGE, GATEWAY_OUTSIDE,
    HOST_IN_RANGE, Rule,
};
use crate::model::{Site, SiteType, Subnet};
use crate::node::host_subnets;
use crate::prefix::{Position, bounds};
use crate::source::Path;

/// An address that something has.
struct Point {
    address: IpAddr,
    rule: &'static Rule,
    owner: String,
    place: Path,
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let mut points = routers(c, found);
    hosts(c, &mut points, found);
    once(&points, found);
    edges(c, &mut points);
    in_no_range(c, &points, found);
}

/// The network and, in IPv4, the broadcast address, where a subnet has them (not in a
/// point-to-point one: RFC 3021, RFC 6164).
fn reserved(prefix: IpNetwork) -> Vec<(IpAddr, &'static str)> {
    match prefix {
        IpNetwork::V4(p) if p.prefix() < 31 => vec![
            (p.network().into(), "network address"),
            (p.broadcast().into(), "broadcast address"),
        ],
        IpNetwork::V6(p) if p.prefix() < 127 => {
            vec![(p.network().into(), "subnet-router anycast address")]
        }
        _ => Vec::new(),
    }
}

/// Why `address` cannot be a machine's in `prefix`.
fn unfit(address: IpAddr, prefix: IpNetwork) -> Option<String> {
    if !prefix.contains(address) {
        return Some(format!("is not in {prefix}"));
    }
    let (_, what) = reserved(prefix).into_iter().find(|(a, _)| *a == address)?;
    Some(format!("is the {what} of {prefix}"))
}

fn routers(c: &Context<'_>, found: &mut Findings) -> Vec<Point> {
    let mut points = Vec::new();
    let mut gateways = |subnets: &[Subnet], at: &Path, owner: String| {
        for (i, subnet) in subnets.iter().enumerate() {
            let place = at.clone().at("subnets").at(i).at("gateway");
            if let Some(why) = unfit(subnet.gateway, subnet.prefix) {
                let message = format!("the gateway {} {why}", subnet.gateway);
                found.add(&GATEWAY_OUTSIDE, place.clone(), message);
            }
            points.push(Point {
                address: subnet.gateway,
                rule: &GATEWAY_IN_RANGE,
                owner: format!("the gateway of {owner}"),
                place,
            });
        }
    };
    for (i, site) in c.sites().iter().enumerate() {
        let at = Path::spec().at("sites").at(i);
        for (j, vlan) in site.vlans.iter().enumerate() {
            gateways(
                &vlan.subnets,
                &at.clone().at("vlans").at(j),
                format!("VLAN {}", vlan.id),
            );
        }
        for (j, v) in site.v_switches.iter().enumerate() {
            gateways(
                &v.subnets,
                &at.clone().at("vSwitches").at(j),
                format!("vSwitch {}", v.name),
            );
        }
    }
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        for (j, t) in link.transfer.iter().enumerate() {
            for (end, address) in [("idc", t.idc), ("vpc", t.vpc)] {
                let place = Path::spec().at("links").at(i).at("transfer").at(j).at(end);
                if let Some(why) = unfit(address, t.prefix) {
                    let message = format!("the line's end {address} {why}");
                    found.add(&GATEWAY_OUTSIDE, place.clone(), message);
                }
                points.push(Point {
                    address,
                    rule: &GATEWAY_IN_RANGE,
                    owner: format!("an end of leased line {}", link.name),
                    place,
                });
            }
        }
    }
    points
}

fn hosts(c: &Context<'_>, points: &mut Vec<Point>, found: &mut Findings) {
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((_, site)) = c.site_of(i) else {
            continue;
        };
        let subnets = host_subnets(site, host);
        for (j, address) in host.addresses.iter().enumerate() {
            let place = c.host_at(i).at("addresses").at(j);
            if let Some(message) = misplaced(site, subnets, *address) {
                let message = format!("{} of {} {message}", address, host.name);
                found.add(&ADDRESS_OUTSIDE, place.clone(), message);
            }
            points.push(Point {
                address: address.ip(),
                rule: &HOST_IN_RANGE,
                owner: format!("host {}", host.name),
                place,
            });
        }
    }
}

fn misplaced(site: &Site, subnets: &[Subnet], address: IpNetwork) -> Option<String> {
    if subnets.is_empty() {
        return None;
    }
    let Some(subnet) = subnets.iter().find(|s| s.prefix.contains(address.ip())) else {
        let list: Vec<String> = subnets.iter().map(|s| s.prefix.to_string()).collect();
        let of = match site.site_type {
            SiteType::Idc => "the VLAN of role host",
            SiteType::Vpc => "its vSwitch",
        };
        return Some(format!("is in no subnet of {of}: {}", list.join(", ")));
    };
    if subnet.prefix.prefix() != address.prefix() {
        return Some(format!(
            "has the length of another subnet than {}",
            subnet.prefix
        ));
    }
    unfit(address.ip(), subnet.prefix)
}

fn once(points: &[Point], found: &mut Findings) {
    let mut seen: HashMap<IpAddr, &Point> = HashMap::with_capacity(points.len());
    for point in points {
        match seen.get(&point.address) {
            Some(first) => found.add_with(
                &DUPLICATE_ADDRESS,
                point.place.clone(),
                format!(
                    "{} of {} is also {}'s",
                    point.address, point.owner, first.owner
                ),
                (first.place.clone(), "the first one"),
            ),
            None => {
                seen.insert(point.address, point);
            }
        }
    }
}

/// The network and broadcast addresses of the VLANs that containers are on. In a VPC a range
/// is its own subnet, and the host leaves out what it must.
fn edges(c: &Context<'_>, points: &mut Vec<Point>) {
    for (i, site) in c.sites().iter().enumerate() {
        for (j, vlan) in site.vlans.iter().enumerate() {
            for (k, subnet) in vlan.subnets.iter().enumerate() {
                for (address, what) in reserved(subnet.prefix) {
                    let at = Path::spec().at("sites").at(i).at("vlans").at(j);
                    points.push(Point {
                        address,
                        rule: &EDGE_IN_RANGE,
                        owner: format!("the {what} of {}", subnet.prefix),
                        place: at.at("subnets").at(k).at("prefix"),
                    });
                }
            }
        }
    }
}

fn in_no_range(c: &Context<'_>, points: &[Point], found: &mut Findings) {
    let mut ranges: Vec<(Position, Position, RangeOf<'_>)> = c
        .ranges()
        .map(|r| {
            let (first, last) = bounds(r.range.prefix);
            (first, last, r)
        })
        .collect();
    ranges.sort_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
    for point in points {
        let at = Position::of(point.address);
        let after = ranges.partition_point(|(first, _, _)| *first <= at);
        let Some((_, last, r)) = ranges[..after].last() else {
            continue;
        };
        if *last < at || excluded(c, *r, point.address) {
            continue;
        }
        let host = &c.hosts()[r.host].name;
        let what = match point.rule {
            rule if std::ptr::eq(rule, &EDGE_IN_RANGE) => point.owner.clone(),
            _ => format!("{} of {}", point.address, point.owner),
        };
        found.add_with(
            point.rule,
            c.range_at(r.host, r.index),
            format!("{} of {host} holds {what}", r.range.prefix),
            (point.place.clone(), "this address"),
        );
    }
}

fn excluded(c: &Context<'_>, r: RangeOf<'_>, address: IpAddr) -> bool {
    c.network_of(r.host, r.index).is_some_and(|(_, n)| {
        n.pools
            .iter()
            .flat_map(|p| &p.exclude)
            .any(|e| e.contains(address))
    })
}
