//! Edits of sites, VLANs, switches and the plan's own fields; and the order of those of networks and
//! leased lines among them.

use std::collections::BTreeSet;

use flatnet_types::VlanId;

use super::{Edit, Subjects, cables, links, networks};
use crate::finding::{
    DANGLING, DUPLICATE_VLAN, MTU_SHRINKS, NEIGHBOURS, NOT_TRUNKED, RANGE_SMALL, SERVICE_OVERLAP,
    VLAN_ROLE, VLAN_SITE,
};
use crate::model::{Network, NetworkPlan, Site, SiteType, VlanRole};
use crate::source::Path;

pub(super) fn edits(plan: &NetworkPlan, subjects: &Subjects, edits: &mut Vec<Edit>) {
    for network in subjects.networks.iter().copied() {
        networks::of_network(plan, network, edits);
    }
    if subjects.says(&["FN0504", "FN0506"]) {
        for index in networks::with_ranges(plan, subjects) {
            networks::usual_density(plan, index, edits);
        }
    }
    for site in near(plan, subjects) {
        types(plan, site, edits);
        vlans(plan, site, edits);
    }
    for site in subjects.sites.iter().copied() {
        peers(plan, site, edits);
        cables::of_site(plan, site, subjects, edits);
    }
    for link in subjects.links.iter().copied() {
        links::swap(plan, link, edits);
        links::ends(plan, link, edits);
    }
    names(plan, edits);
    whole(plan, subjects, edits);
}

/// The sites that findings are about, also by a network or a line.
fn near(plan: &NetworkPlan, subjects: &Subjects) -> BTreeSet<usize> {
    let spec = &plan.spec;
    let networks = subjects
        .networks
        .iter()
        .filter_map(|i| spec.networks.get(*i));
    let networks = networks.map(|n| n.site.as_str());
    let links = subjects.links.iter().filter_map(|i| spec.links.get(*i));
    let links = links.flat_map(|l| [l.idc.as_str(), l.vpc.as_str()]);
    let hosts = subjects.hosts.iter().filter_map(|i| spec.hosts.get(*i));
    let hosts = hosts.map(|h| h.site.as_str());
    let groups = subjects
        .groups
        .iter()
        .filter_map(|i| spec.host_groups.get(*i));
    let groups = groups.map(|g| g.site.as_str());
    let named = networks.chain(links).chain(hosts).chain(groups);
    let named = named.filter_map(|name| spec.sites.iter().position(|s| s.name == name));
    subjects.sites.iter().copied().chain(named).collect()
}

fn site_at(site: usize) -> Path {
    Path::spec().at("sites").at(site)
}

fn types(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(site) = plan.spec.sites.get(index) else {
        return;
    };
    let (has, fields, other) = match site.site_type {
        SiteType::Vpc => (
            !site.vlans.is_empty() || !site.switches.is_empty(),
            "VLANs and switches",
            SiteType::Idc,
        ),
        SiteType::Idc => (
            !site.v_switches.is_empty() || !site.route_tables.is_empty(),
            "vSwitches and route tables",
            SiteType::Vpc,
        ),
    };
    if !has {
        return;
    }
    let word = |t| match t {
        SiteType::Idc => "IDC",
        SiteType::Vpc => "VPC",
    };
    let words = (
        format!(
            "{} is of type {}, and has {fields}, which are of a site of type {}",
            site.name,
            word(site.site_type),
            word(other)
        ),
        format!("Write `type: {}`.", word(other)),
    );
    let apply = move |p: &mut NetworkPlan| p.spec.sites[index].site_type = other;
    edits.push(Edit::new(site_at(index).at("type"), &VLAN_SITE, words, apply).alone());
}

