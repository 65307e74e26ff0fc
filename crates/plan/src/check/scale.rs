//! What the plan fills: MAC tables, broadcast domains, neighbour tables, ranges.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flatnet_types::VlanId;
use ipnetwork::IpNetwork;

use super::{Context, Findings};
use crate::finding::{Finding, GC_THRESH, MAC_TABLE, NEIGHBOURS};
use crate::model::{MacMode, SiteType};
use crate::prefix::size;
use crate::source::Path;

/// Which VLANs each switch of a site carries: those of its hosts, of its peers, and of the
/// switches that hang on it. A broadcast reaches all of them, so each learns every MAC.
pub(crate) struct Carried(Vec<BTreeSet<VlanId>>);

impl Carried {
    pub(crate) fn of(c: &Context<'_>, site: usize) -> Self {
        let switches = &c.sites()[site].switches;
        let mut carried = vec![BTreeSet::new(); switches.len()];
        let mut new: Vec<(usize, VlanId)> = Vec::new();
        for i in 0..c.hosts().len() {
            if c.site_of(i).is_none_or(|(index, _)| index != site) {
                continue;
            }
            for cable in c.cables(i) {
                for id in c.vlans_of(i) {
                    if carried[cable.switch].insert(*id) {
                        new.push((cable.switch, *id));
                    }
                }
            }
        }
        let mut next: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); switches.len()];
        let mut peers = next.clone();
        for (i, switch) in switches.iter().enumerate() {
            for peer in switch.peers.iter().filter_map(|p| c.switch(site, p)) {
                peers[i].insert(peer);
                peers[peer].insert(i);
            }
            next[i].extend(switch.uplinks.iter().filter_map(|u| c.switch(site, u)));
        }
        while let Some((switch, id)) = new.pop() {
            let to_peers = peers[switch].iter().filter(|peer| {
                switches[switch].carries_to_peers(id) && switches[**peer].carries_to_peers(id)
            });
            for other in next[switch].iter().chain(to_peers) {
                if carried[*other].insert(id) {
                    new.push((*other, id));
                }
            }
        }
        Self(carried)
    }

    /// The VLANs on one switch.
    pub(crate) fn by(&self, switch: usize) -> impl Iterator<Item = VlanId> + '_ {
        self.0[switch].iter().copied()
    }
}

/// What one VLAN holds.
#[derive(Clone, Copy, Default)]
struct Domain {
    macs: u64,
    /// Containers, hosts' own addresses and the router, in one family.
    neighbours: u64,
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let domains = domains(c);
    mac_tables(c, &domains, found);
    neighbours(c, &domains, found);
}

type Domains = HashMap<(usize, VlanId), Domain>;

fn domains(c: &Context<'_>) -> Domains {
    let mut domains: Domains = HashMap::new();
    for (i, site) in c.sites().iter().enumerate() {
        for vlan in site.vlans.iter().filter(|v| !v.subnets.is_empty()) {
            let domain = domains.entry((i, vlan.id)).or_default();
            domain.macs = 1;
            domain.neighbours = 1;
        }
    }
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((index, site)) = c.site_of(i) else {
            continue;
        };
        if site.site_type != SiteType::Idc {
            continue;
        }
        for id in c.vlans_of(i) {
            let domain = domains.entry((index, *id)).or_default();
            domain.macs = domain.macs.saturating_add(1);
        }
        if let Some(vlan) = c.host_vlan_of(i) {
            domains.entry((index, vlan.id)).or_default().neighbours += 1;
        }
        for (name, ranges) in c.held_by_network(i) {
            let Some((_, network)) = c.network(name) else {
                continue;
            };
            let Some(id) = network.vlan else { continue };
            let planned = c.plan.density(host, network).map(u64::from);
            let domain = domains.entry((index, id)).or_default();
            domain.neighbours += planned.unwrap_or(0);
            if network.mac == MacMode::Pod {
                let more = planned.unwrap_or_else(|| at_most(&ranges));
                domain.macs = domain.macs.saturating_add(more);
            }
        }
    }
    domains
}

/// As many containers as a host's ranges of one network can hold: each has one address of
/// each family.
fn at_most(ranges: &[IpNetwork]) -> u64 {
    let of = |v4: bool| -> u128 {
        ranges
            .iter()
            .filter(|r| r.is_ipv4() == v4)
            .map(|r| size(*r))
            .fold(0, u128::saturating_add)
    };
    let number = match (of(true), of(false)) {
        (0, v6) => v6,
        (v4, 0) => v4,
        (v4, v6) => v4.min(v6),
    };
    u64::try_from(number).unwrap_or(u64::MAX / 4)
}

