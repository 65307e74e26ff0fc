//! Where blocks, plates and tracks are.

use std::collections::BTreeMap;

use super::{Block, Content, End, Fabric, Net, Side};
use crate::draw::picture::{Area, Look, Picture, PlanBox, Subject, px};

/// From one slot or track to the next.
pub(super) const STEP: i32 = 8;
/// Free space at both sides of a channel's tracks.
const SHORE: i32 = 10;
/// The free space inside a frame.
const FRAME: i32 = 8;
/// The free space inside a plate or a card.
const ACROSS: i32 = 10;
const DOWN: i32 = 6;
/// Between plates, where peers are joined, and between cards.
const BETWEEN: i32 = 14;
const APART: i32 = 6;
/// How far below a plate's top its first line ends, and from one end to the next.
const FIRST_END: i32 = 10;
const NEXT_END: i32 = 6;
/// How wide a plate or a card is at least and at most.
const NARROWEST: i32 = 150;
const WIDEST: i32 = 270;

/// Where everything of a fabric is, from (0, 0) on.
#[derive(Debug)]
pub(in crate::draw) struct Grid {
    /// The left end of each column of blocks, a multiple of [`STEP`].
    columns: Vec<i32>,
    /// The width of a plate or a card.
    plate: i32,
    /// The width of a block, a multiple of [`STEP`].
    block_width: i32,
    rows: Vec<i32>,
    /// The nets that have a track in each channel, by index, and the channel's top.
    channels: Vec<(Vec<usize>, i32)>,
    /// The nets that have a riser.
    risers: Vec<usize>,
    /// The nets in the gutter left or right of a block.
    gutters: BTreeMap<(usize, usize, Side), Vec<usize>>,
    /// The nets that end at a plate.
    ends: BTreeMap<End, Vec<usize>>,
    /// Each plate's top and height, by row, block and plate.
    plates: BTreeMap<(usize, usize, usize), (i32, i32)>,
    pub(in crate::draw) width: i32,
    pub(in crate::draw) height: i32,
}

impl Grid {
    pub(in crate::draw) fn of(fabric: &Fabric) -> Self {
        let mut grid = Self {
            columns: Vec::new(),
            plate: 0,
            block_width: 0,
            rows: Vec::new(),
            channels: vec![(Vec::new(), 0); fabric.rows.len() + 1],
            risers: Vec::new(),
            gutters: BTreeMap::new(),
            ends: BTreeMap::new(),
            plates: BTreeMap::new(),
            width: 0,
            height: 0,
        };
        for (n, net) in fabric.nets.iter().enumerate() {
            grid.tracks(n, net);
        }
        grid.across(fabric);
        grid.down(fabric);
        grid
    }

    /// Gives a net its slots and tracks.
    fn tracks(&mut self, n: usize, net: &Net) {
        let add = |to: &mut Vec<usize>| {
            if to.last() != Some(&n) {
                to.push(n);
            }
        };
        for end in &net.ends {
            add(&mut self.channels[channel(*end)].0);
            add(self
                .gutters
                .entry((end.row, end.block, end.side))
                .or_default());
            add(self.ends.entry(*end).or_default());
        }
        if net.to_right {
            add(&mut self.channels[0].0);
        }
        let in_channels = self.channels.iter().filter(|c| c.0.last() == Some(&n));
        if in_channels.count() > 1 || !net.from_left.is_empty() {
            self.risers.push(n);
        }
    }

    fn across(&mut self, fabric: &Fabric) {
        let blocks = fabric.rows.iter().flatten();
        let natural = blocks
            .clone()
            .flat_map(|b| {
                let plates = b.plates.iter().map(|p| &p.content);
                plates.chain(b.cards.iter().map(|c| &c.content))
            })
            .map(|c| c.natural() + 2 * ACROSS);
        let wanted = natural.max().unwrap_or(0).clamp(NARROWEST, WIDEST);
        let brackets = blocks.map(|b| brackets(b).count()).max().unwrap_or(0);
        let block = wanted + 2 * FRAME + px(brackets) * STEP;
        self.block_width = block.div_euclid(STEP) * STEP + STEP;
        self.plate = self.block_width - 2 * FRAME - px(brackets) * STEP;
        let count = fabric.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut x = px(self.risers.len()) * STEP;
        for column in 0..count {
            x += self.gutter(column, Side::Up);
            self.columns.push(x);
            x += self.block_width + self.gutter(column, Side::Down);
        }
        self.width = x;
    }

    /// How wide a column's gutter is: a multiple of [`STEP`].
    fn gutter(&self, column: usize, side: Side) -> i32 {
        let here = self.gutters.iter();
        let here = here.filter(|((_, block, s), _)| *block == column && *s == side);
        STEP + px(here.map(|(_, nets)| nets.len()).max().unwrap_or(0)) * STEP
    }

    fn down(&mut self, fabric: &Fabric) {
        let mut y = 0;
        for (r, row) in fabric.rows.iter().enumerate() {
            y = self.channel(r, y);
            self.rows.push(y);
            let mut bottom = y;
            for (b, block) in row.iter().enumerate() {
                bottom = bottom.max(self.block(block, (r, b), y));
            }
            y = bottom;
        }
        self.height = self.channel(fabric.rows.len(), y);
    }

    /// Places a block's plates, and gives its bottom.
    fn block(&mut self, block: &Block, (row, at): (usize, usize), top: i32) -> i32 {
        let mut y = top + FRAME;
        for (p, plate) in block.plates.iter().enumerate() {
            let content = plate.content.height(self.plate - 2 * ACROSS) + 2 * DOWN;
            let height = content.max(self.ends_height(block, (row, at, p)));
            self.plates.insert((row, at, p), (y, height));
            y += height + BETWEEN;
        }
        for card in &block.cards {
            y += self.card(&card.content) + APART;
        }
        y - after_last(block) + FRAME
    }

