//! Chains of ops, interleaved into one list that keeps the quota.
//!
//! First go the runs at the chains' starts that give back at least as much room as they take, the
//! one that needs the least room first: none of them leaves less room for the next. What remains
//! takes room for good; seen backwards from the end it gives room back, so the same rule orders it
//! from its end.
//!
//! An example of the second step, with room for 2 more entries and the chains `+a +b -c` and `+d`:
//!
//! ```text
//!   forwards, `+d` first would leave room for 1, and `+a +b` needs 2: stuck
//!   backwards from the full end (room 0):
//!     undo `+d`      gives 1 back                      room 1
//!     undo `+b -c`   needs 1 for c, gives b's back     room 1
//!     undo `+a`      gives 1 back                      room 2
//!   so, forwards: +a +b -c +d
//! ```

use super::Op;
use crate::model::Prefix;

/// Ops that must be done in this order, with ops of other chains between them or not.
#[derive(Clone)]
pub(super) struct Chain {
    ops: Vec<Op>,
}

impl Chain {
    /// Ops in the order in which they must be done.
    pub(super) fn new(ops: Vec<Op>) -> Self {
        Self { ops }
    }

    fn total(&self) -> isize {
        self.ops.iter().map(delta).sum()
    }

    fn stick(&self, stuck: &mut Vec<Prefix>) {
        stuck.extend(self.ops.iter().map(Op::destination));
    }
}

/// Ops in an order that keeps the quota, and what has no place in it.
pub(super) struct Interleaved {
    /// The ops that fit, in order.
    pub(super) ops: Vec<Op>,
    /// The destinations of those that do not.
    pub(super) stuck: Vec<Prefix>,
}

/// Interleaves chains into a table with `used` entries of `quota`.
pub(super) fn interleave(mut chains: Vec<Chain>, used: usize, quota: usize) -> Interleaved {
    let count = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
    let mut room = count(quota) - count(used);
    let mut stuck = Vec::new();
    let mut ops = Vec::new();
    while let Some((at, run)) = least(&chains, |s| run(s.ops.iter().map(delta))) {
        if run.peak > room {
            // The others need no less, and none of them gives room back before it ran.
            chains.remove(at).stick(&mut stuck);
            continue;
        }
        let done: Vec<Op> = chains[at].ops.drain(..run.length).collect();
        room -= done.iter().map(delta).sum::<isize>();
        ops.extend(done);
        chains.retain(|s| !s.ops.is_empty());
    }
    loop {
        match takers(chains.clone(), room) {
            Ok(tail) => {
                ops.extend(tail);
                break;
            }
            Err(at) => chains.remove(at).stick(&mut stuck),
        }
    }
    stuck.sort_unstable();
    stuck.dedup();
    Interleaved { ops, stuck }
}

/// Orders chains that take more room than they give, from the end.
///
/// # Errors
/// The index of a chain that has no place.
fn takers(mut chains: Vec<Chain>, room: isize) -> Result<Vec<Op>, usize> {
    let mut left = room - chains.iter().map(Chain::total).sum::<isize>();
    let mut runs = Vec::new();
    while let Some((at, run)) = least(&chains, |s| run(s.ops.iter().rev().map(|op| -delta(op)))) {
        if run.peak > left {
            return Err(at);
        }
        let keep = chains[at].ops.len() - run.length;
        let last = chains[at].ops.split_off(keep);
        left += last.iter().map(delta).sum::<isize>();
        runs.push(last);
    }
    Ok(runs.into_iter().rev().flatten().collect())
}

/// How an op changes the number of entries.
fn delta(op: &Op) -> isize {
    match op {
        Op::Create { .. } => 1,
        Op::Modify { .. } => 0,
        Op::Delete { .. } => -1,
    }
}

/// Ops at a chain's end that give back at least what they take.
struct Run {
    length: usize,
    /// The most room they need on the way.
    peak: isize,
}

/// The shortest such run.
fn run(deltas: impl Iterator<Item = isize>) -> Option<Run> {
    let (mut sum, mut peak) = (0, 0);
    for (i, delta) in deltas.enumerate() {
        sum += delta;
        peak = peak.max(sum);
        if sum <= 0 {
            return Some(Run {
                length: i + 1,
                peak,
            });
        }
    }
    None
}

/// The chain whose run needs the least room.
fn least(chains: &[Chain], run: impl Fn(&Chain) -> Option<Run>) -> Option<(usize, Run)> {
    chains
        .iter()
        .enumerate()
        .filter_map(|(at, s)| run(s).map(|run| (at, run)))
        .min_by_key(|(_, run)| run.peak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{CreateReason, DeleteReason};
    use crate::model::{NextHopKind, NextHops};

    fn op(text: &str) -> Op {
        let at = text[1..].bytes().next().unwrap();
        let destination = format!("10.0.{at}.0/24").parse().unwrap();
        let next_hops = NextHops::one(NextHopKind::Instance, "i");
        match text.as_bytes()[0] {
            b'+' => Op::Create {
                destination,
                next_hops,
                name: text[1..].to_owned(),
                why: CreateReason::New,
            },
            _ => Op::Delete {
                destination,
                next_hops,
                id: Some(text[1..].to_owned()),
                why: DeleteReason::Replaced,
            },
        }
    }

    fn chain(text: &str) -> Chain {
        Chain::new(text.split(' ').map(op).collect())
    }

    /// The example in this module's documentation.
    #[test]
    fn what_takes_room_for_good_is_ordered_from_its_end() {
        let done = interleave(vec![chain("+d"), chain("+a +b -c")], 3, 5);
        assert!(done.stuck.is_empty());
        let ops = ["+a", "+b", "-c", "+d"].map(op);
        assert_eq!(done.ops, ops);
    }

    #[test]
    fn what_needs_more_room_than_there_is_is_stuck_and_the_rest_is_ordered() {
        let done = interleave(vec![chain("+a +b"), chain("-c")], 5, 5);
        assert_eq!(done.ops, ["-c"].map(op));
        assert_eq!(done.stuck.len(), 2);
    }
}
