//! What is the same under another name: it is told as renamed, and not as removed and added.
//!
//! ```text
//!   old, new ─▶ [Names] of sites, lines, and in each site switches, vSwitches, route tables
//!                  gone and come, alike in all but the name ─▶ told, and the old plan with the
//!                                                              new names, which is compared on
//! ```
//!
//! Machines know nothing of these names: they are the plan's own. Networks and hosts are not here:
//! a CNI configuration names a network, and a host's name is its node's, so another name is another
//! thing to whoever has it.
//!
//! Guarantees: one that is gone is one that came only where each is the only one of its kind;
//! a plan whose names stay is not copied.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::notice::{Done, Kind, NOBODY};
use super::{Found, Phase};
use crate::model::{LeasedLine, NetworkPlan, RouteTable, Site, Switch, VSwitch};

const RENAMED: Kind = Kind::new(Phase::Record, Done::Noted);
const SWITCH: Kind = RENAMED.mind(
    "its cables stay where they are; if it is another machine, its cables move: plan that as two steps",
);
const LINE: Kind = Kind::new(Phase::Carry, Done::Crossed).mind(
    "vpc-route's lineInterfaces names it: add the new name there before, and take the old one out after",
);
const EDGE: Kind = Kind::new(Phase::Carry, Done::Routed)
    .mind("vpc-route's edgeRouters names it: change the name there with it; its entries stay");

/// The old plan with the names of the new one, where only a name differs; each is told.
pub(super) fn followed<'p>(
    old: &'p NetworkPlan,
    new: &NetworkPlan,
    found: &mut Found,
) -> Cow<'p, NetworkPlan> {
    let mut old = Cow::Borrowed(old);
    sites(&mut old, new, found);
    for after in &new.spec.sites {
        let name = after.name.as_str();
        let Some(at) = old.spec.sites.iter().position(|s| s.name == name) else {
            continue;
        };
        if old.spec.sites[at] == *after {
            continue;
        }
        switches(&mut old, new, (at, after), found);
        v_switches(&mut old, new, (at, after), found);
        route_tables(&mut old, (at, after), found);
        edge_router(&mut old, (at, after), found);
    }
    lines(&mut old, new, found);
    old
}

/// Pairs of those that are gone and those that came: `alike` tells whether they may be the same.
fn pairs<'o, 'n, T>(
    old: &'o [T],
    new: &'n [T],
    name: impl Fn(&T) -> &str,
    alike: impl Fn(&T, &T) -> bool,
) -> Vec<(&'o T, &'n T)> {
    let lacks = |all: &[T], item: &T| all.iter().all(|other| name(other) != name(item));
    let gone: Vec<&T> = old.iter().filter(|o| lacks(new, o)).collect();
    let come: Vec<&T> = new.iter().filter(|n| lacks(old, n)).collect();
    let only = |o: &'o T| {
        let mut fits = come.iter().copied().filter(|n| alike(o, n));
        let (n, None) = (fits.next()?, fits.next()) else {
            return None;
        };
        let others = gone.iter().filter(|g| alike(g, n)).count();
        (others == 1).then_some((o, n))
    };
    gone.iter().copied().filter_map(only).collect()
}

fn told(kind: Kind, what: &str, names: (&str, &str), of: &str, found: &mut Found) {
    let what = format!("rename {what}");
    let detail = format!("{} → {}{of}", names.0, names.1);
    found.add(kind, &what, NOBODY, detail);
}

fn sites(old: &mut Cow<'_, NetworkPlan>, new: &NetworkPlan, found: &mut Found) {
    let alike = |o: &Site, n: &Site| {
        // The cloud's own ID says which VPC it is.
        let same_vpc = o.vpc_id.is_some() && o.vpc_id == n.vpc_id;
        o.site_type == n.site_type && (same_vpc || unnamed(o) == unnamed(n))
    };
    let found_pairs = pairs(&old.spec.sites, &new.spec.sites, |s| &s.name, alike);
    let mut names: Vec<(String, String)> = named(&found_pairs, |s| &s.name);
    // What still refers to the old name is in no site, and what already did to the new one was.
    let refers = |plan: &NetworkPlan, name: &str| {
        let spec = &plan.spec;
        let mut ends = spec.links.iter().flat_map(|l| [&l.idc, &l.vpc]);
        ends.any(|end| end == name)
            || spec.networks.iter().any(|n| n.site == name)
            || spec.hosts.iter().any(|h| h.site == name)
    };
    names.retain(|(from, to)| !refers(new, from) && !refers(old, to));
    for (from, to) in names {
        told(RENAMED, "the site", (&from, &to), "", found);
        let spec = &mut old.to_mut().spec;
        let sites = spec.sites.iter_mut().map(|s| &mut s.name);
        let networks = spec.networks.iter_mut().map(|n| &mut n.site);
        let hosts = spec.hosts.iter_mut().map(|h| &mut h.site);
        let lines = spec.links.iter_mut().flat_map(|l| [&mut l.idc, &mut l.vpc]);
        let all = sites.chain(networks).chain(hosts).chain(lines);
        rename(all, (&from, &to));
    }
}

