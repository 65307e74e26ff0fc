//! Infrastructure addresses: of gateways and hosts, and the network and broadcast addresses of
//! subnets. They are where they belong, they are nobody else's, and no range holds them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::{
    Context, Findings,
    context::{RangeOf, Segment, is_doubtful, is_link_local},
    finding,
    suspects::Suspects,
};
use crate::finding::{
    ADDRESS_OUTSIDE, DUPLICATE_ADDRESS, EDGE_IN_RANGE, Finding, GATEWAY_IN_RANGE, GATEWAY_OUTSIDE,
    HOST_IN_RANGE, Rule,
};
use crate::model::{Site, SiteType, Subnet, VlanRole};
use crate::prefix::{Position, bounds};
use crate::source::Path;

/// An address that no container may have.
struct InfrastructureAddress {
    address: IpAddr,
    rule: &'static Rule,
    owner: String,
    place: Path,
    /// Whether it is a host's that is written out, which can be changed alone.
    alone: bool,
    /// Whether it is the edge router's end of a line, and how it is written.
    edge: Option<Edge>,
    /// The subnet whose gateway it is.
    subnet: Option<IpNetwork>,
}

/// An address of an IDC's edge router, which is written once as a VLAN's gateway and once as a
/// line's end. Each has the index of its site.
#[derive(Clone, Copy)]
enum Edge {
    /// The gateway of a transit VLAN.
    Gateway(usize),
    /// The field `idc` of a line.
    Line(usize),
}

impl Edge {
    /// Whether a line's end is the router whose gateway address was seen before.
    fn same(first: Option<Self>, second: Option<Self>) -> bool {
        matches!((first, second), (Some(Self::Gateway(a)), Some(Self::Line(b))) if a == b)
    }
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let mut taken = routers(c, found);
    hosts(c, &mut taken, found);
    once(&taken, found);
    edges(c, &mut taken);
    in_no_range(c, &taken, found);
}

/// The network and, in IPv4, the broadcast address, where a subnet has them (not in a
/// one-to-one one: RFC 3021, RFC 6164).
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
pub(super) fn unfit(address: IpAddr, prefix: IpNetwork) -> Option<String> {
    if !prefix.contains(address) {
        return Some(format!("is not in {prefix}"));
    }
    let (_, what) = reserved(prefix).into_iter().find(|(a, _)| *a == address)?;
    Some(format!("is the {what} of {prefix}"))
}

fn routers(c: &Context<'_>, found: &mut Findings) -> Vec<InfrastructureAddress> {
    let mut taken = Vec::new();
    let mut gateways = |subnets: &[Subnet], at: &Path, owner: String, transit: Option<usize>| {
        for (i, subnet) in subnets.iter().enumerate() {
            let place = at.clone().at("subnets").at(i).at("gateway");
            // A router's link-local address is the same in many subnets, and in none of them.
            if subnet.prefix.is_ipv6() && is_link_local(subnet.gateway) {
                continue;
            }
            if let Some(why) = unfit(subnet.gateway, subnet.prefix) {
                let message = format!("the gateway {} {why}", subnet.gateway);
                found.add(&GATEWAY_OUTSIDE, place.clone(), message);
            }
            taken.push(InfrastructureAddress {
                address: subnet.gateway,
                rule: &GATEWAY_IN_RANGE,
                owner: format!("the gateway of {owner}"),
                place,
                alone: false,
                edge: transit.map(Edge::Gateway),
                subnet: Some(subnet.prefix),
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
                (vlan.role == VlanRole::Transit).then_some(i),
            );
        }
        for (j, v) in site.v_switches.iter().enumerate() {
            gateways(
                &v.subnets,
                &at.clone().at("vSwitches").at(j),
                format!("vSwitch {}", v.name),
                None,
            );
        }
    }
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        let idc = c.site(&link.idc).map(|(index, _)| index);
        for (j, t) in link.transfer.iter().enumerate() {
            let at = Path::spec().at("links").at(i).at("transfer").at(j);
            let neither = !t.prefix.contains(t.idc) && !t.prefix.contains(t.vpc);
            if neither {
                let message = format!("{} and {} are not in {}", t.idc, t.vpc, t.prefix);
                found.add(&GATEWAY_OUTSIDE, at.clone().at("prefix"), message);
            }
            for (end, address) in [("idc", t.idc), ("vpc", t.vpc)] {
                let place = at.clone().at(end);
                if let Some(why) = unfit(address, t.prefix).filter(|_| !neither) {
                    let message = format!("the line's end {address} {why}");
                    found.add(&GATEWAY_OUTSIDE, place.clone(), message);
                }
                taken.push(InfrastructureAddress {
                    address,
                    rule: &GATEWAY_IN_RANGE,
                    owner: format!("an end of leased line {}", link.name),
                    place,
                    alone: false,
                    edge: match end {
                        "idc" => idc.map(Edge::Line),
                        // The VBR is the cloud's.
                        _ => None,
                    },
                    subnet: None,
                });
            }
        }
    }
    taken
}

