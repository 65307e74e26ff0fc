//! The switches of a data centre as blocks in rows.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_types::VlanId;

use super::Scene;
use super::cards::{self, Card};
use crate::model::{Host, Site, Switch};

/// Switches that are one towards a bond, and the hosts behind them.
pub(super) struct Block<'p> {
    pub(super) switches: Vec<&'p Switch>,
    pub(super) cards: Vec<Card>,
    pub(super) vlans: BTreeSet<VlanId>,
    pub(super) hosts: usize,
}

/// The core, and the other blocks in rows.
pub(super) fn blocks<'p>(scene: &Scene<'_>, site: &'p Site) -> (Block<'p>, Vec<Vec<Block<'p>>>) {
    let index: BTreeMap<&str, usize> = site
        .switches
        .iter()
        .enumerate()
        .map(|(i, s)| (s.name.as_str(), i))
        .collect();
    let set_of = peers(site, &index);
    let mut behind: BTreeMap<usize, Vec<&Host>> = BTreeMap::new();
    let mut loose: Vec<&Host> = Vec::new();
    for host in scene.plan.spec.hosts.iter().filter(|h| h.site == site.name) {
        let cables = host.uplink.cables();
        let mut plugs = cables
            .iter()
            .filter_map(|c| index.get(c.switch.as_deref()?));
        match plugs.next() {
            Some(i) => behind.entry(set_of[*i]).or_default().push(host),
            None => loose.push(host),
        }
    }
    let mut core = Block {
        switches: Vec::new(),
        cards: Vec::new(),
        vlans: BTreeSet::new(),
        hosts: 0,
    };
    let mut others: Vec<Block<'p>> = Vec::new();
    let sets: BTreeSet<usize> = set_of.iter().copied().collect();
    for set in sets {
        let members = site
            .switches
            .iter()
            .enumerate()
            .filter(|(i, _)| set_of[*i] == set);
        let switches: Vec<&Switch> = members.map(|(_, s)| s).collect();
        let hosts = behind.remove(&set).unwrap_or_default();
        if hosts.is_empty() && switches.iter().all(|s| s.uplinks.is_empty()) {
            core.switches.extend(switches);
        } else {
            others.push(block(scene, site, switches, &hosts));
        }
    }
    if !loose.is_empty() {
        others.push(block(scene, site, Vec::new(), &loose));
    }
    (core, in_rows(others))
}

fn block<'p>(
    scene: &Scene<'_>,
    site: &Site,
    switches: Vec<&'p Switch>,
    hosts: &[&Host],
) -> Block<'p> {
    let cards = cards::cards(scene, site, hosts);
    let vlans = cards.iter().flat_map(|c| c.vlans.clone());
    Block {
        switches,
        vlans: vlans.collect(),
        cards,
        hosts: hosts.len(),
    }
}

/// For each switch the first of those that are peers of each other.
fn peers(site: &Site, index: &BTreeMap<&str, usize>) -> Vec<usize> {
    let mut set_of: Vec<usize> = (0..site.switches.len()).collect();
    for (i, switch) in site.switches.iter().enumerate() {
        for peer in switch.peers.iter().filter_map(|p| index.get(p.as_str())) {
            let (a, b) = (set_of[i], set_of[*peer]);
            let (low, high) = (a.min(b), a.max(b));
            for set in set_of.iter_mut().filter(|s| **s == high) {
                *set = low;
            }
        }
    }
    set_of
}

/// Blocks with the same VLANs share rows; a row is no wider than a page.
fn in_rows(blocks: Vec<Block<'_>>) -> Vec<Vec<Block<'_>>> {
    const WIDEST: usize = 6;
    let mut by_vlans: BTreeMap<Vec<VlanId>, Vec<Block<'_>>> = BTreeMap::new();
    for block in blocks {
        by_vlans
            .entry(block.vlans.iter().copied().collect())
            .or_default()
            .push(block);
    }
    // Many kinds with a block or two each: they share rows as they come.
    let kinds = by_vlans.len();
    let many = by_vlans.values().map(Vec::len).sum::<usize>();
    let groups: Vec<Vec<Block<'_>>> = if kinds * 3 > many.max(1) {
        vec![by_vlans.into_values().flatten().collect()]
    } else {
        by_vlans.into_values().collect()
    };
    let mut rows = Vec::new();
    for group in groups {
        let lines = group.len().div_ceil(WIDEST).max(1);
        let each = group.len().div_ceil(lines).max(1);
        let mut row = Vec::new();
        for block in group {
            row.push(block);
            if row.len() == each {
                rows.push(std::mem::take(&mut row));
            }
        }
        if !row.is_empty() {
            rows.push(row);
        }
    }
    rows
}
