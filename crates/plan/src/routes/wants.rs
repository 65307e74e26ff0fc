//! What each table wants, before it is aggregated.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_types::VlanId;
use ipnetwork::IpNetwork;

use super::parts::{apart, common};
use super::{Destination, NextHop, Table, TableKind, Via, edge_router_name};
use crate::model::{
    Host, HostVlans, LeasedLine, NetworkPlan, RouteTable, Site, SiteType, Transfer, Vbr, Vlan,
    VlanRole,
};
use crate::prefix::covers;

/// A table, what it wants, and what it must keep clear of.
pub(super) struct Wants {
    pub(super) table: Table,
    pub(super) wanted: Vec<(IpNetwork, NextHop, Destination)>,
    pub(super) foreign: Vec<IpNetwork>,
    pub(super) unallocated: Vec<IpNetwork>,
    /// Whether entries may be joined.
    pub(super) aggregate: bool,
}

impl Wants {
    fn of(kind: TableKind, site: &str, name: &str, id: Option<String>, quota: Option<u32>) -> Self {
        Self {
            table: Table {
                kind,
                site: site.to_owned(),
                name: name.to_owned(),
                id,
                quota,
                wanted: 0,
                covers_unallocated: false,
                entries: Vec::new(),
            },
            wanted: Vec::new(),
            foreign: Vec::new(),
            unallocated: Vec::new(),
            aggregate: true,
        }
    }
}

/// A destination and what it is.
type Place = (IpNetwork, Destination);

/// Of every table; the nodes' only if they are asked for.
pub(super) fn wants(plan: &NetworkPlan, nodes: bool) -> Vec<Wants> {
    let mut all = Vec::new();
    for (site, here) in with_hosts(plan) {
        match site.site_type {
            SiteType::Vpc => {
                all.extend(vpc_tables(plan, site, &here));
                all.extend(nodes.then(|| segments(site, &here)).into_iter().flatten());
            }
            SiteType::Idc => {
                all.extend(edge_router(plan, site));
                all.extend(nodes.then(|| idc_nodes(site, &here)).into_iter().flatten());
            }
        }
    }
    all.extend(plan.spec.links.iter().filter_map(|l| vbr(plan, l)));
    all
}

/// Each site and the hosts in it.
fn with_hosts(plan: &NetworkPlan) -> Vec<(&Site, Vec<&Host>)> {
    let mut hosts: BTreeMap<&str, Vec<&Host>> = BTreeMap::new();
    for host in &plan.spec.hosts {
        hosts.entry(host.site.as_str()).or_default().push(host);
    }
    let sites = plan.spec.sites.iter();
    sites
        .map(|site| {
            let here = hosts.get(site.name.as_str());
            (site, here.cloned().unwrap_or_default())
        })
        .collect()
}

/// The tables of a VPC: each leads to every range and, by the lines, to the IDCs.
fn vpc_tables(plan: &NetworkPlan, site: &Site, hosts: &[&Host]) -> Vec<Wants> {
    let system = RouteTable {
        cluster: None,
        name: "system".to_owned(),
        id: None,
        quota: RouteTable::DEFAULT_QUOTA,
        aggregate: true,
        v_switches: Vec::new(),
    };
    let declared = if site.route_tables.is_empty() {
        std::slice::from_ref(&system)
    } else {
        &site.route_tables
    };
    let mut wanted: Vec<(IpNetwork, NextHop, Destination)> = Vec::new();
    for host in hosts {
        for range in &host.ranges {
            wanted.push((
                range.prefix,
                NextHop::Instance {
                    host: host.name.clone(),
                    id: host.instance_id.clone(),
                },
                Destination::Range {
                    host: host.name.clone(),
                    network: range.network.to_string(),
                },
            ));
        }
    }
    let lines: Vec<&LeasedLine> = plan
        .spec
        .links
        .iter()
        .filter(|l| l.vpc == site.name)
        .collect();
    let mut unallocated = pools(plan, site);
    let mut claims = Vec::new();
    for line in &lines {
        for (prefix, what) in from_idc(plan, line) {
            let via = Via {
                line: line.name.clone(),
                id: line.router_interface.clone(),
                address: None,
            };
            claims.push((prefix, via, what));
        }
        unallocated.extend(line.accept.iter().flat_map(|a| &a.from_idc));
    }
    for (prefix, lines, what) in apart(&claims) {
        wanted.push((prefix, NextHop::Lines { lines }, what));
    }
    let foreign: Vec<IpNetwork> = v_switches(site).map(|(p, _)| p).collect();
    std::iter::repeat_n(wanted, declared.len())
        .zip(declared)
        .map(|(wanted, t)| Wants {
            wanted,
            foreign: foreign.clone(),
            unallocated: unallocated.clone(),
            aggregate: t.aggregate,
            ..Wants::of(
                TableKind::VpcRouteTable,
                &site.name,
                &t.name,
                t.id.clone(),
                Some(t.quota),
            )
        })
        .collect()
}

