//! Changes of route tables.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use super::{Disruption, Found, Phase};
use crate::model::NetworkPlan;
use crate::prefix::{Position, bounds, covers};
use crate::routes::{NextHop, RoutesError, Table, TableKind, routes};

pub(super) fn compare(
    old: &NetworkPlan,
    new: &NetworkPlan,
    found: &mut Found,
) -> Result<(), RoutesError> {
    // A node's own routes follow its ranges without anybody's doing.
    let kept = |all: Vec<Table>| -> Vec<Table> {
        all.into_iter()
            .filter(|t| t.kind != TableKind::Node)
            .collect()
    };
    let (old, new) = (kept(routes(old)?), kept(routes(new)?));
    for pair in super::paired(&old, &new, |t| (t.kind, &t.site, &t.name)) {
        let title = pair.1.or(pair.0).map(Table::title).unwrap_or_default();
        entries(&title, pair.0, pair.1, found);
        if let (Some(a), Some(b)) = pair
            && a.quota != b.quota
        {
            let quota = |t: &Table| t.quota.map_or("none".to_owned(), |q| q.to_string());
            found.add(
                (
                    Phase::Record,
                    Disruption::None,
                    "the cloud must have granted it",
                ),
                "quota",
                format!("{title}: {} → {}", quota(a), quota(b)),
            );
        }
    }
    Ok(())
}

/// Entries in the order of addresses. Those of one table are apart, but where a default
/// route is among them, and it begins before all others.
type Entries<'t> = BTreeMap<(Position, Position), (IpNetwork, &'t NextHop)>;

fn entries(title: &str, old: Option<&Table>, new: Option<&Table>, found: &mut Found) {
    let (old, new) = (by_place(old), by_place(new));
    for (place, (prefix, next_hop)) in &new {
        let leads = format!("{prefix} → {next_hop}");
        match old.get(place) {
            Some((_, before)) if before == next_hop => {}
            Some((_, before)) => found.add(
                (
                    Phase::HandOn,
                    Disruption::Brief,
                    "no table holds both: packets go the old way until the new entry is there",
                ),
                &format!("lead elsewhere in {title}"),
                format!("{prefix}: {before} → {next_hop}"),
            ),
            None => {
                let around = old.range(..place).next_back();
                let phase = match around {
                    Some((_, (p, hop))) if covers(*p, *prefix) && hop != next_hop => Phase::HandOn,
                    _ => Phase::Reach,
                };
                found.add(
                    (phase, Disruption::None, ""),
                    &format!("add to {title}"),
                    leads,
                );
            }
        }
    }
    for (_, (prefix, next_hop)) in old.iter().filter(|(p, _)| !new.contains_key(p)) {
        found.add(
            (
                Phase::Forget,
                Disruption::None,
                "by now other entries lead there, or nobody is there",
            ),
            &format!("delete from {title}"),
            format!("{prefix} → {next_hop}"),
        );
    }
}

fn by_place(table: Option<&Table>) -> Entries<'_> {
    let entries = table.into_iter().flat_map(|t| &t.entries);
    entries
        .map(|e| (bounds(e.prefix), (e.prefix, &e.next_hop)))
        .collect()
}
