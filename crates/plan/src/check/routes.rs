//! Route tables and their quotas.

use ipnetwork::IpNetwork;

use super::{Context, Findings};
use crate::aggregate::{Input, aggregate};
use crate::diagnostics::{EDGE_FULL, Rule, TABLE_FULL, TABLE_RAW, VBR_FULL, VBR_RAW};
use crate::model::{LeasedLine, SiteType, VlanRole};
use crate::prefix::covers;
use crate::source::Path;

/// Where an entry leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    /// The instance of a host.
    Host(usize),
    /// A leased line, seen from the VPC; the data centre, seen from the VBR.
    Line,
    /// The VPC, seen from the other end of the line.
    Vpc,
}

type Entries = Vec<(IpNetwork, Hop)>;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    for (i, site) in c.sites().iter().enumerate() {
        let at = Path::spec().at("sites").at(i);
        if site.site_type == SiteType::Vpc && !site.route_tables.is_empty() {
            let mut entries = ranges_of(c, &site.name, None);
            let foreign: Vec<IpNetwork> = v_switches(c, &site.name, None);
            for link in c.plan.spec.links.iter().filter(|l| l.vpc == site.name) {
                entries.extend(idc_prefixes(c, link).into_iter().map(|p| (p, Hop::Line)));
            }
            let table = Table::of(entries, &foreign, &[]);
            for (j, declared) in site.route_tables.iter().enumerate() {
                table.check(
                    &Limit {
                        name: format!("route table {} of {}", declared.name, site.name),
                        quota: declared.quota,
                        aggregate: declared.aggregate,
                        full: &TABLE_FULL,
                        raw: &TABLE_RAW,
                    },
                    at.clone().at("routeTables").at(j).at("quota"),
                    found,
                );
            }
        }
        if let Some(router) = &site.edge_router
            && let Some(quota) = router.quota
        {
            let lines = c.plan.spec.links.iter().filter(|l| l.idc == site.name);
            let mut entries = Entries::new();
            let mut pools = Vec::new();
            for link in lines {
                entries.extend(vpc_prefixes(c, link));
                pools.extend(pools_of(c, &link.vpc));
            }
            let limit = Limit {
                name: format!("edge router {}", router.name),
                quota,
                aggregate: true,
                full: &EDGE_FULL,
                raw: &EDGE_FULL,
            };
            let place = at.at("edgeRouter").at("quota");
            Table::of(entries, &[], &pools).check(&limit, place, found);
        }
    }
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        let Some(vbr) = &link.vbr else { continue };
        let mut entries = vpc_prefixes(c, link);
        entries.extend(idc_prefixes(c, link).into_iter().map(|p| (p, Hop::Line)));
        let limit = Limit {
            name: format!("VBR {} of {}", vbr.id, link.name),
            quota: vbr.quota,
            aggregate: vbr.aggregate,
            full: &VBR_FULL,
            raw: &VBR_RAW,
        };
        let place = Path::spec().at("links").at(i).at("vbr").at("quota");
        Table::of(entries, &[], &pools_of(c, &link.vpc)).check(&limit, place, found);
    }
}

/// What a table may hold, and what to say if it does not fit.
struct Limit {
    name: String,
    quota: u32,
    aggregate: bool,
    full: &'static Rule,
    raw: &'static Rule,
}

/// How many entries a table needs.
struct Table {
    raw: usize,
    /// None where the entries contradict each other, which is told elsewhere.
    aggregated: Option<usize>,
}

impl Table {
    fn of(mut entries: Entries, foreign: &[IpNetwork], free: &[IpNetwork]) -> Self {
        entries.sort_by_key(|(p, _)| (p.is_ipv6(), *p));
        entries.dedup();
        Self {
            raw: entries.len(),
            aggregated: aggregate(&Input {
                entries: &entries,
                foreign,
                free,
            })
            .ok()
            .map(|a| a.len()),
        }
    }

    fn check(&self, limit: &Limit, place: Path, found: &mut Findings) {
        let quota = usize::try_from(limit.quota).unwrap_or(usize::MAX);
        let Some(aggregated) = self.aggregated else {
            return;
        };
        let Limit { name, .. } = limit;
        if limit.aggregate && aggregated > quota {
            let message = format!(
                "{name} needs {aggregated} entries, {} without aggregation; its quota is {quota}",
                self.raw
            );
            found.add(limit.full, place, message);
        } else if !limit.aggregate && self.raw > quota {
            let message = format!(
                "{name} needs {} entries, {aggregated} if aggregated; its quota is {quota}",
                self.raw
            );
            found.add(limit.raw, place, message);
        }
    }
}

/// What one side of a line takes: of `prefix` all, the accepted parts of it, or nothing.
fn accepted(accept: Option<&[IpNetwork]>, prefix: IpNetwork) -> Vec<IpNetwork> {
    match accept {
        None => vec![prefix],
        Some(list) if list.iter().any(|a| covers(*a, prefix)) => vec![prefix],
        Some(list) => list
            .iter()
            .copied()
            .filter(|a| covers(prefix, *a))
            .collect(),
    }
}

/// Prefixes of the data centre that the VPC's side of a line needs a way to: the subnets
/// of hosts and containers.
fn idc_prefixes(c: &Context<'_>, link: &LeasedLine) -> Vec<IpNetwork> {
    let accept = link.accept.as_ref().map(|a| a.from_idc.as_slice());
    let Some((_, site)) = c.site(&link.idc) else {
        return Vec::new();
    };
    site.vlans
        .iter()
        .filter(|v| matches!(v.role, VlanRole::Host | VlanRole::Pod))
        .flat_map(|v| &v.subnets)
        .flat_map(|s| accepted(accept, s.prefix))
        .collect()
}

/// Prefixes of the VPC that the data centre's side of a line needs a way to.
fn vpc_prefixes(c: &Context<'_>, link: &LeasedLine) -> Entries {
    let accept = link.accept.as_ref().map(|a| a.from_vpc.as_slice());
    let ranges = ranges_of(c, &link.vpc, accept).into_iter().map(|(p, _)| p);
    ranges
        .chain(v_switches(c, &link.vpc, accept))
        .map(|p| (p, Hop::Vpc))
        .collect()
}

fn ranges_of(c: &Context<'_>, site: &str, accept: Option<&[IpNetwork]>) -> Entries {
    c.ranges()
        .filter(|r| c.hosts()[r.host].site == site)
        .filter(|r| accept.is_none_or(|list| list.iter().any(|a| covers(*a, r.range.prefix))))
        .map(|r| (r.range.prefix, Hop::Host(r.host)))
        .collect()
}

fn v_switches(c: &Context<'_>, site: &str, accept: Option<&[IpNetwork]>) -> Vec<IpNetwork> {
    c.site(site)
        .map(|(_, s)| s.v_switches.as_slice())
        .unwrap_or_default()
        .iter()
        .flat_map(|v| &v.subnets)
        .flat_map(|s| accepted(accept, s.prefix))
        .collect()
}

fn pools_of(c: &Context<'_>, site: &str) -> Vec<IpNetwork> {
    c.networks()
        .iter()
        .filter(|n| n.site == site)
        .flat_map(|n| n.pools.iter().map(|p| p.prefix))
        .collect()
}
