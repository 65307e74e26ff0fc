//! Names that are given twice, and names that lead nowhere.

use std::collections::HashMap;

use super::{Context, Findings};
use crate::diagnostics::{BAD_NAME, DANGLING, DUPLICATE_NAME};
use crate::model::{Site, SiteType};
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let spec = Path::spec;
    let s = &c.plan.spec;
    twice(
        "site",
        s.sites.iter().map(|x| x.name.as_str()),
        |i| spec().at("sites").at(i),
        found,
    );
    twice(
        "network",
        s.networks.iter().map(|x| x.name.as_str()),
        |i| spec().at("networks").at(i),
        found,
    );
    twice(
        "link",
        s.links.iter().map(|x| x.name.as_str()),
        |i| spec().at("links").at(i),
        found,
    );
    twice(
        "host",
        s.hosts.iter().map(|x| x.name.as_str()),
        |i| c.host_at(i),
        found,
    );
    for (i, site) in s.sites.iter().enumerate() {
        in_site(site, &spec().at("sites").at(i), found);
    }
    networks(c, found);
    hosts(c, found);
    links(c, found);
}

/// The groups' own names, which no host bears.
pub(super) fn groups(names: &[String], found: &mut Findings) {
    let place = |i| Path::spec().at("hostGroups").at(i);
    twice("host group", names.iter().map(String::as_str), place, found);
}

fn twice<'p>(
    what: &str,
    names: impl Iterator<Item = &'p str>,
    place: impl Fn(usize) -> Path,
    found: &mut Findings,
) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (i, name) in names.enumerate() {
        if name.is_empty() || name.trim() != name {
            let message = format!("{name:?} is no name of a {what}");
            found.add(&BAD_NAME, place(i).at("name"), message);
        }
        match seen.get(name) {
            Some(first) => found.add_with(
                &DUPLICATE_NAME,
                place(i),
                format!("another {what} is called {name}"),
                (place(*first), "the first one"),
            ),
            None => {
                seen.insert(name, i);
            }
        }
    }
}

fn in_site(site: &Site, at: &Path, found: &mut Findings) {
    let of = |list: &'static str| {
        let at = at.clone();
        move |i: usize| at.clone().at(list).at(i)
    };
    twice(
        "switch of this site",
        site.switches.iter().map(|x| x.name.as_str()),
        of("switches"),
        found,
    );
    twice(
        "VLAN of this site",
        site.vlans.iter().map(|x| x.name.as_str()),
        of("vlans"),
        found,
    );
    twice(
        "vSwitch of this VPC",
        site.v_switches.iter().map(|x| x.name.as_str()),
        of("vSwitches"),
        found,
    );
    twice(
        "route table of this VPC",
        site.route_tables.iter().map(|x| x.name.as_str()),
        of("routeTables"),
        found,
    );
    let switches = known(site.switches.iter().map(|x| x.name.as_str()));
    for (i, switch) in site.switches.iter().enumerate() {
        for (list, names) in [("peers", &switch.peers), ("uplinks", &switch.uplinks)] {
            for (j, name) in names.iter().enumerate() {
                let place = || of("switches")(i).at(list).at(j);
                if !switches.contains_key(name.as_str()) {
                    found.add(
                        &DANGLING,
                        place(),
                        no_such("switch", name, &site.name, &switches),
                    );
                } else if *name == switch.name {
                    found.add(&DANGLING, place(), format!("{name} refers to itself"));
                }
            }
        }
    }
    let v_switches = known(site.v_switches.iter().map(|x| x.name.as_str()));
    for (i, table) in site.route_tables.iter().enumerate() {
        for (j, name) in table.v_switches.iter().enumerate() {
            if !v_switches.contains_key(name.as_str()) {
                let place = of("routeTables")(i).at("vSwitches").at(j);
                found.add(
                    &DANGLING,
                    place,
                    no_such("vSwitch", name, &site.name, &v_switches),
                );
            }
        }
    }
}

type Known<'p> = HashMap<&'p str, ()>;

