//! Ways that lead nowhere: lines and tables that lack what an entry needs, or carry nothing.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use super::{Context, Findings};
use crate::finding::{CARRIES_NOTHING, LINE_FAMILY, NO_HOP, UNBOUND};
use crate::model::{LeasedLine, RouteTable, Site, SiteType};
use crate::prefix::overlap;
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    for (i, site) in c.sites().iter().enumerate() {
        if site.site_type == SiteType::Vpc && !site.route_tables.is_empty() {
            bound(c, (i, site), found);
            hops(c, (i, site), found);
        }
    }
    for (i, line) in c.plan.spec.links.iter().enumerate() {
        families(c, (i, line), found);
    }
    idle(c, found);
}

/// Every vSwitch with hosts is bound to a table that is ours, where any is.
fn bound(c: &Context<'_>, (index, site): (usize, &Site), found: &mut Findings) {
    let tables = &site.route_tables;
    // A table that is bound to a vSwitch that is not there is told: who knows which one is meant.
    let lost = |t: &RouteTable| t.v_switches.iter().any(|v| site.v_switch(v).is_none());
    if tables.iter().any(|t| t.v_switches.is_empty() || lost(t)) {
        return;
    }
    let mut without: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (i, host) in c.hosts().iter().enumerate() {
        let here = c.site_of(i).is_some_and(|(s, _)| s == index);
        let Some(name) = host.v_switch.as_deref().filter(|_| here) else {
            continue;
        };
        let known = site.v_switch(name).is_some();
        if known
            && !tables
                .iter()
                .any(|t| t.v_switches.iter().any(|v| v == name))
        {
            without.entry(name).or_insert((i, 0)).1 += 1;
        }
    }
    let at = Path::spec().at("sites").at(index).at("routeTables");
    for (name, (host, count)) in without {
        let place = match tables.len() {
            1 => at.clone().at(0).at("vSwitches"),
            _ => {
                let named = site.v_switches.iter().position(|v| v.name == name);
                let site = Path::spec().at("sites").at(index);
                let own = named.map(|j| site.at("vSwitches").at(j).at("name"));
                own.unwrap_or_else(|| at.clone())
            }
        };
        let message = format!(
            "vSwitch {name} of {} with {count} hosts is bound to no route table of the plan",
            site.name
        );
        let related = (c.host_at(host).at("vSwitch"), "a host in it");
        found.add_with(&UNBOUND, place, message, related);
    }
}

/// What vpc-route needs to write a VPC's entries, where the plan gives such IDs at all.
fn hops(c: &Context<'_>, (index, site): (usize, &Site), found: &mut Findings) {
    let lines = c.plan.spec.links.iter().enumerate();
    let lines: Vec<(usize, &LeasedLine)> = lines.filter(|(_, l)| l.vpc == site.name).collect();
    let kept = site.route_tables.iter().any(|t| t.id.is_some());
    let interface = |l: &LeasedLine| {
        let vbr = l.vbr.as_ref().and_then(|v| v.router_interface.as_ref());
        l.router_interface.is_some() || vbr.is_some()
    };
    let given = kept || lines.iter().any(|(_, l)| interface(l));
    let tables = Path::spec().at("sites").at(index).at("routeTables");
    for (i, table) in site.route_tables.iter().enumerate() {
        if kept && table.id.is_none() {
            let message = format!(
                "route table {} of {} has no id, and others have",
                table.name, site.name
            );
            found.add(&NO_HOP, tables.clone().at(i), message);
        }
    }
    for (i, line) in lines {
        let idle = |l: &LeasedLine| {
            let accept = l.accept.as_ref();
            accept.is_some_and(|a| a.from_idc.is_empty() && a.from_vpc.is_empty())
        };
        if idle(line) {
            continue;
        }
        let mut lacks = Vec::new();
        let mut place = Path::spec().at("links").at(i);
        if given && line.router_interface.is_none() {
            lacks.push("routerInterface");
        }
        match &line.vbr {
            None if given => lacks.push("vbr"),
            Some(vbr) if kept && vbr.router_interface.is_none() => {
                if lacks.is_empty() {
                    place = place.at("vbr");
                }
                lacks.push("vbr.routerInterface");
            }
            _ => {}
        }
        if !lacks.is_empty() {
            let message = format!(
                "the route tables of {} cannot lead over {}, which has no {}",
                site.name,
                line.name,
                lacks.join(" and no ")
            );
            found.add_with(
                &NO_HOP,
                place,
                message,
                (tables.clone(), "its route tables"),
            );
        }
    }
}

