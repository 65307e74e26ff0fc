//! Hosts that are alike, as one card.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_types::VlanId;

use super::Scene;
use super::svg::{Area, DARK, GREY, Ink, Svg, TEXT, fit, px};
use crate::model::{BondMode, Host, Site};

/// The height of a card.
pub(super) const HEIGHT: i32 = 58;
/// The most cards below one block.
pub(super) const MOST: usize = 4;

/// Hosts that are alike.
#[derive(Debug)]
pub(super) struct Card {
    names: Vec<String>,
    how: String,
    ranges: String,
    pub(super) vlans: BTreeSet<VlanId>,
}

/// What makes hosts alike.
type Likeness = (String, Option<&'static str>, String, BTreeSet<VlanId>);

/// The hosts as cards, in the order of their first names.
pub(super) fn cards(scene: &Scene<'_>, site: &Site, hosts: &[&Host]) -> Vec<Card> {
    let mut alike: BTreeMap<Likeness, Vec<String>> = BTreeMap::new();
    for host in hosts {
        let name = host.name.as_str();
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let mut by_network: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for range in &host.ranges {
            let lengths = by_network.entry(range.network.as_str()).or_default();
            lengths.push(format!("/{}", range.prefix.prefix()));
        }
        let ranges: Vec<String> = by_network
            .into_iter()
            .map(|(network, lengths)| format!("{network} {}", lengths.join(" ")))
            .collect();
        let key = (
            stem.to_owned(),
            host.uplink.bond.map(bond),
            ranges.join(", "),
            vlans(scene, site, host),
        );
        alike.entry(key).or_default().push(name.to_owned());
    }
    let mut cards: Vec<Card> = alike
        .into_iter()
        .map(|((_, bond, ranges, vlans), mut names)| {
            names.sort_by_key(|n| (n.len(), n.clone()));
            let how = match (names.len(), bond) {
                (1, None) => "1 host".to_owned(),
                (1, Some(b)) => format!("1 host, {b}"),
                (n, None) => format!("{n} hosts"),
                (n, Some(b)) => format!("{n} hosts, {b}"),
            };
            Card {
                names,
                how,
                ranges,
                vlans,
            }
        })
        .collect();
    cards.sort_by(|a, b| a.names.cmp(&b.names));
    cards
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
pub(super) fn vlans(scene: &Scene<'_>, site: &Site, host: &Host) -> BTreeSet<VlanId> {
    let networks = host
        .ranges
        .iter()
        .filter_map(|r| scene.plan.network(&r.network));
    let of_ranges = networks
        .filter(|n| n.site == site.name)
        .filter_map(|n| n.vlan);
    site.host_vlan()
        .map(|v| v.id)
        .into_iter()
        .chain(of_ranges)
        .collect()
}

/// Draws cards below each other from `at` on; more than fit are counted.
pub(super) fn draw(out: &mut Svg, scene: &Scene<'_>, site: &Site, cards: &[Card], at: Area) {
    let shown = if cards.len() > MOST {
        MOST - 1
    } else {
        cards.len()
    };
    for (i, card) in cards.iter().take(shown).enumerate() {
        one(
            out,
            scene,
            site,
            card,
            Area {
                y: at.y + px(i) * (HEIGHT + 6),
                ..at
            },
        );
    }
    if shown < cards.len() {
        let hosts: usize = cards[shown..].iter().map(|c| c.names.len()).sum();
        let text = format!("and {hosts} hosts of {} more kinds", cards.len() - shown);
        let y = at.y + px(shown) * (HEIGHT + 6) + 20;
        out.text((at.x + 8, y), Ink::new(12, GREY), &text);
    }
}

/// The height of that many cards below each other.
pub(super) fn height(count: usize) -> i32 {
    px(count.min(MOST)) * (HEIGHT + 6)
}

fn one(out: &mut Svg, scene: &Scene<'_>, site: &Site, card: &Card, at: Area) {
    // More than one: a pile.
    if card.names.len() > 1 {
        let pile = Area {
            x: at.x + 4,
            y: at.y + 4,
            height: HEIGHT,
            ..at
        };
        out.rect(pile, "#f4f6f8", "#c3ccd4", 4);
    }
    out.rect(
        Area {
            height: HEIGHT,
            ..at
        },
        "#ffffff",
        "#aab5bf",
        4,
    );
    let inner = at.width - 16;
    let (x, y) = (at.x + 10, at.y);
    let name = match card.names.as_slice() {
        [first, .., last] => format!("{first} … {last}"),
        [only] => only.clone(),
        [] => String::new(),
    };
    out.fitted((x, y + 17), Ink::new(12, DARK).bold(), inner, &name);
    out.fitted((x, y + 33), Ink::new(11, TEXT), inner, &card.how);
    let ranges = fit(&card.ranges, 11, inner);
    out.text((x, y + 49), Ink::new(11, GREY), &ranges);
    // The VLANs as stripes on the card's left edge.
    let count = px(card.vlans.len()).max(1);
    for (i, vlan) in card.vlans.iter().enumerate() {
        let each = HEIGHT / count;
        let stripe = Area {
            x: at.x,
            y: at.y + px(i) * each,
            width: 4,
            height: each,
        };
        out.rect(stripe, scene.palette.colour(&site.name, *vlan), "none", 0);
    }
}
