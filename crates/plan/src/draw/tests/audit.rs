//! Everything that may be wrong with a picture.

use std::collections::{BTreeMap, BTreeSet};

use crate::draw::metrics::{shown, width};
use crate::draw::picture::{Area, Look, Picture, PlanBox, Subject, Text};
use crate::draw::runs::runs;
use crate::model::{Host, NetworkPlan, Site, SiteType};

use super::wires;

/// What is wrong with the picture of a plan.
pub(super) fn audit(plan: &NetworkPlan, picture: &Picture) -> Vec<String> {
    let mut wrong = Vec::new();
    texts(picture, &mut wrong);
    boxes(picture, &mut wrong);
    wires::audit(plan, picture, &mut wrong);
    subjects(plan, picture, &mut wrong);
    hosts(plan, picture, &mut wrong);
    gateways(plan, picture, &mut wrong);
    wrong
}

/// What a text covers at most.
pub(super) fn extent(text: &Text) -> Area {
    Area {
        x: text.at.0,
        y: text.at.1 - text.font.size,
        width: width(&text.line, text.font),
        height: text.font.line(),
    }
}

/// Whether others may stand in a box.
pub(super) fn holds_others(look: Look) -> bool {
    matches!(look, Look::Idc | Look::Vpc | Look::Frame)
}

pub(super) fn overlap(a: Area, b: Area) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

pub(super) fn holds(outer: Area, inner: Area) -> bool {
    outer.x <= inner.x
        && outer.y <= inner.y
        && inner.right() <= outer.right()
        && inner.bottom() <= outer.bottom()
}

fn texts(picture: &Picture, wrong: &mut Vec<String>) {
    for (i, text) in picture.texts.iter().enumerate() {
        let at = extent(text);
        if !holds(text.room, at) {
            wrong.push(format!("{:?} leaves {:?}: {at:?}", text.line, text.room));
        }
        for other in &picture.texts[i + 1..] {
            if overlap(at, extent(other)) {
                wrong.push(format!("{:?} is on {:?}", text.line, other.line));
            }
        }
        for b in &picture.boxes {
            if overlap(at, b.area) && !holds(b.area, at) {
                wrong.push(format!("{:?} leaves {:?}", text.line, b.subject));
            }
        }
    }
}

fn boxes(picture: &Picture, wrong: &mut Vec<String>) {
    let page = Area {
        x: 0,
        y: 0,
        width: picture.width,
        height: picture.height,
    };
    for (i, a) in picture.boxes.iter().enumerate() {
        if !holds(page, a.area) {
            wrong.push(format!("{:?} leaves the page", a.subject));
        }
        for b in &picture.boxes[i + 1..] {
            // What holds others is painted before them.
            let inside = holds_others(a.look) && holds(a.area, b.area);
            if overlap(a.area, b.area) && !inside {
                wrong.push(format!("{:?} is on {:?}", b.subject, a.subject));
            }
        }
    }
}

fn leaf_texts(picture: &Picture, area: Area) -> impl Iterator<Item = &Text> {
    picture.texts.iter().filter(move |t| holds(area, extent(t)))
}

fn squeezed(text: &str) -> String {
    let shown = shown(text);
    shown.chars().filter(|c| !c.is_whitespace()).collect()
}

/// All that stands in an area, without white space: lines are broken at it.
fn said(picture: &Picture, area: Area) -> String {
    let lines = leaf_texts(picture, area);
    squeezed(&lines.map(|t| t.line.as_str()).collect::<Vec<_>>().concat())
}

/// Every box is for something of the plan, everything of the plan has its box, and the box has
/// its name.
fn subjects(plan: &NetworkPlan, picture: &Picture, wrong: &mut Vec<String>) {
    let mut wanted: BTreeMap<Subject, String> = BTreeMap::new();
    for site in &plan.spec.sites {
        let of = || site.name.clone();
        wanted.insert(Subject::Site(of()), of());
        if site.site_type == SiteType::Idc {
            for switch in &site.switches {
                let name = switch.name.clone();
                let hosts = plan.spec.hosts.iter().filter(|h| h.site == site.name);
                let count = hosts.filter(|h| plugged(site, h).contains(&name)).count();
                let plural = if count == 1 { "" } else { "s" };
                let said = format!("{name}{count}host{plural}");
                wanted.insert(Subject::Switch(of(), name), said);
            }
            if let Some(router) = &site.edge_router {
                let name = router.name.clone();
                wanted.insert(Subject::EdgeRouter(of(), name.clone()), name);
            }
        } else {
            for v_switch in &site.v_switches {
                let name = v_switch.name.clone();
                wanted.insert(Subject::VSwitch(of(), name.clone()), name);
            }
            for table in &site.route_tables {
                let name = table.name.clone();
                wanted.insert(Subject::RouteTable(of(), name.clone()), name);
            }
        }
    }
    for line in &plan.spec.links {
        let to = plan
            .site(&line.vpc)
            .filter(|s| s.site_type == SiteType::Vpc);
        if let Some(vbr) = line.vbr.as_ref().filter(|_| to.is_some()) {
            let subject = Subject::Vbr(line.name.clone(), vbr.id.clone());
            wanted.insert(subject, vbr.id.clone());
        }
    }
    let mut seen = BTreeSet::new();
    for b in &picture.boxes {
        let (known, name) = match &b.subject {
            Subject::Switches(site, names) => {
                let switch = |n: &String| plan.site(site).is_some_and(|s| s.switch(n).is_some());
                (!names.is_empty() && names.iter().all(switch), String::new())
            }
            Subject::Segment(site, name) => {
                let site = plan.site(site);
                (
                    site.is_some_and(|s| s.v_switch(name).is_some()),
                    name.clone(),
                )
            }
            Subject::Hosts { site, hosts, .. } => {
                let host = |n: &String| {
                    let mut all = plan.spec.hosts.iter();
                    all.any(|h| h.name.as_str() == n && &h.site == site)
                };
                let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
                (!hosts.is_empty() && hosts.iter().all(host), runs(&names))
            }
            other => match wanted.get(other) {
                Some(name) => (seen.insert(other.clone()), name.clone()),
                None => (false, String::new()),
            },
        };
        if !known {
            wrong.push(format!("{:?} is not in the plan, or twice", b.subject));
        }
        if !said(picture, b.area).contains(&squeezed(&name)) {
            wrong.push(format!("{:?} does not say {name:?}", b.subject));
        }
    }
    for subject in wanted.keys().filter(|s| !seen.contains(*s)) {
        wrong.push(format!("{subject:?} has no box"));
    }
}