/// IDs of VLANs that networks and trunks of a site name.
fn named(plan: &NetworkPlan, site: &Site) -> BTreeSet<VlanId> {
    let here = |name: &str| name == site.name;
    let networks = plan.spec.networks.iter().filter(|n| here(&n.site));
    let trunks = networks
        .clone()
        .flat_map(|n| n.trunk.iter().map(|t| t.vlan));
    let switches = site.switches.iter();
    let switches = switches.flat_map(|s| {
        let ports = s.ports.iter().flat_map(|p| p.trunk.iter().copied());
        s.trunk.iter().flatten().copied().chain(ports)
    });
    let hosts = plan.spec.hosts.iter().filter(|h| here(&h.site));
    let hosts = hosts.flat_map(|h| h.uplink.trunk.iter().flatten().copied());
    let groups = plan.spec.host_groups.iter().filter(|g| here(&g.site));
    let groups = groups.flat_map(|g| g.uplink.trunk.iter().flatten().copied());
    let all = networks
        .filter_map(|n| n.vlan)
        .chain(trunks)
        .chain(switches);
    all.chain(hosts).chain(groups).collect()
}

/// VLANs with another ID, and with another role.
fn vlans(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(site) = plan.spec.sites.get(index) else {
        return;
    };
    let named = named(plan, site);
    let there: BTreeSet<VlanId> = site.vlans.iter().map(|v| v.id).collect();
    let missing: Vec<VlanId> = named.difference(&there).copied().take(3).collect();
    // One that nothing names: the second of two is told by its place.
    let mut spare = (2..=4000).rev().filter_map(|id| VlanId::new(id).ok());
    let spare = spare.find(|id| !there.contains(id) && !named.contains(id));
    for (i, vlan) in site.vlans.iter().enumerate() {
        let at = site_at(index).at("vlans").at(i);
        let twice = site.vlans.iter().filter(|v| v.id == vlan.id).count() > 1;
        if twice || !named.contains(&vlan.id) || vlan.role == VlanRole::Host {
            let spare = spare.filter(|_| twice);
            for id in missing.iter().copied().chain(spare) {
                let name = &vlan.name;
                let (rule, message) = match twice {
                    true => (
                        &DUPLICATE_VLAN,
                        match spare == Some(id) {
                            true => format!("VLAN {} of {} is given twice", vlan.id, site.name),
                            false => format!(
                                "VLAN {} of {} is given twice, and VLAN {id} is named and not there",
                                vlan.id, site.name
                            ),
                        },
                    ),
                    false => (
                        &NOT_TRUNKED,
                        format!(
                            "nothing names VLAN {} ({name}) of {}, and VLAN {id} is named and not there",
                            vlan.id, site.name
                        ),
                    ),
                };
                let help = match spare == Some(id) {
                    true => "Give it an ID of its own.".to_owned(),
                    false => format!("Write `id: {id}`, which is named elsewhere and not there."),
                };
                let apply = move |p: &mut NetworkPlan| p.spec.sites[index].vlans[i].id = id;
                let edit = Edit::new(at.clone().at("id"), rule, (message, help), apply);
                edits.push(match spare == Some(id) {
                    true => edit,
                    false => edit.alone(),
                });
            }
        }
        let of_network = |n: &&Network| n.site == site.name && n.vlan == Some(vlan.id);
        let networks = plan.spec.networks.iter().filter(of_network);
        let role = match networks.count() {
            0 => VlanRole::Host,
            _ => VlanRole::Pod,
        };
        if role != vlan.role && site.vlans.len() < 64 {
            let words = (
                format!(
                    "VLAN {} has the role {}, and is used as one of role {}",
                    vlan.id,
                    vlan.role.as_str(),
                    role.as_str()
                ),
                format!("Write `role: {}`.", role.as_str()),
            );
            let apply = move |p: &mut NetworkPlan| p.spec.sites[index].vlans[i].role = role;
            edits.push(Edit::new(at.at("role"), &VLAN_ROLE, words, apply).alone());
        }
    }
}

