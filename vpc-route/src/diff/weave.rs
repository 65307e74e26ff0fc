//! Strands of ops, woven into one list that keeps the quota.
//!
//! First goes whatever gives back at least as much room as it takes, the one that needs the
//! least room first: each leaves no less room for the next. What is left uses room for good; seen
//! backwards from the end it gives room back, so the same rule orders it from its end.

use super::Op;
use crate::model::Prefix;

/// Ops that must follow one upon the other.
#[derive(Clone)]
pub(super) struct Strand {
    ops: Vec<Op>,
}

impl Strand {
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

/// What came of it.
pub(super) struct Woven {
    /// The ops that fit, in order.
    pub(super) ops: Vec<Op>,
    /// The destinations of those that do not.
    pub(super) stuck: Vec<Prefix>,
}

/// Weaves strands into a table with `used` entries of `quota`.
pub(super) fn weave(mut strands: Vec<Strand>, used: usize, quota: usize) -> Woven {
    let count = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
    let mut room = count(quota) - count(used);
    let mut stuck = Vec::new();
    let mut ops = Vec::new();
    while let Some((at, run)) = least(&strands, |s| run(s.ops.iter().map(delta))) {
        if run.peak > room {
            // The others need no less, and none of them gives room back before it ran.
            strands.remove(at).stick(&mut stuck);
            continue;
        }
        let done: Vec<Op> = strands[at].ops.drain(..run.length).collect();
        room -= done.iter().map(delta).sum::<isize>();
        ops.extend(done);
        strands.retain(|s| !s.ops.is_empty());
    }
    loop {
        match takers(strands.clone(), room) {
            Ok(tail) => {
                ops.extend(tail);
                break;
            }
            Err(at) => strands.remove(at).stick(&mut stuck),
        }
    }
    stuck.sort_unstable();
    stuck.dedup();
    Woven { ops, stuck }
}

/// Orders strands that take more room than they give, from the end; or says which is stuck.
fn takers(mut strands: Vec<Strand>, room: isize) -> Result<Vec<Op>, usize> {
    let mut left = room - strands.iter().map(Strand::total).sum::<isize>();
    let mut runs = Vec::new();
    while let Some((at, run)) = least(&strands, |s| run(s.ops.iter().rev().map(|op| -delta(op)))) {
        if run.peak > left {
            return Err(at);
        }
        let keep = strands[at].ops.len() - run.length;
        let last = strands[at].ops.split_off(keep);
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

/// Ops at a strand's end that give back at least what they take.
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

/// The strand whose run needs the least room.
fn least(strands: &[Strand], run: impl Fn(&Strand) -> Option<Run>) -> Option<(usize, Run)> {
    strands
        .iter()
        .enumerate()
        .filter_map(|(at, s)| run(s).map(|run| (at, run)))
        .min_by_key(|(_, run)| run.peak)
}
