//! What may be wrong with a picture's lines.

use std::collections::BTreeSet;

use crate::draw::picture::{Area, Edge, Picture, Point, Subject, Wire};
use crate::model::{NetworkPlan, SiteType};

use super::audit::{extent, holds, holds_others, overlap};

/// Lines that go the same way are so far apart at least.
const APART: i32 = 4;

pub(super) fn audit(plan: &NetworkPlan, picture: &Picture, wrong: &mut Vec<String>) {
    for (i, edge) in picture.edges.iter().enumerate() {
        shape(edge, wrong);
        clear(picture, edge, wrong);
        for other in &picture.edges[i + 1..] {
            apart(edge, other, wrong);
        }
    }
    meaning(plan, picture, wrong);
    ends(picture, wrong);
}

type Piece = (Point, Point);

/// What a piece covers, `wide` to both sides.
fn area(((x, y), (to_x, to_y)): Piece, wide: i32) -> Area {
    Area {
        x: x - wide,
        y: y - wide,
        width: to_x - x + 2 * wide,
        height: to_y - y + 2 * wide,
    }
}

fn touch(a: Piece, b: Piece) -> bool {
    let (a, b) = (area(a, 0), area(b, 0));
    a.x <= b.right() && b.x <= a.right() && a.y <= b.bottom() && b.y <= a.bottom()
}

fn level(((_, y), (_, to)): Piece) -> bool {
    y == to
}

/// Whether two pieces share more than a point of one track.
fn one_track(a: Piece, b: Piece) -> bool {
    if level(a) && level(b) {
        a.0.1 == b.0.1 && a.0.0 < b.1.0 && b.0.0 < a.1.0
    } else {
        !level(a) && !level(b) && a.0.0 == b.0.0 && a.0.1 < b.1.1 && b.0.1 < a.1.1
    }
}

/// A line is one tree of level and upright pieces, with a dot where three pieces meet and not
/// at its corners.
fn shape(edge: &Edge, wrong: &mut Vec<String>) {
    let pieces = &edge.pieces;
    let straight = |p: &&Piece| (p.0.0 == p.1.0) != (p.0.1 == p.1.1) && p.0 <= p.1;
    if pieces.is_empty() || pieces.iter().filter(straight).count() != pieces.len() {
        wrong.push(format!("{:?} has a piece that is not straight", edge.wire));
    }
    let mut reached: BTreeSet<usize> = BTreeSet::from([0]);
    while let Some(next) = (0..pieces.len())
        .find(|i| !reached.contains(i) && reached.iter().any(|r| touch(pieces[*r], pieces[*i])))
    {
        reached.insert(next);
    }
    if reached.len() < pieces.len() {
        wrong.push(format!("{:?} is in parts", edge.wire));
    }
    for (i, a) in pieces.iter().enumerate() {
        for b in &pieces[i + 1..] {
            let meet = |end: Point, other: &Piece| {
                let on = touch((end, end), *other);
                on && end != other.0 && end != other.1
            };
            let tee = [a.0, a.1].into_iter().find(|e| meet(*e, b));
            let tee = tee.or_else(|| [b.0, b.1].into_iter().find(|e| meet(*e, a)));
            if tee.is_some_and(|at| !edge.joints.contains(&at)) {
                wrong.push(format!("{:?} has no dot at {tee:?}", edge.wire));
            }
            if one_track(*a, *b) {
                wrong.push(format!("{:?} runs twice on {a:?} and {b:?}", edge.wire));
            }
        }
    }
    for joint in &edge.joints {
        let here = pieces.iter().filter(|p| touch((*joint, *joint), **p));
        if here.count() < 2 {
            wrong.push(format!("{:?} has a dot at {joint:?}", edge.wire));
        }
    }
}

/// A line runs over no text, and over no box but those that hold others.
fn clear(picture: &Picture, edge: &Edge, wrong: &mut Vec<String>) {
    for piece in &edge.pieces {
        for text in &picture.texts {
            if overlap(area(*piece, 1), extent(text)) {
                wrong.push(format!("{:?} runs over {:?}", edge.wire, text.line));
            }
        }
        for b in picture.boxes.iter().filter(|b| !holds_others(b.look)) {
            // A piece has no thickness here: it may end on a border, and run along none.
            let ((x, y), (to_x, to_y)) = *piece;
            let through = if level(*piece) {
                b.area.y <= y && y <= b.area.bottom() && x < b.area.right() && b.area.x < to_x
            } else {
                b.area.x <= x && x <= b.area.right() && y < b.area.bottom() && b.area.y < to_y
            };
            if through {
                wrong.push(format!("{:?} runs over {:?}", edge.wire, b.subject));
            }
        }
    }
}

/// Two lines are on no common track, and none ends on the other.
fn apart(one: &Edge, other: &Edge, wrong: &mut Vec<String>) {
    // A leased line without a VBR ends where the VPC's router begins.
    let joined = matches!(
        (&one.wire, &other.wire),
        (Wire::Line(_), Wire::Vpc(_)) | (Wire::Vpc(_), Wire::Line(_))
    );
    for a in &one.pieces {
        for b in &other.pieces {
            let parallel = level(*a) == level(*b);
            let close = overlap(area(*a, APART / 2), area(*b, APART / 2));
            if parallel && close && !(joined && (a.1 == b.0 || b.1 == a.0)) {
                wrong.push(format!(
                    "{:?} and {:?} on {a:?}, {b:?}",
                    one.wire, other.wire
                ));
            }
            let ends_on = |p: &Piece, q: &Piece| touch((p.0, p.0), *q) || touch((p.1, p.1), *q);
            if !parallel && (ends_on(a, b) || ends_on(b, a)) {
                wrong.push(format!(
                    "{:?} ends on {:?}: {a:?}, {b:?}",
                    one.wire, other.wire
                ));
            }
        }
    }
}