    /// Places a channel, and gives its bottom.
    fn channel(&mut self, index: usize, top: i32) -> i32 {
        self.channels[index].1 = top;
        let outermost = index == 0 || index + 1 == self.channels.len();
        match px(self.channels[index].0.len()) {
            0 if outermost => top,
            0 => top + 2 * SHORE,
            tracks => top + 2 * SHORE + (tracks - 1) * STEP,
        }
    }

    /// How high a plate must be for the lines that end at it.
    fn ends_height(&self, block: &Block, (row, at, plate): (usize, usize, usize)) -> i32 {
        let of = |side| {
            let end = End {
                row,
                block: at,
                side,
                plate,
            };
            self.ends.get(&end).map_or(0, Vec::len)
        };
        let peers = brackets(block).filter(|(_, a, b)| *a == plate || *b == plate);
        let right = of(Side::Down) + peers.count();
        2 * FIRST_END + px(of(Side::Up).max(right)) * NEXT_END
    }

    fn card(&self, content: &Content) -> i32 {
        content.height(self.plate - 2 * ACROSS) + 2 * DOWN
    }

    /// A plate's area.
    pub(super) fn plate(&self, (row, block, plate): (usize, usize, usize)) -> Area {
        let (y, height) = self.plates[&(row, block, plate)];
        Area {
            x: self.columns[block] + FRAME,
            y,
            width: self.plate,
            height,
        }
    }

    /// Where a net meets a plate.
    pub(super) fn end(&self, net: usize, end: End) -> (i32, i32) {
        let at = self.plate((end.row, end.block, end.plate));
        let here = &self.ends[&end];
        let order = px(here.iter().position(|n| *n == net).unwrap_or(0));
        let y = at.y + FIRST_END + order * NEXT_END;
        match end.side {
            Side::Up => (at.x, y),
            Side::Down => (at.right(), y),
        }
    }

    /// Where the `order`-th bracket of a plate's peers meets it, from below.
    pub(super) fn bracket_end(&self, plate: (usize, usize, usize), order: usize) -> (i32, i32) {
        let at = self.plate(plate);
        (at.right(), at.bottom() - FIRST_END - px(order) * NEXT_END)
    }

    /// Where a net goes up or down beside a block.
    pub(super) fn slot(&self, net: usize, end: End) -> i32 {
        let here = &self.gutters[&(end.row, end.block, end.side)];
        let order = px(here.iter().position(|n| *n == net).unwrap_or(0));
        let x = self.columns[end.block];
        match end.side {
            Side::Up => x - (order + 1) * STEP,
            Side::Down => x + self.block_width + order * STEP + STEP / 2,
        }
    }

    /// Where a bracket between peers goes down, inside the block.
    pub(super) fn bracket(&self, block: usize, order: usize) -> i32 {
        self.columns[block] + FRAME + self.plate + (px(order) + 1) * STEP - STEP / 2
    }

    /// A net's track in a channel; none: it is not there.
    pub(super) fn track(&self, net: usize, channel: usize) -> Option<i32> {
        let (nets, top) = &self.channels[channel];
        let order = px(nets.iter().position(|n| *n == net)?);
        Some(top + SHORE + order * STEP)
    }

    /// A net's riser; none: it needs none.
    pub(super) fn riser(&self, net: usize) -> Option<i32> {
        let order = px(self.risers.iter().position(|n| *n == net)?);
        Some(order * STEP)
    }

    pub(super) fn channels(&self) -> std::ops::Range<usize> {
        0..self.channels.len()
    }

    /// Draws a block's boxes and texts.
    pub(super) fn put(&self, block: &Block, (row, at): (usize, usize), out: &mut Picture) {
        let mut y = self.rows[row] + FRAME;
        let frame = out.boxes.len();
        for (p, plate) in block.plates.iter().enumerate() {
            let area = self.plate((row, at, p));
            one(out, &plate.subject, plate.look, area, &plate.content);
            y = area.bottom() + BETWEEN;
        }
        for card in &block.cards {
            let area = Area {
                x: self.columns[at] + FRAME,
                y,
                width: self.plate,
                height: self.card(&card.content),
            };
            one(out, &card.subject, Look::Card, area, &card.content);
            y = area.bottom() + APART;
        }
        if let Some(subject) = &block.frame {
            let area = Area {
                x: self.columns[at],
                y: self.rows[row],
                width: self.block_width,
                height: y - after_last(block) + FRAME - self.rows[row],
            };
            let look = Look::Frame;
            let subject = subject.clone();
            // Below what is in it.
            out.boxes.insert(
                frame,
                PlanBox {
                    subject,
                    look,
                    area,
                },
            );
        }
    }
}

fn one(out: &mut Picture, subject: &Subject, look: Look, area: Area, content: &Content) {
    out.boxes.push(PlanBox {
        subject: subject.clone(),
        look,
        area,
    });
    content.put(out, area.inside(ACROSS, DOWN));
}

/// The space that was left for what might follow a block's last plate or card.
fn after_last(block: &Block) -> i32 {
    if block.cards.is_empty() {
        BETWEEN
    } else {
        APART
    }
}

/// The channel in which an end of a net goes on.
pub(super) fn channel(end: End) -> usize {
    match end.side {
        Side::Up => end.row,
        Side::Down => end.row + 1,
    }
}

/// Peers that do not stand next to each other, with their order: they are joined at the side.
pub(super) fn brackets(block: &Block) -> impl Iterator<Item = (usize, usize, usize)> {
    let apart = block.peers.iter().filter(|(a, b, _)| b - a > 1);
    apart.enumerate().map(|(i, (a, b, _))| (i, *a, *b))
}
