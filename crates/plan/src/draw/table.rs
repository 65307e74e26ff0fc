//! Tables: columns as wide as they need, rows as high as they need.

use super::content::Content;
use super::picture::{Area, Font, GREY, Mark, Picture, Point};

/// Between columns, and between rows.
const ACROSS: i32 = 18;
const DOWN: i32 = 5;
const HEAD: Font = Font::new(11, GREY).bold();

/// A table with a head.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<Content>,
    /// The most that a column may take.
    limits: Vec<i32>,
    rows: Vec<Vec<Content>>,
}

impl Table {
    /// A table with these columns: what each is, and the most that it may take in pixels.
    pub(super) fn new(columns: &[(&str, i32)]) -> Self {
        let head = columns.iter();
        Self {
            head: head
                .map(|(name, _)| Content::default().text(HEAD, name))
                .collect(),
            limits: columns.iter().map(|(_, limit)| *limit).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row: a cell for each column.
    pub(super) fn row(&mut self, cells: Vec<Content>) {
        self.rows.push(cells);
    }

    fn widths(&self) -> Vec<i32> {
        let of = |(column, limit): (usize, &i32)| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let cells = cells.chain(self.head.get(column));
            cells.map(Content::natural).max().unwrap_or(0).min(*limit)
        };
        self.limits.iter().enumerate().map(of).collect()
    }

    /// How wide it is; 0 without rows.
    pub(super) fn width(&self) -> i32 {
        if self.rows.is_empty() {
            return 0;
        }
        self.widths().iter().map(|w| w + ACROSS).sum::<i32>() - ACROSS
    }

    /// Draws it, and gives its bottom. Without rows nothing is drawn.
    pub(super) fn put(&self, out: &mut Picture, (left, top): Point) -> i32 {
        if self.rows.is_empty() {
            return top;
        }
        let widths = self.widths();
        let mut y = top;
        for (i, row) in std::iter::once(&self.head).chain(&self.rows).enumerate() {
            let cells = || row.iter().zip(&widths);
            let height = cells().map(|(cell, width)| cell.height(*width)).max();
            let height = height.unwrap_or(0);
            let mut x = left;
            for (cell, width) in cells() {
                let room = Area {
                    x,
                    y,
                    width: *width,
                    height,
                };
                cell.put(out, room);
                x += width + ACROSS;
            }
            y += height + DOWN;
            if i == 0 {
                out.marks.push(Mark::Rule((left, y - 2), self.width()));
                y += 3;
            }
        }
        y
    }
}
