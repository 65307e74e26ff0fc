//! What every route table, VBR, edge router and node must hold.
//!
//! ```text
//!   plan ─▶ wants: (prefix, next hop, what it is) for each table ─▶ aggregate ─▶ [Table]
//!             hosts' ranges, pools, subnets, lines                  exact, or with the
//!                                                                   unallocated space of pools
//! ```
//!
//! | table | leads to | by |
//! |---|---|---|
//! | [`TableKind::VpcRouteTable`] | each host's ranges | its instance |
//! | | the IDC's subnets that the VPC accepts | the leased lines |
//! | [`TableKind::Vbr`] | the VPC's vSwitches and pools that the IDC accepts | the VPC |
//! | | the IDC's subnets that the VPC accepts | the edge router |
//! | [`TableKind::EdgeRouter`] | the VPCs' vSwitches and pools that the IDC accepts | the leased lines |
//! | [`TableKind::Node`] in a VPC | the ranges of the other nodes of its vSwitch | those nodes (host-gw) |
//! | [`TableKind::Node`] in an IDC | everything | the router of the hosts' VLAN |
//!
//! An edge router and a VBR hold pools and not ranges, so that a new host changes nothing in
//! them. The nodes of one vSwitch share one table, which has every range of the segment: a
//! node holds the entries that do not lead to itself, `|t| next_hop.host() != Some(node)`.
//!
//! Where a table fits its quota with entries that cover exactly what is wanted, those are
//! given. Where it does not, entries may also cover unallocated space: that of a pool between
//! ranges of one host, and that of the prefixes that a line's `accept` names
//! ([`Table::covers_unallocated`] says so). Either way each entry names what it covers
//! ([`Entry::covers`]) and what else ([`Entry::also`]), and nothing foreign is among it.
//!
//! A table that the plan says `aggregate: false` of holds what is wanted, one by one.
//!
//! Guarantees: a pure function of the plan, and O(n log n) in its hosts and ranges.

pub(crate) mod parts;
mod wants;

use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_types::NodeName;
use ipnetwork::IpNetwork;
use serde::Serialize;
use thiserror::Error;

use crate::aggregate::{Aggregate, AggregateError, Gap, Input, aggregate};
use crate::model::{NetworkPlan, Site};

use wants::Wants;

/// What one table must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Whose table it is.
    pub kind: TableKind,
    /// The name of the site.
    pub site: String,
    /// The table's name in the plan: of the route table, the leased line, the edge router,
    /// or the vSwitch whose nodes share it. `system` where the plan declares no table of a
    /// VPC.
    pub name: String,
    /// The cloud's ID of the table, or of the VBR; where the plan says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How many entries it may hold; none: as many as wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<u32>,
    /// How many entries it would be without aggregation.
    pub wanted: usize,
    /// Whether entries cover unallocated space, because they would not fit the quota otherwise.
    #[serde(rename = "lent")]
    pub covers_unallocated: bool,
    /// What it must hold, sorted by prefix, IPv4 first.
    pub entries: Vec<Entry>,
}

impl Table {
    /// Whether it fits its quota.
    pub fn fits(&self) -> bool {
        self.quota.is_none_or(|q| self.entries.len() <= q as usize)
    }

    /// `kind name of site`, for people.
    pub fn title(&self) -> String {
        let kind = match self.kind {
            TableKind::VpcRouteTable => "route table",
            TableKind::Vbr => "VBR of line",
            TableKind::EdgeRouter => "edge router",
            TableKind::Node => "nodes of",
        };
        format!("{kind} {} in {}", self.name, self.site)
    }
}

/// Whose table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TableKind {
    /// A VPC's route table.
    VpcRouteTable,
    /// The cloud's end of a leased line.
    Vbr,
    /// The router at an IDC's edge.
    EdgeRouter,
    /// The nodes of a vSwitch, or of an IDC: every node the same, less what leads to itself.
    Node,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The destination.
    pub prefix: IpNetwork,
    /// Where it leads.
    pub next_hop: NextHop,
    /// What it stands for, in one line.
    pub why: String,
    /// The wanted destinations that it covers.
    pub covers: Vec<Covered>,
    /// What else it covers, and why that is nobody's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Gap>,
}