/// A site without its name.
fn unnamed(site: &Site) -> Site {
    Site {
        name: String::new(),
        ..site.clone()
    }
}

/// The names of pairs, old and new.
fn named<T>(pairs: &[(&T, &T)], name: impl Fn(&T) -> &String) -> Vec<(String, String)> {
    let each = pairs.iter();
    each.map(|(o, n)| (name(o).clone(), name(n).clone()))
        .collect()
}

fn rename<'a>(all: impl Iterator<Item = &'a mut String>, (from, to): (&str, &str)) {
    for name in all.filter(|name| *name == from) {
        to.clone_into(name);
    }
}

/// A cable that ends at a switch: the host, the NIC and the port.
type Cable<'p> = (&'p str, &'p str, Option<&'p str>);

fn cables<'p>(plan: &'p NetworkPlan, site: &str, switch: &str) -> BTreeSet<Cable<'p>> {
    let hosts = plan.spec.hosts.iter().filter(|h| h.site == site);
    let each = hosts.flat_map(|h| {
        let uplink = &h.uplink;
        let one = (uplink.interface.as_str(), &uplink.switch, &uplink.port);
        let nics = uplink.nics.iter();
        let nics = nics.map(|n| (n.interface.as_str(), &n.switch, &n.port));
        std::iter::once(one)
            .chain(nics)
            .filter(|(_, at, _)| at.as_deref() == Some(switch))
            .map(|(nic, _, port)| (h.name.as_str(), nic, port.as_deref()))
            .collect::<Vec<_>>()
    });
    each.collect()
}

/// Switches with the same cables, or with none and the same neighbours.
fn switches(
    old: &mut Cow<'_, NetworkPlan>,
    new: &NetworkPlan,
    (at, after): (usize, &Site),
    found: &mut Found,
) {
    let site = after.name.as_str();
    let of_old = |s: &Switch| cables(old, site, &s.name);
    let of_new = |s: &Switch| cables(new, site, &s.name);
    let before = &old.spec.sites[at].switches;
    let wired = pairs(
        before,
        &after.switches,
        |s| &s.name,
        |o, n| {
            let ends = of_old(o);
            isolated(o) == isolated(n) && !ends.is_empty() && ends == of_new(n)
        },
    );
    let names = named(&wired, |s| &s.name);
    rename_switches(old, at, &names);
    let mut all = names;
    let before = &old.spec.sites[at].switches;
    let bare = pairs(
        before,
        &after.switches,
        |s| &s.name,
        |o, n| {
            let none = |plan, s: &Switch| cables(plan, site, &s.name).is_empty();
            let around = |all: &[Switch], s: &Switch| -> BTreeSet<String> {
                let hang = all.iter().filter(|w| leads_to(w, &s.name));
                hang.map(|w| w.name.clone()).collect()
            };
            let same = (&o.peers, &o.uplinks) == (&n.peers, &n.uplinks);
            let hanging = around(before, o) == around(&after.switches, n);
            isolated(o) == isolated(n) && same && hanging && none(old, o) && none(new, n)
        },
    );
    let names = named(&bare, |s| &s.name);
    rename_switches(old, at, &names);
    all.extend(names);
    for (from, to) in all {
        told(
            SWITCH,
            "the switch",
            (&from, &to),
            &format!(" in {site}"),
            found,
        );
    }
}

fn leads_to(switch: &Switch, name: &str) -> bool {
    let mut all = switch.peers.iter().chain(&switch.uplinks);
    all.any(|n| n == name)
}

/// A switch without its name and its neighbours'.
fn isolated(switch: &Switch) -> Switch {
    Switch {
        name: String::new(),
        peers: Vec::new(),
        uplinks: Vec::new(),
        ..switch.clone()
    }
}

fn rename_switches(old: &mut Cow<'_, NetworkPlan>, at: usize, names: &[(String, String)]) {
    for (from, to) in names {
        let spec = &mut old.to_mut().spec;
        let site = spec.sites[at].name.clone();
        let of_site = spec.sites[at].switches.iter_mut().flat_map(|s| {
            let around = s.peers.iter_mut().chain(&mut s.uplinks);
            std::iter::once(&mut s.name).chain(around)
        });
        rename(of_site, (from, to));
        let hosts = spec.hosts.iter_mut().filter(|h| h.site == site);
        let ends = hosts.flat_map(|h| {
            let nics = h.uplink.nics.iter_mut().filter_map(|n| n.switch.as_mut());
            h.uplink.switch.as_mut().into_iter().chain(nics)
        });
        rename(ends, (from, to));
    }
}

