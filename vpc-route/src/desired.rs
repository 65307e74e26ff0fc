//! From the plan to the tables that this controller keeps.
//!
//! `flatnet_plan::routes` says what every table must hold; here its next hops become what the
//! table's provider calls them. A next hop without an ID is an error of its whole table: half a
//! table would have the other half deleted.

use std::collections::BTreeMap;

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Site, SiteType};
use flatnet_plan::routes::{self, NextHop as Hop, RoutesError, TableKind};
use ipnetwork::IpNetwork;

use crate::model::{
    DesiredEntry, DesiredTable, NextHop, NextHopKind, NextHops, NextHopsError, Prefix, TableId,
};
use crate::providers::TableScope;

/// A table that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What it should hold of ours.
    pub desired: DesiredTable,
    /// For people: `route table main in vpc`.
    pub title: String,
    /// What kind of table it is, which says who its provider is.
    pub kind: TableKind,
    /// The plan's site that it is in.
    pub site: String,
    /// Its name in the plan; a VBR's is that of its line.
    pub name: String,
    /// How many custom entries it may hold.
    pub quota: Option<usize>,
    /// The prefixes of a VPC's vSwitches: no destination may be one of them or lie in one.
    pub reserved: Vec<Prefix>,
    /// The pools of all of the plan's networks.
    pub pools: Vec<Prefix>,
}

impl Target {
    /// The table as its provider gets it.
    pub fn scope(&self) -> TableScope {
        TableScope {
            id: self.desired.table.clone(),
            kind: self.kind,
            pools: self.pools.clone(),
        }
    }

    /// Tables of one writer are written one after the other: a VPC's all, any other alone.
    pub fn writer(&self) -> String {
        match self.kind {
            TableKind::VpcRouteTable => format!("VPC {}", self.site),
            TableKind::Vbr | TableKind::EdgeRouter | TableKind::Node => self.title.clone(),
        }
    }
}

/// Why a table cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum TargetError {
    /// It has no ID.
    #[error("{title}: the plan gives no ID for it (id, or vbr.routeTable)")]
    NoTableId { title: String },
    /// One of its next hops has no ID.
    #[error("{title}: {prefix} ({why}) leads to {hop}, which has no {missing}")]
    NoHopId {
        title: String,
        /// The destination.
        prefix: IpNetwork,
        /// What it is for.
        why: String,
        /// The next hop, in the plan's words.
        hop: String,
        /// What to write into the plan or the configuration.
        missing: &'static str,
    },
    /// A rollback is held to, and its state does not know the table.
    #[error(
        "{title}: left alone, for the recorded state {number} that is held to does not know it; \
         `vpc-route rollback --release` goes back to the plan"
    )]
    NotRecorded {
        title: String,
        /// The state's number.
        number: u64,
    },
    /// The next hops make no sense.
    #[error("{title}: {prefix}: {source}")]
    NextHops {
        title: String,
        /// The destination.
        prefix: IpNetwork,
        #[source]
        source: NextHopsError,
    },
}

impl TargetError {
    /// The table, for people.
    pub fn title(&self) -> &str {
        match self {
            Self::NoTableId { title }
            | Self::NoHopId { title, .. }
            | Self::NotRecorded { title, .. }
            | Self::NextHops { title, .. } => title,
        }
    }
}

/// Each table of a plan, or why it cannot be kept. `line_interfaces` are a VBR's interfaces
/// towards its line, by the line's name.
///
/// # Errors
/// [`RoutesError`] where the plan contradicts itself.
pub fn targets(
    plan: &NetworkPlan,
    line_interfaces: &BTreeMap<String, String>,
) -> Result<Vec<Result<Target, TargetError>>, RoutesError> {
    let mut targets = Vec::new();
    // Each table goes when its target is made: there are never two of all.
    for table in routes::without_nodes(plan)? {
        // One that the plan knows by its ID and wants nothing in loses what it had of ours.
        if !table.entries.is_empty() || table.id.is_some() {
            targets.push(target(plan, &table, line_interfaces));
        }
    }
    Ok(targets)
}