fn mac_tables(c: &Context<'_>, domains: &Domains, found: &mut Findings) {
    let percent = u64::from(c.plan.spec.budgets.mac_table_percent);
    for (i, site) in c.sites().iter().enumerate() {
        if site.switches.iter().all(|s| s.mac_table_size.is_none()) {
            continue;
        }
        let carried = Carried::of(c, i);
        for (j, switch) in site.switches.iter().enumerate() {
            let Some(table) = switch.mac_table_size else {
                continue;
            };
            let by_vlan: BTreeMap<VlanId, u64> = carried
                .by(j)
                .filter_map(|id| Some((id, domains.get(&(i, id))?.macs)))
                .collect();
            let macs = by_vlan.values().fold(0_u64, |a, b| a.saturating_add(*b));
            let budget = u64::from(table) * percent / 100;
            if macs <= budget {
                continue;
            }
            let mut most: Vec<(VlanId, u64)> = by_vlan.into_iter().collect();
            most.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            let most: Vec<String> = most
                .iter()
                .take(3)
                .map(|(id, n)| format!("{n} in VLAN {id}"))
                .collect();
            found.add(
                &MAC_TABLE,
                Path::spec()
                    .at("sites")
                    .at(i)
                    .at("switches")
                    .at(j)
                    .at("macTableSize"),
                format!(
                    "{} would learn {macs} MACs ({}); {percent} % of its {table} are {budget}",
                    switch.name,
                    most.join(", ")
                ),
            );
        }
    }
}

fn neighbours(c: &Context<'_>, domains: &Domains, found: &mut Findings) {
    let budget = u64::from(c.plan.spec.budgets.neighbours);
    for (i, site) in c.sites().iter().enumerate() {
        for (j, vlan) in site.vlans.iter().enumerate() {
            let n = domains.get(&(i, vlan.id)).map_or(0, |d| d.neighbours);
            if n > budget {
                let (t1, t2, t3) = gc_thresh(n);
                found.put(Finding {
                    rule: &NEIGHBOURS,
                    place: Path::spec().at("sites").at(i).at("vlans").at(j).at("id"),
                    message: format!(
                        "VLAN {} has {n} neighbours planned; the budget is {budget}",
                        vlan.id
                    ),
                    help: format!(
                        "{} A host there needs gc_thresh1/2/3 of {t1}, {t2} and {t3}.",
                        NEIGHBOURS.help
                    ),
                    related: None,
                });
            }
        }
    }
    neighbour_tables(c, domains, found);
}

/// The neighbours that one host may come to know in all its VLANs: the kernel counts those
/// of all its network namespaces together.
fn neighbour_tables(c: &Context<'_>, domains: &Domains, found: &mut Findings) {
    let worst = c
        .hosts()
        .iter()
        .enumerate()
        .filter_map(|(i, host)| {
            let (index, _) = c.site_of(i)?;
            let known = c
                .vlans_of(i)
                .iter()
                .filter_map(|id| Some(domains.get(&(index, *id))?.neighbours))
                .sum::<u64>();
            Some((known, host))
        })
        .max_by_key(|(known, _)| *known);
    let limit = c.plan.spec.budgets.gc_thresh3;
    let Some((known, host)) = worst.filter(|(known, _)| *known > u64::from(limit)) else {
        return;
    };
    let (t1, t2, t3) = gc_thresh(known);
    found.put(Finding {
        rule: &GC_THRESH,
        place: Path::spec().at("budgets").at("gcThresh3"),
        message: format!(
            "{} may come to know {known} neighbours; its gc_thresh3 is {limit}",
            host.name
        ),
        help: format!(
            "Set net.ipv4.neigh.default and net.ipv6.neigh.default on the hosts: \
             gc_thresh1={t1}, gc_thresh2={t2}, gc_thresh3={t3}; and write `gcThresh3: {t3}` \
             in `budgets`."
        ),
        related: None,
    });
}

/// gc_thresh1, 2 and 3 for a host with so many neighbours: room for twice as many, in the
/// kernel's own proportions (128, 512, 1024).
fn gc_thresh(neighbours: u64) -> (u64, u64, u64) {
    let third = neighbours
        .saturating_mul(2)
        .checked_next_power_of_two()
        .unwrap_or(u64::MAX)
        .max(1024);
    (third / 8, third / 2, third)
}