/// A wanted destination that an entry covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// The destination.
    pub prefix: IpNetwork,
    /// What it is.
    pub what: Destination,
}

/// What a wanted destination is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Destination {
    /// A host's range.
    Range {
        /// The name of the host.
        host: NodeName,
        /// The name of the network.
        network: String,
    },
    /// A VLAN's subnet, or the part of it that is accepted.
    Vlan {
        /// The IDC.
        site: String,
        /// The VLAN's name.
        vlan: String,
    },
    /// A vSwitch's subnet, or the part of it that is accepted.
    VSwitch {
        /// The name of the VPC's site.
        site: String,
        /// The vSwitch.
        name: String,
    },
    /// A pool, or the part of it that is accepted.
    Pool {
        /// The name of the VPC's site.
        site: String,
        /// The name of the network.
        network: String,
    },
    /// Everything that has no better route.
    Default,
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Range { host, network } => write!(f, "{host}'s range of {network}"),
            Self::Vlan { site, vlan } => write!(f, "VLAN {vlan} of {site}"),
            Self::VSwitch { site, name } => write!(f, "vSwitch {name} of {site}"),
            Self::Pool { site, network } => write!(f, "pool of {network} in {site}"),
            Self::Default => f.write_str("everything else"),
        }
    }
}

/// Where an entry leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum NextHop {
    /// A VPC's instance.
    Instance {
        /// The name of the host.
        host: NodeName,
        /// The cloud's ID, where the plan says.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// A leased line, or several that share the load.
    Lines {
        /// The lines, by name.
        lines: Vec<Via>,
    },
    /// The VPC behind a VBR.
    Vpc {
        /// The name of the VPC's site.
        site: String,
        /// The VBR's router interface towards it, where the plan says.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// Another node of the segment.
    Host {
        /// The node.
        host: NodeName,
        /// Its address in the segment.
        address: IpAddr,
    },
    /// A physical router.
    Gateway {
        /// Its address.
        address: IpAddr,
    },
}

/// One leased line as a next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Via {
    /// The name of the leased line.
    pub line: String,
    /// In a VPC's table: the router interface, where the plan says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// In a router's table: the address of the line's other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

impl NextHop {
    /// The node that it leads to, if it is one.
    pub fn host(&self) -> Option<&NodeName> {
        match self {
            Self::Instance { host, .. } | Self::Host { host, .. } => Some(host),
            Self::Lines { .. } | Self::Vpc { .. } | Self::Gateway { .. } => None,
        }
    }
}

impl std::fmt::Display for NextHop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instance { host, id: Some(id) } => write!(f, "{id} ({host})"),
            Self::Instance { host, id: None } => write!(f, "instance {host}"),
            Self::Lines { lines } => {
                for (i, via) in lines.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}line {}", via.line)?;
                    if let Some(id) = &via.id {
                        write!(f, " ({id})")?;
                    }
                    if let Some(address) = via.address {
                        write!(f, " ({address})")?;
                    }
                }
                Ok(())
            }
            Self::Vpc { site, id: Some(id) } => write!(f, "{id} ({site})"),
            Self::Vpc { site, id: None } => write!(f, "VPC {site}"),
            Self::Host { host, address } => write!(f, "{address} ({host})"),
            Self::Gateway { address } => write!(f, "{address}"),
        }
    }
}

/// Why a table cannot be derived.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{table} cannot be filled: {source}")]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub struct RoutesError {
    pub table: String,
    #[source]
    pub source: AggregateError,
}

/// What the router at an IDC's edge is called: as the plan says, or `edge`.
pub fn edge_router_name(site: &Site) -> &str {
    site.edge_router
        .as_ref()
        .map_or("edge", |r| r.name.as_str())
}