/// A line has addresses in each family of which it accepts something.
fn families(c: &Context<'_>, (index, line): (usize, &LeasedLine), found: &mut Findings) {
    let at = Path::spec().at("links").at(index);
    for v4 in [true, false] {
        if line.transfer.iter().any(|t| t.prefix.is_ipv4() == v4) {
            continue;
        }
        let (name, other) = if v4 {
            ("IPv4", "IPv6")
        } else {
            ("IPv6", "IPv4")
        };
        let message = format!(
            "{} is to carry {name}, and its transfer has {other} alone",
            line.name
        );
        let place = at.clone().at("transfer");
        let Some(accept) = &line.accept else {
            if in_vpc(c, &line.vpc).any(|p| p.is_ipv4() == v4) {
                found.add(&LINE_FAMILY, place, message);
            }
            continue;
        };
        // Also where nobody in the VPC has such an address yet. What is accepted from the data centre
        // alone leads to nobody.
        let mut accepted = accept.from_vpc.iter();
        if let Some(k) = accepted.position(|p| p.is_ipv4() == v4) {
            let accepted = at.clone().at("accept").at("fromVpc").at(k);
            let related = (accepted, "accepted here");
            found.add_with(&LINE_FAMILY, place, message, related);
        }
    }
}

/// The prefixes of a VPC that the data centre is led to.
fn in_vpc<'p>(c: &Context<'p>, vpc: &'p str) -> impl Iterator<Item = IpNetwork> + use<'p> {
    let site = c.site(vpc).map(|(_, site)| site);
    let subnets = site.into_iter().flat_map(|s| &s.v_switches);
    let subnets = subnets.flat_map(|v| v.subnets.iter().map(|s| s.prefix));
    let networks = c.networks().iter().filter(move |n| n.site == vpc);
    subnets.chain(networks.flat_map(|n| n.pools.iter().map(|p| p.prefix)))
}

/// Pairs of sites between which no line accepts anything that is there.
fn idle(c: &Context<'_>, found: &mut Findings) {
    let mut pairs: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        pairs.entry((&link.idc, &link.vpc)).or_default().push(i);
    }
    for ((idc, vpc), lines) in pairs {
        let in_idc: Vec<IpNetwork> = c.site(idc).map_or_else(Vec::new, |(_, site)| {
            let vlans = site.vlans.iter().flat_map(|v| &v.subnets);
            vlans.map(|s| s.prefix).collect()
        });
        let in_vpc: Vec<IpNetwork> = in_vpc(c, vpc).collect();
        let touches = |list: &[IpNetwork], there: &[IpNetwork]| {
            there.iter().any(|p| list.iter().any(|a| overlap(*a, *p)))
        };
        let nothing = lines.iter().all(|l| {
            let accept = c.plan.spec.links[*l].accept.as_ref();
            accept.is_some_and(|a| !touches(&a.from_idc, &in_idc) && !touches(&a.from_vpc, &in_vpc))
        });
        if nothing && let Some(first) = lines.first() {
            let message = format!("no line between {idc} and {vpc} accepts anything that is there");
            let place = Path::spec().at("links").at(*first).at("accept");
            found.add(&CARRIES_NOTHING, place, message);
        }
    }
}
