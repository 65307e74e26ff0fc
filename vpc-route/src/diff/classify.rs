//! What of a table stays, is added, changes and is deleted. The order is decided in
//! [`super::with_headroom`] and [`super::under_quota`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use super::rules::Counted;
use super::{
    Conflict, ConflictKind, DeleteReason, InPlace, MassDelete, Orphan, Plan, Refusal, Rules,
    Sightings, Unmanaged,
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
    pub(super) recreations: Vec<Change<'a>>,
    /// There, to go.
    pub(super) deletes: Vec<Removal<'a>>,
}

impl Work<'_> {
    /// The part of it that concerns one counted set of entries.
    pub(super) fn within(&self, counted: Counted) -> Self {
        let mut part = Self {
            adds: self.adds.clone(),
            modifies: self.modifies.clone(),
            recreations: self.recreations.clone(),
            deletes: self.deletes.clone(),
        };
        part.adds.retain(|e| counted.has(e.destination));
        part.modifies.retain(|c| counted.has(c.to.destination));
        part.recreations.retain(|c| counted.has(c.to.destination));
        part.deletes.retain(|r| counted.has(r.entry.destination));
        part
    }
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
        unmanaged: 0,
        not_understood: actual.not_understood.clone(),
    };
    let (mut wanted, mut held) = wanted(desired, rules, &mut plan);
    let mut managed: BTreeMap<Prefix, (&Entry, Owner)> = BTreeMap::new();
    let mut unmanaged: BTreeMap<Prefix, &Entry> = BTreeMap::new();
    for entry in &actual.entries {
        match entry.owner_in(&rules.cluster) {
            Some(owner) => {
                managed.insert(entry.destination, (entry, owner));
            }
            None if entry.kind == EntryKind::Custom => {
                unmanaged.insert(entry.destination, entry);
            }
            None => {}
        }
    }
    plan.unmanaged = unmanaged.len() + actual.hidden();
    if let Some(refusal) = superseded(&managed, rules) {
        plan.refused.push(refusal);
        return (plan, None);
    }
    refuse_gaps(&mut wanted, &mut held, &managed, rules, &mut plan);
    plan.conflicts = conflicts(&wanted, &unmanaged);

    let mut work = Work {
        adds: Vec::new(),
        modifies: Vec::new(),
        recreations: Vec::new(),
        deletes: Vec::new(),
    };
    for (destination, to) in &wanted {
        match managed.get(destination) {
            None if unmanaged.contains_key(destination) => {}
            None => work.adds.push(to),
            Some((entry, _)) if entry.next_hops == to.next_hops => {}
            Some((entry, _)) => {
                let change = Change { entry, to };
                if in_place(entry, to, rules) {
                    work.modifies.push(change);
                } else {
                    work.recreations.push(change);
                }
            }
        }
    }
    let stale = managed
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
    let census = Census {
        managed: managed.keys().copied().collect(),
        unmanaged: unmanaged.keys().copied().collect(),
        hidden: actual.hidden(),
        kept,
    };
    let fits = within_limits(&work, &census, rules, &mut plan);
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
    // Which of the two is right cannot be known: neither is worked on.
    wanted.retain(|destination, _| !held.contains(destination));
    (wanted, held)
}

fn in_place(entry: &Entry, to: &DesiredEntry, rules: &Rules) -> bool {
    let single = entry.next_hops.single().is_some() && to.next_hops.single().is_some();
    rules.in_place == InPlace::Always || single
}

