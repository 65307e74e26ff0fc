//! Names that are given twice, and names that lead nowhere.

use std::collections::{HashMap, HashSet};

use super::{Context, Findings};
use crate::expand::Group;
use crate::finding::{BAD_NAME, CASE, DANGLING, DUPLICATE_NAME, NODE_NAME};
use crate::model::{Site, SiteType};
use crate::source::Path;
use crate::source::de::likeliest;

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
        |i| match c.is_member(i) {
            true => c.host_at(i).at("hostName"),
            false => c.host_at(i).at("name"),
        },
        found,
    );
    let mut hints = Suggestions::default();
    for (i, site) in s.sites.iter().enumerate() {
        in_site(site, &spec().at("sites").at(i), &mut hints, found);
    }
    networks(c, &mut hints, found);
    if !s.service_prefixes.is_empty() || s.api_server.is_some() {
        nodes(c, found);
    }
    hosts(c, &mut hints, found);
    links(c, &mut hints, found);
}

/// The groups' own names, which no host bears.
pub(super) fn groups(groups: &[Group], found: &mut Findings) {
    let place = |i| Path::spec().at("hostGroups").at(i);
    let names = groups.iter().map(|g| g.name.as_str());
    twice("host group", names, place, found);
}

fn twice<'p>(
    what: &str,
    names: impl Iterator<Item = &'p str>,
    place: impl Fn(usize) -> Path,
    found: &mut Findings,
) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut folded: HashMap<String, (usize, &str)> = HashMap::new();
    for (i, name) in names.enumerate() {
        let other = *folded.entry(name.to_lowercase()).or_insert((i, name));
        if other.1 != name {
            // Of two the one in capitals is told, whichever comes first.
            let small = name == name.to_lowercase();
            let (told, left) = match small {
                true => (other, (i, name)),
                false => ((i, name), other),
            };
            found.add_with(
                &CASE,
                place(told.0),
                format!("{} and {} are names of a {what}", told.1, left.1),
                (place(left.0), "the other one"),
            );
        }
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

fn in_site(site: &Site, at: &Path, hints: &mut Suggestions, found: &mut Findings) {
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
    for (i, switch) in site.switches.iter().enumerate() {
        let at = of("switches")(i);
        let ports = switch.ports.iter().map(|p| p.name.as_str());
        twice(
            "port of this switch",
            ports,
            |j| at.clone().at("ports").at(j),
            found,
        );
    }
    let switches = Known::of(site.switches.iter().map(|x| x.name.as_str()));
    for (i, switch) in site.switches.iter().enumerate() {
        for (list, names) in [("peers", &switch.peers), ("uplinks", &switch.uplinks)] {
            for (j, name) in names.iter().enumerate() {
                let place = || of("switches")(i).at(list).at(j);
                if !switches.has(name) {
                    let (of, message) = hints.no_such("switch", name, &site.name, &switches);
                    found.add_missing(of, place(), message);
                } else if *name == switch.name {
                    found.add(&DANGLING, place(), format!("{name} refers to itself"));
                }
            }
        }
    }
    let v_switches = Known::of(site.v_switches.iter().map(|x| x.name.as_str()));
    for (i, table) in site.route_tables.iter().enumerate() {
        for (j, name) in table.v_switches.iter().enumerate() {
            if !v_switches.has(name) {
                let place = of("routeTables")(i).at("vSwitches").at(j);
                let (of, message) = hints.no_such("vSwitch", name, &site.name, &v_switches);
                found.add_missing(of, place, message);
            }
        }
    }
}

/// The names of one kind of thing, and those that may be suggested for a wrong one.
struct Known<'p> {
    there: HashSet<&'p str>,
    sorted: Vec<&'p str>,
}

impl<'p> Known<'p> {
    fn of(names: impl Iterator<Item = &'p str>) -> Self {
        let there: HashSet<&str> = names.collect();
        let mut sorted: Vec<&str> = there.iter().copied().collect();
        sorted.sort_unstable();
        Self { there, sorted }
    }

    fn has(&self, name: &str) -> bool {
        self.there.contains(name)
    }
}

/// What a name that leads nowhere is of with the name, and the message.
type Missing = ((String, String), String);

/// What was said of wrong names. A comparison with every name takes its time, and who has many wrong
/// names has one cause for all of them: the first few are enough.
#[derive(Default)]
struct Suggestions {
    /// By what the name is of, and the name: the members of a group have the same one.
    said: HashMap<(String, String), String>,
}

impl Suggestions {
    const MOST: usize = 20;

    /// The name that was meant, where one alone is close.
    fn meant(&mut self, of: String, name: &str, names: &[&str]) -> String {
        let key = (of, name.to_owned());
        if let Some(said) = self.said.get(&key) {
            return said.clone();
        }
        if self.said.len() >= Self::MOST {
            return String::new();
        }
        let said = likeliest(name, names.iter().copied())
            .map_or_else(String::new, |n| format!("; did you mean {n}?"));
        self.said.insert(key, said.clone());
        said
    }