/// The lines say what the plan says: every uplink, every pair of peers, every leased line.
fn meaning(plan: &NetworkPlan, picture: &Picture, wrong: &mut Vec<String>) {
    let mut drawn: Vec<(String, String, String, &str)> = Vec::new();
    for edge in &picture.edges {
        match &edge.wire {
            Wire::Uplinks(site, above, below) => {
                for upper in above {
                    for lower in below {
                        drawn.push((site.clone(), upper.clone(), lower.clone(), "uplink"));
                    }
                }
            }
            Wire::Peers(site, a, b) => {
                let (a, b) = (a.min(b).clone(), a.max(b).clone());
                drawn.push((site.clone(), a, b, "peers"));
            }
            Wire::Line(name) => drawn.push((name.clone(), String::new(), String::new(), "line")),
            Wire::Edge(_) | Wire::Vpc(_) => {}
        }
    }
    let mut wanted = BTreeSet::new();
    for site in plan
        .spec
        .sites
        .iter()
        .filter(|s| s.site_type == SiteType::Idc)
    {
        for switch in &site.switches {
            let (of, name) = (|| site.name.clone(), || switch.name.clone());
            let known = |s: &&String| site.switch(s).is_some();
            for upper in switch.uplinks.iter().filter(known) {
                wanted.insert((of(), upper.clone(), name(), "uplink"));
            }
            for peer in switch.peers.iter().filter(known).filter(|p| **p != name()) {
                let (a, b) = (peer.min(&switch.name), peer.max(&switch.name));
                wanted.insert((of(), a.clone(), b.clone(), "peers"));
            }
        }
    }
    for line in &plan.spec.links {
        let is = |name: &str, t| plan.site(name).is_some_and(|s| s.site_type == t);
        if is(&line.idc, SiteType::Idc) && is(&line.vpc, SiteType::Vpc) {
            wanted.insert((line.name.clone(), String::new(), String::new(), "line"));
        }
    }
    let once: BTreeSet<_> = drawn.iter().cloned().collect();
    if once.len() < drawn.len() {
        wrong.push(format!("a line is drawn twice: {drawn:?}"));
    }
    for missing in wanted.difference(&once) {
        wrong.push(format!("{missing:?} has no line"));
    }
    for invented in once.difference(&wanted) {
        wrong.push(format!("{invented:?} is not in the plan"));
    }
}

/// Lines end at the boxes of what they join: uplinks at the left of the lower and at the right
/// of the upper switch, leased lines at the edge router and the VBR where there are such.
fn ends(picture: &Picture, wrong: &mut Vec<String>) {
    let meets = |edge: &Edge, subject: &Subject, right: Option<bool>| {
        let at = picture.boxes.iter().find(|b| b.subject == *subject);
        let at = at.map(|b| b.area);
        edge.pieces.iter().flat_map(|p| [p.0, p.1]).any(|(x, y)| {
            at.is_some_and(|a| {
                let on = holds(
                    a,
                    Area {
                        x,
                        y,
                        width: 0,
                        height: 0,
                    },
                );
                let side = right.is_none_or(|r| x == if r { a.right() } else { a.x });
                on && side
            })
        })
    };
    for edge in &picture.edges {
        let wanted: Vec<(Subject, Option<bool>)> = match &edge.wire {
            Wire::Uplinks(site, above, below) => {
                let switch = |n: &String| Subject::Switch(site.clone(), n.clone());
                let above = above.iter().map(|n| (switch(n), Some(true)));
                above
                    .chain(below.iter().map(|n| (switch(n), Some(false))))
                    .collect()
            }
            Wire::Peers(site, a, b) => [a, b]
                .into_iter()
                .map(|n| (Subject::Switch(site.clone(), n.clone()), None))
                .collect(),
            Wire::Edge(site) => {
                let router = picture.boxes.iter().map(|b| &b.subject);
                let mut router =
                    router.filter(|s| matches!(s, Subject::EdgeRouter(of, _) if of == site));
                router
                    .next()
                    .map(|r| (r.clone(), Some(false)))
                    .into_iter()
                    .collect()
            }
            Wire::Line(name) => {
                let vbr = picture.boxes.iter().map(|b| &b.subject);
                let mut vbr = vbr.filter(|s| matches!(s, Subject::Vbr(of, _) if of == name));
                vbr.next()
                    .map(|r| (r.clone(), Some(false)))
                    .into_iter()
                    .collect()
            }
            Wire::Vpc(site) => {
                let inside = picture.boxes.iter().map(|b| &b.subject);
                inside
                    .filter(|s| matches!(s, Subject::VSwitch(of, _) if of == site))
                    .map(|s| (s.clone(), Some(false)))
                    .collect()
            }
        };
        for (subject, right) in wanted {
            if !meets(edge, &subject, right) {
                wrong.push(format!("{:?} does not meet {subject:?}", edge.wire));
            }
        }
    }
}
