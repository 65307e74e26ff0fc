//! The picture as SVG 1.1.

use std::fmt::{Arguments, Write as _};

use super::metrics::shown;
use super::picture::{Area, Edge, Look, Mark, Picture, PlanBox, Text, WHITE, Wire};

/// Fonts that are no wider than [`super::metrics`] has it.
const FONTS: &str = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif";

/// How a line is drawn: its colour, its width, its dashes.
struct Stroke(&'static str, i32, Option<&'static str>);

/// Uplinks that are drawn one after the other differ, so that they can be followed.
pub(super) const UPLINKS: [&str; 5] = ["#3f5163", "#7a4fbf", "#00736b", "#9a4a00", "#a02560"];

impl Stroke {
    /// How the `order`-th line of its kind is drawn.
    fn of(wire: &Wire, order: usize) -> Self {
        match wire {
            Wire::Uplinks(..) => Self(UPLINKS[order % UPLINKS.len()], 2, None),
            Wire::Peers(..) => Self("#8494a3", 6, None),
            Wire::Edge(_) => Self("#6b7a88", 2, Some("3 3")),
            Wire::Vpc(_) => Self("#3d6ea5", 2, None),
            Wire::Line(_) => Self("#b4552d", 3, Some("9 5")),
        }
    }
}

/// How a box is drawn: its fill, its border, the radius of its corners.
fn plate(look: Look) -> (&'static str, &'static str, i32) {
    match look {
        Look::Idc => ("#f7f9fb", "#c3ccd4", 10),
        Look::Vpc => ("#f3f7fc", "#b9cbe0", 10),
        Look::Frame => ("#eef2f5", "#c9d2da", 6),
        Look::Switch => ("#d3dde6", "#3f5163", 4),
        Look::VSwitch => ("#dbe7f4", "#3d6ea5", 4),
        Look::RouteTable => ("#ffffff", "#3d6ea5", 4),
        Look::Border => ("#ffffff", "#b4552d", 6),
        Look::Card => ("#ffffff", "#aab5bf", 4),
    }
}

/// The picture as an SVG 1.1 document in UTF-8.
pub(super) fn document(picture: &Picture, title: &str) -> String {
    let mut out = Document(String::new());
    let (width, height) = (picture.width, picture.height);
    out.line(format_args!(r#"<?xml version="1.0" encoding="UTF-8"?>"#));
    out.line(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="{FONTS}" xml:space="preserve">"#
    ));
    out.line(format_args!("<title>{}</title>", escaped(title)));
    out.line(format_args!(
        r#"<rect width="{width}" height="{height}" fill="{WHITE}"/>"#
    ));
    for plan_box in &picture.boxes {
        out.plan_box(plan_box);
    }
    let mut uplinks = 0;
    for edge in &picture.edges {
        out.edge(edge, uplinks);
        uplinks += usize::from(matches!(edge.wire, Wire::Uplinks(..)));
    }
    for mark in &picture.marks {
        out.mark(mark);
    }
    for text in &picture.texts {
        out.text(text);
    }
    out.line(format_args!("</svg>"));
    out.0
}

struct Document(String);

impl Document {
    fn line(&mut self, text: Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
        self.0.push('\n');
    }

    fn rect(&mut self, at: Area, fill: &str, stroke: &str, radius: i32) {
        let Area {
            x,
            y,
            width,
            height,
        } = at;
        self.line(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{fill}" stroke="{stroke}"/>"#
        ));
    }

    fn plan_box(&mut self, plan_box: &PlanBox) {
        let (fill, stroke, radius) = plate(plan_box.look);
        // A viewer shows the title of what the pointer is on.
        let title = escaped(&shown(&plan_box.subject.title()));
        self.line(format_args!("<g><title>{title}</title>"));
        self.rect(plan_box.area, fill, stroke, radius);
        self.line(format_args!("</g>"));
    }

    /// A line, with a white border so that what it crosses is seen to go on below it.
    fn edge(&mut self, edge: &Edge, order: usize) {
        let Stroke(colour, width, dashes) = Stroke::of(&edge.wire, order);
        let mut path = String::new();
        for ((x, y), (to_x, to_y)) in &edge.pieces {
            let _ = write!(path, "M{x} {y}L{to_x} {to_y}");
        }
        let dashes = dashes.map_or(String::new(), |d| format!(r#" stroke-dasharray="{d}""#));
        let halo = width + 4;
        self.line(format_args!(
            r#"<path d="{path}" fill="none" stroke="{WHITE}" stroke-width="{halo}"/>"#
        ));
        self.line(format_args!(
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linecap="square"{dashes}/>"#
        ));
        for (x, y) in &edge.joints {
            self.line(format_args!(
                r#"<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>"#
            ));
        }
    }

    fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Bar(at, percent) => self.bar(*at, *percent),
            Mark::Swatch(at, colour) => self.rect(*at, colour, "none", 2),
            Mark::Sample(edge) => self.edge(edge, 0),
            Mark::Rule((x, y), length) => self.line(format_args!(
                r##"<path d="M{x} {y}h{length}" stroke="#c3ccd4"/>"##
            )),
        }
    }

    fn bar(&mut self, at: Area, percent: u64) {
        let fill = match percent {
            90.. => "#c0392b",
            75.. => "#d99a1c",
            _ => "#5f9e6e",
        };
        self.rect(at, WHITE, "#b8c2cb", 2);
        if percent == 0 {
            return;
        }
        let part = i32::try_from(percent.min(100)).unwrap_or(100);
        let width = (at.width * part / 100).max(2);
        self.rect(Area { width, ..at }, fill, "none", 2);
    }

    fn text(&mut self, text: &Text) {
        let (x, y) = text.at;
        let (size, fill) = (text.font.size, text.font.fill);
        let weight = if text.font.bold {
            r#" font-weight="700""#
        } else {
            ""
        };
        let line = escaped(&text.line);
        self.line(format_args!(
            r#"<text x="{x}" y="{y}" font-size="{size}"{weight} fill="{fill}">{line}</text>"#
        ));
    }
}

/// The text as XML's character data.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
