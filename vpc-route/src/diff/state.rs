//! A table in the middle of a plan: what is in it after the ops so far.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::classify::Work;
use crate::model::{DesiredTable, Entry, NextHops, Prefix, is_covered};

/// Where each destination leads.
type Hops<'a> = BTreeMap<Prefix, &'a NextHops>;

/// Addresses that no entry tells apart, before the first op, after the last one, or in between.
pub(super) struct Piece<'a> {
    /// The shortest prefix that all of them are in.
    prefix: Prefix,
    was: Option<&'a NextHops>,
    will: Option<&'a NextHops>,
}

/// The table now, and as it will be in the end.
#[derive(Clone)]
pub(super) struct State<'a> {
    now: Hops<'a>,
    end: Hops<'a>,
    /// What is desired: no other address needs a route.
    needed: BTreeSet<Prefix>,
}

impl<'a> State<'a> {
    /// The table before the first op.
    pub(super) fn new(
        custom: impl Iterator<Item = &'a Entry>,
        work: &Work<'a>,
        desired: &DesiredTable,
    ) -> Self {
        let now: Hops<'a> = custom.map(|e| (e.destination, &e.next_hops)).collect();
        let mut end = now.clone();
        for removal in &work.deletes {
            end.remove(&removal.entry.destination);
        }
        let changes = work.modifies.iter().chain(&work.recreations).map(|c| c.to);
        for to in work.adds.iter().copied().chain(changes) {
            end.insert(to.destination, &to.next_hops);
        }
        let needed = desired.entries.iter().map(|e| e.destination).collect();
        Self { now, end, needed }
    }

    /// How many entries of the quota are used.
    pub(super) fn used(&self) -> usize {
        self.now.len()
    }

    /// Whether an entry has this destination.
    pub(super) fn has(&self, destination: Prefix) -> bool {
        self.now.contains_key(&destination)
    }

    /// A destination leads there from now on.
    pub(super) fn set(&mut self, destination: Prefix, next_hops: &'a NextHops) {
        self.now.insert(destination, next_hops);
    }

    /// A destination is no more.
    pub(super) fn remove(&mut self, destination: Prefix) {
        self.now.remove(&destination);
    }

    /// Whether every address of an entry that goes now would lead on where it did, or where it
    /// shall lead in the end; an address without a route in the end needs none.
    pub(super) fn can_lose(&self, destination: Prefix) -> bool {
        let Some(before) = self.now.get(&destination) else {
            return true;
        };
        let after = above(&self.now, destination).map(|(_, hops)| hops);
        after == Some(*before) || self.agrees(destination, after)
    }

    /// Whether every address that an entry takes over, when it comes or changes now, would lead
    /// where it did or where it shall lead in the end.
    pub(super) fn can_set(&self, destination: Prefix, next_hops: &NextHops) -> bool {
        let own = self.now.get(&destination).copied();
        let before = own.or_else(|| above(&self.now, destination).map(|(_, hops)| hops));
        before == Some(next_hops) || self.agrees(destination, Some(next_hops))
    }

    /// The pieces of `destinations` that need a route, in a table before its first op; `None` if there may be more
    /// than `most`.
    pub(super) fn pieces(&self, destinations: &[Prefix], most: usize) -> Option<Vec<Piece<'a>>> {
        let all: BTreeSet<Prefix> = self
            .now
            .keys()
            .chain(self.end.keys())
            .chain(&self.needed)
            .filter(|p| destinations.iter().any(|d| d.covers(**p)))
            .chain(destinations)
            .copied()
            .collect();
        if all.len() > most {
            return None;
        }
        let finer = |whole: Prefix| {
            all.iter()
                .copied()
                .filter(move |p| *p != whole && whole.covers(*p))
        };
        let served = all
            .iter()
            .copied()
            .filter(|p| self.is_needed(*p) && !is_covered(*p, finer(*p)));
        let piece = |prefix| Piece {
            prefix,
            was: leads(&self.now, prefix),
            will: leads(&self.end, prefix),
        };
        Some(served.map(piece).collect())
    }

    /// Whether each piece of what changed last leads where it did before the first op, or where it shall in the
    /// end.
    pub(super) fn keeps(&self, pieces: &[Piece<'_>], changed: Prefix) -> bool {
        let touched = pieces.iter().filter(|piece| changed.covers(piece.prefix));
        touched
            .map(|piece| (leads(&self.now, piece.prefix), piece))
            .all(|(is, piece)| is == piece.was || is == piece.will)
    }

    /// Whether the part of a destination that no more specific entry serves shall lead to
    /// `hops` in the end, as far as it shall lead anywhere.
    fn agrees(&self, destination: Prefix, hops: Option<&NextHops>) -> bool {
        let inside: Vec<Prefix> = strictly_inside(&self.now, destination).collect();
        let own = self.end.get(&destination).copied();
        let covering = own.or_else(|| above(&self.end, destination).map(|(_, hops)| hops));
        let finer = strictly_inside(&self.end, destination);
        let pieces = covering
            .map(|hops| (destination, hops))
            .into_iter()
            .chain(finer.map(|p| (p, self.end[&p])));
        pieces
            .filter(|(_, will)| hops != Some(*will))
            .all(|(piece, _)| {
                if !self.is_needed(piece) {
                    return true;
                }
                let finer = strictly_inside(&self.end, piece);
                let served = inside.iter().copied().filter(|p| p.overlaps(piece));
                is_covered(piece, finer.chain(served))
            })
    }
}

impl State<'_> {
    fn is_needed(&self, destination: Prefix) -> bool {
        let mut at = Some(destination);
        while let Some(prefix) = at {
            if self.needed.contains(&prefix) {
                return true;
            }
            at = prefix.parent();
        }
        false
    }
}

/// Where addresses of a destination lead that no more specific entry serves.
fn leads<'a>(table: &Hops<'a>, destination: Prefix) -> Option<&'a NextHops> {
    let own = table.get(&destination).copied();
    own.or_else(|| above(table, destination).map(|(_, hops)| hops))
}

/// The longest entry that covers a destination and is not itself.
fn above<'a>(table: &Hops<'a>, destination: Prefix) -> Option<(Prefix, &'a NextHops)> {
    let mut at = destination.parent();
    while let Some(prefix) = at {
        if let Some(hops) = table.get(&prefix) {
            return Some((prefix, hops));
        }
        at = prefix.parent();
    }
    None
}

fn strictly_inside<'t>(table: &'t Hops<'_>, whole: Prefix) -> impl Iterator<Item = Prefix> + 't {
    let bounds = (Bound::Excluded(whole), Bound::Included(whole.last_inside()));
    table.range((bounds.0, bounds.1)).map(|(prefix, _)| *prefix)
}