fn hosts(c: &Context<'_>, taken: &mut Vec<InfrastructureAddress>, found: &mut Findings) {
    let mut by_subnet: BTreeMap<Path, (&Subnet, Suspects)> = BTreeMap::new();
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((index, site)) = c.site_of(i) else {
            continue;
        };
        let segment = c.segment_of(i);
        let subnets = segment.map_or(&[][..], |s| s.subnets);
        let lost = subnets.is_empty() && site.site_type == SiteType::Idc;
        for (j, address) in host.addresses.iter().enumerate() {
            let place = c.host_at(i).at("addresses").at(j);
            let misplaced = match lost {
                true => in_none(*address, site),
                false => misplaced(site, subnets, *address),
            };
            let message = misplaced.map(|why| format!("{} of {} {why}", address, host.name));
            let subnet = segment.and_then(|s| subnet_of(index, s, address.is_ipv4()));
            match subnet {
                Some((at, subnet)) => {
                    let (_, suspects) =
                        by_subnet.entry(at).or_insert((subnet, Suspects::default()));
                    match message {
                        Some(message) => {
                            suspects.add(finding(&ADDRESS_OUTSIDE, place.clone(), message));
                        }
                        None => suspects.add_right(),
                    }
                }
                None => {
                    if let Some(message) = message {
                        found.add(&ADDRESS_OUTSIDE, place.clone(), message);
                    }
                }
            }
            taken.push(InfrastructureAddress {
                address: address.ip(),
                rule: &HOST_IN_RANGE,
                owner: format!("host {}", host.name),
                place,
                alone: !c.is_member(i),
                edge: None,
                subnet: None,
            });
        }
    }
    for (at, (subnet, suspects)) in by_subnet {
        if !is_doubtful(subnet) {
            let all = |hosts| format!("none of {hosts} hosts fits {}", subnet.prefix);
            suspects.tell(at, all, found);
        }
    }
}

/// The subnet of a family that hosts are to be in, and where its prefix is written.
fn subnet_of(index: usize, segment: Segment<'_>, v4: bool) -> Option<(Path, &Subnet)> {
    let of_family = |s: &Subnet| s.prefix.is_ipv4() == v4;
    let k = segment.subnets.iter().position(of_family)?;
    let at = Path::spec().at("sites").at(index);
    let at = at.at(segment.list).at(segment.at);
    Some((at.at("subnets").at(k).at("prefix"), &segment.subnets[k]))
}

