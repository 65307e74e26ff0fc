//! `flatctl plan capacity`.

use flatnet_plan::capacity::{Capacity, capacity};
use flatnet_plan::routes::TableKind;

use crate::CliError;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table};
use crate::source::Source;

pub(super) fn run(source: &Source, output: &mut Output<'_>) -> Result<u8, CliError> {
    let found = capacity(&source.plans(output)?.whole)?;
    output.show(&found, tables)?;
    Ok(exit::OK)
}

/// What fits in 80 columns by itself; `-o wide` has the rest.
fn tables(found: &Capacity) -> Vec<Table> {
    let all = [pools(found), vlans(found), switches(found), quotas(found)];
    all.into_iter().filter(|t| !t.is_empty()).collect()
}

/// A number that may not be known.
fn some<T: ToString>(n: Option<T>) -> Cell {
    n.map_or_else(|| Cell::styled("-", Style::Dim), Cell::from)
}

/// How many hosts more: none left is worth a colour.
fn more<T: ToString + PartialEq + From<u8>>(n: Option<T>) -> Cell {
    match n {
        Some(n) if n == T::from(0) => Cell::styled("0", Style::Bad),
        other => some(other),
    }
}

fn headroom(n: i64) -> Cell {
    let style = if n < 0 { Style::Bad } else { Style::Plain };
    Cell::styled(n.to_string(), style)
}

/// Addresses, in powers of two where that is shorter to read.
fn addresses(n: u128) -> String {
    if n >= 1 << 24 && n.is_power_of_two() {
        return format!("2^{}", n.trailing_zeros());
    }
    if n >= 1 << 40 {
        return format!("~2^{}", 128 - (n - 1).leading_zeros());
    }
    n.to_string()
}

fn percent(n: u64) -> Cell {
    let style = match n {
        90.. => Style::Bad,
        75.. => Style::Warn,
        _ => Style::Plain,
    };
    Cell::styled(format!("{n} %"), style)
}

fn pools(found: &Capacity) -> Table {
    let mut table = Table::new([
        Column::text("NETWORK").flexible(),
        Column::text("SITE").wide(),
        Column::text("POOL"),
        Column::number("SIZE").wide(),
        Column::number("GIVEN").wide(),
        Column::number("USABLE").wide(),
        Column::number("WITHHELD").wide(),
        Column::number("FREE"),
        Column::number("FULL"),
        Column::number("HOSTS"),
        Column::number("PLANNED"),
        Column::number("RANGE").wide(),
        Column::number("MORE HOSTS"),
    ])
    .title("Pools (addresses)");
    for p in &found.pools {
        let over = p.planned.is_some_and(|n| u128::from(n) > p.usable);
        let planned = if over { Style::Bad } else { Style::Plain };
        table.row([
            p.network.as_str().into(),
            p.site.as_str().into(),
            p.prefix.into(),
            addresses(p.size).into(),
            addresses(p.given).into(),
            addresses(p.usable).into(),
            addresses(p.withheld).into(),
            addresses(p.free).into(),
            percent(p.percent()),
            p.hosts.into(),
            p.planned.map_or_else(
                || some::<u64>(None),
                |n| Cell::styled(n.to_string(), planned),
            ),
            p.range_length
                .map_or_else(|| some::<u8>(None), |l| format!("/{l}").into()),
            more(p.more_hosts),
        ]);
    }
    table
}

fn vlans(found: &Capacity) -> Table {
    let mut table = Table::new([
        Column::number("VLAN"),
        Column::text("NAME").flexible(),
        Column::text("SITE").flexible(),
        Column::text("ROLE").wide(),
        Column::number("HOSTS"),
        Column::number("CONTAINERS").wide(),
        Column::number("MACS").wide(),
        Column::number("NEIGHBOURS"),
        Column::number("BUDGET"),
        Column::number("HEADROOM"),
        Column::number("MORE HOSTS"),
    ])
    .title("VLANs (neighbours in the broadcast domain)");
    for v in &found.vlans {
        table.row([
            v.id.into(),
            v.name.as_str().into(),
            v.site.as_str().into(),
            v.role.as_str().into(),
            v.hosts.into(),
            v.containers.into(),
            v.macs.into(),
            v.neighbours.into(),
            v.budget.into(),
            headroom(v.headroom),
            more(v.more_hosts),
        ]);
    }
    table
}

fn switches(found: &Capacity) -> Table {
    let mut table = Table::new([
        Column::text("SWITCH").flexible(),
        Column::text("SITE").flexible(),
        Column::number("HOSTS"),
        Column::number("VLANS"),
        Column::number("MACS"),
        Column::number("BUDGET"),
        Column::number("HEADROOM"),
        Column::number("MORE HOSTS"),
    ])
    .title("Switches (MAC table)");
    for s in &found.switches {
        table.row([
            s.name.as_str().into(),
            s.site.as_str().into(),
            s.hosts.into(),
            s.vlans.len().into(),
            s.macs.into(),
            some(s.budget),
            s.headroom.map_or_else(|| some::<i64>(None), headroom),
            more(s.more_hosts),
        ]);
    }
    if found.switches.iter().any(|s| s.budget.is_none()) {
        table.note("without macTableSize a switch's headroom is not known");
    }
    table
}

fn quotas(found: &Capacity) -> Table {
    let mut table = Table::new([
        Column::text("TABLE"),
        Column::text("NAME").flexible(),
        Column::text("SITE").flexible(),
        Column::number("WANTED").wide(),
        Column::number("ENTRIES"),
        Column::number("QUOTA"),
        Column::number("HEADROOM"),
        Column::number("MORE HOSTS"),
    ])
    .title("Route tables (entries)");
    for t in &found.tables {
        let kind = match t.kind {
            TableKind::VpcRouteTable => "route table",
            TableKind::Vbr => "VBR",
            TableKind::EdgeRouter => "edge router",
            TableKind::Node => "node",
        };
        table.row([
            kind.into(),
            t.name.as_str().into(),
            t.site.as_str().into(),
            t.wanted.into(),
            t.used.into(),
            t.quota.into(),
            headroom(t.headroom),
            t.more_hosts
                .map_or_else(|| Cell::styled("any", Style::Dim), |n| more(Some(n))),
        ]);
    }
    table
}
