//! The fewest prefixes that lead where many prefixes lead, and a proof that they lead
//! nothing else there.
//!
//! ```text
//!   entries (prefix → next hop) ┐
//!   foreign prefixes            ├─▶ aggregate ─▶ [Aggregate { prefix, next hop, proof }]
//!   prefixes that are free      ┘
//! ```
//!
//! *Foreign* is what belongs to another next hop or to an owner that the caller names. What
//! belongs to nobody is *unallocated*; an aggregate covers it only where the caller allows it
//! ([`Input::free`]): with nothing allowed, aggregates cover exactly what the entries cover.
//!
//! Guarantees, of which each is a property test:
//! - **Fewest**: an address block may be an aggregate if it holds nothing foreign and no
//!   unallocated space but what is allowed. Such blocks are nested or apart, so the largest of them are a
//!   partition, and no answer has fewer prefixes than one for each that holds an entry. Each
//!   is then narrowed to the smallest prefix around its entries.
//! - **Pure**: the answer depends on the set of entries, not on their order or on an answer
//!   given before.
//! - **Stable**: with an entry added or removed, every aggregate that comes or goes lies in
//!   one that holds the entry, before or after. Nothing else changes.
//! - O(n log n) in entries, foreign and free prefixes together.
//!
//! IPv4 and IPv6 may be mixed; the answer is sorted, IPv4 first.

mod block;
mod proof;

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Serialize;
use thiserror::Error;

pub(crate) use block::cut;
use block::{Block, address};
pub use proof::{Flaw, verify};

/// What is to be aggregated. Host bits of prefixes are ignored.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a, H> {
    /// What leads where. The same entry may stand here twice, and an entry may lie inside
    /// another one with the same next hop.
    pub entries: &'a [(IpNetwork, H)],
    /// What belongs to somebody else.
    pub foreign: &'a [IpNetwork],
    /// Where aggregates may cover what belongs to nobody: a pool whose every range, now and
    /// later, leads to the same place. It may overlap entries and foreign prefixes; those
    /// stay what they are. Empty: aggregates cover exactly the entries.
    pub free: &'a [IpNetwork],
}

/// One prefix that takes the place of the entries it covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Aggregate<H> {
    /// The prefix.
    pub prefix: IpNetwork,
    /// Where it leads.
    pub next_hop: H,
    /// The entries that it covers, sorted, without those that lie inside another.
    pub covers: Vec<IpNetwork>,
    /// What else it covers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Gap>,
}

/// Addresses that an aggregate covers and no entry does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
    /// The prefixes of [`Input::free`] that it lies in: why it may be covered.
    pub free: Vec<IpNetwork>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AggregateError {
    /// One address would lead to two places.
    #[error("{first} and {second} overlap, and lead to different next hops")]
    TwoNextHops {
        /// The one.
        first: IpNetwork,
        /// The other.
        second: IpNetwork,
    },
    /// An entry overlaps what belongs to somebody else.
    #[error("{entry} overlaps {foreign}, which belongs to somebody else")]
    Foreign {
        /// The entry.
        entry: IpNetwork,
        /// The foreign prefix.
        foreign: IpNetwork,
    },
}

/// Aggregates.
///
/// # Errors
/// [`AggregateError`] where entries contradict each other or what is foreign.
pub fn aggregate<H: Clone + PartialEq>(
    input: &Input<'_, H>,
) -> Result<Vec<Aggregate<H>>, AggregateError> {
    let claims = claims(input)?;
    let free = Free::of(input.free);
    let mut aggregates = Vec::new();
    let mut from = 0;
    while from < claims.len() {
        let to = run_end(&claims, from, &free);
        if let Some(next_hop) = claims[from].next_hop {
            let room = room(&claims, from, to, &free);
            aggregates.extend(join_run(&claims[from..to], next_hop, room, &free));
        }
        from = to;
    }
    Ok(aggregates)
}

/// A block and who has it.
struct Claim<'a, H> {
    block: Block,
    /// `None`: somebody else.
    next_hop: Option<&'a H>,
}

/// Entries and foreign blocks, sorted and apart: what lies in another is dropped.
fn claims<'a, H: PartialEq>(input: &Input<'a, H>) -> Result<Vec<Claim<'a, H>>, AggregateError> {
    let entries = input.entries.iter().map(|(prefix, next_hop)| Claim {
        block: Block::of(*prefix),
        next_hop: Some(next_hop),
    });
    let foreign = input.foreign.iter().map(|prefix| Claim {
        block: Block::of(*prefix),
        next_hop: None,
    });
    let mut all: Vec<Claim<'a, H>> = entries.chain(foreign).collect();
    all.sort_by(|a, b| by_place(a.block, b.block));
    let mut apart: Vec<Claim<'a, H>> = Vec::with_capacity(all.len());
    for claim in all {
        match apart.last() {
            Some(before) if before.block.covers(claim.block) => {
                if before.next_hop != claim.next_hop {
                    return Err(contradiction(before, &claim));
                }
            }
            _ => apart.push(claim),
        }
    }
    Ok(apart)
}

/// By first address, the larger block first.
fn by_place(a: Block, b: Block) -> Ordering {
    (a.v6, a.first)
        .cmp(&(b.v6, b.first))
        .then(b.last.cmp(&a.last))
}

fn contradiction<H>(outer: &Claim<'_, H>, inner: &Claim<'_, H>) -> AggregateError {
    let (first, second) = (outer.block.prefix(), inner.block.prefix());
    match (outer.next_hop, inner.next_hop) {
        (Some(_), Some(_)) => AggregateError::TwoNextHops { first, second },
        (None, _) => AggregateError::Foreign {
            entry: second,
            foreign: first,
        },
        (_, None) => AggregateError::Foreign {
            entry: first,
            foreign: second,
        },
    }
}

