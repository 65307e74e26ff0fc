//! Checking an answer by its proof, without the code that gave it.

use ipnetwork::IpNetwork;
use thiserror::Error;

use super::block::{Block, address, cut};
use super::{Aggregate, Input};

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Flaw {
    /// An entry is in no aggregate with its next hop.
    #[error("{entry} is covered by no aggregate that leads to its next hop")]
    Lost {
        /// The entry.
        entry: IpNetwork,
    },
    /// An aggregate covers what leads elsewhere or belongs to somebody else.
    #[error("{aggregate} covers {foreign}, which does not lead there")]
    Foreign {
        /// The aggregate.
        aggregate: IpNetwork,
        /// What it must not cover.
        foreign: IpNetwork,
    },
    /// An aggregate covers unallocated space that it may not, or that its proof does not name.
    #[error("{aggregate} covers {space}, which is no entry's and may not be covered")]
    NotLent {
        /// The aggregate.
        aggregate: IpNetwork,
        /// The space.
        space: IpNetwork,
    },
    /// The parts that a proof lists are not the whole of its aggregate.
    #[error("the proof of {aggregate} does not add up at {at}")]
    Incomplete {
        /// The aggregate.
        aggregate: IpNetwork,
        /// The first address that it leaves out or has twice.
        at: std::net::IpAddr,
    },
}

/// Checks that aggregates cover every entry of `input` and nothing that they must not, from
/// the input and their proofs alone. O(n²): for reports and tests.
///
/// # Errors
/// Every [`Flaw`].
pub fn verify<H: PartialEq>(
    input: &Input<'_, H>,
    aggregates: &[Aggregate<H>],
) -> Result<(), Vec<Flaw>> {
    let mut flaws = Vec::new();
    for (prefix, next_hop) in input.entries {
        let held = aggregates
            .iter()
            .any(|a| &a.next_hop == next_hop && Block::of(a.prefix).covers(Block::of(*prefix)));
        if !held {
            flaws.push(Flaw::Lost { entry: *prefix });
        }
    }
    for aggregate in aggregates {
        let block = Block::of(aggregate.prefix);
        let elsewhere = input
            .entries
            .iter()
            .filter(|(_, next_hop)| *next_hop != aggregate.next_hop)
            .map(|(prefix, _)| *prefix);
        for foreign in elsewhere.chain(input.foreign.iter().copied()) {
            let other = Block::of(foreign);
            if block.covers(other) || other.covers(block) {
                flaws.push(Flaw::Foreign {
                    aggregate: aggregate.prefix,
                    foreign,
                });
            }
        }
        flaws.extend(parts(input, aggregate, block));
    }
    if flaws.is_empty() { Ok(()) } else { Err(flaws) }
}

/// Whether entries and gaps are the aggregate, whole, and the gaps may be covered.
fn parts<H: PartialEq>(input: &Input<'_, H>, aggregate: &Aggregate<H>, block: Block) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut pieces: Vec<Block> = Vec::new();
    for prefix in &aggregate.covers {
        let entered = input
            .entries
            .iter()
            .any(|(p, h)| *h == aggregate.next_hop && Block::of(*p) == Block::of(*prefix));
        if !entered {
            flaws.push(Flaw::NotLent {
                aggregate: aggregate.prefix,
                space: *prefix,
            });
        }
        pieces.push(Block::of(*prefix));
    }
    for gap in &aggregate.also {
        let ends = (Block::of(gap.first.into()), Block::of(gap.last.into()));
        for space in cut(block.v6, ends.0.first, ends.1.last) {
            pieces.push(Block::of(space));
            if !may_cover(input.free, space) || !may_cover(&gap.free, space) {
                flaws.push(Flaw::NotLent {
                    aggregate: aggregate.prefix,
                    space,
                });
            }
        }
    }
    pieces.sort_unstable();
    let mut next = Some(block.first);
    for piece in &pieces {
        if next != Some(piece.first) {
            break;
        }
        next = piece.last.checked_add(1);
    }
    if next != block.last.checked_add(1) {
        flaws.push(Flaw::Incomplete {
            aggregate: aggregate.prefix,
            at: address(block.v6, next.unwrap_or(block.last)),
        });
    }
    flaws
}

/// Whether `free` holds all of `space`, in one block or in smaller ones together.
fn may_cover(free: &[IpNetwork], space: IpNetwork) -> bool {
    let space = Block::of(space);
    let mut inside: Vec<Block> = free
        .iter()
        .copied()
        .map(Block::of)
        .filter(|b| b.covers(space) || space.covers(*b))
        .collect();
    inside.sort_unstable();
    let mut next = Some(space.first);
    for block in inside {
        match next {
            Some(at) if block.first <= at && at <= block.last => next = block.last.checked_add(1),
            _ => {}
        }
    }
    next.is_none_or(|at| at > space.last)
}
