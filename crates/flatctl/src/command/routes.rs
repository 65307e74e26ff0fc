//! `flatctl routes`: what the route tables hold, as vpc-route tells of them.

use std::net::IpAddr;

use flatnet_trace::tables::{Entry, Judgement, Op, Table as RouteTable, Tables, hops, judge};
use serde::Serialize;

use crate::CliError;
use crate::args::{RoutesCommand, TablesArgs};
use crate::daemon::Daemon;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};
use crate::source::Source;

pub(super) fn run(
    command: RoutesCommand,
    at: &TablesArgs,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let mut tables = read(at)?;
    match command {
        RoutesCommand::Show { table } => {
            retain(&mut tables, table.as_deref())?;
            show(&tables, output)
        }
        RoutesCommand::Diff { table } => {
            retain(&mut tables, table.as_deref())?;
            diff(tables, output)
        }
        RoutesCommand::Trace { address } => trace(tables, address, output),
    }
}

/// The tables, from vpc-route or from a file that it wrote.
pub(super) fn read(at: &TablesArgs) -> Result<Tables, CliError> {
    let Some(path) = &at.tables else {
        return Ok(Daemon::vpc_route(&at.vpc_route).get("/v1/tables")?);
    };
    let text = Source::read(path)?.text;
    serde_json::from_str(&text).map_err(|source| CliError::NotTables {
        path: path.clone(),
        source,
    })
}

fn retain(tables: &mut Tables, name: Option<&str>) -> Result<(), CliError> {
    let Some(name) = name else { return Ok(()) };
    let names = |t: &RouteTable| [t.name.clone(), t.table.clone(), t.site.clone()];
    let mut known: Vec<String> = tables.tables.iter().flat_map(names).collect();
    tables.tables.retain(|t| names(t).iter().any(|n| n == name));
    if !tables.tables.is_empty() {
        return Ok(());
    }
    known.retain(|n| !n.is_empty());
    known.sort();
    known.dedup();
    Err(CliError::NoTable {
        name: name.to_owned(),
        known,
    })
}

/// 1 where something is wrong, 2 where something could not be looked at.
fn status(tables: &[RouteTable], wrong: bool) -> u8 {
    match wrong {
        true => exit::FOUND,
        false if tables.iter().any(|t| t.error.is_some()) => exit::UNKNOWN,
        false => exit::OK,
    }
}

fn title(t: &RouteTable) -> String {
    match t.table.as_str() {
        "" => t.title.clone(),
        id => format!("{} ({id})", t.title),
    }
}

/// Below a table: what a person has to know of it.
fn notes(table: &mut Table, t: &RouteTable) {
    if let Some(error) = &t.error {
        table.note(format!("cannot be looked at: {error}"));
    }
    for event in &t.events {
        table.note(event.as_str());
    }
}

fn show(tables: &Tables, output: &mut Output<'_>) -> Result<u8, CliError> {
    output.show(tables, |tables| tables.tables.iter().map(entries).collect())?;
    Ok(status(&tables.tables, false))
}

fn entries(t: &RouteTable) -> Table {
    let mut table = Table::new([
        Column::text("DESTINATION"),
        Column::text("NEXT HOP").flexible(),
        Column::text("OWNER"),
        Column::text("FOR").flexible(),
        Column::number("GENERATION"),
        Column::text("STATE"),
        Column::text("NAME").wide(),
        Column::text("ID").wide(),
    ])
    .title(title(t))
    .or_empty("no entries");
    let mut sorted: Vec<&Entry> = t.entries.iter().collect();
    sorted.sort_by_key(|e| (e.destination.is_ipv6(), e.destination));
    for e in sorted {
        let style = match (e.is_in_force(), &e.owner) {
            (false, _) => Style::Warn,
            (true, Some(_)) => Style::Plain,
            (true, None) => Style::Dim,
        };
        let cell = |text: String| Cell::styled(text, style);
        table.row([
            cell(e.destination.to_string()),
            cell(hops(&e.next_hops)),
            cell(e.whose().to_owned()),
            cell(e.owner.as_ref().map_or("-".into(), |o| o.label.clone())),
            cell(
                e.owner
                    .as_ref()
                    .map_or("-".into(), |o| o.generation.to_string()),
            ),
            cell(format!("{:?}", e.status)),
            cell(e.name.clone()),
            cell(e.id.clone().unwrap_or_default()),
        ]);
    }
    if t.error.is_none() {
        let ours = t.entries.iter().filter(|e| e.owner.is_some()).count();
        let others = t.used().saturating_sub(ours);
        let quota = match t.quota {
            Some(quota) => format!("quota {} of {quota}", t.used()),
            None => "no quota".to_owned(),
        };
        table.note(format!(
            "{} ours, {others} others', {quota}",
            counted(ours, "entry")
        ));
    }
    notes(&mut table, t);
    table
}

