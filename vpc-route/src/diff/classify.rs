//! What of a table stays, comes, changes and goes; the order is somebody else's matter.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use super::{
    Conflict, ConflictKind, DeleteReason, Foreign, InPlace, MassDelete, Orphan, Plan, Refusal,
    Rules, Sightings,
};
use crate::model::{
    DesiredEntry, DesiredTable, Entry, EntryKind, Owner, Prefix, Table, Timestamp, is_covered,
};

/// What is to be done, each list in the order of prefixes.
pub(super) struct Work<'a> {
    /// Desired, and not there.
    pub(super) adds: Vec<&'a DesiredEntry>,
    /// There, to be given another next hop in place.
    pub(super) modifies: Vec<Change<'a>>,
    /// There, to be deleted and made anew.
    pub(super) bridges: Vec<Change<'a>>,
    /// There, to go.
    pub(super) deletes: Vec<Removal<'a>>,
}

/// An entry that changes its next hops.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) entry: &'a Entry,
    pub(super) to: &'a DesiredEntry,
}

/// An entry that goes.
#[derive(Clone, Copy)]
pub(super) struct Removal<'a> {
    pub(super) entry: &'a Entry,
    pub(super) why: DeleteReason,
}

type Wanted<'a> = BTreeMap<Prefix, &'a DesiredEntry>;

/// The plan without its ops, and the work; no work where nothing may be changed at all.
pub(super) fn classify<'a>(
    desired: &'a DesiredTable,
    actual: &'a Table,
    rules: &Rules,
    seen: &Sightings,
    now: Timestamp,
) -> (Plan, Option<Work<'a>>) {
    let mut plan = Plan {
        table: actual.table.clone(),
        ops: Vec::new(),
        conflicts: Vec::new(),
        orphans: Vec::new(),
        refused: Vec::new(),
        unsettled: Vec::new(),
        foreign: 0,
    };
    let (mut wanted, mut held) = wanted(desired, rules, &mut plan);
    let mut ours: BTreeMap<Prefix, (&Entry, Owner)> = BTreeMap::new();
    let mut others: BTreeMap<Prefix, &Entry> = BTreeMap::new();
    for entry in &actual.entries {
        match entry.owner_in(&rules.cluster) {
            Some(owner) => {
                ours.insert(entry.destination, (entry, owner));
            }
            None if entry.kind == EntryKind::Custom => {
                others.insert(entry.destination, entry);
            }
            None => {}
        }
    }
    plan.foreign = others.len();
    if let Some(refusal) = superseded(&ours, rules) {
        plan.refused.push(refusal);
        return (plan, None);
    }
    unbridgeable(&mut wanted, &mut held, &ours, rules, &mut plan);
    plan.conflicts = conflicts(&wanted, &others);

    let mut work = Work {
        adds: Vec::new(),
        modifies: Vec::new(),
        bridges: Vec::new(),
        deletes: Vec::new(),
    };
    for (destination, to) in &wanted {
        match ours.get(destination) {
            None if others.contains_key(destination) => {}
            None => work.adds.push(to),
            Some((entry, _)) if entry.next_hops == to.next_hops => {}
            Some((entry, _)) => {
                let change = Change { entry, to };
                if in_place(entry, to, rules) {
                    work.modifies.push(change);
                } else {
                    work.bridges.push(change);
                }
            }
        }
    }
    let stale = ours
        .iter()
        .filter(|(destination, _)| !wanted.contains_key(destination))
        .map(|(_, (entry, _))| *entry);
    let kept = removals(
        stale,
        &wanted,
        &held,
        (rules, seen, now),
        &mut plan,
        &mut work,
    );
    let fits = within_limits(&work, ours.len(), (others.len(), kept), rules, &mut plan);
    (plan, fits.then_some(work))
}

/// The desired entries that may be worked on, and the destinations of those that may not.
fn wanted<'a>(
    desired: &'a DesiredTable,
    rules: &Rules,
    plan: &mut Plan,
) -> (Wanted<'a>, Vec<Prefix>) {
    let mut wanted = Wanted::new();
    let mut held = Vec::new();
    for entry in &desired.entries {
        let destination = entry.destination;
        let next_hops = entry.next_hops.iter().len();
        let refusal = if let Some(reserved) = rules.reserves(destination) {
            Refusal::Reserved {
                destination,
                reserved,
            }
        } else if next_hops > rules.equal_cost {
            Refusal::TooManyNextHops {
                destination,
                next_hops,
                limit: rules.equal_cost,
            }
        } else {
            match wanted.entry(destination) {
                Slot::Vacant(slot) => {
                    slot.insert(entry);
                    continue;
                }
                Slot::Occupied(slot) if slot.get().next_hops == entry.next_hops => continue,
                Slot::Occupied(_) => Refusal::Twice { destination },
            }
        };
        held.push(destination);
        plan.refused.push(refusal);
    }
    // Which of two is right is not ours to say: neither is worked on.
    wanted.retain(|destination, _| !held.contains(destination));
    (wanted, held)
}

