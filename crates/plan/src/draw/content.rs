//! What stands in a box or a cell of a table: lines below each other, as high as they need.

use super::metrics::{shown, width, wrap};
use super::picture::{Area, Font, Mark, Picture, TEXT, Text};

/// The height of a bar with the space around it, the space above it, its own height.
const BAR: i32 = 13;
const BAR_FROM: i32 = 4;
const BAR_ONLY: i32 = 5;
/// A VLAN's swatch with its space, and the space after its ID.
const SWATCH: i32 = 13;
const AFTER: i32 = 8;
const ID: Font = Font::new(11, TEXT);
/// VLANs that stand beside each other where there is room for that.
const BESIDE: usize = 4;

/// Lines below each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Content(Vec<Line>);

#[derive(Debug, Clone)]
enum Line {
    Text(Font, String),
    /// VLANs: the colour and the ID of each.
    Vlans(Vec<(&'static str, String)>),
    /// How full something is, in percent.
    Bar(u64),
}

impl Content {
    pub(super) fn text(mut self, font: Font, text: impl AsRef<str>) -> Self {
        let text = shown(text.as_ref());
        if !text.trim().is_empty() {
            self.0.push(Line::Text(font, text));
        }
        self
    }

    pub(super) fn bar(mut self, percent: u64) -> Self {
        self.0.push(Line::Bar(percent));
        self
    }

    pub(super) fn vlans(mut self, vlans: Vec<(&'static str, String)>) -> Self {
        if !vlans.is_empty() {
            self.0.push(Line::Vlans(vlans));
        }
        self
    }

    /// How wide it is if nothing is broken.
    pub(super) fn natural(&self) -> i32 {
        let of = |line: &Line| match line {
            Line::Text(font, text) => width(text, *font),
            Line::Vlans(vlans) => vlans.iter().take(BESIDE).map(|v| vlan(&v.1)).sum(),
            Line::Bar(_) => 60,
        };
        self.0.iter().map(of).max().unwrap_or(0)
    }

    /// How high it is if it is so wide.
    pub(super) fn height(&self, width: i32) -> i32 {
        let nowhere = Area {
            x: 0,
            y: 0,
            width,
            height: 0,
        };
        self.put(&mut Picture::default(), nowhere)
    }

    /// Puts it at the top of an area, and gives its height.
    pub(super) fn put(&self, out: &mut Picture, room: Area) -> i32 {
        let mut y = room.y;
        for line in &self.0 {
            y += match line {
                Line::Text(font, text) => put_text(out, *font, text, room, y),
                Line::Vlans(vlans) => put_vlans(out, vlans, room, y),
                Line::Bar(percent) => {
                    let bar = Area {
                        y: y + BAR_FROM,
                        height: BAR_ONLY,
                        ..room
                    };
                    out.marks.push(Mark::Bar(bar, *percent));
                    BAR
                }
            };
        }
        y - room.y
    }
}

fn put_text(out: &mut Picture, font: Font, text: &str, room: Area, y: i32) -> i32 {
    let lines = wrap(text, font, room.width);
    let mut below = 0;
    for line in lines {
        out.texts.push(Text {
            at: (room.x, y + below + font.size),
            font,
            line,
            room,
        });
        below += font.line();
    }
    below
}

fn vlan(id: &str) -> i32 {
    SWATCH + width(id, ID) + AFTER
}

fn put_vlans(out: &mut Picture, vlans: &[(&'static str, String)], room: Area, y: i32) -> i32 {
    let (mut x, mut top) = (room.x, y);
    for (colour, id) in vlans {
        let wide = vlan(id);
        if x > room.x && x + wide - AFTER > room.right() {
            (x, top) = (room.x, top + ID.line());
        }
        let swatch = Area {
            x,
            y: top + 3,
            width: 9,
            height: 9,
        };
        out.marks.push(Mark::Swatch(swatch, colour));
        out.texts.push(Text {
            at: (x + SWATCH, top + ID.size),
            font: ID,
            line: id.clone(),
            room,
        });
        x += wide;
    }
    top + ID.line() - y
}