    /// What the name is of with the name, and the message.
    fn no_such(&mut self, what: &str, name: &str, site: &str, there: &Known<'_>) -> Missing {
        let of = format!("{what} of {site}");
        let message = format!(
            "{site} has no {what} {name:?}; it has {}{}",
            listed(&there.sorted),
            self.meant(of.clone(), name, &there.sorted)
        );
        ((of, name.to_owned()), message)
    }

    fn no_site(&mut self, c: &Context<'_>, name: &str) -> Missing {
        let names: Vec<&str> = c.sites().iter().map(|s| s.name.as_str()).collect();
        let message = format!(
            "there is no site {name:?}; there are {}{}",
            listed(&names),
            self.meant("site".to_owned(), name, &names)
        );
        (("site".to_owned(), name.to_owned()), message)
    }
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

/// Hosts of a plan that names a Kubernetes cluster are its nodes, whose names are those of DNS in
/// small letters (RFC 1123 §2.1).
fn nodes(c: &Context<'_>, found: &mut Findings) {
    let label = |part: &str| {
        let small = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ends = [part.bytes().next(), part.bytes().last()];
        ends.iter().all(|b| b.is_some_and(small)) && part.bytes().all(|b| small(b) || b == b'-')
    };
    for (i, host) in c.hosts().iter().enumerate() {
        let name = host.name.as_str();
        if !name.split('.').all(label) {
            let message = format!("{name} is no name that a Kubernetes node can have");
            let at = c.host_at(i);
            let at = match c.is_member(i) {
                true => at.at("hostName"),
                false => at.at("name"),
            };
            found.add(&NODE_NAME, at, message);
        }
    }
}

fn networks(c: &Context<'_>, hints: &mut Suggestions, found: &mut Findings) {
    for (i, network) in c.networks().iter().enumerate() {
        let at = Path::spec().at("networks").at(i);
        let Some((index, site)) = c.site(&network.site) else {
            let (of, message) = hints.no_site(c, &network.site);
            found.add_missing(of, at.at("site"), message);
            continue;
        };
        if let Some(id) = network.vlan
            && site.site_type == SiteType::Idc
            && c.vlan(index, id).is_none()
        {
            let ids: Vec<String> = site.vlans.iter().map(|v| v.id.to_string()).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let message = format!("{} has no VLAN {id}; it has {}", site.name, listed(&ids));
            let of = (format!("VLAN of {}", site.name), id.to_string());
            found.add_missing(of, at.at("vlan"), message);
        }
    }
}

fn hosts(c: &Context<'_>, hints: &mut Suggestions, found: &mut Findings) {
    // One look at each of the sites' names, not one for every host.
    let switches: Vec<Known<'_>> = c
        .sites()
        .iter()
        .map(|s| Known::of(s.switches.iter().map(|x| x.name.as_str())))
        .collect();
    let v_switches: Vec<Known<'_>> = c
        .sites()
        .iter()
        .map(|s| Known::of(s.v_switches.iter().map(|x| x.name.as_str())))
        .collect();
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((index, site)) = c.site_of(i) else {
            let (of, message) = hints.no_site(c, &host.site);
            found.add_missing(of, c.host_at(i).at("site"), message);
            continue;
        };
        if let Some(name) = &host.v_switch
            && !v_switches[index].has(name)
        {
            let (of, message) = hints.no_such("vSwitch", name, &site.name, &v_switches[index]);
            found.add_missing(of, c.host_at(i).at("vSwitch"), message);
        }
        let uplink = || c.host_at(i).at("uplink");
        let mut absent = |name: &Option<String>| {
            let name = name.as_deref()?;
            (!switches[index].has(name))
                .then(|| hints.no_such("switch", name, &site.name, &switches[index]))
        };
        if let Some((of, message)) = absent(&host.uplink.switch) {
            found.add_missing(of, uplink().at("switch"), message);
        }
        for (j, nic) in host.uplink.nics.iter().enumerate() {
            if let Some((of, message)) = absent(&nic.switch) {
                found.add_missing(of, uplink().at("nics").at(j).at("switch"), message);
            }
        }
        for (j, range) in host.ranges.iter().enumerate() {
            if c.network_of(i, j).is_none() {
                let names: Vec<&str> = c.networks().iter().map(|n| n.name.as_str()).collect();
                let message = format!(
                    "there is no network {}; there are {}{}",
                    range.network,
                    listed(&names),
                    hints.meant("network".to_owned(), range.network.as_str(), &names)
                );
                let of = ("network".to_owned(), range.network.to_string());
                let place = c.host_at(i).at("ranges").at(j).at("network");
                found.add_missing(of, place, message);
            }
        }
    }
}

fn links(c: &Context<'_>, hints: &mut Suggestions, found: &mut Findings) {
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        let ends = [
            ("idc", &link.idc, SiteType::Idc, "an IDC"),
            ("vpc", &link.vpc, SiteType::Vpc, "a VPC"),
        ];
        for (end, name, kind, kind_name) in ends {
            let place = Path::spec().at("links").at(i).at(end);
            match c.site(name) {
                None => {
                    let (of, message) = hints.no_site(c, name);
                    found.add_missing(of, place, message);
                }
                Some((_, site)) if site.site_type != kind => {
                    found.add(&DANGLING, place, format!("{name} is not {kind_name}"));
                }
                Some(_) => {}
            }
        }
    }
}
