//! Blocks in rows, and the lines between them.
//!
//! ```text
//!   riser     channel 0 ─────────────────────────────── tracks, one a net
//!     │      ┌─────────┐ gutters ┌─────────┐
//!     │    ┌─┤ plate   ├─┐     ┌─┤ plate   ├─┐          row 0
//!     │    │ └─────────┘ │     │ └─────────┘ │
//!     ├────┴─ channel 1 ─┴─────┴─────────────┴───────── tracks
//!     │      ┌─────────┐         ┌─────────┐
//!     │    ┌─┤ plate   │       ┌─┤ plate   │            row 1
//!     │    │ │ cards   │       │ │ cards   │
//! ```
//!
//! A net is a line with many ends. It leaves a plate at its left side for what is above, and
//! at its right side for what is below: into a slot of the gutter beside the block, from there
//! into the channel above or below the row, and where it has ends in several channels along
//! a riser at the left of all blocks.
//!
//! Guarantees: no line is on another's track, since each net has a slot of its own in each
//! gutter and a track of its own in each channel and among the risers, and since slots left of
//! blocks are at multiples of 8 and those right of blocks halfway between; no line runs over a
//! plate, a card or a text.

mod grid;
mod wires;

use super::content::Content;
use super::picture::{Look, Picture, Point, Subject, Wire};

pub(super) use grid::Grid;

/// A switch, or what is like one.
#[derive(Debug, Clone)]
pub(super) struct Plate {
    pub(super) subject: Subject,
    pub(super) look: Look,
    pub(super) content: Content,
}

/// Hosts that are alike.
#[derive(Debug, Clone)]
pub(super) struct Card {
    pub(super) subject: Subject,
    pub(super) content: Content,
}

/// Plates and cards below each other.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// What the plates and the cards are together; none: no frame is drawn.
    pub(super) frame: Option<Subject>,
    pub(super) plates: Vec<Plate>,
    pub(super) cards: Vec<Card>,
    /// Plates that are joined, the lower index first, and as what.
    pub(super) peers: Vec<(usize, usize, Wire)>,
}

/// On which side of a plate a net ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// At the left, coming from above.
    Up,
    /// At the right, going down.
    Down,
}

/// An end of a net at a plate, by indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) row: usize,
    pub(super) block: usize,
    pub(super) side: Side,
    pub(super) plate: usize,
}

/// A line with many ends.
#[derive(Debug, Clone)]
pub(super) struct Net {
    pub(super) wire: Wire,
    pub(super) ends: Vec<End>,
    /// Where it comes in from the left of everything, level.
    pub(super) from_left: Vec<Point>,
    /// Whether its track in channel 0 goes on to the right of everything.
    pub(super) to_right: bool,
}

/// Blocks in rows, and the nets between them.
#[derive(Debug, Clone, Default)]
pub(super) struct Fabric {
    pub(super) rows: Vec<Vec<Block>>,
    pub(super) nets: Vec<Net>,
}

impl Fabric {
    /// Draws everything from (0, 0) on; what goes on to the right ends at `right`.
    pub(super) fn draw(&self, grid: &Grid, right: i32) -> Picture {
        let mut out = Picture::default();
        for (r, row) in self.rows.iter().enumerate() {
            for (b, block) in row.iter().enumerate() {
                grid.put(block, (r, b), &mut out);
            }
        }
        for (n, net) in self.nets.iter().enumerate() {
            out.edges.extend(wires::net(grid, n, net, right));
        }
        for (r, row) in self.rows.iter().enumerate() {
            for (b, block) in row.iter().enumerate() {
                wires::peers(grid, block, (r, b), &mut out);
            }
        }
        out
    }
}

/// Blocks in rows of about as many, so that few are a row and many are a page.
pub(super) fn in_rows<T>(blocks: Vec<T>) -> Vec<Vec<T>> {
    let columns = (1..10).find(|c| c * c >= blocks.len()).unwrap_or(10).max(5);
    let rows = blocks.len().div_ceil(columns);
    let each = blocks.len().div_ceil(rows.max(1)).max(1);
    let mut out: Vec<Vec<T>> = Vec::new();
    for block in blocks {
        match out.last_mut() {
            Some(row) if row.len() < each => row.push(block),
            _ => out.push(vec![block]),
        }
    }
    out
}