fn misplaced(site: &Site, subnets: &[Subnet], address: IpNetwork) -> Option<String> {
    if subnets.is_empty() {
        return None;
    }
    let Some(subnet) = subnets.iter().find(|s| s.prefix.contains(address.ip())) else {
        let list: Vec<String> = subnets.iter().map(|s| s.prefix.to_string()).collect();
        let of = match site.site_type {
            SiteType::Idc => "its VLAN of role host",
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

/// Of a host of which no VLAN of hosts bears the first address, where there are several.
fn in_none(address: IpNetwork, site: &Site) -> Option<String> {
    let subnets: Vec<IpNetwork> = site
        .host_vlans()
        .flat_map(|v| v.subnets.iter().map(|s| s.prefix))
        .collect();
    let list: Vec<String> = subnets.iter().map(ToString::to_string).collect();
    let inside = subnets.iter().any(|s| s.contains(address.ip()));
    (!inside && !list.is_empty()).then(|| {
        format!(
            "is in no subnet of a VLAN of role host: {}",
            list.join(", ")
        )
    })
}

fn is_host(one: &InfrastructureAddress) -> bool {
    std::ptr::eq(one.rule, &HOST_IN_RANGE)
}

fn once(taken: &[InfrastructureAddress], found: &mut Findings) {
    let mut seen: HashMap<IpAddr, &InfrastructureAddress> = HashMap::with_capacity(taken.len());
    for one in taken {
        match seen.get(&one.address) {
            // The router's end of a line is the router's address in the VLAN of the line. From
            // here on it is the line's, so that a second line with it is told.
            Some(first) if Edge::same(first.edge, one.edge) => {
                seen.insert(one.address, one);
            }
            Some(first) => {
                // Of a group's address and another host's, the host's can be changed alone.
                let by_group = first.alone && !one.alone && is_host(one);
                let (one, first) = match by_group {
                    true => (*first, one),
                    false => (one, *first),
                };
                found.add_with(
                    &DUPLICATE_ADDRESS,
                    one.place.clone(),
                    format!("{} of {} is also {}'s", one.address, one.owner, first.owner),
                    (first.place.clone(), "the other one"),
                );
            }
            None => {
                seen.insert(one.address, one);
            }
        }
    }
}

/// The network and broadcast addresses of the VLANs that containers are on. In a VPC a range
/// is its own subnet, and the host leaves out what it must.
fn edges(c: &Context<'_>, taken: &mut Vec<InfrastructureAddress>) {
    for (i, site) in c.sites().iter().enumerate() {
        for (j, vlan) in site.vlans.iter().enumerate() {
            for (k, subnet) in vlan.subnets.iter().enumerate() {
                for (address, what) in reserved(subnet.prefix) {
                    let at = Path::spec().at("sites").at(i).at("vlans").at(j);
                    taken.push(InfrastructureAddress {
                        address,
                        rule: &EDGE_IN_RANGE,
                        owner: format!("the {what} of {}", subnet.prefix),
                        place: at.at("subnets").at(k).at("prefix"),
                        alone: false,
                        edge: None,
                        subnet: None,
                    });
                }
            }
        }
    }
}

fn in_no_range(c: &Context<'_>, taken: &[InfrastructureAddress], found: &mut Findings) {
    let mut ranges: Vec<(Position, Position, RangeOf<'_>)> = c
        .ranges()
        .map(|r| {
            let (first, last) = bounds(r.range.prefix);
            (first, last, r)
        })
        .collect();
    ranges.sort_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
    let holds = |address: IpAddr| {
        let at = Position::of(address);
        let after = ranges.partition_point(|(first, _, _)| *first <= at);
        let (_, last, r) = ranges[..after].last()?;
        (*last >= at).then_some(*r)
    };
    for one in taken {
        let Some(r) = holds(one.address).filter(|r| !excluded(c, *r, one.address)) else {
            continue;
        };
        // A gateway amid its subnet is the mistyped one of the two, where the usual place is free.
        let usual = one.subnet.and_then(|s| usual_gateway(s, one.address));
        if let Some(usual) = usual.filter(|a| holds(*a).is_none()) {
            let host = &c.hosts()[r.host].name;
            found.put(Finding {
                help: format!("Correct the gateway, to {usual} as a rule; or the range."),
                related: Some((c.range_at(r.host, r.index), "the range".to_owned())),
                ..finding(
                    one.rule,
                    one.place.clone(),
                    format!(
                        "{} of {} is in {} of {host}",
                        one.address, one.owner, r.range.prefix
                    ),
                )
            });
            continue;
        }
        let host = &c.hosts()[r.host].name;
        let what = match one.rule {
            rule if std::ptr::eq(rule, &EDGE_IN_RANGE) => one.owner.clone(),
            _ => format!("{} of {}", one.address, one.owner),
        };
        found.add_with(
            one.rule,
            c.range_at(r.host, r.index),
            format!("{} of {host} holds {what}", r.range.prefix),
            (one.place.clone(), "this address"),
        );
    }
}

/// The first address of a subnet, where a gateway is neither that nor the last.
fn usual_gateway(subnet: IpNetwork, gateway: IpAddr) -> Option<IpAddr> {
    let (first, last) = bounds(subnet);
    let (first, at) = (first.forward(1)?, Position::of(gateway).value);
    let is_usual = at == first.value || at + 1 == last.value;
    first.address().filter(|_| !is_usual)
}

fn excluded(c: &Context<'_>, r: RangeOf<'_>, address: IpAddr) -> bool {
    c.network_of(r.host, r.index).is_some_and(|(_, n)| {
        n.pools
            .iter()
            .flat_map(|p| &p.exclude)
            .any(|e| e.contains(address))
    })
}
