//! A VPC: the ends of its leased lines, its route tables, its vSwitches and hosts.

use std::collections::BTreeMap;

use super::content::Content;
use super::fabric::{Block, End, Fabric, Grid, Net, Plate, Side, in_rows};
use super::hosts::cards;
use super::idc::loose_cards;
use super::picture::{
    Area, BLUE, DARK, Font, GREY, Look, Picture, PlanBox, Point, RUST, Subject, TEXT, Wire, px,
};
use super::{LineEnd, Machine, PAD, Panel, Scene};
use crate::model::{LeasedLine, RouteTable, Site, VSwitch, Vbr};
use crate::routes::TableKind;

/// The width of a VBR.
pub(super) const VBR: i32 = 180;
/// The free space inside a VBR.
pub(super) const VBR_INSIDE: Point = (10, 8);

/// The panel of a VPC.
pub(super) fn panel(scene: &Scene<'_>, site: &Site) -> Panel {
    let lines = scene.lines_of(LineEnd::Vpc, &site.name);
    let head = super::head(&site.name, &about(site));
    let links = &scene.plan.spec.links;
    let beside = if lines.iter().any(|i| links[*i].vbr.is_some()) {
        VBR + PAD
    } else if lines.is_empty() {
        0
    } else {
        PAD
    };
    // The head's height depends on the width, and where lines come in on that.
    let measured = Grid::of(&fabric(scene, site, Vec::new()));
    let width = (beside + measured.width).max(head.natural().min(super::HEAD_WIDTH));
    let mut out = Picture::default();
    let top = PAD + head.height(width) + 12;
    let room = Area {
        x: PAD,
        y: PAD,
        width,
        height: top - PAD,
    };
    head.put(&mut out, room);

    let mut ends = BTreeMap::new();
    let mut inwards = Vec::new();
    let mut bottom = top;
    for (order, index) in lines.into_iter().enumerate() {
        let slot = top + px(order) * scene.lines.pitch;
        let y = slot + scene.lines.level;
        let line = &links[index];
        if let Some(vbr) = &line.vbr {
            let area = Area {
                x: PAD,
                y: slot,
                width: VBR,
                height: scene.lines.vbr,
            };
            out.boxes.push(PlanBox {
                subject: Subject::Vbr(line.name.clone(), vbr.id.clone()),
                look: Look::Border,
                area,
            });
            let content = vbr_content(scene, line, vbr);
            content.put(&mut out, area.inside(VBR_INSIDE.0, VBR_INSIDE.1));
            ends.insert(index, (PAD, y));
            inwards.push((area.right() - PAD - beside, y - top));
        } else {
            ends.insert(index, (0, y));
            inwards.push((-PAD - beside, y - top));
        }
        bottom = slot + scene.lines.pitch;
    }
    let fabric = fabric(scene, site, inwards);
    let grid = Grid::of(&fabric);
    out.take(fabric.draw(&grid, 0), (PAD + beside, top));
    out.width = width.max(beside + grid.width) + 2 * PAD;
    out.height = bottom.max(top + grid.height) + PAD;
    super::ground(&mut out, Subject::Site(site.name.clone()), Look::Vpc);
    Panel { picture: out, ends }
}

fn about(site: &Site) -> Vec<&str> {
    ["VPC"]
        .into_iter()
        .chain(site.vpc_id.as_deref())
        .chain(site.region.as_deref())
        .collect()
}

/// What stands in a VBR.
pub(super) fn vbr_content(scene: &Scene<'_>, line: &LeasedLine, vbr: &Vbr) -> Content {
    let content = Content::default()
        .text(Font::new(13, RUST).bold(), &vbr.id)
        .text(Font::new(11, GREY), "VBR");
    let table = scene.table(TableKind::Vbr, &line.vpc, Some(&line.name));
    super::fullness(content, table, "entries")
}

/// The route tables in rows, then the vSwitches, then hosts in none; and what joins them.
fn fabric(scene: &Scene<'_>, site: &Site, inwards: Vec<Point>) -> Fabric {
    let tables = site.route_tables.iter();
    let mut rows = in_rows(tables.map(|t| table_block(scene, site, t)).collect());
    let machines: Vec<&Machine<'_>> = scene.machines_of(&site.name).collect();
    let of = |name: Option<&str>| -> Vec<&Machine<'_>> {
        let here = machines.iter().filter(|m| v_switch_of(site, m) == name);
        here.copied().collect()
    };
    let v_switches = site.v_switches.iter();
    let blocks = v_switches.map(|v| segment(scene, site, v, &of(Some(&v.name))));
    let mut ends = Vec::new();
    for row in in_rows(blocks.collect()) {
        ends.extend((0..row.len()).map(|block| End {
            row: rows.len(),
            block,
            side: Side::Up,
            plate: 0,
        }));
        rows.push(row);
    }
    rows.extend(in_rows(loose_cards(scene, site, &of(None))));
    let net = Net {
        wire: Wire::Vpc(site.name.clone()),
        ends,
        from_left: inwards,
        to_right: false,
    };
    Fabric {
        rows,
        nets: vec![net],
    }
}

/// The vSwitch of the site that a host is in.
fn v_switch_of<'p>(site: &Site, machine: &Machine<'p>) -> Option<&'p str> {
    let named = machine.host.v_switch.as_deref();
    named.filter(|v| site.v_switch(v).is_some())
}

fn table_block(scene: &Scene<'_>, site: &Site, table: &RouteTable) -> Block {
    let bound = match table.v_switches.as_slice() {
        [] => "of every vSwitch".to_owned(),
        some => format!("of {}", some.join(", ")),
    };
    let content = Content::default()
        .text(Font::new(13, BLUE).bold(), &table.name)
        .text(Font::new(11, GREY), "route table")
        .text(Font::new(11, GREY), table.id.as_deref().unwrap_or_default())
        .text(Font::new(11, TEXT), bound);
    let full = scene.table(TableKind::VpcRouteTable, &site.name, Some(&table.name));
    let plate = Plate {
        subject: Subject::RouteTable(site.name.clone(), table.name.clone()),
        look: Look::RouteTable,
        content: super::fullness(content, full, "entries"),
    };
    Block {
        frame: None,
        plates: vec![plate],
        cards: Vec::new(),
        peers: Vec::new(),
    }
}

fn segment(scene: &Scene<'_>, site: &Site, v_switch: &VSwitch, machines: &[&Machine<'_>]) -> Block {
    let mut content = Content::default()
        .text(Font::new(13, BLUE).bold(), &v_switch.name)
        .text(
            Font::new(11, GREY),
            v_switch.id.as_deref().unwrap_or_default(),
        )
        .text(
            Font::new(11, GREY),
            v_switch.zone.as_deref().unwrap_or_default(),
        );
    for subnet in &v_switch.subnets {
        content = content
            .text(Font::new(11, DARK), subnet.prefix.to_string())
            .text(Font::new(11, TEXT), format!("gateway {}", subnet.gateway));
    }
    let count = super::counted(machines.len(), "host");
    let plate = Plate {
        subject: Subject::VSwitch(site.name.clone(), v_switch.name.clone()),
        look: Look::VSwitch,
        content: content.text(Font::new(11, TEXT), count),
    };
    let cards = cards(scene, site, machines, &[]);
    Block {
        frame: (!cards.is_empty())
            .then(|| Subject::Segment(site.name.clone(), v_switch.name.clone())),
        plates: vec![plate],
        cards,
        peers: Vec::new(),
    }
}
