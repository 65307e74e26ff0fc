//! A VPC: its router, VBRs, vSwitches and hosts.

use std::collections::BTreeMap;

use super::cards::{self, Card};
use super::svg::{Area, GREY, Ink, RUST, Svg, WHITE, fit, px};
use super::{Panel, Scene};
use crate::model::{Host, Site, VSwitch};
use crate::routes::TableKind;

const WIDTH: i32 = 230;
const GAP: i32 = 20;
const HEAD: i32 = 52;

pub(super) fn panel(scene: &Scene<'_>, site: &Site) -> Panel {
    let links: Vec<_> = scene
        .plan
        .spec
        .links
        .iter()
        .filter(|l| l.vpc == site.name)
        .collect();
    let tables: Vec<_> = scene
        .capacity
        .iter()
        .flat_map(|c| &c.tables)
        .filter(|t| t.site == site.name)
        .collect();
    let columns = site.v_switches.len().clamp(1, 3);
    let vbrs = if links.is_empty() { 0 } else { 190 };
    let width = (vbrs + 24 + px(columns) * (WIDTH + GAP) + 10).max(vbrs + 380);
    let mut out = Svg::default();
    let mut ends = BTreeMap::new();
    let mut body = Svg::default();

    let routers: Vec<_> = tables
        .iter()
        .filter(|t| t.kind == TableKind::VpcRouteTable)
        .collect();
    let router = Area {
        x: vbrs + 24,
        y: HEAD + 16,
        width: width - vbrs - 48,
        height: 40 + px(routers.len().max(1)) * 26,
    };
    for (i, link) in links.iter().enumerate() {
        let at = Area {
            x: 20,
            y: HEAD + 16 + px(i) * super::LINE_STEP,
            width: 140,
            height: 54,
        };
        ends.insert(link.name.clone(), (at.x, at.y + super::LINE_MIDDLE));
        let path = format!(
            "M{} {}H{}V{}H{}",
            at.x + at.width,
            at.y + super::LINE_MIDDLE,
            vbrs - 4,
            router.y + super::LINE_MIDDLE,
            router.x
        );
        body.path(&path, "#3d6ea5", 3, None);
        body.rect(at, "#ffffff", "#b4552d", 6);
        let name = link.vbr.as_ref().map_or("VBR", |v| v.id.as_str());
        body.fitted((at.x + 10, at.y + 20), Ink::new(13, RUST).bold(), 122, name);
        let table = tables
            .iter()
            .find(|t| t.kind == TableKind::Vbr && t.name == link.name);
        if let Some(t) = table {
            let text = format!("{} of {} entries", t.used, t.quota);
            body.text((at.x + 10, at.y + 36), Ink::new(11, GREY), &text);
            let bar = Area {
                x: at.x + 10,
                y: at.y + 43,
                width: 120,
                height: 5,
            };
            body.bar(bar, percent(t.used, t.quota));
        }
    }
    body.rect(router, "#27598f", "#1b4570", 6);
    body.text(
        (router.x + 14, router.y + 24),
        Ink::new(15, WHITE).bold(),
        "VPC router",
    );
    for (i, t) in routers.iter().enumerate() {
        let y = router.y + 44 + px(i) * 26;
        let text = format!("{}: {} of {} entries", t.name, t.used, t.quota);
        body.fitted(
            (router.x + 14, y),
            Ink::new(12, "#dbe6f2"),
            router.width - 28,
            &text,
        );
        let bar = Area {
            x: router.x + 14,
            y: y + 6,
            width: router.width - 28,
            height: 5,
        };
        body.bar(bar, percent(t.used, t.quota));
    }

    let top = (router.y + router.height).max(HEAD + 16 + px(links.len()) * super::LINE_STEP) + 30;
    let bottom = v_switches(&mut body, scene, site, router, top);
    let height = bottom + 14;
    let about: Vec<&str> = ["VPC"]
        .into_iter()
        .chain(site.vpc_id.as_deref())
        .chain(site.region.as_deref())
        .collect();
    let look = ("#f3f7fc", "#b9cbe0");
    out.panel((width, height), look, &site.name, &about.join(" · "));
    out.group_at(0, 0, &body);
    Panel {
        svg: out,
        width,
        height,
        ends,
    }
}

fn percent(used: usize, quota: u32) -> u64 {
    let used = u64::try_from(used).unwrap_or(u64::MAX / 100);
    used * 100 / u64::from(quota.max(1))
}

/// The vSwitches in rows below the router, and the bottom of the last.
fn v_switches(out: &mut Svg, scene: &Scene<'_>, site: &Site, router: Area, top: i32) -> i32 {
    let hosts: Vec<&Host> = scene
        .plan
        .spec
        .hosts
        .iter()
        .filter(|h| h.site == site.name)
        .collect();
    let in_none: Vec<&Host> = hosts
        .iter()
        .copied()
        .filter(|h| h.v_switch.is_none())
        .collect();
    let mut boxes: Vec<(Option<&VSwitch>, Vec<Card>)> = site
        .v_switches
        .iter()
        .map(|v| {
            let inside = hosts.iter().copied();
            let inside: Vec<&Host> = inside
                .filter(|h| h.v_switch.as_deref() == Some(v.name.as_str()))
                .collect();
            (Some(v), cards::cards(scene, site, &inside))
        })
        .collect();
    if !in_none.is_empty() {
        boxes.push((None, cards::cards(scene, site, &in_none)));
    }
    let columns = boxes.len().clamp(1, 3);
    let mut y = top;
    for row in boxes.chunks(columns) {
        let tallest = row
            .iter()
            .map(|(_, c)| cards::height(c.len()))
            .max()
            .unwrap_or(0);
        for (i, (v_switch, cards)) in row.iter().enumerate() {
            let at = Area {
                x: router.x + px(i) * (WIDTH + GAP),
                y,
                width: WIDTH,
                height: 62 + tallest + 8,
            };
            if y == top {
                let middle = at.x + WIDTH / 2;
                let from = router.y + router.height;
                out.path(&format!("M{middle} {from}V{y}"), "#3d6ea5", 3, None);
            }
            out.rect(at, "#ffffff", "#8fb0d3", 6);
            let name = v_switch.map_or("no vSwitch in the plan", |v| v.name.as_str());
            out.fitted(
                (at.x + 10, y + 20),
                Ink::new(13, "#1b4570").bold(),
                WIDTH - 20,
                name,
            );
            let prefixes: Vec<String> = v_switch
                .iter()
                .flat_map(|v| v.subnets.iter().map(|s| s.prefix.to_string()))
                .collect();
            let text = fit(&prefixes.join(" · "), 11, WIDTH - 20);
            out.text((at.x + 10, y + 36), Ink::new(11, GREY), &text);
            if let Some(zone) = v_switch.and_then(|v| v.zone.as_deref()) {
                out.fitted((at.x + 10, y + 51), Ink::new(11, GREY), WIDTH - 20, zone);
            }
            let inner = Area {
                x: at.x + 10,
                y: y + 62,
                width: WIDTH - 24,
                height: 0,
            };
            cards::draw(out, scene, site, cards, inner);
        }
        y += 62 + tallest + 8 + 20;
    }
    y
}
