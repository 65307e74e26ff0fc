//! Hosts that are alike, as one card.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_types::VlanId;

use super::content::Content;
use super::fabric::Card;
use super::picture::{DARK, Font, GREY, Subject, TEXT};
use super::runs::{order, runs};
use super::{Machine, Scene};
use crate::model::{BondMode, Site};

/// What makes hosts alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    bond: Option<&'static str>,
    /// The switches that they are plugged into, in the order of the site.
    switches: Vec<String>,
    /// What they have of each network: `web /26 /112`.
    networks: Vec<String>,
    vlans: BTreeSet<VlanId>,
}

/// The hosts as cards, in the order of their first names. `here` are the switches of the block
/// that the cards are to stand in: where hosts are plugged into exactly these, the cards need
/// not say into which.
pub(super) fn cards(
    scene: &Scene<'_>,
    site: &Site,
    machines: &[&Machine<'_>],
    here: &[&str],
) -> Vec<Card> {
    let mut alike: BTreeMap<Likeness, Vec<&str>> = BTreeMap::new();
    for machine in machines {
        let key = Likeness {
            bond: machine.host.uplink.bond.map(bond),
            switches: switch_names(site, machine),
            networks: networks(machine),
            vlans: vlans(scene, site, machine),
        };
        alike
            .entry(key)
            .or_default()
            .push(machine.host.name.as_str());
    }
    let mut cards: Vec<(Likeness, Vec<&str>)> = alike.into_iter().collect();
    for (_, names) in &mut cards {
        names.sort_by(|a, b| order(a, b));
    }
    cards.sort_by(|(_, a), (_, b)| order(a[0], b[0]));
    cards
        .into_iter()
        .map(|(likeness, names)| card(scene, site, likeness, &names, here))
        .collect()
}

fn card(scene: &Scene<'_>, site: &Site, likeness: Likeness, names: &[&str], here: &[&str]) -> Card {
    let mut how = super::counted(names.len(), "host");
    if let Some(bond) = likeness.bond {
        how = format!("{how} · {bond}");
    }
    let mut content = Content::default()
        .text(Font::new(12, DARK).bold(), runs(names))
        .text(Font::new(11, TEXT), how);
    // In a VPC hosts are at no switch.
    if likeness.switches.is_empty() && !site.switches.is_empty() {
        content = content.text(Font::new(11, TEXT), "no switch in the plan");
    } else if likeness.switches != here {
        let at = format!("at {}", likeness.switches.join(" + "));
        content = content.text(Font::new(11, TEXT), at);
    }
    for network in &likeness.networks {
        content = content.text(Font::new(11, GREY), network);
    }
    let content = scene.vlans(content, site, likeness.vlans);
    Card {
        subject: Subject::Hosts {
            site: site.name.clone(),
            hosts: names.iter().map(|n| (*n).to_owned()).collect(),
            switches: likeness.switches,
        },
        content,
    }
}

fn switch_names(site: &Site, machine: &Machine<'_>) -> Vec<String> {
    let switches = machine
        .switches
        .iter()
        .filter_map(|i| site.switches.get(*i));
    switches.map(|s| s.name.clone()).collect()
}

fn networks(machine: &Machine<'_>) -> Vec<String> {
    let mut by_network: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (i, range) in machine.host.ranges.iter().enumerate() {
        let lengths = by_network.entry(range.network.as_str()).or_default();
        let by = if i < machine.own { "" } else { " by ipamd" };
        lengths.push(format!("/{}{by}", range.prefix.prefix()));
    }
    by_network
        .into_iter()
        .map(|(network, lengths)| format!("{network} {}", lengths.join(" ")))
        .collect()
}

fn bond(mode: BondMode) -> &'static str {
    match mode {
        BondMode::ActiveBackup => "active-backup",
        BondMode::BalanceSlb => "balance-slb",
        BondMode::BalanceXor => "balance-xor",
        BondMode::Lacp => "LACP",
    }
}

/// The VLANs that a host of an IDC uses.
fn vlans(scene: &Scene<'_>, site: &Site, machine: &Machine<'_>) -> BTreeSet<VlanId> {
    let ranges = machine.host.ranges.iter();
    let networks = ranges.filter_map(|r| scene.networks.get(r.network.as_str()));
    let of_ranges = networks
        .filter(|n| n.site == site.name)
        .filter_map(|n| n.vlan);
    machine.host_vlan.into_iter().chain(of_ranges).collect()
}
