//! The networks with their pools, and what the signs mean.

use super::content::Content;
use super::picture::{Area, DARK, Edge, Font, GREY, Mark, Picture, Point, TEXT, Wire};
use super::table::Table;
use super::{Scene, counted};
use crate::capacity::PoolCapacity;
use crate::model::{MacMode, Network, Pool};

/// The space between signs, and the size of one.
const APART: i32 = 28;
const SAMPLE: i32 = 30;
const HEIGHT: i32 = 22;

/// Draws both from a point on, `width` wide, and gives the bottom.
pub(super) fn draw(out: &mut Picture, scene: &Scene<'_>, (x, top): Point, width: i32) -> i32 {
    out.marks.push(Mark::Rule((x, top), width));
    let bottom = networks(scene).put(out, (x, top + 16));
    signs(out, (x, bottom + 8), width)
}

/// How wide the table of networks is.
pub(super) fn width(scene: &Scene<'_>) -> i32 {
    networks(scene).width()
}

fn networks(scene: &Scene<'_>) -> Table {
    let mut table = Table::new(&[
        ("network", 220),
        ("site", 160),
        ("VLAN", 70),
        ("MACs", 100),
        ("MTU", 60),
        ("pool", 330),
        ("given or withheld", 120),
        ("", 300),
    ]);
    for network in &scene.plan.spec.networks {
        let pools = network.pools.iter().map(Some);
        let none = network.pools.is_empty().then_some(None);
        for (i, pool) in pools.chain(none).enumerate() {
            let mut row = if i == 0 {
                of_network(scene, network)
            } else {
                vec![Content::default(); 5]
            };
            row.extend(of_pool(scene, network, pool));
            table.row(row);
        }
    }
    table
}

fn cell(font: Font, text: impl AsRef<str>) -> Content {
    Content::default().text(font, text)
}

fn of_network(scene: &Scene<'_>, network: &Network) -> Vec<Content> {
    let grey = Font::new(12, GREY);
    let site = scene.plan.site(&network.site);
    let vlan = network
        .vlan
        .zip(site)
        .map(|(id, site)| scene.vlans(Content::default(), site, [id]));
    let macs = match network.mac {
        MacMode::Host => "the host's",
        MacMode::Pod => "each its own",
    };
    let mtu = network.mtu.unwrap_or(scene.plan.spec.mtu);
    vec![
        cell(Font::new(12, DARK).bold(), network.name.as_str()),
        cell(grey, &network.site),
        vlan.unwrap_or_default(),
        cell(grey, macs),
        cell(grey, mtu.to_string()),
    ]
}

fn of_pool(scene: &Scene<'_>, network: &Network, pool: Option<&Pool>) -> Vec<Content> {
    let Some(pool) = pool else {
        return vec![cell(Font::new(12, GREY), "no pool")];
    };
    let mut pools = scene.capacity.iter().flat_map(|c| &c.pools);
    let full = pools.find(|p| p.network == network.name.as_str() && p.prefix == pool.prefix);
    vec![
        cell(Font::new(12, DARK), pool.prefix.to_string()),
        full.map_or_else(Content::default, |f| {
            let percent = f.percent();
            cell(Font::new(11, TEXT), format!("{percent} %")).bar(percent)
        }),
        full.map_or_else(Content::default, |f| cell(Font::new(12, GREY), hosts(f))),
    ]
}

fn hosts(pool: &PoolCapacity) -> String {
    let hosts = counted(pool.hosts, "host");
    match pool.more_hosts {
        None => hosts,
        Some(n) if n > 99_999 => format!("{hosts}, room for many more"),
        Some(n) => format!("{hosts}, room for {n} more"),
    }
}

/// What the legend explains.
#[derive(Debug, Clone, Copy)]
enum Sign {
    Uplinks,
    Joint,
    Peers,
    Edge,
    Vpc,
    Line,
    Vlan,
    Bar,
}

const SIGNS: [(Sign, &str); 8] = [
    (
        Sign::Uplinks,
        "uplinks: who is at a left end hangs on who is at a right end",
    ),
    (
        Sign::Joint,
        "joined; lines that cross without a dot are not",
    ),
    (Sign::Peers, "peers towards a bond"),
    (
        Sign::Edge,
        "edge router: the plan does not say at which switch",
    ),
    (Sign::Vpc, "joined by the VPC's router"),
    (Sign::Line, "leased line"),
    (Sign::Vlan, "VLAN, by its ID"),
    (Sign::Bar, "how full: MAC table, route table, pool"),
];

impl Sign {
    /// Whether the picture has it.
    fn is_in(self, picture: &Picture) -> bool {
        let edge = |is: fn(&Wire) -> bool| picture.edges.iter().any(|e| is(&e.wire));
        let mark = |is: fn(&Mark) -> bool| picture.marks.iter().any(is);
        match self {
            Self::Uplinks => edge(|w| matches!(w, Wire::Uplinks(..))),
            Self::Joint => picture.edges.iter().any(|e| !e.joints.is_empty()),
            Self::Peers => edge(|w| matches!(w, Wire::Peers(..))),
            Self::Edge => edge(|w| matches!(w, Wire::Edge(_))),
            Self::Vpc => edge(|w| matches!(w, Wire::Vpc(_))),
            Self::Line => edge(|w| matches!(w, Wire::Line(_))),
            Self::Vlan => mark(|m| matches!(m, Mark::Swatch(..))),
            Self::Bar => mark(|m| matches!(m, Mark::Bar(..))),
        }
    }

    /// The sign, its left end at a point.
    fn mark(self, at: Point) -> Mark {
        let (right, middle) = (at.0 + SAMPLE, at.0 + SAMPLE / 2);
        let none = String::new;
        let area = |width, height| Area {
            x: at.0,
            y: at.1 - height / 2,
            width,
            height,
        };
        let wire = match self {
            Self::Vlan => return Mark::Swatch(area(9, 9), "#0072b2"),
            Self::Bar => return Mark::Bar(area(SAMPLE, 5), 45),
            Self::Uplinks | Self::Joint => Wire::Uplinks(none(), Vec::new(), Vec::new()),
            Self::Peers => Wire::Peers(none(), none(), none()),
            Self::Edge => Wire::Edge(none()),
            Self::Vpc => Wire::Vpc(none()),
            Self::Line => Wire::Line(none()),
        };
        let mut edge = Edge::new(wire);
        edge.piece(at, (right, at.1));
        if matches!(self, Self::Joint) {
            edge.piece((middle, at.1), (middle, at.1 + 8));
            edge.joints.push((middle, at.1));
        }
        Mark::Sample(edge)
    }
}

/// What the signs mean, beside each other as far as there is room.
fn signs(out: &mut Picture, (left, top): Point, width: i32) -> i32 {
    let (mut x, mut y) = (left, top);
    let here = SIGNS.iter().filter(|(sign, _)| sign.is_in(out));
    for (sign, what) in here.collect::<Vec<_>>() {
        let content = cell(Font::new(12, GREY), what);
        let wide = content.natural();
        if x > left && x + SAMPLE + 8 + wide > left + width {
            (x, y) = (left, y + HEIGHT);
        }
        out.marks.push(sign.mark((x, y + HEIGHT / 2)));
        let room = Area {
            x: x + SAMPLE + 8,
            y: y + 2,
            width: wide,
            height: HEIGHT - 2,
        };
        content.put(out, room);
        x = room.right() + APART;
    }
    y + HEIGHT
}
