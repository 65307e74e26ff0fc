//! Nets and the lines between peers, piece by piece.

use std::collections::{BTreeMap, BTreeSet};

use super::grid::{Grid, brackets, channel};
use super::{Block, End, Net, Side};
use crate::draw::picture::{Edge, Picture};

/// A net as a line; none: it has a single end.
pub(super) fn net(grid: &Grid, n: usize, net: &Net, right: i32) -> Option<Edge> {
    if net.ends.len() + net.from_left.len() + usize::from(net.to_right) < 2 {
        return None;
    }
    let mut edge = Edge::new(net.wire.clone());
    // Where the track of each channel is met.
    let mut met: BTreeMap<usize, BTreeSet<i32>> = BTreeMap::new();
    let mut beside: BTreeMap<(usize, usize, Side), Vec<End>> = BTreeMap::new();
    for end in &net.ends {
        let here = beside.entry((end.row, end.block, end.side)).or_default();
        here.push(*end);
    }
    for ends in beside.values() {
        let x = grid.slot(n, ends[0]);
        let through = channel(ends[0]);
        let Some(track) = grid.track(n, through) else {
            continue;
        };
        let mut levels = BTreeSet::from([track]);
        for end in ends {
            let (from, y) = grid.end(n, *end);
            edge.piece((from, y), (x, y));
            levels.insert(y);
        }
        upright(&mut edge, x, &levels);
        met.entry(through).or_default().insert(x);
    }
    if net.to_right {
        met.entry(0).or_default().insert(right);
    }
    if let Some(x) = grid.riser(n) {
        let mut levels = BTreeSet::new();
        for (left, y) in &net.from_left {
            edge.piece((*left, *y), (x, *y));
            levels.insert(*y);
        }
        for (through, xs) in &mut met {
            xs.insert(x);
            levels.extend(grid.track(n, *through));
        }
        upright(&mut edge, x, &levels);
    }
    for through in grid.channels() {
        if let (Some(y), Some(xs)) = (grid.track(n, through), met.get(&through)) {
            level(&mut edge, y, xs);
        }
    }
    Some(edge)
}

/// A piece from the highest level to the lowest, joined by others in between.
fn upright(edge: &mut Edge, x: i32, levels: &BTreeSet<i32>) {
    if let (Some(top), Some(bottom)) = (levels.first(), levels.last()) {
        edge.piece((x, *top), (x, *bottom));
        let between = levels.iter().filter(|y| *y != top && *y != bottom);
        edge.joints.extend(between.map(|y| (x, *y)));
    }
}

/// The same from left to right.
fn level(edge: &mut Edge, y: i32, xs: &BTreeSet<i32>) {
    if let (Some(left), Some(right)) = (xs.first(), xs.last()) {
        edge.piece((*left, y), (*right, y));
        let between = xs.iter().filter(|x| *x != left && *x != right);
        edge.joints.extend(between.map(|x| (*x, y)));
    }
}

/// The lines between a block's peers: straight between neighbours, else a bracket beside the
/// plates.
pub(super) fn peers(grid: &Grid, block: &Block, (row, at): (usize, usize), out: &mut Picture) {
    for (a, b, wire) in block.peers.iter().filter(|(a, b, _)| b - a == 1) {
        let (upper, lower) = (grid.plate((row, at, *a)), grid.plate((row, at, *b)));
        let x = upper.x + upper.width / 2;
        let mut edge = Edge::new(wire.clone());
        edge.piece((x, upper.bottom()), (x, lower.y));
        out.edges.push(edge);
    }
    let apart = block.peers.iter().filter(|(a, b, _)| b - a > 1);
    for ((order, a, b), (_, _, wire)) in brackets(block).zip(apart) {
        let x = grid.bracket(at, order);
        let end = |plate: usize| {
            let before = brackets(block).take(order);
            let before = before
                .filter(|(_, a, b)| *a == plate || *b == plate)
                .count();
            grid.bracket_end((row, at, plate), before)
        };
        let (from, to) = (end(a), end(b));
        let mut edge = Edge::new(wire.clone());
        edge.piece(from, (x, from.1));
        edge.piece((x, from.1), (x, to.1));
        edge.piece(to, (x, to.1));
        out.edges.push(edge);
    }
}