/// A declaration that nothing refers to, where several places refer to a name that is not there.
fn names(plan: &NetworkPlan, edits: &mut Vec<Edit>) {
    let spec = &plan.spec;
    let of_hosts = spec.hosts.iter().map(|h| h.site.as_str());
    let of_groups = spec.host_groups.iter().map(|g| g.site.as_str());
    let of_networks = spec.networks.iter().map(|n| n.site.as_str());
    let of_links = spec
        .links
        .iter()
        .flat_map(|l| [l.idc.as_str(), l.vpc.as_str()]);
    let used: Vec<&str> = of_hosts
        .chain(of_groups)
        .chain(of_networks)
        .chain(of_links)
        .collect();
    let there: Vec<&str> = spec.sites.iter().map(|s| s.name.as_str()).collect();
    if let Some((i, name, places)) = misnamed(&there, &used) {
        let words = misnamed_words("site", there[i], &name, places);
        let apply = move |p: &mut NetworkPlan| p.spec.sites[i].name.clone_from(&name);
        edits.push(Edit::new(site_at(i).at("name"), &DANGLING, words, apply).alone());
    }
    let of_hosts = spec
        .hosts
        .iter()
        .flat_map(|h| h.ranges.iter().map(|r| r.network.as_str()));
    let of_groups = spec.host_groups.iter();
    let of_groups = of_groups.flat_map(|g| g.ranges.iter().map(|r| r.network.as_str()));
    let used: Vec<&str> = of_hosts.chain(of_groups).collect();
    let there: Vec<&str> = spec.networks.iter().map(|n| n.name.as_str()).collect();
    if let Some((i, name, places)) = misnamed(&there, &used)
        && let Ok(parsed) = name.parse::<flatnet_types::NetworkName>()
    {
        let words = misnamed_words("network", there[i], &name, places);
        let apply = move |p: &mut NetworkPlan| p.spec.networks[i].name = parsed.clone();
        let place = Path::spec().at("networks").at(i).at("name");
        edits.push(Edit::new(place, &DANGLING, words, apply).alone());
    }
    for (s, site) in spec.sites.iter().enumerate().take(16) {
        let here = spec.hosts.iter().filter(|h| h.site == site.name);
        let switches = site.switches.iter();
        let peers = switches.flat_map(|w| w.peers.iter().chain(&w.uplinks).map(String::as_str));
        let of_hosts = here.flat_map(|h| {
            let nics = h.uplink.nics.iter().filter_map(|n| n.switch.as_deref());
            h.uplink.switch.as_deref().into_iter().chain(nics)
        });
        let used: Vec<&str> = peers.chain(of_hosts).collect();
        let there: Vec<&str> = site.switches.iter().map(|w| w.name.as_str()).collect();
        if let Some((i, name, places)) = misnamed(&there, &used) {
            let words = misnamed_words("switch", there[i], &name, places);
            let apply =
                move |p: &mut NetworkPlan| p.spec.sites[s].switches[i].name.clone_from(&name);
            let place = site_at(s).at("switches").at(i).at("name");
            edits.push(Edit::new(place, &DANGLING, words, apply).alone());
        }
    }
}

/// A switch that is its own peer.
fn peers(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(site) = plan.spec.sites.get(index) else {
        return;
    };
    for (i, switch) in site.switches.iter().enumerate() {
        let own = switch.peers.iter().position(|p| *p == switch.name);
        let Some(j) = own else { continue };
        let others = site.switches.iter().filter(|s| s.name != switch.name);
        for other in others.take(4) {
            let words = (
                format!("{} refers to itself", switch.name),
                format!("Name the other switch, such as {}.", other.name),
            );
            let name = other.name.clone();
            let apply = move |p: &mut NetworkPlan| {
                p.spec.sites[index].switches[i].peers[j].clone_from(&name);
            };
            let at = site_at(index).at("switches").at(i).at("peers").at(j);
            edits.push(Edit::new(at, &DANGLING, words, apply));
        }
    }
}

