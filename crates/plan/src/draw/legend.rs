//! What the colours and signs mean, and how full the pools are.

use super::Scene;
use super::svg::{Area, DARK, GREY, Ink, Svg, TEXT, fit, px};

const ROW: i32 = 24;

/// Draws the legend from `at` on, and gives its bottom.
pub(super) fn draw(out: &mut Svg, scene: &Scene<'_>, at: (i32, i32), width: i32) -> i32 {
    let (x, top) = at;
    out.path(&format!("M{x} {top}H{}", x + width), "#c3ccd4", 1, None);
    // The VLANs' columns need about 800.
    let half = (width / 2).max(800);
    let left = vlans(out, scene, (x, top + 30));
    let right = pools(out, scene, (x + half, top + 30), half);
    let bottom = left.max(right) + 10;
    signs(out, (x, bottom + 16));
    bottom + 30
}

fn heading(out: &mut Svg, at: (i32, i32), text: &str) {
    out.text(at, Ink::new(14, DARK).bold(), text);
}

fn vlans(out: &mut Svg, scene: &Scene<'_>, (x, mut y): (i32, i32)) -> i32 {
    let sites = &scene.plan.spec.sites;
    let all: Vec<_> = sites
        .iter()
        .flat_map(|s| s.vlans.iter().map(move |v| (s, v)))
        .collect();
    if all.is_empty() {
        return y;
    }
    heading(out, (x, y), "VLANs");
    let several = sites.iter().filter(|s| !s.vlans.is_empty()).count() > 1;
    for (site, vlan) in all {
        y += ROW;
        let chip = Area {
            x,
            y: y - 12,
            width: 22,
            height: 14,
        };
        out.rect(chip, scene.palette.colour(&site.name, vlan.id), "none", 3);
        let id = vlan.id.to_string();
        out.text((x + 66, y), Ink::new(13, DARK).bold().end(), &id);
        let name = if several {
            format!("{} ({})", vlan.name, site.name)
        } else {
            vlan.name.clone()
        };
        out.fitted((x + 78, y), Ink::new(13, DARK), 130, &name);
        out.text((x + 212, y), Ink::new(12, GREY), vlan.role.as_str());
        let found = scene.capacity.iter().flat_map(|c| &c.vlans);
        let here = |v: &&crate::capacity::VlanCapacity| v.site == site.name && v.id == vlan.id;
        if let Some(v) = found.into_iter().find(here) {
            let text = match v.containers {
                0 => format!("{} hosts", v.hosts),
                n => format!("{} hosts, {n} containers planned", v.hosts),
            };
            out.text((x + 560, y), Ink::new(12, GREY), &text);
        }
        let subnets: Vec<String> = vlan.subnets.iter().map(|s| s.prefix.to_string()).collect();
        let text = fit(&subnets.join(" · "), 12, 260);
        out.text((x + 290, y), Ink::new(12, TEXT), &text);
    }
    y + ROW
}

fn pools(out: &mut Svg, scene: &Scene<'_>, (x, mut y): (i32, i32), width: i32) -> i32 {
    let Some(capacity) = &scene.capacity else {
        return y;
    };
    if capacity.pools.is_empty() {
        return y;
    }
    heading(out, (x, y), "Pools");
    for pool in &capacity.pools {
        y += ROW;
        out.fitted((x, y), Ink::new(13, DARK), 110, &pool.network);
        let prefix = pool.prefix.to_string();
        out.fitted((x + 118, y), Ink::new(12, TEXT), 150, &prefix);
        let percent = pool.percent();
        let bar = Area {
            x: x + 280,
            y: y - 9,
            width: 120,
            height: 8,
        };
        out.bar(bar, percent);
        let more = pool.more_hosts.map_or(String::new(), |n| {
            if n > 99_999 {
                ", many hosts more".to_owned()
            } else {
                format!(", {n} hosts more")
            }
        });
        let text = format!("{percent} % given, {} hosts{more}", pool.hosts);
        let text = fit(&text, 12, (width - 412).max(120));
        out.text((x + 412, y), Ink::new(12, GREY), &text);
    }
    y + ROW
}

fn signs(out: &mut Svg, (x, y): (i32, i32)) {
    let mut at = x;
    for (i, colour) in ["#8795a3", "#0072b2", "#d55e00"].iter().enumerate() {
        let line = y - 8 + px(i) * 4;
        out.path(&format!("M{at} {line}H{}", at + 28), colour, 3, None);
    }
    out.text((at + 36, y), Ink::new(12, GREY), "trunk: a stripe a VLAN");
    at += 200;
    out.text((at, y), Ink::new(12, GREY), "a ⇄ b  peers towards a bond");
    at += 210;
    out.path(
        &format!("M{at} {}H{}", y - 4, at + 32),
        "#b4552d",
        3,
        Some("9 5"),
    );
    out.text((at + 40, y), Ink::new(12, GREY), "leased line");
    at += 140;
    out.bar(
        Area {
            x: at,
            y: y - 8,
            width: 44,
            height: 6,
        },
        45,
    );
    out.text(
        (at + 52, y),
        Ink::new(12, GREY),
        "how full: MAC table, route table, pool",
    );
}