fn in_place(entry: &Entry, to: &DesiredEntry, rules: &Rules) -> bool {
    let single = entry.next_hops.single().is_some() && to.next_hops.single().is_some();
    rules.in_place == InPlace::Always || single
}

/// Takes out what would have to be made anew and has no halves that could stand in for it.
fn unbridgeable(
    wanted: &mut Wanted<'_>,
    held: &mut Vec<Prefix>,
    ours: &BTreeMap<Prefix, (&Entry, Owner)>,
    rules: &Rules,
    plan: &mut Plan,
) {
    wanted.retain(|destination, to| {
        let Some((entry, _)) = ours.get(destination) else {
            return true;
        };
        let halves = destination
            .halves()
            .is_some_and(|halves| halves.iter().all(|h| rules.reserves(*h).is_none()));
        if entry.next_hops == to.next_hops || in_place(entry, to, rules) || halves {
            return true;
        }
        held.push(*destination);
        plan.refused.push(Refusal::NoBridge {
            destination: *destination,
            from: entry.next_hops.clone(),
            to: to.next_hops.clone(),
        });
        false
    });
}

fn superseded(ours: &BTreeMap<Prefix, (&Entry, Owner)>, rules: &Rules) -> Option<Refusal> {
    let (destination, (_, owner)) = ours
        .iter()
        .find(|(_, (_, owner))| owner.generation > rules.generation)?;
    Some(Refusal::Superseded {
        destination: *destination,
        found: owner.generation,
        ours: rules.generation,
    })
}

fn conflicts(wanted: &Wanted<'_>, others: &BTreeMap<Prefix, &Entry>) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (destination, entry) in others {
        let Some(want) = longest_match(wanted, *destination) else {
            continue;
        };
        let agrees = want.next_hops == entry.next_hops;
        let kind = match (want.destination == *destination, agrees) {
            (true, true) => ConflictKind::Agrees,
            (true, false) => ConflictKind::Diverts,
            (false, false) => ConflictKind::Shadows,
            (false, true) => continue,
        };
        found.push(Conflict {
            destination: want.destination,
            next_hops: want.next_hops.clone(),
            label: want.label.clone(),
            foreign: Foreign {
                destination: *destination,
                next_hops: entry.next_hops.clone(),
                name: entry.name.clone(),
                id: entry.id.clone(),
            },
            kind,
        });
    }
    found
}

fn longest_match<'a>(wanted: &Wanted<'a>, destination: Prefix) -> Option<&'a DesiredEntry> {
    let mut at = Some(destination);
    while let Some(prefix) = at {
        if let Some(entry) = wanted.get(&prefix) {
            return Some(entry);
        }
        at = prefix.parent();
    }
    None
}

/// Sorts what is stale into deletions and orphans in their grace; how many stay.
fn removals<'a>(
    stale: impl Iterator<Item = &'a Entry>,
    wanted: &Wanted<'_>,
    held: &[Prefix],
    (rules, seen, now): (&Rules, &Sightings, Timestamp),
    plan: &mut Plan,
    work: &mut Work<'a>,
) -> usize {
    let mut kept: Vec<Prefix> = Vec::new();
    for entry in stale {
        let destination = entry.destination;
        // What a refused entry would have replaced goes on serving, and so does what is in it.
        if held.iter().any(|h| h.overlaps(destination))
            || kept
                .iter()
                .any(|k| k.covers(destination) && held.iter().any(|h| h.overlaps(*k)))
        {
            kept.push(destination);
            continue;
        }
        let inside = wanted.range(destination..=destination.last_inside());
        let replaced = longest_match(wanted, destination).is_some()
            || is_covered(destination, inside.map(|(p, _)| *p));
        if replaced {
            work.deletes.push(Removal {
                entry,
                why: DeleteReason::Replaced,
            });
            continue;
        }
        let since = seen.get(&destination).copied().unwrap_or(now).min(now);
        let due = Timestamp(since.0.saturating_add(rules.grace));
        plan.orphans.push(Orphan {
            destination,
            next_hops: entry.next_hops.clone(),
            name: entry.name.clone(),
            since,
            due,
        });
        if due <= now {
            work.deletes.push(Removal {
                entry,
                why: DeleteReason::Orphan,
            });
        } else {
            kept.push(destination);
        }
    }
    kept.len()
}

/// Whether the end is within the quota and the way there within the breaker.
fn within_limits(
    work: &Work<'_>,
    ours: usize,
    (foreign, kept): (usize, usize),
    rules: &Rules,
    plan: &mut Plan,
) -> bool {
    let deletes = work.deletes.len();
    let end = ours + foreign + work.adds.len() - deletes;
    if let Some(quota) = rules
        .quota
        .filter(|quota| end > *quota && !work.adds.is_empty())
    {
        plan.refused.push(Refusal::OverQuota {
            quota,
            desired: end - foreign - kept,
            foreign,
            orphans: kept,
        });
        return false;
    }
    if rules.mass_delete.asks(deletes, ours) {
        let MassDelete { share, .. } = rules.mass_delete;
        plan.refused.push(Refusal::MassDelete {
            deletes,
            ours,
            share,
        });
        return false;
    }
    true
}