/// Host-gw between the nodes of each vSwitch.
fn segments(site: &Site, hosts: &[&Host]) -> Vec<Wants> {
    let mut segments: BTreeMap<&str, Vec<&Host>> = BTreeMap::new();
    for host in hosts {
        if let Some(name) = &host.v_switch {
            segments.entry(name).or_default().push(host);
        }
    }
    let mut all = Vec::new();
    for (name, members) in segments.into_iter().filter(|(_, m)| m.len() > 1) {
        let mut wants = Wants::of(TableKind::Node, &site.name, name, None, None);
        for host in members {
            for range in &host.ranges {
                let mut own = host.addresses.iter();
                if let Some(a) = own.find(|a| a.is_ipv4() == range.prefix.is_ipv4()) {
                    wants.wanted.push((
                        range.prefix,
                        NextHop::Host {
                            host: host.name.clone(),
                            address: a.ip(),
                        },
                        Destination::Range {
                            host: host.name.clone(),
                            network: range.network.to_string(),
                        },
                    ));
                }
            }
        }
        all.push(wants);
    }
    all
}

/// An IDC's node sends everything to the router of its VLAN: one table for each VLAN of hosts.
fn idc_nodes(site: &Site, hosts: &[&Host]) -> Vec<Wants> {
    let bearers = HostVlans::of(site);
    let used: BTreeSet<VlanId> = hosts
        .iter()
        .filter_map(|h| Some(bearers.of_host(h)?.id))
        .collect();
    let vlans = site.host_vlans().filter(|v| used.contains(&v.id));
    vlans.map(|vlan| idc_segment(site, vlan)).collect()
}

fn idc_segment(site: &Site, vlan: &Vlan) -> Wants {
    let mut wants = Wants::of(TableKind::Node, &site.name, &vlan.name, None, None);
    for subnet in &vlan.subnets {
        let everything = if subnet.prefix.is_ipv4() {
            IpNetwork::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0)
        } else {
            IpNetwork::new(std::net::Ipv6Addr::UNSPECIFIED.into(), 0)
        };
        let known = |p: &IpNetwork| wants.wanted.iter().any(|(q, _, _)| p == q);
        if let Some(prefix) = everything.ok().filter(|p| !known(p)) {
            let next_hop = NextHop::Gateway {
                address: subnet.gateway,
            };
            wants.wanted.push((prefix, next_hop, Destination::Default));
        }
    }
    wants
}

/// The router at an IDC's edge leads to the VPCs.
fn edge_router(plan: &NetworkPlan, site: &Site) -> Option<Wants> {
    let lines: Vec<&LeasedLine> = plan
        .spec
        .links
        .iter()
        .filter(|l| l.idc == site.name)
        .collect();
    if lines.is_empty() {
        return None;
    }
    let name = edge_router_name(site);
    let quota = site.edge_router.as_ref().and_then(|r| r.quota);
    let mut wants = Wants::of(TableKind::EdgeRouter, &site.name, name, None, quota);
    let mut claims = Vec::new();
    for line in lines {
        for (prefix, what) in from_vpc(plan, line) {
            let via = Via {
                line: line.name.clone(),
                id: None,
                address: end(line, prefix).map(|t| t.vpc),
            };
            claims.push((prefix, via, what));
        }
        wants.unallocated.extend(lendable_of_vpc(plan, line));
    }
    for (prefix, lines, what) in apart(&claims) {
        wants.wanted.push((prefix, NextHop::Lines { lines }, what));
    }
    wants.foreign = routed(site).map(|(p, _)| p).collect();
    Some(wants)
}

