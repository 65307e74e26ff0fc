//! A data centre: its switches in tiers with the hosts behind them, its edge router, and its
//! VLANs with their gateways.

use std::collections::{BTreeMap, BTreeSet};

use super::content::Content;
use super::fabric::{Block, End, Fabric, Grid, Net, Plate, Side, in_rows};
use super::hosts::cards;
use super::picture::{
    Area, DARK, Font, GREY, Look, Picture, PlanBox, RUST, Subject, TEXT, Wire, px,
};
use super::table::Table;
use super::{LineEnd, Machine, PAD, Panel, Scene, counted};
use crate::model::{Site, Subnet, Switch, Vlan};
use crate::routes::TableKind;

/// The width of an edge router.
const EDGE: i32 = 170;

/// The panel of a data centre, `at_least` so wide.
pub(super) fn panel(scene: &Scene<'_>, site: &Site, at_least: i32) -> Panel {
    let lines = scene.lines_of(LineEnd::Idc, &site.name);
    let fabric = fabric(scene, site);
    let grid = Grid::of(&fabric);
    let table = vlans(scene, site);
    let edge = site.edge_router.as_ref().map_or(0, |_| PAD + EDGE);
    let head = super::head(&site.name, &["data centre"]);
    let width = (grid.width + edge)
        .max(table.width())
        .max(head.natural().min(super::HEAD_WIDTH))
        .max(at_least - 2 * PAD);

    let mut out = Picture::default();
    let room = |y, height| Area {
        x: PAD,
        y,
        width,
        height,
    };
    let top = PAD + head.height(width) + 12;
    head.put(&mut out, room(PAD, top - PAD));
    let mut bottom = top + grid.height;
    let mut ends = BTreeMap::new();
    let mut begin = width + 2 * PAD;
    if site.edge_router.is_some() {
        let content = edge_router(scene, site);
        let slots = px(lines.len()) * scene.lines.pitch;
        let at = Area {
            x: PAD + width - EDGE,
            y: top,
            width: EDGE,
            height: slots.max(content.height(EDGE - 20) + 16),
        };
        edge_box(&mut out, site, at, &content);
        begin = at.right();
        bottom = bottom.max(at.bottom());
    }
    for (order, line) in lines.iter().enumerate() {
        let y = top + px(order) * scene.lines.pitch;
        ends.insert(*line, (begin, y + scene.lines.level));
        bottom = bottom.max(y + scene.lines.pitch);
    }
    out.take(fabric.draw(&grid, width - EDGE), (PAD, top));
    bottom = table.put(&mut out, (PAD, bottom + 24));
    out.width = width + 2 * PAD;
    out.height = bottom + PAD - 8;
    let subject = Subject::Site(site.name.clone());
    super::ground(&mut out, subject, Look::Idc);
    Panel { picture: out, ends }
}

fn edge_box(out: &mut Picture, site: &Site, area: Area, content: &Content) {
    let name = site.edge_router.as_ref().map(|r| r.name.clone());
    out.boxes.push(PlanBox {
        subject: Subject::EdgeRouter(site.name.clone(), name.unwrap_or_default()),
        look: Look::Border,
        area,
    });
    content.put(out, area.inside(10, 8));
}

fn edge_router(scene: &Scene<'_>, site: &Site) -> Content {
    let name = site.edge_router.as_ref().map_or("", |r| r.name.as_str());
    let content = Content::default()
        .text(Font::new(13, RUST).bold(), name)
        .text(Font::new(11, GREY), "edge router");
    let table = scene.table(TableKind::EdgeRouter, &site.name, None);
    super::fullness(content, table, "routes")
}