fn v_switches(
    old: &mut Cow<'_, NetworkPlan>,
    new: &NetworkPlan,
    (at, after): (usize, &Site),
    found: &mut Found,
) {
    let alike = |o: &VSwitch, n: &VSwitch| match (&o.id, &n.id) {
        (Some(a), Some(b)) => a == b,
        // A VPC has no prefix twice.
        _ => (&o.zone, &o.subnets) == (&n.zone, &n.subnets) && !o.subnets.is_empty(),
    };
    let before = &old.spec.sites[at].v_switches;
    let mut names = named(&pairs(before, &after.v_switches, |v| &v.name, alike), |v| {
        &v.name
    });
    let refers = |plan: &NetworkPlan, name: &str| {
        let mut here = plan.spec.hosts.iter().filter(|h| h.site == after.name);
        here.any(|h| h.v_switch.as_deref() == Some(name))
    };
    names.retain(|(from, to)| !refers(new, from) && !refers(old, to));
    for (from, to) in names {
        let of = format!(" in {}", after.name);
        told(RENAMED, "the vSwitch", (&from, &to), &of, found);
        let spec = &mut old.to_mut().spec;
        let site = &mut spec.sites[at];
        let own = site.v_switches.iter_mut().map(|v| &mut v.name);
        let bound = site.route_tables.iter_mut().flat_map(|t| &mut t.v_switches);
        rename(own.chain(bound), (&from, &to));
        let hosts = spec.hosts.iter_mut().filter(|h| h.site == after.name);
        rename(hosts.filter_map(|h| h.v_switch.as_mut()), (&from, &to));
    }
}

fn route_tables(old: &mut Cow<'_, NetworkPlan>, (at, after): (usize, &Site), found: &mut Found) {
    let alike = |o: &RouteTable, n: &RouteTable| match (&o.id, &n.id) {
        (Some(a), Some(b)) => a == b,
        _ => o.id == n.id && o.v_switches == n.v_switches && o.quota == n.quota,
    };
    let before = &old.spec.sites[at].route_tables;
    let names = named(
        &pairs(before, &after.route_tables, |t| &t.name, alike),
        |t| &t.name,
    );
    for (from, to) in names {
        let of = format!(" of {}", after.name);
        told(RENAMED, "the route table", (&from, &to), &of, found);
        let tables = old.to_mut().spec.sites[at].route_tables.iter_mut();
        rename(tables.map(|t| &mut t.name), (&from, &to));
    }
}

/// A data centre has one, so another name is the same one; without lines there is none to speak of.
fn edge_router(old: &mut Cow<'_, NetworkPlan>, (at, after): (usize, &Site), found: &mut Found) {
    let name = |site: &Site| crate::routes::edge_router_name(site).to_owned();
    let before = &old.spec.sites[at];
    let names = (name(before), name(after));
    let has_line = old.spec.links.iter().any(|l| l.idc == after.name);
    if names.0 == names.1 || !has_line {
        return;
    }
    let of = format!(" in {}", after.name);
    told(EDGE, "the edge router", (&names.0, &names.1), &of, found);
    let site = &mut old.to_mut().spec.sites[at];
    match &mut site.edge_router {
        Some(router) => router.name = names.1,
        None => site.edge_router.clone_from(&after.edge_router),
    }
}

fn lines(old: &mut Cow<'_, NetworkPlan>, new: &NetworkPlan, found: &mut Found) {
    let unnamed = |l: &LeasedLine| LeasedLine {
        name: String::new(),
        ..l.clone()
    };
    let alike = |o: &LeasedLine, n: &LeasedLine| {
        let id = |l: &LeasedLine| l.vbr.as_ref().map(|v| v.id.clone());
        let same_vbr = id(o).is_some() && id(o) == id(n);
        let same_ends = (&o.idc, &o.vpc) == (&n.idc, &n.vpc);
        same_ends && (same_vbr || unnamed(o) == unnamed(n))
    };
    let names = named(
        &pairs(&old.spec.links, &new.spec.links, |l| &l.name, alike),
        |l| &l.name,
    );
    for (from, to) in names {
        told(LINE, "the leased line", (&from, &to), "", found);
        let links = old.to_mut().spec.links.iter_mut();
        rename(links.map(|l| &mut l.name), (&from, &to));
    }
}
