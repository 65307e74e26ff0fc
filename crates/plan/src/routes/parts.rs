//! Who leads to which part of an address space, where prefixes of several overlap.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use crate::aggregate::cut;
use crate::prefix::{Position, bounds, covers, overlap};

/// The parts of `a` that `b` holds too: the smaller of each overlapping pair.
pub(crate) fn common(a: IpNetwork, b: &[IpNetwork]) -> Vec<IpNetwork> {
    if b.iter().any(|b| covers(*b, a)) {
        return vec![a];
    }
    let mut inside: Vec<IpNetwork> = b.iter().copied().filter(|b| covers(a, *b)).collect();
    inside.sort_by_key(|p| (bounds(*p).0, p.prefix()));
    inside.dedup_by(|later, kept| covers(*kept, *later));
    inside
}

/// What is left of a prefix without some others, which may overlap.
pub(crate) fn without(prefix: IpNetwork, away: impl Iterator<Item = IpNetwork>) -> Vec<IpNetwork> {
    let mut away: Vec<(u128, u128)> = away
        .filter(|p| overlap(*p, prefix))
        .map(|p| (bounds(p).0.value, bounds(p).1.value))
        .collect();
    away.sort_unstable();
    let v6 = prefix.is_ipv6();
    let (first, last) = bounds(prefix);
    let mut next = Some(first.value);
    let mut left = Vec::new();
    for (from, to) in away {
        if let Some(at) = next.filter(|at| *at < from) {
            left.extend(cut(v6, at, from - 1));
        }
        next = next.and_then(|at| Some(at.max(to.checked_add(1)?)));
    }
    if let Some(at) = next.filter(|at| *at <= last.value) {
        left.extend(cut(v6, at, last.value));
    }
    left
}

/// Cuts prefixes that overlap into parts that do not, each with everybody who has it.
pub(super) fn apart<T: Clone + Ord, L: Clone>(
    claims: &[(IpNetwork, T, L)],
) -> Vec<(IpNetwork, Vec<T>, L)> {
    let mut by_prefix: BTreeMap<(Position, u128), (IpNetwork, Vec<T>, L)> = BTreeMap::new();
    for (prefix, who, label) in claims {
        let (first, last) = bounds(*prefix);
        let held = by_prefix
            .entry((first, u128::MAX - last.value))
            .or_insert_with(|| (*prefix, Vec::new(), label.clone()));
        if !held.1.contains(who) {
            held.1.push(who.clone());
        }
    }
    let mut parts = Vec::new();
    // The prefixes that hold the present place, outermost first.
    let mut open: Vec<(IpNetwork, Vec<T>, L, Option<u128>)> = Vec::new();
    for (prefix, who, label) in by_prefix.into_values() {
        while open.last().is_some_and(|o| !covers(o.0, prefix)) {
            close(&mut open, &mut parts);
        }
        let (first, _) = bounds(prefix);
        let mut everybody = who;
        if let Some(outer) = open.last_mut() {
            everybody.extend(outer.1.iter().cloned());
            emit(outer, first.value.checked_sub(1), &mut parts);
        }
        everybody.sort();
        everybody.dedup();
        open.push((prefix, everybody, label, Some(first.value)));
    }
    while !open.is_empty() {
        close(&mut open, &mut parts);
    }
    parts
}

type Open<T, L> = (IpNetwork, Vec<T>, L, Option<u128>);

/// Gives what is left of the innermost prefix, and lets the one around it go on behind it.
fn close<T: Clone, L: Clone>(open: &mut Vec<Open<T, L>>, parts: &mut Vec<(IpNetwork, Vec<T>, L)>) {
    if let Some(mut done) = open.pop() {
        let last = bounds(done.0).1.value;
        emit(&mut done, Some(last), parts);
        if let Some(outer) = open.last_mut() {
            outer.3 = last.checked_add(1);
        }
    }
}

/// Gives the part of `open` from where it stands to `last`.
fn emit<T: Clone, L: Clone>(
    open: &mut Open<T, L>,
    last: Option<u128>,
    parts: &mut Vec<(IpNetwork, Vec<T>, L)>,
) {
    if let (Some(first), Some(last)) = (open.3, last)
        && first <= last
    {
        for prefix in cut(open.0.is_ipv6(), first, last) {
            parts.push((prefix, open.1.clone(), open.2.clone()));
        }
    }
}
