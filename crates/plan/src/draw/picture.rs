//! The picture as a model: what stands where, before it is written as SVG.
//!
//! Everything is in pixels, y downwards.

use super::runs::runs;

/// A point.
pub(super) type Point = (i32, i32);

pub(super) const DARK: &str = "#1d2733";
pub(super) const TEXT: &str = "#3c4a57";
pub(super) const GREY: &str = "#5b6b7b";
pub(super) const WHITE: &str = "#ffffff";
pub(super) const BLUE: &str = "#1b4570";
pub(super) const RUST: &str = "#8a3f20";

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Area {
    pub(super) fn right(self) -> i32 {
        self.x + self.width
    }

    pub(super) fn bottom(self) -> i32 {
        self.y + self.height
    }

    pub(super) fn moved(self, (dx, dy): Point) -> Self {
        Self {
            x: self.x + dx,
            y: self.y + dy,
            ..self
        }
    }

    /// What is left inside a border.
    pub(super) fn inside(self, across: i32, down: i32) -> Self {
        Self {
            x: self.x + across,
            y: self.y + down,
            width: self.width - 2 * across,
            height: self.height - 2 * down,
        }
    }
}

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Font {
    /// The font size in pixels.
    pub(super) size: i32,
    pub(super) fill: &'static str,
    pub(super) bold: bool,
}

impl Font {
    pub(super) const fn new(size: i32, fill: &'static str) -> Self {
        Self {
            size,
            fill,
            bold: false,
        }
    }

    pub(super) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// From one line to the next.
    pub(super) const fn line(self) -> i32 {
        self.size * 7 / 5
    }
}

/// What a box stands for: something that the plan names. Names are as in the plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Site(String),
    Switch(String, String),
    /// Switches that are peers of each other, or one switch, with the hosts behind them.
    Switches(String, Vec<String>),
    EdgeRouter(String, String),
    VSwitch(String, String),
    /// A vSwitch with the hosts in it.
    Segment(String, String),
    RouteTable(String, String),
    /// The cloud's end of a leased line: the line's name, and the VBR's ID.
    Vbr(String, String),
    /// Hosts that are alike, and the names of all the switches that they are plugged into.
    Hosts {
        site: String,
        hosts: Vec<String>,
        switches: Vec<String>,
    },
}

impl Subject {
    /// What it is, in a line.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Site(site) => format!("site {site}"),
            Self::Switch(site, name) => format!("switch {name} in {site}"),
            Self::Switches(site, names) => format!("{} in {site}", names.join(", ")),
            Self::EdgeRouter(site, name) => format!("edge router {name} in {site}"),
            Self::VSwitch(site, name) | Self::Segment(site, name) => {
                format!("vSwitch {name} in {site}")
            }
            Self::RouteTable(site, name) => format!("route table {name} in {site}"),
            Self::Vbr(line, id) => format!("VBR {id} of {line}"),
            Self::Hosts { site, hosts, .. } => {
                let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
                format!("{} in {site}", runs(&names))
            }
        }
    }
}

/// How a box looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Idc,
    Vpc,
    Frame,
    Switch,
    VSwitch,
    RouteTable,
    Border,
    Card,
}

/// A box.
#[derive(Debug, Clone)]
pub(super) struct PlanBox {
    pub(super) subject: Subject,
    pub(super) look: Look,
    pub(super) area: Area,
}

/// A text on one line.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// Its left end on its baseline.
    pub(super) at: Point,
    pub(super) font: Font,
    pub(super) line: String,
    /// What it may not leave.
    pub(super) room: Area,
}

/// What a line stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wire {
    /// Uplinks: each of the second switches hangs on each of the first.
    Uplinks(String, Vec<String>, Vec<String>),
    /// Two switches that are peers.
    Peers(String, String, String),
    /// From the edge router into the data centre.
    Edge(String),
    /// What a VPC's router joins: its vSwitches and its ends of leased lines.
    Vpc(String),
    /// A leased line.
    Line(String),
}

/// A line: a tree of horizontal and vertical pieces.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) wire: Wire,
    /// Each from its left or upper end on.
    pub(super) pieces: Vec<(Point, Point)>,
    /// Where three pieces or more meet.
    pub(super) joints: Vec<Point>,
}

/// What is neither box nor line nor text.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    /// How full something is, in percent.
    Bar(Area, u64),
    /// A VLAN's colour.
    Swatch(Area, &'static str),
    /// A line of the legend, drawn as those of its kind.
    Sample(Edge),
    /// A thin line between parts of the page, or below a table's head.
    Rule(Point, i32),
}

/// Boxes, lines and texts with their places, in pixels from the upper left.
#[derive(Debug, Clone, Default)]
pub(super) struct Picture {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) boxes: Vec<PlanBox>,
    pub(super) edges: Vec<Edge>,
    pub(super) texts: Vec<Text>,
    pub(super) marks: Vec<Mark>,
}

impl Picture {
    /// Takes another picture in, moved. The size stays.
    pub(super) fn take(&mut self, other: Self, by: Point) {
        let at = |p: Point| (p.0 + by.0, p.1 + by.1);
        self.boxes.extend(other.boxes.into_iter().map(|b| PlanBox {
            area: b.area.moved(by),
            ..b
        }));
        self.edges
            .extend(other.edges.into_iter().map(|e| e.moved(by)));
        self.texts.extend(other.texts.into_iter().map(|t| Text {
            at: at(t.at),
            room: t.room.moved(by),
            ..t
        }));
        self.marks.extend(other.marks.into_iter().map(|m| match m {
            Mark::Bar(area, percent) => Mark::Bar(area.moved(by), percent),
            Mark::Swatch(area, colour) => Mark::Swatch(area.moved(by), colour),
            Mark::Sample(edge) => Mark::Sample(edge.moved(by)),
            Mark::Rule(from, length) => Mark::Rule(at(from), length),
        }));
    }
}

impl Edge {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire,
            pieces: Vec::new(),
            joints: Vec::new(),
        }
    }

    /// Adds a piece, unless it has no length.
    pub(super) fn piece(&mut self, a: Point, b: Point) {
        if a != b {
            self.pieces.push((a.min(b), a.max(b)));
        }
    }

    fn moved(self, by: Point) -> Self {
        let at = |p: Point| (p.0 + by.0, p.1 + by.1);
        let pieces = self.pieces.into_iter();
        Self {
            wire: self.wire,
            pieces: pieces.map(|(a, b)| (at(a), at(b))).collect(),
            joints: self.joints.into_iter().map(at).collect(),
        }
    }
}

/// A count in pixels.
pub(super) fn px(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX / 1024)
}
