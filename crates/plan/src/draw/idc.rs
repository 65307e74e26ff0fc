//! A data centre: core, top-of-rack switches, hosts, and the VLANs between them.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_types::VlanId;

use super::blocks::{Block, blocks};
use super::cards;
use super::svg::{Area, DARK, GREY, Ink, RUST, Svg, WHITE, px};
use super::{Panel, Scene};
use crate::model::{Site, Switch};

const WIDTH: i32 = 196;
const GAP: i32 = 22;
const HEAD: i32 = 52;
const BLOCK: i32 = 56;
const STRIPE: i32 = 4;

pub(super) fn panel(scene: &Scene<'_>, site: &Site) -> Panel {
    let (core, rows) = blocks(scene, site);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(3);
    let all: BTreeSet<VlanId> = rows
        .iter()
        .flatten()
        .flat_map(|b| b.vlans.clone())
        .collect();
    // One bundle of stripes for each row beside the blocks.
    let bundles: Vec<Vec<VlanId>> = rows.iter().map(|r| on_row(r)).collect();
    let riser: i32 = bundles.iter().map(|b| px(b.len()) * STRIPE + 8).sum();
    let left = 24 + riser + 16;
    let edge_width = if has_edge(scene, site) { 170 } else { 0 };
    let width = (left + px(columns) * (WIDTH + GAP)).max(520) + edge_width + 10;
    let mut out = Svg::default();
    let mut body = Svg::default();
    let core_y = HEAD + 16;
    let core_area = Area {
        x: 24,
        y: core_y,
        width: (width - 48 - edge_width).min(620),
        height: BLOCK + 8,
    };
    let mut y = core_y + BLOCK + 8 + 34;
    let mut x_riser = 28;
    for (row, bundle) in rows.iter().zip(&bundles) {
        let bus = y;
        let thick = px(bundle.len()) * STRIPE;
        for (k, vlan) in bundle.iter().enumerate() {
            let colour = scene.palette.colour(&site.name, *vlan);
            let x = x_riser + px(k) * STRIPE;
            // The first stripe is outermost: they turn without crossing.
            let at = bus + thick - px(k) * STRIPE;
            let carriers = row.iter().rposition(|b| b.vlans.contains(vlan));
            let end = left + px(carriers.unwrap_or(0)) * (WIDTH + GAP) + 40 + px(k) * STRIPE;
            let top = core_area.y + core_area.height;
            body.path(&format!("M{x} {top}V{at}H{end}"), colour, 3, None);
        }
        let top = bus + thick + 22;
        for (i, block) in row.iter().enumerate() {
            let x = left + px(i) * (WIDTH + GAP);
            for (k, vlan) in bundle.iter().enumerate() {
                if block.vlans.contains(vlan) {
                    let colour = scene.palette.colour(&site.name, *vlan);
                    let (x, at) = (x + 40 + px(k) * STRIPE, bus + thick - px(k) * STRIPE);
                    body.path(&format!("M{x} {at}V{top}"), colour, 3, None);
                }
            }
            let area = Area {
                x,
                y: top,
                width: WIDTH,
                height: BLOCK,
            };
            switch_block(&mut body, scene, site, block, area);
            let below = Area {
                x,
                y: top + BLOCK + 8,
                width: WIDTH - 6,
                height: 0,
            };
            cards::draw(&mut body, scene, site, &block.cards, below);
        }
        let tallest = row.iter().map(|b| cards::height(b.cards.len())).max();
        y = top + BLOCK + 8 + tallest.unwrap_or(0) + 22;
        x_riser += thick + 8;
    }
    let mut panel = Panel {
        svg: Svg::default(),
        width,
        height: y + 4,
        ends: BTreeMap::new(),
    };
    let look = ("#f7f9fb", "#c3ccd4");
    out.panel((width, panel.height), look, &site.name, "data centre");
    let core = Block { vlans: all, ..core };
    core_block(&mut body, scene, site, &core, core_area);
    edge(&mut body, scene, site, core_area, &mut panel);
    out.group_at(0, 0, &body);
    panel.svg = out;
    panel
}

