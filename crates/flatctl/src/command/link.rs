//! `flatctl link check`: leased lines, from both ends.

use flatnet_trace::hop::Verdict;
use flatnet_trace::line::{LineCheck, check as check_line};

use super::trace::{fault, hops, status, tables};
use crate::CliError;
use crate::args::TablesArgs;
use crate::output::{Cell, Column, Output, Style, Table};
use crate::source::Source;

pub(super) fn check(
    name: Option<&str>,
    source: &Source,
    at: &TablesArgs,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let plan = source.plans(output)?.whole;
    let all = &plan.spec.links;
    if let Some(name) = name.filter(|n| !all.iter().any(|l| l.name == **n)) {
        return Err(CliError::Unknown {
            kind: "leased line",
            name: name.to_owned(),
            known: all.iter().map(|l| l.name.clone()).collect(),
        });
    }
    let tables = tables(at)?;
    let chosen = all.iter().filter(|l| name.is_none_or(|n| l.name == n));
    let checks: Vec<LineCheck> = chosen.map(|l| check_line(&plan, l, &tables)).collect();
    output.show(&checks, |checks| checks.iter().flat_map(shown).collect())?;
    let mut faults = checks.iter().filter_map(LineCheck::first_fault);
    let worst = match faults.clone().any(|f| f.verdict == Verdict::Wrong) {
        true => Verdict::Wrong,
        false => faults.next().map_or(Verdict::Ok, |f| f.verdict),
    };
    Ok(status(worst))
}

fn shown(check: &LineCheck) -> Vec<Table> {
    let mut tables: Vec<Table> = check
        .parts
        .iter()
        .map(|part| {
            let title = format!("{}: {}, {}", check.line, part.table, part.direction);
            hops(&title, part.hops.iter())
        })
        .collect();
    tables.push(match check.first_fault() {
        Some(hop) => fault(hop, None),
        None => {
            let mut table = Table::new([Column::text("")]).without_heads();
            let well = format!(
                "{}: all four tables between {} and {} hold what they should",
                check.line, check.idc, check.vpc
            );
            table.row([Cell::styled(well, Style::Good)]);
            table
        }
    });
    tables
}
