//! How full the plan makes pools, VLANs, switches and route tables, and how many hosts more
//! fit.
//!
//! Everything is counted as the plan will have it once every host is there and full to its
//! planned density. *Used* is what is already given away (addresses in ranges, entries in
//! tables, MACs and neighbours of what stands in the document); *headroom* is what is left
//! of the limit; *more hosts* is how many hosts like the present ones fit into it.
//!
//! Slices that ipamd cuts count as ranges: each host that is to get one has it.
//!
//! Guarantees: a pure function of the plan, O(n log n) in hosts and ranges.

mod domains;
mod pools;

use serde::Serialize;

use crate::model::NetworkPlan;
use crate::routes::{RoutesError, TableKind, routes};
use crate::slices::with_slices;

pub use domains::{SwitchCapacity, VlanCapacity};
pub use pools::{FreeSpace, PoolCapacity, free_space};

/// How full everything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// Each pool, in the order of the document.
    pub pools: Vec<PoolCapacity>,
    /// Each VLAN of each IDC.
    pub vlans: Vec<VlanCapacity>,
    /// Each switch of each IDC.
    pub switches: Vec<SwitchCapacity>,
    /// Each table that has a quota.
    pub tables: Vec<TableCapacity>,
}

/// How full a route table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableCapacity {
    /// Whose table it is.
    pub kind: TableKind,
    /// The site.
    pub site: String,
    /// Its name, as in [`crate::routes::Table::name`].
    pub name: String,
    /// Entries without aggregation.
    pub wanted: usize,
    /// Entries with it.
    pub used: usize,
    /// How many it may hold.
    pub quota: u32,
    /// How many more it may hold; negative: how many are too many.
    pub headroom: i64,
    /// How many hosts more fit; none: hosts take no entries here.
    pub more_hosts: Option<u64>,
}

/// How full everything is in a plan whose groups are written out.
///
/// # Errors
/// [`RoutesError`] where ranges contradict each other, so that no table can be filled.
pub fn capacity(plan: &NetworkPlan) -> Result<Capacity, RoutesError> {
    let plan = &*with_slices(plan);
    let (vlans, switches) = domains::domains(plan);
    Ok(Capacity {
        pools: pools::pools(plan),
        vlans,
        switches,
        tables: tables(plan)?,
    })
}

fn tables(plan: &NetworkPlan) -> Result<Vec<TableCapacity>, RoutesError> {
    let mut found = Vec::new();
    for table in routes(plan)? {
        let Some(quota) = table.quota else { continue };
        let used = table.entries.len();
        let headroom = i64::from(quota) - i64::try_from(used).unwrap_or(i64::MAX);
        let hosts: std::collections::BTreeSet<_> = table
            .entries
            .iter()
            .filter_map(|e| e.next_hop.host())
            .collect();
        let of_hosts = table
            .entries
            .iter()
            .filter(|e| e.next_hop.host().is_some())
            .count();
        let each = u64::try_from(of_hosts.div_ceil(hosts.len().max(1))).unwrap_or(u64::MAX);
        found.push(TableCapacity {
            kind: table.kind,
            site: table.site,
            name: table.name,
            wanted: table.wanted,
            used,
            quota,
            headroom,
            more_hosts: (each > 0).then(|| u64::try_from(headroom).unwrap_or(0) / each),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