/// Takes out what would have to be deleted and made anew, and has no more specific prefixes that
/// may stand in for it.
fn refuse_gaps(
    wanted: &mut Wanted<'_>,
    held: &mut Vec<Prefix>,
    managed: &BTreeMap<Prefix, (&Entry, Owner)>,
    rules: &Rules,
    plan: &mut Plan,
) {
    wanted.retain(|destination, to| {
        let Some((entry, _)) = managed.get(destination) else {
            return true;
        };
        let stand_ins = destination
            .more_specifics()
            .is_some_and(|parts| parts.iter().all(|part| rules.reserves(*part).is_none()));
        if entry.next_hops == to.next_hops || in_place(entry, to, rules) || stand_ins {
            return true;
        }
        held.push(*destination);
        plan.refused.push(Refusal::NoMakeBeforeBreak {
            destination: *destination,
            from: entry.next_hops.clone(),
            to: to.next_hops.clone(),
        });
        false
    });
}

fn superseded(managed: &BTreeMap<Prefix, (&Entry, Owner)>, rules: &Rules) -> Option<Refusal> {
    let (destination, (_, owner)) = managed
        .iter()
        .find(|(_, (_, owner))| owner.generation > rules.generation)?;
    Some(Refusal::Superseded {
        destination: *destination,
        found: owner.generation,
        own: rules.generation,
    })
}

fn conflicts(wanted: &Wanted<'_>, unmanaged: &BTreeMap<Prefix, &Entry>) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (destination, entry) in unmanaged {
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
            unmanaged: Unmanaged {
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

/// Sorts what is stale into deletions and orphans in their grace; the destinations that stay.
fn removals<'a>(
    stale: impl Iterator<Item = &'a Entry>,
    wanted: &Wanted<'_>,
    held: &[Prefix],
    (rules, seen, now): (&Rules, &Sightings, Timestamp),
    plan: &mut Plan,
    work: &mut Work<'a>,
) -> Vec<Prefix> {
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
        let due = due(since, rules.grace);
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
    kept
}

/// When the grace of an orphan ends that was first seen in the second `since`. It may have been at
/// that second's end, so a second is added: the grace is never shorter than configured.
fn due(since: Timestamp, grace: u64) -> Timestamp {
    let rounding = u64::from(grace > 0);
    Timestamp(since.0.saturating_add(grace).saturating_add(rounding))
}

/// The table's custom entries before any change, by whose they are.
struct Census {
    managed: Vec<Prefix>,
    unmanaged: Vec<Prefix>,
    /// Custom entries without a destination that is understood: they may be of any family.
    hidden: usize,
    /// Managed entries that stay though nothing asks for them.
    kept: Vec<Prefix>,
}

/// Whether the end is within the quota and the way there within the breaker.
fn within_limits(work: &Work<'_>, census: &Census, rules: &Rules, plan: &mut Plan) -> bool {
    let over = rules.quota.into_iter().flat_map(|quota| {
        let counts = rules.quota_kind.counts().iter();
        counts.filter_map(move |counted| over_quota(work, census, quota, *counted))
    });
    let over: Vec<Refusal> = over.collect();
    if !over.is_empty() {
        plan.refused.extend(over);
        return false;
    }
    let (deletes, managed) = (work.deletes.len(), census.managed.len());
    if rules.mass_delete.asks(deletes, managed) {
        let MassDelete { share, .. } = rules.mass_delete;
        plan.refused.push(Refusal::MassDelete {
            deletes,
            managed,
            share,
        });
        return false;
    }
    true
}

/// The refusal where a counted set would exceed its quota in the end.
fn over_quota(work: &Work<'_>, census: &Census, quota: usize, counted: Counted) -> Option<Refusal> {
    let count = |of: &[Prefix]| of.iter().filter(|d| counted.has(**d)).count();
    let adds = work.adds.iter().filter(|e| counted.has(e.destination));
    let adds = adds.count();
    let deletes = work.deletes.iter();
    let deletes = deletes.filter(|r| counted.has(r.entry.destination)).count();
    let unmanaged = count(&census.unmanaged) + census.hidden;
    let orphans = count(&census.kept);
    let end = count(&census.managed) + unmanaged + adds - deletes;
    (end > quota && adds > 0).then(|| Refusal::OverQuota {
        quota,
        desired: end - unmanaged - orphans,
        unmanaged,
        orphans,
    })
}
