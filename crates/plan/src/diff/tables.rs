//! Changes of route tables.

use super::kinds::NOTED;
use super::notice::{Done, Kind, NOBODY, Notices};
use super::{Found, Phase};
use crate::model::NetworkPlan;
use crate::prefix::{Position, bounds, covers, overlap};
use crate::routes::{Entry, NextHop, RoutesError, Table, TableKind, without_nodes};

const LED: Kind = Kind::new(Phase::HandOn, Done::Routed)
    .brief("for no table holds both: packets go the old way until the new entry is there");
const FORGOTTEN: Kind = Kind::new(Phase::Forget, Done::Routed)
    .mind("by now other entries lead there, or nobody is there");

const LEFT: Kind = Kind::new(Phase::Clear, Done::Unused).mind(
    "vpc-route keeps no table that the plan has not: delete it, or by hand what is left in it",
);

pub(super) fn compare(
    old: &NetworkPlan,
    new: &NetworkPlan,
    found: &mut Found,
) -> Result<(), RoutesError> {
    let new_plan = new;
    // A node's own routes follow its ranges without anybody's doing.
    let (old, new) = (without_nodes(old)?, without_nodes(new)?);
    for pair in super::paired(&old, &new, |t| (t.kind, &t.site, &t.name)) {
        let title = pair.1.or(pair.0).map(Table::title).unwrap_or_default();
        match pair {
            (Some(gone), None) if !is_emptied(gone, new_plan) => left(&title, gone, found),
            _ => entries(&title, pair.0, pair.1, found),
        }
        if let (Some(a), Some(b)) = pair
            && a.quota != b.quota
        {
            let quota = |t: &Table| t.quota.map_or("none".to_owned(), |q| q.to_string());
            found.add(
                NOTED.mind("the cloud must have granted it"),
                "quota",
                NOBODY,
                format!("{title}: {} → {}", quota(a), quota(b)),
            );
        }
    }
    Ok(())
}

/// Whether vpc-route takes out what was in a table that the plan has no more: an edge router of a
/// site that is still there. Of other tables it knows the ID by the plan alone.
fn is_emptied(table: &Table, new: &NetworkPlan) -> bool {
    table.kind == TableKind::EdgeRouter && new.site(&table.site).is_some()
}

fn left(title: &str, table: &Table, found: &mut Found) {
    if !table.entries.is_empty() {
        let what = format!("leave {title}");
        let detail = format!("{} entries stay in it", table.entries.len());
        found.add(LEFT, &what, NOBODY, detail);
    }
}

fn entries(title: &str, old: Option<&Table>, new: Option<&Table>, found: &mut Found) {
    let (old, new) = (by_place(old), by_place(new));
    let mut at = 0;
    for (place, entry) in &new {
        while at < old.len() && old[at].0 < *place {
            at += 1;
        }
        let (prefix, next_hop) = (entry.prefix, &entry.next_hop);
        let same = old.get(at).filter(|(there, _)| there == place);
        match same.map(|(_, before)| &before.next_hop) {
            Some(before) if before == next_hop => {}
            // Without its ID there was none.
            Some(before) if is_named(before, next_hop) => found.add(
                Kind::new(Phase::Reach, Done::Routed),
                &format!("add to {title}"),
                NOBODY,
                format!("{prefix} → {next_hop}"),
            ),
            // The plan no longer says where it leads, and nothing is done.
            Some(before) if is_named(next_hop, before) => found.add(
                NOTED.mind("without its ID, vpc-route cannot keep it"),
                "next hop of an entry, without its ID",
                NOBODY,
                format!("{prefix} → {next_hop} in {title}"),
            ),
            Some(before) => found.add(
                LED,
                &format!("lead elsewhere in {title}"),
                vec![Notices::Prefix(prefix)],
                format!("{prefix}: {before} → {next_hop}"),
            ),
            None => {
                let around = at.checked_sub(1).map(|i| old[i].1);
                let phase = match around {
                    Some(e) if covers(e.prefix, prefix) && e.next_hop != *next_hop => Phase::HandOn,
                    _ => Phase::Reach,
                };
                found.add(
                    Kind::new(phase, Done::Routed),
                    &format!("add to {title}"),
                    NOBODY,
                    format!("{prefix} → {next_hop}"),
                );
            }
        }
    }
    gone(title, &old, &new, found);
}

/// Whether `after` is `before` with IDs of the cloud that the plan says now, and none that it said
/// before is another.
fn is_named(before: &NextHop, after: &NextHop) -> bool {
    let mut with = before.clone();
    match (&mut with, after) {
        (NextHop::Instance { id, .. }, NextHop::Instance { id: new, .. })
        | (NextHop::Vpc { id, .. }, NextHop::Vpc { id: new, .. }) => named(id, new),
        (NextHop::Lines { lines }, NextHop::Lines { lines: new }) => {
            for (line, new) in lines.iter_mut().zip(new) {
                named(&mut line.id, &new.id);
            }
        }
        _ => {}
    }
    with == *after
}

fn named(id: &mut Option<String>, new: &Option<String>) {
    if id.is_none() {
        id.clone_from(new);
    }
}

fn gone(title: &str, old: &[(Place, &Entry)], new: &[(Place, &Entry)], found: &mut Found) {
    let cut = found.cut();
    for (place, entry) in old {
        if new.binary_search_by_key(place, |(p, _)| *p).is_ok() {
            continue;
        }
        let kind = match cut.iter().any(|p| overlap(*p, entry.prefix)) {
            true => FORGOTTEN.mind("the way that is cut goes with it: who loses it is told there"),
            false => FORGOTTEN,
        };
        found.add(
            kind,
            &format!("delete from {title}"),
            NOBODY,
            format!("{} → {}", entry.prefix, entry.next_hop),
        );
    }
}

type Place = (Position, Position);

/// Entries in the order of addresses. Those of one table are apart, but where a default
/// route is among them, and it begins before all others.
fn by_place(table: Option<&Table>) -> Vec<(Place, &Entry)> {
    let entries = table.into_iter().flat_map(|t| &t.entries);
    let mut all: Vec<_> = entries.map(|e| (bounds(e.prefix), e)).collect();
    all.sort_by_key(|(place, _)| *place);
    all
}