/// The switches of its site that a host is plugged into.
fn plugged(site: &Site, host: &Host) -> BTreeSet<String> {
    let cables = host.uplink.cables().into_iter();
    let switches = cables.filter_map(|c| c.switch);
    switches.filter(|s| site.switch(s).is_some()).collect()
}

/// Every host is once in the frame of each of its switches, or once where it has none.
fn hosts(plan: &NetworkPlan, picture: &Picture, wrong: &mut Vec<String>) {
    let cards: Vec<&PlanBox> = picture
        .boxes
        .iter()
        .filter(|b| matches!(b.subject, Subject::Hosts { .. }))
        .collect();
    for host in &plan.spec.hosts {
        let Some(site) = plan.site(&host.site) else {
            continue;
        };
        let mine = |b: &&&PlanBox| match &b.subject {
            Subject::Hosts { site, hosts, .. } => {
                *site == host.site && hosts.iter().any(|h| h == host.name.as_str())
            }
            _ => false,
        };
        let mine: Vec<Area> = cards.iter().filter(mine).map(|b| b.area).collect();
        // A vSwitch's plate stands in its frame as a switch does.
        let plates: Vec<Subject> = if site.site_type == SiteType::Idc {
            let switches = plugged(site, host).into_iter();
            switches
                .map(|s| Subject::Switch(site.name.clone(), s))
                .collect()
        } else {
            let v_switch = host.v_switch.as_ref();
            let known = v_switch.filter(|v| site.v_switch(v).is_some());
            known
                .map(|v| Subject::VSwitch(site.name.clone(), v.clone()))
                .into_iter()
                .collect()
        };
        let mut frames: BTreeSet<(i32, i32)> = BTreeSet::new();
        for plate in &plates {
            let Some(plate) = picture.boxes.iter().find(|b| b.subject == *plate) else {
                continue;
            };
            let frame = picture.boxes.iter().find(|b| {
                matches!(b.subject, Subject::Switches(..) | Subject::Segment(..))
                    && holds(b.area, plate.area)
            });
            let inside = frame.is_some_and(|f| mine.iter().any(|card| holds(f.area, *card)));
            if !inside {
                wrong.push(format!("{} is not at {:?}", host.name, plate.subject));
            }
            frames.extend(frame.map(|f| (f.area.x, f.area.y)));
        }
        if mine.len() != frames.len().max(1) {
            wrong.push(format!("{} is on {} cards", host.name, mine.len()));
        }
    }
}

/// Every gateway stands in its site's panel, a vSwitch's in the vSwitch.
fn gateways(plan: &NetworkPlan, picture: &Picture, wrong: &mut Vec<String>) {
    for site in &plan.spec.sites {
        let idc = site.site_type == SiteType::Idc;
        let vlans = site.vlans.iter().filter(|_| idc).map(|v| {
            let subject = Subject::Site(site.name.clone());
            (subject, v.name.clone(), &v.subnets)
        });
        let v_switches = site.v_switches.iter().filter(|_| !idc).map(|v| {
            let subject = Subject::VSwitch(site.name.clone(), v.name.clone());
            (subject, v.name.clone(), &v.subnets)
        });
        for (subject, name, subnets) in vlans.chain(v_switches) {
            let Some(b) = picture.boxes.iter().find(|b| b.subject == subject) else {
                continue;
            };
            let said = said(picture, b.area);
            let addresses = subnets
                .iter()
                .flat_map(|s| [s.prefix.to_string(), s.gateway.to_string()]);
            for text in addresses.chain([name]) {
                if !said.contains(&squeezed(&text)) {
                    wrong.push(format!("{subject:?} does not say {text:?}"));
                }
            }
        }
    }
}
