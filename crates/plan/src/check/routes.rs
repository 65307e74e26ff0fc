//! Route tables and their quotas. What a table must hold is what [`crate::routes`] says, so
//! that the check and the list that an admin sees cannot differ.

use super::{Context, Findings};
use crate::finding::{EDGE_FULL, Rule, TABLE_FULL, TABLE_RAW, VBR_FULL, VBR_RAW};
use crate::routes::{Table, TableKind, quotas};
use crate::slices::with_slices;
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    // One address that leads to two places is an overlap, and is told as one.
    let whole = with_slices(c.plan);
    let Ok(tables) = quotas(&whole) else { return };
    for table in &tables {
        let Some(quota) = table.quota else { continue };
        let limit = limit(c, table);
        let quota = usize::try_from(quota).unwrap_or(usize::MAX);
        let (name, wanted, aggregated) = (table.title(), table.wanted, table.entries.len());
        if limit.aggregate && aggregated > quota {
            let message = format!(
                "{name} needs {aggregated} entries, {wanted} without aggregation; its quota is {quota}"
            );
            found.add(limit.full, limit.place, message);
        } else if !limit.aggregate && wanted > quota {
            let message =
                format!("{name} needs {wanted} entries without aggregation; its quota is {quota}");
            found.add(limit.raw, limit.place, message);
        }
    }
}

/// Where a table's quota is written, and what it means to pass it.
struct Limit {
    place: Path,
    aggregate: bool,
    full: &'static Rule,
    raw: &'static Rule,
}

fn limit(c: &Context<'_>, table: &Table) -> Limit {
    let (index, site) = match c.site(&table.site) {
        Some((index, site)) => (index, Some(site)),
        None => (0, None),
    };
    let at = Path::spec().at("sites").at(index);
    match table.kind {
        TableKind::VpcRouteTable => {
            let tables = site.map(|s| s.route_tables.as_slice()).unwrap_or_default();
            let declared = tables.iter().position(|t| t.name == table.name);
            Limit {
                place: match declared {
                    Some(i) => at.at("routeTables").at(i).at("quota"),
                    None => at,
                },
                aggregate: declared.is_none_or(|i| tables[i].aggregate),
                full: &TABLE_FULL,
                raw: &TABLE_RAW,
            }
        }
        TableKind::Vbr => {
            let links = &c.plan.spec.links;
            let line = links.iter().position(|l| l.name == table.name);
            let declared = line.and_then(|i| links[i].vbr.as_ref());
            let at = Path::spec().at("links").at(line.unwrap_or(0));
            Limit {
                place: match declared {
                    Some(_) => at.at("vbr").at("quota"),
                    None => at,
                },
                aggregate: declared.is_none_or(|v| v.aggregate),
                full: &VBR_FULL,
                raw: &VBR_RAW,
            }
        }
        TableKind::EdgeRouter | TableKind::Node => Limit {
            place: at.at("edgeRouter").at("quota"),
            aggregate: true,
            full: &EDGE_FULL,
            raw: &EDGE_FULL,
        },
    }
}