/// The configured edge routers that no line ends at: ours goes from them. Without this, what led
/// over the last line of a data centre would stay in its router when the line is gone.
pub(crate) fn idle_edge_routers<'c>(
    plan: &NetworkPlan,
    configured: impl Iterator<Item = &'c TableId>,
) -> Vec<Target> {
    let kept = |site: &&Site| plan.spec.links.iter().any(|l| l.idc == site.name);
    let sites = plan.spec.sites.iter();
    let (busy, idle): (Vec<&Site>, Vec<&Site>) = sites
        .filter(|s| s.site_type == SiteType::Idc)
        .partition(kept);
    let named = |id: &TableId| {
        // Data centres may share a name: that of a router which has a line is not idle.
        let called = |site: &&&Site| routes::edge_router_name(site) == id.0;
        busy.iter()
            .find(called)
            .map_or_else(|| idle.iter().find(called).copied(), |_| None)
    };
    let found = configured.filter_map(|id| Some((id, named(id)?)));
    found
        .map(|(id, site)| Target {
            desired: DesiredTable {
                table: id.clone(),
                entries: Vec::new(),
            },
            title: format!("edge router {} in {}", id.0, site.name),
            kind: TableKind::EdgeRouter,
            site: site.name.clone(),
            name: id.0.clone(),
            quota: None,
            reserved: Vec::new(),
            pools: pools(plan),
        })
        .collect()
}

fn target(
    plan: &NetworkPlan,
    table: &routes::Table,
    line_interfaces: &BTreeMap<String, String>,
) -> Result<Target, TargetError> {
    let title = table.title();
    let is_cloud = table.kind != TableKind::EdgeRouter;
    let id = match &table.id {
        Some(id) => id.clone(),
        None if is_cloud => return Err(TargetError::NoTableId { title }),
        None => table.name.clone(),
    };
    let entries = table.entries.iter().map(|entry| {
        let hops = hops(&entry.next_hop, table.kind, line_interfaces);
        let hops = hops.map_err(|missing| TargetError::NoHopId {
            title: title.clone(),
            prefix: entry.prefix,
            why: entry.why.clone(),
            hop: entry.next_hop.to_string(),
            missing,
        })?;
        let next_hops = NextHops::new(hops).map_err(|source| TargetError::NextHops {
            title: title.clone(),
            prefix: entry.prefix,
            source,
        })?;
        Ok(DesiredEntry {
            destination: Prefix::truncating(entry.prefix),
            next_hops,
            label: label(&entry.next_hop),
        })
    });
    let desired = DesiredTable {
        table: TableId(id),
        entries: entries.collect::<Result<_, _>>()?,
    };
    Ok(Target {
        desired,
        reserved: if table.kind == TableKind::VpcRouteTable {
            reserved(plan, &table.site)
        } else {
            Vec::new()
        },
        kind: table.kind,
        site: table.site.clone(),
        name: table.name.clone(),
        quota: table.quota.map(|q| q as usize),
        pools: pools(plan),
        title,
    })
}

/// The prefixes of a VPC's vSwitches.
fn reserved(plan: &NetworkPlan, site: &str) -> Vec<Prefix> {
    let v_switches = plan.spec.sites.iter().filter(|s| s.name == site);
    let subnets = v_switches
        .flat_map(|s| &s.v_switches)
        .flat_map(|v| &v.subnets);
    subnets.map(|s| Prefix::truncating(s.prefix)).collect()
}

/// The pools of all networks.
fn pools(plan: &NetworkPlan) -> Vec<Prefix> {
    let pools = plan.spec.networks.iter().flat_map(|n| &n.pools);
    pools.map(|pool| Prefix::truncating(pool.prefix)).collect()
}

