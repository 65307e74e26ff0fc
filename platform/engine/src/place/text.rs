//! A placement for people: the text of a dry run.

use std::fmt;

use super::{Cell, Placement, ShortLocation, Shortage};

/// Nodes that are named of each group; the rest is counted.
const NAMED: usize = 8;

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cells.is_empty() {
            return writeln!(f, "nothing to place");
        }
        self.cells.iter().try_for_each(|cell| write!(f, "{cell}"))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster,
            location,
            group,
            count,
            nodes,
        } = self;
        write!(
            f,
            "{location}: {count} in cluster {cluster}, group {group}, probably on "
        )?;
        for (place, (node, n)) in nodes.iter().take(NAMED).enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            match n {
                1 => write!(f, "{comma}{node}")?,
                n => write!(f, "{comma}{node} ({n})")?,
            }
        }
        match nodes.len().checked_sub(NAMED) {
            Some(more @ 1..) => writeln!(f, " and {more} nodes more"),
            _ => writeln!(f),
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} instances fit", self.fits, self.wanted)?;
        self.lines.iter().try_for_each(|line| write!(f, "; {line}"))
    }
}

impl fmt::Display for ShortLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            location,
            wants,
            room,
            clusters,
            scarce,
        } = self;
        if *clusters == 0 {
            return write!(f, "{location} has no reachable cluster with a group for it");
        }
        write!(f, "{location} has room for {room} (least: {scarce})")?;
        match wants {
            0 => Ok(()),
            wants => write!(f, " and lacks {wants} of its minimum"),
        }
    }
}

impl std::error::Error for Shortage {}