/// The switches in tiers, and what joins them.
fn fabric(scene: &Scene<'_>, site: &Site) -> Fabric {
    let index: BTreeMap<&str, usize> = site
        .switches
        .iter()
        .enumerate()
        .map(|(i, s)| (s.name.as_str(), i))
        .collect();
    let sets = peer_sets(site, &index);
    let tiers = tiers(site, &index, &sets);
    let machines: Vec<&Machine<'_>> = scene.machines_of(&site.name).collect();
    let mut by_tier: BTreeMap<usize, Vec<&Vec<usize>>> = BTreeMap::new();
    for (set, tier) in sets.iter().zip(&tiers) {
        by_tier.entry(*tier).or_default().push(set);
    }
    let mut rows: Vec<Vec<Block>> = Vec::new();
    let mut places: BTreeMap<usize, (usize, usize, usize)> = BTreeMap::new();
    for sets in by_tier.into_values() {
        for row in in_rows(sets) {
            let mut blocks = Vec::new();
            for set in row {
                for (plate, switch) in set.iter().enumerate() {
                    places.insert(*switch, (rows.len(), blocks.len(), plate));
                }
                blocks.push(block(scene, site, set, &machines));
            }
            rows.push(blocks);
        }
    }
    let topmost = sets.iter().zip(&tiers).filter(|(_, tier)| **tier == 0);
    let topmost: Vec<usize> = topmost.flat_map(|(set, _)| set.clone()).collect();
    let nets = nets(site, &index, &places, &topmost);
    let loose: Vec<&Machine<'_>> = machines
        .into_iter()
        .filter(|m| m.switches.is_empty())
        .collect();
    rows.extend(in_rows(loose_cards(scene, site, &loose)));
    Fabric { rows, nets }
}

/// Hosts of which the plan does not say where they are plugged in, a block a card.
pub(super) fn loose_cards(scene: &Scene<'_>, site: &Site, machines: &[&Machine<'_>]) -> Vec<Block> {
    let blocks = cards(scene, site, machines, &[]).into_iter();
    blocks
        .map(|card| Block {
            frame: None,
            plates: Vec::new(),
            cards: vec![card],
            peers: Vec::new(),
        })
        .collect()
}

/// Switches that are peers, each set in the order of the site.
fn peer_sets(site: &Site, index: &BTreeMap<&str, usize>) -> Vec<Vec<usize>> {
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
    let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, set) in set_of.iter().enumerate() {
        sets.entry(*set).or_default().push(i);
    }
    sets.into_values().collect()
}

/// How far each set is from the top: below everything that it hangs on.
fn tiers(site: &Site, index: &BTreeMap<&str, usize>, sets: &[Vec<usize>]) -> Vec<usize> {
    let set_of = |switch: usize| sets.iter().position(|s| s.contains(&switch));
    let above: Vec<BTreeSet<usize>> = sets
        .iter()
        .map(|set| {
            let uplinks = set.iter().flat_map(|i| &site.switches[*i].uplinks);
            let uplinks = uplinks.filter_map(|u| index.get(u.as_str()));
            uplinks.filter_map(|u| set_of(*u)).collect()
        })
        .collect();
    let mut tiers = vec![0; sets.len()];
    // In a ring, in which everything is below everything, it ends all the same.
    for _ in 0..sets.len() {
        let next: Vec<usize> = (0..sets.len())
            .map(|set| {
                let above = above[set].iter().filter(|a| **a != set);
                above.map(|a| tiers[*a] + 1).max().unwrap_or(0)
            })
            .collect();
        if next == tiers {
            break;
        }
        tiers = next;
    }
    tiers
}

fn block(scene: &Scene<'_>, site: &Site, set: &[usize], machines: &[&Machine<'_>]) -> Block {
    let names: Vec<&str> = set
        .iter()
        .map(|i| site.switches[*i].name.as_str())
        .collect();
    let plugged_in = machines.iter();
    let plugged_in = plugged_in.filter(|m| m.switches.iter().any(|s| set.contains(s)));
    let here: Vec<&Machine<'_>> = plugged_in.copied().collect();
    let plates = set.iter().map(|i| {
        let switch = &site.switches[*i];
        let hosts = here.iter().filter(|m| m.switches.contains(i)).count();
        Plate {
            subject: Subject::Switch(site.name.clone(), switch.name.clone()),
            look: Look::Switch,
            content: switch_content(scene, site, switch, hosts),
        }
    });
    let cards = cards(scene, site, &here, &names);
    let owned = names.iter().map(|n| (*n).to_owned()).collect();
    Block {
        plates: plates.collect(),
        frame: (names.len() > 1 || !cards.is_empty())
            .then(|| Subject::Switches(site.name.clone(), owned)),
        cards,
        peers: peers(site, set),
    }
}

fn switch_content(scene: &Scene<'_>, site: &Site, switch: &Switch, hosts: usize) -> Content {
    let mut content = Content::default()
        .text(Font::new(13, DARK).bold(), &switch.name)
        .text(Font::new(11, TEXT), counted(hosts, "host"));
    let Some(full) = scene.switch(&site.name, &switch.name) else {
        return content;
    };
    if let Some(budget) = full.budget.filter(|b| *b > 0) {
        let text = format!("{} of {budget} MACs", full.macs);
        content = content
            .text(Font::new(11, TEXT), text)
            .bar(super::percent(full.macs, budget));
    }
    scene.vlans(content, site, full.vlans.iter().copied())
}