/// The cloud's end of a line leads both ways.
fn vbr(plan: &NetworkPlan, line: &LeasedLine) -> Option<Wants> {
    let vpc = plan.site(&line.vpc)?;
    let declared = line.vbr.as_ref();
    let mut wants = Wants::of(
        TableKind::Vbr,
        &vpc.name,
        &line.name,
        declared.map(|v| v.route_table.clone().unwrap_or_else(|| v.id.clone())),
        Some(declared.map_or(Vbr::DEFAULT_QUOTA, |v| v.quota)),
    );
    wants.aggregate = declared.is_none_or(|v| v.aggregate);
    for (prefix, what) in from_vpc(plan, line) {
        let next_hop = NextHop::Vpc {
            site: vpc.name.clone(),
            id: declared.and_then(|v| v.router_interface.clone()),
        };
        wants.wanted.push((prefix, next_hop, what));
    }
    for (prefix, what) in from_idc(plan, line) {
        let via = Via {
            line: line.name.clone(),
            id: None,
            address: end(line, prefix).map(|t| t.idc),
        };
        wants
            .wanted
            .push((prefix, NextHop::Lines { lines: vec![via] }, what));
    }
    wants.unallocated.extend(lendable_of_vpc(plan, line));
    wants
        .unallocated
        .extend(line.accept.iter().flat_map(|a| &a.from_idc));
    Some(wants)
}

fn end(line: &LeasedLine, prefix: IpNetwork) -> Option<&Transfer> {
    let mut ends = line.transfer.iter();
    ends.find(|t| t.prefix.is_ipv4() == prefix.is_ipv4())
}

/// What the VPC reaches by a line: subnets of hosts and containers, as far as accepted.
fn from_idc(plan: &NetworkPlan, line: &LeasedLine) -> Vec<Place> {
    let accepted = line.accept.as_ref().map(|a| a.from_idc.as_slice());
    plan.site(&line.idc)
        .into_iter()
        .flat_map(|site| narrowed(routed(site), accepted))
        .collect()
}

/// What the IDC reaches by a line: vSwitches and pools, as far as accepted.
fn from_vpc(plan: &NetworkPlan, line: &LeasedLine) -> Vec<Place> {
    let accepted = line.accept.as_ref().map(|a| a.from_vpc.as_slice());
    let Some(site) = plan.site(&line.vpc) else {
        return Vec::new();
    };
    let networks = plan.spec.networks.iter().filter(|n| n.site == site.name);
    let pools = networks.flat_map(|n| {
        n.pools.iter().map(|pool| {
            let what = Destination::Pool {
                site: n.site.clone(),
                network: n.name.to_string(),
            };
            (pool.prefix, what)
        })
    });
    let places: Vec<Place> = v_switches(site).chain(pools).collect();
    narrowed(places.into_iter(), accepted)
}

fn narrowed(places: impl Iterator<Item = Place>, accepted: Option<&[IpNetwork]>) -> Vec<Place> {
    places
        .flat_map(|(prefix, what)| {
            let parts = accepted.map_or_else(|| vec![prefix], |a| common(prefix, a));
            parts.into_iter().map(move |p| (p, what.clone()))
        })
        .collect()
}

/// An IDC's subnets that others have business with.
fn routed(site: &Site) -> impl Iterator<Item = Place> {
    site.vlans
        .iter()
        .filter(|v| matches!(v.role, VlanRole::Host | VlanRole::Pod))
        .flat_map(|vlan| {
            vlan.subnets.iter().map(|subnet| {
                let what = Destination::Vlan {
                    site: site.name.clone(),
                    vlan: vlan.name.clone(),
                };
                (subnet.prefix, what)
            })
        })
}

fn v_switches(site: &Site) -> impl Iterator<Item = Place> {
    site.v_switches.iter().flat_map(|v| {
        v.subnets.iter().map(|subnet| {
            let what = Destination::VSwitch {
                site: site.name.clone(),
                name: v.name.clone(),
            };
            (subnet.prefix, what)
        })
    })
}

fn pools(plan: &NetworkPlan, site: &Site) -> Vec<IpNetwork> {
    let networks = plan.spec.networks.iter().filter(|n| n.site == site.name);
    networks
        .flat_map(|n| n.pools.iter().map(|p| p.prefix))
        .collect()
}

/// What may be led to a VPC although nobody has it yet: its own prefixes and what the IDC
/// accepts from it. With an `accept`, nothing beyond it.
fn lendable_of_vpc(plan: &NetworkPlan, line: &LeasedLine) -> Vec<IpNetwork> {
    let own = plan
        .site(&line.vpc)
        .map_or(&[][..], |s| s.prefixes.as_slice());
    match &line.accept {
        None => own.to_vec(),
        Some(accept) => {
            let inside = |p: &&IpNetwork| accept.from_vpc.iter().any(|a| covers(*a, **p));
            let mut all = accept.from_vpc.clone();
            all.extend(own.iter().filter(inside));
            all
        }
    }
}