/// What vpc-route would do in one table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Diff {
    title: String,
    table: String,
    ops: Vec<Op>,
    events: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn diff(tables: Tables, output: &mut Output<'_>) -> Result<u8, CliError> {
    // An event says of an entry in the way, an orphan, a refusal: not as the plan wants it.
    let wrong = tables.tables.iter().any(|t| {
        let ops = t.plan.as_ref().is_some_and(|p| !p.ops.is_empty());
        ops || !t.events.is_empty()
    });
    let code = status(&tables.tables, wrong);
    let (config, leader) = (tables.config, tables.leader);
    let diffs: Vec<Diff> = tables
        .tables
        .into_iter()
        .map(|t| Diff {
            title: title(&t),
            table: t.table,
            ops: t.plan.unwrap_or_default().ops,
            events: t.events,
            error: t.error,
        })
        .collect();
    let work = diffs.iter().any(|d| !d.ops.is_empty());
    output.show(&diffs, |diffs| diffs.iter().map(changes).collect())?;
    if work {
        output.note(&match leader {
            Some(leader) => format!("{leader} leads: it makes these changes in its next round"),
            None => format!("nobody leads: `vpc-route apply --config {config}` makes them"),
        });
    }
    Ok(code)
}

fn changes(d: &Diff) -> Table {
    let mut table = Table::new([
        Column::text(""),
        Column::text("DESTINATION"),
        Column::text("NEXT HOP").flexible(),
    ])
    .title(d.title.as_str())
    .without_heads()
    .or_empty(match d.error {
        None => "as the plan wants it",
        Some(_) => "cannot be looked at",
    });
    for op in &d.ops {
        let (sign, style, at, leads) = match op {
            Op::Create {
                destination,
                next_hops,
                ..
            } => ("+", Style::Good, destination, hops(next_hops)),
            Op::Modify {
                destination,
                from,
                to,
                ..
            } => {
                let leads = format!("{} → {}", hops(from), hops(to));
                ("~", Style::Warn, destination, leads)
            }
            Op::Delete {
                destination,
                next_hops,
                ..
            } => ("-", Style::Bad, destination, hops(next_hops)),
        };
        let cell = |text: String| Cell::styled(text, style);
        table.row([cell(sign.into()), cell(at.to_string()), cell(leads)]);
    }
    for event in d.error.iter().chain(&d.events) {
        table.note(event.as_str());
    }
    table
}

/// What one table does with an address.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    title: String,
    table: String,
    #[serde(flatten)]
    judgement: Judgement,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn trace(tables: Tables, address: IpAddr, output: &mut Output<'_>) -> Result<u8, CliError> {
    let all = tables.tables;
    let taken: Vec<Taken> = all
        .iter()
        .map(|t| {
            let judgement = judge(t, address);
            Taken {
                title: title(t),
                table: t.table.clone(),
                why: judgement.why(),
                judgement,
                error: t.error.clone(),
            }
        })
        .collect();
    let wrong = taken.iter().any(|t| t.judgement.fault.is_some());
    output.show(&taken, |taken| vec![taken_table(address, taken)])?;
    Ok(status(&all, wrong))
}

fn taken_table(address: IpAddr, taken: &[Taken]) -> Table {
    let mut table = Table::new([
        Column::text("TABLE").flexible(),
        Column::text("TAKES").wrapped(),
        Column::text("WANTED").flexible(),
        Column::text("VERDICT").wrapped(),
    ])
    .title(format!("Where {address} goes"))
    .or_empty("no tables");
    for t in taken {
        let verdict = match (&t.error, &t.why, &t.judgement.wanted) {
            (Some(error), _, _) => Cell::styled(error.as_str(), Style::Warn),
            (None, Some(why), _) => Cell::styled(why.as_str(), Style::Bad),
            (None, None, Some(_)) => Cell::styled("as planned", Style::Good),
            (None, None, None) => Cell::styled("not led by this table", Style::Dim),
        };
        let found = match t.error {
            Some(_) => "unknown".to_owned(),
            None => t.judgement.found(),
        };
        let wanted = match &t.judgement.wanted {
            Some(_) => t.judgement.expected(),
            None => "-".to_owned(),
        };
        table.row([
            t.title.as_str().into(),
            found.into(),
            wanted.into(),
            verdict,
        ]);
    }
    table
}