/// Every table of a plan whose groups are written out ([`crate::load`] or
/// [`crate::expand::expand`]), sorted by kind, site and name.
///
/// # Errors
/// [`RoutesError`] where one address would have to lead to two places; a plan without
/// errors gives no cause.
pub fn routes(plan: &NetworkPlan) -> Result<Vec<Table>, RoutesError> {
    filled(wants::wants(plan, true))
}

/// The tables of [`routes`] that are no node's, which take half the work and the memory.
///
/// # Errors
/// Those of [`routes`].
pub fn without_nodes(plan: &NetworkPlan) -> Result<Vec<Table>, RoutesError> {
    filled(wants::wants(plan, false))
}

fn filled(wants: Vec<Wants>) -> Result<Vec<Table>, RoutesError> {
    let tables = wants.into_iter().map(fill);
    let mut tables = tables.collect::<Result<Vec<_>, _>>()?;
    tables.sort_by(|a, b| (a.kind, &a.site, &a.name).cmp(&(b.kind, &b.site, &b.name)));
    Ok(tables)
}

/// The tables of [`routes`] that have a quota.
///
/// # Errors
/// Those of [`routes`].
pub fn quotas(plan: &NetworkPlan) -> Result<Vec<Table>, RoutesError> {
    wants::wants(plan, false)
        .into_iter()
        .filter(|w| w.table.quota.is_some())
        .map(fill)
        .collect()
}

/// Aggregates what a table wants: exactly if that fits, else with unallocated space.
fn fill(wants: Wants) -> Result<Table, RoutesError> {
    let mut table = wants.table;
    let entries: Vec<(IpNetwork, &NextHop)> = wants
        .wanted
        .iter()
        .map(|(prefix, next_hop, _)| (*prefix, next_hop))
        .collect();
    let exact = Input {
        entries: &entries,
        foreign: &wants.foreign,
        free: &[],
    };
    let title = table.title();
    let failed = |source| RoutesError {
        table: title.clone(),
        source,
    };
    let mut found = aggregate(&exact).map_err(failed)?;
    if !wants.aggregate {
        found = found.into_iter().flat_map(taken_apart).collect();
    } else if table.quota.is_some_and(|q| found.len() > q as usize) && !wants.unallocated.is_empty()
    {
        let fewer = aggregate(&Input {
            free: &wants.unallocated,
            ..exact
        })
        .map_err(failed)?;
        if fewer.len() < found.len() {
            table.covers_unallocated = true;
            found = fewer;
        }
    }
    table.wanted = entries.len();
    let mut what: BTreeMap<IpNetwork, &Destination> = BTreeMap::new();
    for (prefix, _, destination) in &wants.wanted {
        what.entry(*prefix).or_insert(destination);
    }
    table.entries = found.into_iter().map(|a| entry(a, &what)).collect();
    Ok(table)
}

/// An exact aggregate as what it covers: for a table whose entries may not be joined.
fn taken_apart(a: Aggregate<&NextHop>) -> impl Iterator<Item = Aggregate<&NextHop>> {
    let next_hop = a.next_hop;
    a.covers.into_iter().map(move |prefix| Aggregate {
        prefix,
        next_hop,
        covers: vec![prefix],
        also: Vec::new(),
    })
}

fn entry(a: Aggregate<&NextHop>, what: &BTreeMap<IpNetwork, &Destination>) -> Entry {
    // Of its own size: there is one covered destination as a rule, and a table has thousands.
    let mut covers = Vec::with_capacity(a.covers.len());
    covers.extend(a.covers.into_iter().filter_map(|prefix| {
        let what = Destination::clone(what.get(&prefix)?);
        Some(Covered { prefix, what })
    }));
    Entry {
        prefix: a.prefix,
        next_hop: a.next_hop.clone(),
        why: summary(&covers),
        covers,
        also: a.also,
    }
}

/// What is covered, each kind once, shortened.
fn summary(covers: &[Covered]) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<String> = Vec::new();
    for covered in covers {
        let name = covered.what.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() > SHOWN {
            break;
        }
    }
    if names.len() > SHOWN {
        names.truncate(SHOWN - 1);
        return format!("{} and more: {} in all", names.join(", "), covers.len());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests;
