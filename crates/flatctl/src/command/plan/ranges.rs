//! `flatctl plan ranges`.

use std::collections::BTreeSet;

use flatnet_plan::capacity::{FreeSpace, free_space};
use flatnet_plan::expand::Origin;
use flatnet_plan::prefix::{bounds, size};
use serde::Serialize;

use crate::CliError;
use crate::error::exit;
use crate::output::{Column, Output, Table, counted};
use crate::source::{Plans, Source};

/// One range of one host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RangeView {
    prefix: String,
    host: String,
    network: String,
    site: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<u16>,
    addresses: u128,
    /// The group that it is sub-allocated for; none: it is written in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

pub(super) fn run(
    source: &Source,
    host: Option<&str>,
    network: Option<&str>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let plans = source.plans(output)?;
    known(
        "host",
        host,
        plans.whole.spec.hosts.iter().map(|h| h.name.as_str()),
    )?;
    known(
        "network",
        network,
        plans.whole.spec.networks.iter().map(|n| n.name.as_str()),
    )?;
    let ranges = ranges(&plans, host, network);
    output.show(&ranges, |v| vec![table(v)])?;
    Ok(exit::OK)
}

/// What is free in each pool.
pub(super) fn free(
    source: &Source,
    network: Option<&str>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let plans = source.plans(output)?;
    let names = plans.whole.spec.networks.iter().map(|n| n.name.as_str());
    known("network", network, names)?;
    let mut all = free_space(&plans.whole);
    all.retain(|s| network.is_none_or(|n| n == s.network));
    output.show(&all, |v| vec![free_table(v)])?;
    Ok(exit::OK)
}

fn free_table(all: &Vec<FreeSpace>) -> Table {
    /// Of an IPv6 pool there are dozens.
    const SHOWN: usize = 8;
    let mut table = Table::new([
        Column::text("NETWORK"),
        Column::text("POOL"),
        Column::text("BEGIN A GROUP AT"),
        Column::text("FREE, LARGEST FIRST").flexible(),
    ])
    .or_empty("no pools");
    for space in all {
        let mut largest = space.free.clone();
        largest.sort_by_key(|p| (p.prefix(), *p));
        let mut free: Vec<String> = largest.iter().map(ToString::to_string).collect();
        if free.len() > SHOWN {
            let more = free.len() - SHOWN;
            free.truncate(SHOWN);
            free.push(format!("and {more} smaller"));
        }
        table.row([
            space.network.as_str().into(),
            space.pool.into(),
            space
                .next
                .map_or_else(|| "-".into(), |p| p.network().into()),
            free.join(" ").into(),
        ]);
    }
    table
}

/// Refuses a name that is not there, with those that are.
pub(super) fn known<'a>(
    kind: &'static str,
    name: Option<&str>,
    all: impl Iterator<Item = &'a str>,
) -> Result<(), CliError> {
    let Some(name) = name else { return Ok(()) };
    let mut names: Vec<&str> = all.collect();
    if names.contains(&name) {
        return Ok(());
    }
    // Names that begin alike first.
    let alike = |n: &str| {
        n.bytes()
            .zip(name.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    names.sort_by_key(|n| (std::cmp::Reverse(alike(n)), *n));
    Err(CliError::Unknown {
        kind,
        name: name.to_owned(),
        known: names.into_iter().map(str::to_owned).collect(),
    })
}

fn ranges(plans: &Plans, host: Option<&str>, network: Option<&str>) -> Vec<RangeView> {
    let mut found: Vec<(_, RangeView)> = Vec::new();
    let wanted = |wanted: Option<&str>, name: &str| wanted.is_none_or(|w| w == name);
    for (h, origin) in plans.whole.spec.hosts.iter().zip(&plans.origins) {
        if !wanted(host, h.name.as_str()) {
            continue;
        }
        let group = match origin {
            Origin::Written { .. } => None,
            Origin::Member { group, .. } => plans.written.spec.host_groups.get(*group),
        };
        for range in &h.ranges {
            if !wanted(network, range.network.as_str()) {
                continue;
            }
            let vlan = plans.whole.network(&range.network).and_then(|n| n.vlan);
            found.push((
                bounds(range.prefix),
                RangeView {
                    prefix: range.prefix.to_string(),
                    host: h.name.to_string(),
                    network: range.network.to_string(),
                    site: h.site.clone(),
                    vlan: vlan.map(flatnet_types::VlanId::get),
                    addresses: size(range.prefix),
                    group: group.map(|g| g.name.clone()),
                },
            ));
        }
    }
    found.sort_by_key(|f| f.0);
    found.into_iter().map(|f| f.1).collect()
}

fn table(ranges: &Vec<RangeView>) -> Table {
    let mut table = Table::new([
        Column::text("RANGE"),
        Column::text("HOST"),
        Column::text("NETWORK"),
        Column::text("SITE"),
        Column::number("VLAN"),
        Column::number("ADDRESSES"),
        Column::text("GROUP").wide(),
    ])
    .or_empty("no ranges");
    for r in ranges {
        table.row([
            r.prefix.as_str().into(),
            r.host.as_str().into(),
            r.network.as_str().into(),
            r.site.as_str().into(),
            r.vlan.map_or_else(Default::default, Into::into),
            r.addresses.into(),
            r.group.as_deref().unwrap_or("-").into(),
        ]);
    }
    let hosts: BTreeSet<&str> = ranges.iter().map(|r| r.host.as_str()).collect();
    if !ranges.is_empty() {
        table.note(format!(
            "{} of {}",
            counted(ranges.len(), "range"),
            counted(hosts.len(), "host")
        ));
    }
    table
}