/// The peers among switches, whichever of the two says so.
fn peers(site: &Site, set: &[usize]) -> Vec<(usize, usize, Wire)> {
    let mut found = Vec::new();
    for (b, lower) in set.iter().enumerate() {
        for (a, upper) in set[..b].iter().enumerate() {
            let (one, other) = (&site.switches[*upper], &site.switches[*lower]);
            if one.peers.contains(&other.name) || other.peers.contains(&one.name) {
                let wire = Wire::Peers(site.name.clone(), one.name.clone(), other.name.clone());
                found.push((a, b, wire));
            }
        }
    }
    found
}

/// One net for the edge router and the topmost switches, and one for all the switches that hang
/// on the same ones.
fn nets(
    site: &Site,
    index: &BTreeMap<&str, usize>,
    places: &BTreeMap<usize, (usize, usize, usize)>,
    topmost: &[usize],
) -> Vec<Net> {
    let mut below: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (i, switch) in site.switches.iter().enumerate() {
        let uplinks = switch.uplinks.iter();
        let uplinks: BTreeSet<usize> = uplinks
            .filter_map(|u| index.get(u.as_str()).copied())
            .collect();
        below
            .entry(uplinks.into_iter().collect())
            .or_default()
            .push(i);
    }
    let end = |switch: &usize, side| {
        let (row, block, plate) = *places.get(switch)?;
        Some(End {
            row,
            block,
            side,
            plate,
        })
    };
    let names = |of: &[usize]| -> Vec<String> {
        of.iter().map(|i| site.switches[*i].name.clone()).collect()
    };
    let net = |wire, ends: Vec<End>, to_right| Net {
        wire,
        ends,
        from_left: Vec::new(),
        to_right,
    };
    let mut nets = Vec::new();
    if site.edge_router.is_some() {
        let ends = topmost.iter().filter_map(|i| end(i, Side::Up));
        nets.push(net(Wire::Edge(site.name.clone()), ends.collect(), true));
    }
    below.remove(&Vec::new());
    for (uplinks, hanging) in below {
        let ups = hanging.iter().filter_map(|i| end(i, Side::Up));
        let downs = uplinks.iter().filter_map(|i| end(i, Side::Down));
        let wire = Wire::Uplinks(site.name.clone(), names(&uplinks), names(&hanging));
        nets.push(net(wire, ups.chain(downs).collect(), false));
    }
    nets
}

/// The VLANs with their subnets and gateways.
fn vlans(scene: &Scene<'_>, site: &Site) -> Table {
    let mut table = Table::new(&[
        ("VLAN", 70),
        ("name", 280),
        ("for", 100),
        ("subnet", 330),
        ("gateway", 330),
        ("planned", 200),
    ]);
    for vlan in &site.vlans {
        for (i, subnet) in vlan.subnets.iter().enumerate() {
            table.row(vlan_row(scene, site, vlan, i == 0, Some(subnet)));
        }
        if vlan.subnets.is_empty() {
            table.row(vlan_row(scene, site, vlan, true, None));
        }
    }
    table
}

/// A subnet's row; the first one says whose they are.
fn vlan_row(
    scene: &Scene<'_>,
    site: &Site,
    vlan: &Vlan,
    first: bool,
    subnet: Option<&Subnet>,
) -> Vec<Content> {
    let cell = |font, text: String| Content::default().text(font, text);
    let (dark, grey) = (Font::new(12, DARK), Font::new(12, GREY));
    let planned = scene
        .vlan(&site.name, vlan.id)
        .filter(|_| first)
        .map(|v| match v.containers {
            0 => counted(v.hosts, "host"),
            n => format!("{}, {}", counted(v.hosts, "host"), counted(n, "container")),
        });
    let of_first = |content: Content| if first { content } else { Content::default() };
    vec![
        of_first(scene.vlans(Content::default(), site, [vlan.id])),
        of_first(cell(dark.bold(), vlan.name.clone())),
        of_first(cell(grey, vlan.role.as_str().to_owned())),
        cell(dark, subnet.map_or(String::new(), |s| s.prefix.to_string())),
        cell(
            dark,
            subnet.map_or(String::new(), |s| s.gateway.to_string()),
        ),
        cell(grey, planned.unwrap_or_default()),
    ]
}