/// A next hop in the words of its provider; or what it lacks.
fn hops(
    hop: &Hop,
    kind: TableKind,
    line_interfaces: &BTreeMap<String, String>,
) -> Result<Vec<NextHop>, &'static str> {
    let make = |kind: NextHopKind, id: String| NextHop {
        kind,
        id,
        weight: 0,
    };
    let one = |kind, id: &Option<String>, missing| {
        let id = id.clone().ok_or(missing)?;
        Ok(vec![make(kind, id)])
    };
    match hop {
        Hop::Instance { id, .. } => one(NextHopKind::Instance, id, "instanceId in the plan"),
        Hop::Vpc { id, .. } => one(
            NextHopKind::RouterInterface,
            id,
            "vbr.routerInterface in the plan",
        ),
        Hop::Lines { lines } => lines
            .iter()
            .map(|via| match kind {
                TableKind::VpcRouteTable => via
                    .id
                    .clone()
                    .map(|id| make(NextHopKind::RouterInterface, id))
                    .ok_or("routerInterface in the plan"),
                TableKind::Vbr => line_interfaces
                    .get(&via.line)
                    .map(|id| make(NextHopKind::RouterInterface, id.clone()))
                    .ok_or("entry in lineInterfaces of this configuration"),
                TableKind::EdgeRouter | TableKind::Node => via
                    .address
                    .map(|address| make(NextHopKind::Gateway, address.to_string()))
                    .ok_or("transfer network of its family in the plan"),
            })
            .collect(),
        Hop::Host { address, .. } | Hop::Gateway { address } => {
            Ok(vec![make(NextHopKind::Gateway, address.to_string())])
        }
    }
}

/// What goes into an entry's name.
fn label(hop: &Hop) -> String {
    match hop {
        Hop::Instance { host, .. } | Hop::Host { host, .. } => host.to_string(),
        Hop::Lines { lines } => {
            let names: Vec<&str> = lines.iter().map(|via| via.line.as_str()).collect();
            names.join("_")
        }
        Hop::Vpc { site, .. } => site.clone(),
        Hop::Gateway { address } => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = include_str!("../../examples/lab.yaml");

    fn plan(edit: impl FnOnce(&mut NetworkPlan)) -> NetworkPlan {
        let mut plan = flatnet_plan::load(LAB).expect("the lab's plan");
        edit(&mut plan);
        plan
    }

    fn idle(plan: &NetworkPlan, configured: &[&str]) -> Vec<String> {
        let ids: Vec<TableId> = configured
            .iter()
            .map(|id| TableId((*id).to_owned()))
            .collect();
        let found = idle_edge_routers(plan, ids.iter());
        assert!(found.iter().all(|t| t.desired.entries.is_empty()));
        found.into_iter().map(|t| t.title).collect()
    }

    #[test]
    fn an_edge_router_that_lost_its_last_line_is_emptied_of_ours() {
        assert!(idle(&plan(|_| {}), &["edge"]).is_empty());
        let without = plan(|p| p.spec.links.clear());
        assert_eq!(idle(&without, &["edge"]), ["edge router edge in idc"]);
        // One that no site of the plan has is somebody else's.
        assert!(idle(&without, &["other"]).is_empty());
    }

    #[test]
    fn of_two_data_centres_with_one_name_for_their_routers_the_one_with_a_line_counts() {
        let two = plan(|p| {
            let mut other = p.spec.sites[0].clone();
            other.name = "idc2".to_owned();
            p.spec.sites.push(other);
        });
        assert!(idle(&two, &["edge"]).is_empty());
    }

    #[test]
    fn a_table_with_an_id_is_kept_empty_and_one_without_is_not_kept() {
        let empty = |id: Option<&str>| {
            plan(|p| {
                p.spec.links.clear();
                p.spec.hosts.retain(|h| h.site == "idc");
                let text = "{name: main, id: vtb-1}";
                let mut table: flatnet_plan::model::RouteTable =
                    serde_norway::from_str(text).expect("a table");
                table.id = id.map(str::to_owned);
                p.spec.sites[1].route_tables = vec![table];
            })
        };
        let tables = |plan: &NetworkPlan| -> Vec<usize> {
            let found = targets(plan, &BTreeMap::new()).expect("tables");
            let each = found.into_iter().map(|t| t.expect("a target"));
            each.map(|t| t.desired.entries.len()).collect()
        };
        assert_eq!(tables(&empty(Some("vtb-1"))), [0]);
        assert!(tables(&empty(None)).is_empty());
    }
}