/// The unallocated space that may be covered: blocks sorted and apart, and the intervals that they form
/// together.
struct Free {
    blocks: Vec<Block>,
    spans: Vec<Span>,
}

/// A closed interval of one family, aligned to nothing.
#[derive(Debug, Clone, Copy)]
struct Span {
    v6: bool,
    first: u128,
    last: u128,
}

impl Free {
    fn of(prefixes: &[IpNetwork]) -> Self {
        let mut all: Vec<Block> = prefixes.iter().copied().map(Block::of).collect();
        all.sort_by(|a, b| by_place(*a, *b));
        let mut blocks: Vec<Block> = Vec::with_capacity(all.len());
        let mut spans: Vec<Span> = Vec::new();
        for block in all {
            if blocks.last().is_some_and(|b| b.covers(block)) {
                continue;
            }
            blocks.push(block);
            match spans.last_mut() {
                Some(span)
                    if span.v6 == block.v6 && span.last.checked_add(1) == Some(block.first) =>
                {
                    span.last = block.last;
                }
                _ => spans.push(Span {
                    v6: block.v6,
                    first: block.first,
                    last: block.last,
                }),
            }
        }
        Self { blocks, spans }
    }

    /// The interval of unallocated space that holds `at`.
    fn around(&self, v6: bool, at: u128) -> Option<Span> {
        let after = self.spans.partition_point(|s| (s.v6, s.first) <= (v6, at));
        let span = *self.spans.get(after.checked_sub(1)?)?;
        (span.v6 == v6 && at <= span.last).then_some(span)
    }

    /// The blocks that `first..=last` touches.
    fn touched(&self, v6: bool, first: u128, last: u128) -> Vec<IpNetwork> {
        let from = self
            .blocks
            .partition_point(|b| (b.v6, b.last) < (v6, first));
        self.blocks[from..]
            .iter()
            .take_while(|b| b.v6 == v6 && b.first <= last)
            .map(|b| b.prefix())
            .collect()
    }
}

/// The end of the run of claims that begins at `from`: claims of one owner with nothing
/// between them but unallocated space that may be covered.
fn run_end<H: PartialEq>(claims: &[Claim<'_, H>], from: usize, free: &Free) -> usize {
    let mut to = from + 1;
    while to < claims.len()
        && claims[to].next_hop == claims[from].next_hop
        && clear(claims[to - 1].block, claims[to].block, free)
    {
        to += 1;
    }
    to
}

/// Whether what lies between two neighbours is nothing, or unallocated and may be covered.
fn clear(a: Block, b: Block, free: &Free) -> bool {
    if a.v6 != b.v6 {
        return false;
    }
    // They are apart, so there is an address after `a`.
    let next = a.last + 1;
    next == b.first
        || free
            .around(a.v6, next)
            .is_some_and(|s| b.first - 1 <= s.last)
}

/// How far aggregates of a run may reach: its claims, and the unallocated space on both sides up to
/// the next claim.
fn room<H>(claims: &[Claim<'_, H>], from: usize, to: usize, free: &Free) -> Span {
    let (head, tail) = (claims[from].block, claims[to - 1].block);
    let v6 = head.v6;
    let before = from
        .checked_sub(1)
        .map(|i| claims[i].block)
        .filter(|b| b.v6 == v6)
        .map(|b| b.last + 1);
    let after = claims
        .get(to)
        .map(|c| c.block)
        .filter(|b| b.v6 == v6)
        .map(|b| b.first - 1);
    let first = head
        .first
        .checked_sub(1)
        .and_then(|at| free.around(v6, at))
        .map_or(head.first, |s| {
            s.first.max(before.unwrap_or(0)).min(head.first)
        });
    let last = tail
        .last
        .checked_add(1)
        .and_then(|at| free.around(v6, at))
        .map_or(tail.last, |s| {
            s.last.min(after.unwrap_or(u128::MAX)).max(tail.last)
        });
    Span { v6, first, last }
}

/// Joins the blocks of one run. Blocks that fit into the room are nested or apart, so a
/// block either joins the one before it or begins a new aggregate; it cannot join that one
/// later, because a larger join would hold the smaller one that did not fit.
fn join_run<H: Clone>(
    run: &[Claim<'_, H>],
    next_hop: &H,
    room: Span,
    free: &Free,
) -> Vec<Aggregate<H>> {
    let mut joined: Vec<(Block, Vec<Block>)> = Vec::new();
    for claim in run {
        if let Some((top, covered)) = joined.last_mut() {
            let both = top.join(claim.block);
            if room.first <= both.first && both.last <= room.last {
                *top = both;
                covered.push(claim.block);
                continue;
            }
        }
        joined.push((claim.block, vec![claim.block]));
    }
    joined
        .into_iter()
        .map(|(block, covered)| Aggregate {
            prefix: block.prefix(),
            next_hop: next_hop.clone(),
            also: gaps(block, &covered, free),
            covers: covered.into_iter().map(Block::prefix).collect(),
        })
        .collect()
}

/// What `block` covers beside `covered`, which is sorted and apart.
fn gaps(block: Block, covered: &[Block], free: &Free) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut gap = |first: u128, last: u128| {
        gaps.push(Gap {
            first: address(block.v6, first),
            last: address(block.v6, last),
            free: free.touched(block.v6, first, last),
        });
    };
    let mut at = Some(block.first);
    for inner in covered {
        if let Some(first) = at
            && first < inner.first
        {
            gap(first, inner.first - 1);
        }
        at = inner.last.checked_add(1);
    }
    if let Some(first) = at
        && first <= block.last
    {
        gap(first, block.last);
    }
    gaps
}

#[cfg(test)]
mod tests;