fn known<'p>(names: impl Iterator<Item = &'p str>) -> Known<'p> {
    names.map(|n| (n, ())).collect()
}

fn no_such(what: &str, name: &str, site: &str, there: &Known<'_>) -> String {
    let mut names: Vec<&str> = there.keys().copied().collect();
    names.sort_unstable();
    let list = listed(&names);
    format!("{site} has no {what} {name:?}; it has {list}")
}

/// A few names, and how many more.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0 => "none".to_owned(),
        n if n > SHOWN => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
        _ => names.join(", "),
    }
}

fn no_site(c: &Context<'_>, name: &str) -> String {
    let names: Vec<&str> = c.sites().iter().map(|s| s.name.as_str()).collect();
    format!("there is no site {name:?}; there are {}", listed(&names))
}

fn networks(c: &Context<'_>, found: &mut Findings) {
    for (i, network) in c.networks().iter().enumerate() {
        let at = Path::spec().at("networks").at(i);
        let Some((index, site)) = c.site(&network.site) else {
            found.add(&DANGLING, at.at("site"), no_site(c, &network.site));
            continue;
        };
        if let Some(id) = network.vlan
            && site.site_type == SiteType::Idc
            && c.vlan(index, id).is_none()
        {
            let message = format!("{} has no VLAN {id}", site.name);
            found.add(&DANGLING, at.at("vlan"), message);
        }
    }
}

fn hosts(c: &Context<'_>, found: &mut Findings) {
    // One look at each of the sites' names, not one for every host.
    let switches: Vec<Known<'_>> = c
        .sites()
        .iter()
        .map(|s| known(s.switches.iter().map(|x| x.name.as_str())))
        .collect();
    let v_switches: Vec<Known<'_>> = c
        .sites()
        .iter()
        .map(|s| known(s.v_switches.iter().map(|x| x.name.as_str())))
        .collect();
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((index, site)) = c.site_of(i) else {
            found.add(&DANGLING, c.host_at(i).at("site"), no_site(c, &host.site));
            continue;
        };
        if let Some(name) = &host.v_switch
            && !v_switches[index].contains_key(name.as_str())
        {
            let message = no_such("vSwitch", name, &site.name, &v_switches[index]);
            found.add(&DANGLING, c.host_at(i).at("vSwitch"), message);
        }
        let uplink = || c.host_at(i).at("uplink");
        let absent = |name: &Option<String>| {
            let name = name.as_deref()?;
            (!switches[index].contains_key(name))
                .then(|| no_such("switch", name, &site.name, &switches[index]))
        };
        if let Some(message) = absent(&host.uplink.switch) {
            found.add(&DANGLING, uplink().at("switch"), message);
        }
        for (j, nic) in host.uplink.nics.iter().enumerate() {
            if let Some(message) = absent(&nic.switch) {
                found.add(&DANGLING, uplink().at("nics").at(j).at("switch"), message);
            }
        }
        for (j, range) in host.ranges.iter().enumerate() {
            if c.network_of(i, j).is_none() {
                let names: Vec<&str> = c.networks().iter().map(|n| n.name.as_str()).collect();
                let message = format!(
                    "there is no network {}; there are {}",
                    range.network,
                    listed(&names)
                );
                found.add(
                    &DANGLING,
                    c.host_at(i).at("ranges").at(j).at("network"),
                    message,
                );
            }
        }
    }
}

fn links(c: &Context<'_>, found: &mut Findings) {
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        let ends = [
            ("idc", &link.idc, SiteType::Idc, "an IDC"),
            ("vpc", &link.vpc, SiteType::Vpc, "a VPC"),
        ];
        for (end, name, kind, kind_name) in ends {
            let place = Path::spec().at("links").at(i).at(end);
            match c.site(name) {
                None => found.add(&DANGLING, place, no_site(c, name)),
                Some((_, site)) if site.site_type != kind => {
                    found.add(&DANGLING, place, format!("{name} is not {kind_name}"));
                }
                Some(_) => {}
            }
        }
    }
}