/// The one declared name that nobody uses, and the one used name that is not declared, which several
/// places have.
fn misnamed(there: &[&str], used: &[&str]) -> Option<(usize, String, usize)> {
    let declared: BTreeSet<&str> = there.iter().copied().collect();
    let users: BTreeSet<&str> = used.iter().copied().collect();
    let mut missing = users.difference(&declared);
    let (name, None) = (missing.next()?, missing.next()) else {
        return None;
    };
    let is_idle = |(at, n): &(usize, &&str)| !users.contains(**n) || there[..*at].contains(*n);
    let mut idle = there.iter().enumerate().filter(is_idle);
    let ((index, declared), None) = (idle.next()?, idle.next()) else {
        return None;
    };
    // One that is declared twice has an end to each of the two names.
    let twice = users.contains(declared);
    let places = used.iter().filter(|u| *u == name).count();
    (places > 1 || twice).then(|| (index, (*name).to_owned(), places))
}

fn misnamed_words(what: &str, declared: &str, name: &str, places: usize) -> (String, String) {
    (
        format!(
            "there is no {what} {name:?}, to which {}; {declared:?} may be meant to be it",
            match places {
                1 => "one place refers".to_owned(),
                n => format!("{n} places refer"),
            }
        ),
        format!("Write `name: {name}`, or correct the places that refer to it."),
    )
}

/// Fields of the whole plan.
fn whole(plan: &NetworkPlan, subjects: &Subjects, edits: &mut Vec<Edit>) {
    let spec = &plan.spec;
    for i in subjects.services.iter().copied() {
        let place = Path::spec().at("servicePrefixes").at(i);
        let Some((prefix, ..)) = spec
            .service_prefixes
            .get(i)
            .and_then(|p| super::addresses::elsewhere(*p, 200))
        else {
            continue;
        };
        let words = (
            format!("{} of the services is in use", spec.service_prefixes[i]),
            SERVICE_OVERLAP.help.to_owned(),
        );
        let apply = move |p: &mut NetworkPlan| p.spec.service_prefixes[i] = prefix;
        edits.push(Edit::new(place, &SERVICE_OVERLAP, words, apply));
    }
    let budgets = Path::spec().at("budgets");
    if subjects.says(&["FN0502"]) {
        let words = (
            format!(
                "a budget of {} neighbours is less than VLANs need",
                spec.budgets.neighbours
            ),
            NEIGHBOURS.help.to_owned(),
        );
        let apply = |p: &mut NetworkPlan| p.spec.budgets.neighbours = u32::MAX;
        edits.push(Edit::new(
            budgets.at("neighbours"),
            &NEIGHBOURS,
            words,
            apply,
        ));
    }
    if let Some(density) = spec
        .density
        .filter(|_| subjects.says(&["FN0501", "FN0502", "FN0503", "FN0504", "FN0506"]))
    {
        let words = (
            format!("a density of {density} is more than ranges and switches have room for"),
            RANGE_SMALL.help.to_owned(),
        );
        let apply = |p: &mut NetworkPlan| p.spec.density = Some(1);
        edits.push(Edit::new(
            Path::spec().at("density"),
            &RANGE_SMALL,
            words,
            apply,
        ));
    }
    if spec.mtu.get() != 1500
        && subjects.says(&["FN0404", "FN0405", "FN0407"])
        && let Ok(mtu) = flatnet_types::Mtu::try_from(1500)
    {
        let words = (
            format!(
                "an MTU of {} bytes on every link does not fit the rest of the plan",
                spec.mtu
            ),
            MTU_SHRINKS.help.to_owned(),
        );
        let apply = move |p: &mut NetworkPlan| p.spec.mtu = mtu;
        edits.push(Edit::new(
            Path::spec().at("mtu"),
            &MTU_SHRINKS,
            words,
            apply,
        ));
    }
}
