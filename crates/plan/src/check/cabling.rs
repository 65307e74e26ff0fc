//! Cables and bonds: nothing loops, nothing flaps.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::context::Cable;
use super::suspects::Suspects;
use super::{Context, Findings, finding};
use crate::finding::{CASE, Finding, LACP_PEERS, NOT_PEERS, OVS_BOND, PORT_TWICE, UNBONDED};
use crate::model::{BondMode, Host, Site};
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let domains: Vec<Vec<usize>> = (0..c.sites().len()).map(|s| domains(c, s)).collect();
    let mut ports: HashMap<(usize, usize, Cow<'_, str>), (usize, Cable<'_>)> = HashMap::new();
    let mut pairs = Pairs::new();
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((site_index, site)) = c.site_of(i) else {
            continue;
        };
        let nics = host.uplink.nics.len();
        if nics > 1 && host.uplink.bond.is_none() {
            let message = format!("{} has {nics} uplinks and no bond", host.name);
            found.add(&UNBONDED, c.host_at(i).at("uplink").at("nics"), message);
        }
        for cable in c.cables(i) {
            let Some(port) = cable.port else { continue };
            // Switches know their ports by names in which the case does not count.
            match ports.entry((site_index, cable.switch, folded(port))) {
                Entry::Occupied(first) => {
                    let (other, first) = *first.get();
                    let switch = &site.switches[cable.switch].name;
                    if let Some(name) = first.port.filter(|name| *name != port) {
                        found.add_with(
                            &CASE,
                            port_at(c, i, *cable),
                            format!("{port} and {name} are names of a port of {switch}"),
                            (port_at(c, other, first), "the other one"),
                        );
                        continue;
                    }
                    found.add_with(
                        &PORT_TWICE,
                        port_at(c, i, *cable),
                        match other == i {
                            true => format!("{} has port {port} of {switch} twice", host.name),
                            false => format!(
                                "port {port} of {switch} is {}'s and {}'s",
                                c.hosts()[other].name,
                                host.name
                            ),
                        },
                        (port_at(c, other, first), "the other cable"),
                    );
                }
                Entry::Vacant(free) => {
                    free.insert((i, *cable));
                }
            }
        }
        let of = (site_index, site, domains[site_index].as_slice());
        bonded(c, i, host, of, (&mut pairs, found));
    }
    for ((site, a, b, code), hosts) in pairs {
        let switches = &c.sites()[site].switches;
        let at = Path::spec().at("sites").at(site).at("switches").at(b);
        let what = match code {
            _ if code == NOT_PEERS.code => "do not belong together",
            _ => "are not peers",
        };
        let all = |n| {
            format!(
                "{} and {}, at which the bonds of {n} hosts end, {what}",
                switches[a].name, switches[b].name
            )
        };
        hosts.tell(at.at("name"), all, found);
    }
}

/// Pairs of switches that do not fit each other, with the hosts whose bonds end at both: by site,
/// the two switches and the code.
type Pairs = BTreeMap<(usize, usize, usize, &'static str), Suspects>;

/// A port's name as switches compare it.
fn folded(port: &str) -> Cow<'_, str> {
    match port.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(port.to_ascii_lowercase()),
        false => Cow::Borrowed(port),
    }
}

/// Where a cable's port is written.
fn port_at(c: &Context<'_>, host: usize, cable: Cable<'_>) -> Path {
    let uplink = c.host_at(host).at("uplink");
    match cable.nic {
        Some(nic) => uplink.at("nics").at(nic).at("port"),
        None => uplink.at("port"),
    }
}

fn bonded(
    c: &Context<'_>,
    index: usize,
    host: &Host,
    (site_index, site, domains): (usize, &Site, &[usize]),
    (pairs, found): (&mut Pairs, &mut Findings),
) {
    let Some(mode) = host.uplink.bond else {
        return;
    };
    if mode == BondMode::BalanceSlb {
        let message = format!("{}'s bond would be one of Open vSwitch's own", host.name);
        found.add(&OVS_BOND, c.host_at(index).at("uplink").at("bond"), message);
        return;
    }
    let mut switches: Vec<usize> = c.cables(index).iter().map(|cable| cable.switch).collect();
    switches.sort_unstable();
    switches.dedup();
    for (k, a) in switches.iter().enumerate() {
        for b in &switches[k + 1..] {
            let names = (&site.switches[*a].name, &site.switches[*b].name);
            let together = match mode {
                BondMode::ActiveBackup => domains[*a] == domains[*b],
                BondMode::BalanceSlb | BondMode::BalanceXor | BondMode::Lacp => {
                    site.switches[*a].peers.contains(names.1)
                        || site.switches[*b].peers.contains(names.0)
                }
            };
            // A name that leads nowhere is told: it may be the other one's.
            let names_nobody = |s: usize| {
                let peers = &mut site.switches[s].peers.iter();
                peers.any(|name| c.switch(site_index, name).is_none())
            };
            if together || names_nobody(*a) || names_nobody(*b) {
                continue;
            }
            let (rule, what) = match mode {
                BondMode::Lacp => (&LACP_PEERS, "are not peers"),
                BondMode::ActiveBackup => (&NOT_PEERS, "are not in one layer-2 domain"),
                BondMode::BalanceSlb | BondMode::BalanceXor => (&NOT_PEERS, "are not peers"),
            };
            let at = Path::spec().at("sites").at(site_index).at("switches");
            let message = format!(
                "{}'s bond ends at {} and {}, which {what}",
                host.name, names.0, names.1
            );
            let place = c.host_at(index).at("uplink").at("bond");
            let wrong = Finding {
                related: Some((at.at(*b), "the other switch".to_owned())),
                ..finding(rule, place, message)
            };
            let pair = (site_index, *a, *b, rule.code);
            pairs.entry(pair).or_default().add(wrong);
        }
    }
}

/// For each switch of a site the layer-2 domain it is in, as the number of one of its
/// switches.
fn domains(c: &Context<'_>, site: usize) -> Vec<usize> {
    let switches = &c.sites()[site].switches;
    let mut parent: Vec<usize> = (0..switches.len()).collect();
    for (i, switch) in switches.iter().enumerate() {
        for name in switch.peers.iter().chain(&switch.uplinks) {
            // A name that leads nowhere is told: it may be any switch's.
            let others = match c.switch(site, name) {
                Some(other) => other..other + 1,
                None => 0..switches.len(),
            };
            for other in others {
                let (a, b) = (root(&mut parent, i), root(&mut parent, other));
                parent[a] = b;
            }
        }
    }
    (0..switches.len()).map(|i| root(&mut parent, i)).collect()
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}
