//! The topology as a picture (SVG) to pin to the wall.
//!
//! ```text
//!   ┌ IDC ──────────────────────────┐           ┌ VPC ─────────────────┐
//!   │ [core pair]────────[edge]═════╪══ line ═══╪═[VBR]──[VPC router]  │
//!   │  ║ riser: a stripe a VLAN     │           │  [vSwitch] [vSwitch] │
//!   │  ╚═╦══════╦══════╗            │           │   hosts     hosts    │
//!   │  [ToR]  [ToR]  [ToR]          │           └──────────────────────┘
//!   │  hosts  hosts  hosts          │
//!   └───────────────────────────────┘            legend: VLANs, signs
//! ```
//!
//! Switches that are peers are one block; switches that hang on none are the core. Hosts
//! behind one block that are alike (same stem of their names, VLANs, bond) are one card, so
//! that 400 hosts are a page. Bars show how full a MAC table or a route table is.
//!
//! Guarantees: a pure function of the plan; well-formed XML whatever names the plan has.

mod blocks;
mod cards;
mod idc;
mod legend;
mod palette;
mod svg;
mod vpc;

use std::collections::BTreeMap;

use crate::capacity::{Capacity, capacity};
use crate::model::{LeasedLine, NetworkPlan, SiteType};

use palette::Palette;
use svg::{DARK, GREY, Ink, RUST, Svg};

/// The space around everything, in pixels.
const MARGIN: i32 = 40;
/// The space between the data centres and the VPCs, where the leased lines run.
const LINES: i32 = 300;
/// From one leased line's end to the next at a panel, and from the first block's top to the
/// first end: the same on both sides, so that lines are straight.
const LINE_STEP: i32 = 66;
const LINE_MIDDLE: i32 = 27;
/// The height of the title.
const TITLE: i32 = 90;

/// What every part of the picture needs.
struct Scene<'p> {
    plan: &'p NetworkPlan,
    palette: Palette,
    /// None where the plan contradicts itself: the picture is drawn without bars.
    capacity: Option<Capacity>,
}

/// A point of the picture, in pixels.
type Point = (i32, i32);

/// What a site's panel has become.
struct Panel {
    svg: Svg,
    width: i32,
    height: i32,
    /// For each leased line where it ends, from the panel's corner.
    ends: BTreeMap<String, Point>,
}

/// Draws a plan whose groups are written out.
pub fn draw(plan: &NetworkPlan) -> String {
    let scene = Scene {
        plan,
        palette: Palette::of(plan),
        capacity: capacity(plan).ok(),
    };
    let of_type = |t| plan.spec.sites.iter().filter(move |s| s.site_type == t);
    let idcs: Vec<Panel> = of_type(SiteType::Idc)
        .map(|s| idc::panel(&scene, s))
        .collect();
    let vpcs: Vec<Panel> = of_type(SiteType::Vpc)
        .map(|s| vpc::panel(&scene, s))
        .collect();

    let widest = |panels: &[Panel]| panels.iter().map(|p| p.width).max().unwrap_or(0);
    let between = if idcs.is_empty() || vpcs.is_empty() {
        0
    } else {
        LINES
    };
    let right = MARGIN + widest(&idcs) + between;
    let width = (right + widest(&vpcs) + MARGIN).max(1560);
    let mut out = Svg::default();
    title(&mut out, plan);
    let mut ends: BTreeMap<String, (Option<Point>, Option<Point>)> = BTreeMap::new();
    let left_bottom = place(&mut out, idcs, MARGIN, &mut ends, |e| &mut e.0);
    let right_bottom = place(&mut out, vpcs, right, &mut ends, |e| &mut e.1);
    lines(&mut out, &plan.spec.links, &ends);
    let top = left_bottom.max(right_bottom) + 20;
    let bottom = legend::draw(&mut out, &scene, (MARGIN, top), width - 2 * MARGIN);
    out.document(
        width,
        bottom + MARGIN,
        &format!("Plan {}", plan.metadata.name),
    )
}

/// Puts panels below each other, and gives the bottom of the last.
fn place(
    out: &mut Svg,
    panels: Vec<Panel>,
    x: i32,
    ends: &mut BTreeMap<String, (Option<Point>, Option<Point>)>,
    side: impl Fn(&mut (Option<Point>, Option<Point>)) -> &mut Option<Point>,
) -> i32 {
    let mut y = MARGIN + TITLE;
    for panel in panels {
        for (line, (dx, dy)) in panel.ends {
            *side(ends.entry(line).or_default()) = Some((x + dx, y + dy));
        }
        out.group_at(x, y, &panel.svg);
        y += panel.height + 30;
    }
    y
}

fn title(out: &mut Svg, plan: &NetworkPlan) {
    let spec = &plan.spec;
    out.text(
        (MARGIN, MARGIN + 28),
        Ink::new(30, DARK).bold(),
        &plan.metadata.name,
    );
    let networks: Vec<&str> = spec.networks.iter().map(|n| n.name.as_str()).collect();
    let ranges: usize = spec.hosts.iter().map(|h| h.ranges.len()).sum();
    let counted = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let counts = format!(
        "{} · {} ({}) · {} · {} · {}",
        counted(spec.sites.len(), "site"),
        counted(networks.len(), "network"),
        networks.join(", "),
        counted(spec.hosts.len(), "host"),
        counted(ranges, "host range"),
        counted(spec.links.len(), "leased line"),
    );
    out.text((MARGIN, MARGIN + 56), Ink::new(15, GREY), &counts);
}

/// The leased lines, each from the edge router to its VBR.
fn lines(
    out: &mut Svg,
    links: &[LeasedLine],
    ends: &BTreeMap<String, (Option<Point>, Option<Point>)>,
) {
    for (i, link) in links.iter().enumerate() {
        let Some((Some(from), Some(to))) = ends.get(&link.name) else {
            continue;
        };
        // Each turns at its own place, so that lines that cross can be told apart.
        let turn = to.0 - 40 - 16 * (svg::px(i) % 4);
        let path = format!("M{} {}H{turn}V{}H{}", from.0, from.1, to.1, to.0);
        out.path(&path, "#ffffff", 8, None);
        out.path(&path, "#b4552d", 3, Some("9 5"));
        let (x, y) = (from.0 + 34, from.1);
        let transfer: Vec<String> = link.transfer.iter().map(|t| t.prefix.to_string()).collect();
        out.halo_text((x, y - 8), Ink::new(13, RUST).bold(), &link.name);
        let mut small = transfer.first().cloned().unwrap_or_default();
        if transfer.len() > 1 {
            small.push_str(" +v6");
        }
        if let Some(mtu) = link.mtu {
            small = format!("{small} · MTU {mtu}");
        }
        out.halo_text((x, y + 17), Ink::new(11, RUST), &small);
    }
}

#[cfg(test)]
mod tests;