/// The VLANs on a row, in the order of their IDs.
fn on_row(row: &[Block<'_>]) -> Vec<VlanId> {
    let all: BTreeSet<VlanId> = row.iter().flat_map(|b| b.vlans.clone()).collect();
    all.into_iter().collect()
}

/// How full the fullest MAC table of a block is, in percent of its budget.
fn fullest(scene: &Scene<'_>, site: &Site, switches: &[&Switch]) -> Option<(u64, String)> {
    let found = scene.capacity.as_ref()?.switches.iter();
    found
        .filter(|s| s.site == site.name && switches.iter().any(|w| w.name == s.name))
        .filter_map(|s| {
            let budget = s.budget.filter(|b| *b > 0)?;
            Some((
                s.macs * 100 / budget,
                format!("{} of {budget} MACs", s.macs),
            ))
        })
        .max()
}

fn names(switches: &[&Switch]) -> String {
    let names: Vec<&str> = switches.iter().map(|s| s.name.as_str()).collect();
    if names.len() > 4 {
        return format!("{} ⇄ {} and {} more", names[0], names[1], names.len() - 2);
    }
    names.join(" ⇄ ")
}

/// How a block of switches looks.
struct Plate {
    fill: &'static str,
    radius: i32,
    inset: i32,
    /// How much narrower what is in it is.
    narrower: i32,
    /// Its name's ink and line, from the top.
    name: (Ink, i32),
    /// The same of what stands below the name.
    about: (Ink, i32),
    /// The bar's line, from the bottom.
    bar: i32,
}

const PLAIN: &str = "#cfd8e0";

const TOR: Plate = Plate {
    fill: "#2f3e4d",
    radius: 5,
    inset: 10,
    narrower: 16,
    name: (Ink::new(13, WHITE).bold(), 20),
    about: (Ink::new(11, PLAIN), 37),
    bar: 12,
};

const CORE: Plate = Plate {
    fill: DARK,
    radius: 6,
    inset: 14,
    narrower: 28,
    name: (Ink::new(16, WHITE).bold(), 24),
    about: (Ink::new(12, PLAIN), 43),
    bar: 13,
};

impl Plate {
    /// Draws switches that are one block, with how full the fullest of them is.
    fn draw(
        &self,
        out: &mut Svg,
        at: Area,
        (name, about): (&str, &str),
        full: Option<(u64, String)>,
    ) {
        out.rect(at, self.fill, DARK, self.radius);
        let (x, width) = (at.x + self.inset, at.width - self.narrower);
        let (ink, y) = self.name;
        out.fitted((x, at.y + y), ink, width, name);
        let mut about = about.to_owned();
        if let Some((percent, text)) = full {
            about = format!("{about} · {text}");
            let bar = Area {
                x,
                y: at.y + at.height - self.bar,
                width,
                height: 5,
            };
            out.bar(bar, percent);
        }
        let (ink, y) = self.about;
        out.fitted((x, at.y + y), ink, width, &about);
    }
}

fn switch_block(out: &mut Svg, scene: &Scene<'_>, site: &Site, block: &Block<'_>, at: Area) {
    let name = match block.switches.as_slice() {
        [] => "no switch in the plan".to_owned(),
        some => names(some),
    };
    let about = match block.hosts {
        1 => "1 host".to_owned(),
        n => format!("{n} hosts"),
    };
    let full = fullest(scene, site, &block.switches);
    TOR.draw(out, at, (&name, &about), full);
}

fn core_block(out: &mut Svg, scene: &Scene<'_>, site: &Site, core: &Block<'_>, at: Area) {
    let name = match core.switches.as_slice() {
        [] => "layer 2".to_owned(),
        some => names(some),
    };
    let about = format!("core · {} VLANs", core.vlans.len());
    let full = fullest(scene, site, &core.switches);
    CORE.draw(out, at, (&name, &about), full);
}

fn has_edge(scene: &Scene<'_>, site: &Site) -> bool {
    site.edge_router.is_some() || scene.plan.spec.links.iter().any(|l| l.idc == site.name)
}

/// The edge router at the panel's right side, where the leased lines begin.
fn edge(out: &mut Svg, scene: &Scene<'_>, site: &Site, core: Area, panel: &mut Panel) {
    if !has_edge(scene, site) {
        return;
    }
    let lines: Vec<&str> = scene
        .plan
        .spec
        .links
        .iter()
        .filter(|l| l.idc == site.name)
        .map(|l| l.name.as_str())
        .collect();
    let height = (px(lines.len()) * super::LINE_STEP - 12).max(core.height);
    let at = Area {
        x: panel.width - 24 - 140,
        y: core.y,
        width: 140,
        height,
    };
    let middle = core.y + core.height / 2;
    out.path(
        &format!("M{} {middle}H{}", core.x + core.width, at.x),
        "#1d2733",
        4,
        None,
    );
    out.rect(at, "#ffffff", "#b4552d", 6);
    let declared = site.edge_router.as_ref();
    let name = declared.map_or("edge router", |r| r.name.as_str());
    out.fitted((at.x + 10, at.y + 22), Ink::new(13, RUST).bold(), 120, name);
    let table = scene
        .capacity
        .iter()
        .flat_map(|c| &c.tables)
        .find(|t| t.kind == crate::routes::TableKind::EdgeRouter && t.site == site.name);
    if let Some(table) = table {
        let text = format!("{} of {} routes", table.used, table.quota);
        out.text((at.x + 10, at.y + 40), Ink::new(11, GREY), &text);
    }
    for (i, line) in lines.iter().enumerate() {
        let y = at.y + px(i) * super::LINE_STEP + super::LINE_MIDDLE;
        panel.ends.insert((*line).to_owned(), (at.x + at.width, y));
    }
}
