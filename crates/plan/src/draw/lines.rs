//! The leased lines between the data centres at the left and the VPCs at the right.
//!
//! Guarantees: each line is level at its two ends, at heights at which no other is, and turns
//! at a place of its own.

use std::collections::BTreeMap;

use super::Scene;
use super::content::Content;
use super::picture::{Area, Edge, Font, Picture, Point, RUST, Wire, px};
use super::vpc::{VBR, VBR_INSIDE, vbr_content};
use crate::model::LeasedLine;

/// The most that a line's texts may take.
const WIDEST: i32 = 300;
/// Between a line and its texts, and from one line's turn to the next.
const AIR: i32 = 6;
const TURN: i32 = 12;
/// At the left of a line's texts, and right of the last turn.
const SHORE: i32 = 14;
/// How far a line may be moved down at its left end to be apart from others, and how close
/// two may be.
const NUDGE: i32 = 12;
const CLOSE: i32 = 5;

/// What every leased line needs of a panel's height, alike for all so that lines are straight
/// where they can be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineRoom {
    /// From one line's slot to the next.
    pub(super) pitch: i32,
    /// Where in its slot a line is.
    pub(super) level: i32,
    /// The height of a VBR.
    pub(super) vbr: i32,
    /// The width of the widest text.
    label: i32,
}

impl LineRoom {
    /// The room that a plan's lines need; `scene` has everything else.
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let mut room = Self::default();
        let mut below = 0;
        for line in &scene.plan.spec.links {
            let (over, under) = (over(line), under(line));
            let widest = over.natural().max(under.natural()).min(WIDEST);
            room.label = room.label.max(widest);
            room.level = room.level.max(over.height(WIDEST) + AIR + 8);
            below = below.max(under.height(WIDEST));
            if let Some(vbr) = &line.vbr {
                let content = vbr_content(scene, line, vbr);
                let height = content.height(VBR - 2 * VBR_INSIDE.0) + 2 * VBR_INSIDE.1;
                room.vbr = room.vbr.max(height);
            }
        }
        room.vbr = room.vbr.max(room.level + NUDGE);
        room.pitch = (room.level + NUDGE + AIR + below + AIR).max(room.vbr + SHORE);
        room
    }

    /// How much is needed between the panels for that many lines.
    pub(super) fn between(self, lines: usize) -> i32 {
        if lines == 0 {
            return 24;
        }
        2 * SHORE + self.label + SHORE + px(lines) * TURN
    }
}

/// What stands over a line.
fn over(line: &LeasedLine) -> Content {
    let mtu = line.mtu.map_or(String::new(), |mtu| format!("MTU {mtu}"));
    let content = Content::default().text(Font::new(13, RUST).bold(), &line.name);
    content.text(Font::new(11, RUST), mtu)
}

/// What stands under it: for each family the addresses of its two ends.
fn under(line: &LeasedLine) -> Content {
    line.transfer.iter().fold(Content::default(), |content, t| {
        let text = format!("{}: {} ↔ {}", t.prefix, t.idc, t.vpc);
        content.text(Font::new(11, RUST), text)
    })
}

/// The ends of a line, by its index in the plan.
pub(super) type Ends = BTreeMap<usize, Point>;

/// Draws every line that has both of its ends. `from` is the right side of the data centres.
pub(super) fn draw(out: &mut Picture, scene: &Scene<'_>, from: i32, left: &Ends, right: &Ends) {
    let both = left
        .iter()
        .filter_map(|(i, a)| Some((*i, *a, *right.get(i)?)));
    let mut lines: Vec<(usize, Point, Point)> = both.collect();
    for at in 0..lines.len() {
        lines[at].1.1 = apart(&lines, at);
    }
    // Those that rise turn first and the highest of them at the left; those that fall turn
    // the other way round. So those of one kind do not cross.
    lines.sort_by_key(|(i, (_, a), (_, b))| {
        let falls = b > a;
        (falls, if falls { -a } else { *a }, *i)
    });
    let room = scene.lines;
    let labels = from + SHORE;
    let turns = labels + room.label + SHORE;
    for (order, (index, a, b)) in lines.into_iter().enumerate() {
        let line = &scene.plan.spec.links[index];
        let turn = turns + px(order) * TURN;
        let mut edge = Edge::new(Wire::Line(line.name.clone()));
        if a.1 == b.1 {
            edge.piece(a, b);
        } else {
            edge.piece(a, (turn, a.1));
            edge.piece((turn, a.1), (turn, b.1));
            edge.piece((turn, b.1), b);
        }
        out.edges.push(edge);
        let (over, under) = (over(line), under(line));
        let label = |y, height| Area {
            x: labels,
            y,
            width: room.label,
            height,
        };
        let height = over.height(room.label);
        over.put(out, label(a.1 - AIR - height + 3, height));
        under.put(out, label(a.1 + AIR, under.height(room.label)));
    }
}

/// The height of a line's left end: level with its right end where they are close, and else
/// a bit lower where another's right end is.
fn apart(lines: &[(usize, Point, Point)], at: usize) -> i32 {
    let (index, (_, y), (_, own)) = lines[at];
    if (y - own).abs() <= CLOSE {
        return own;
    }
    let taken = lines
        .iter()
        .any(|(i, _, (_, other))| *i != index && (y - other).abs() <= CLOSE);
    if taken { y + NUDGE } else { y }
}
