//! `flatctl explain`.

use flatnet_plan::finding::RULES;
use serde::Serialize;

use crate::CliError;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};

#[derive(Debug, Serialize)]
struct RuleView {
    code: &'static str,
    severity: &'static str,
    title: &'static str,
}

pub(super) fn run(code: Option<&str>, output: &mut Output<'_>) -> Result<u8, CliError> {
    let Some(code) = code else {
        let rules: Vec<RuleView> = RULES
            .iter()
            .map(|r| RuleView {
                code: r.code,
                severity: r.severity.as_str(),
                title: r.title,
            })
            .collect();
        output.show(&rules, |r| vec![table(r)])?;
        return Ok(exit::OK);
    };
    let asked = code.to_ascii_uppercase();
    let text = flatnet_plan::explain(&asked).ok_or_else(|| CliError::UnknownCode {
        code: code.to_owned(),
    })?;
    output.text(&text)?;
    Ok(exit::OK)
}

fn table(rules: &Vec<RuleView>) -> Table {
    let mut table = Table::new([
        Column::text("CODE"),
        Column::text("SEVERITY"),
        Column::text("WHAT").wrapped(),
    ]);
    for r in rules {
        let style = match r.severity {
            "error" => Style::Bad,
            _ => Style::Warn,
        };
        table.row([
            r.code.into(),
            Cell::styled(r.severity, style),
            r.title.into(),
        ]);
    }
    table.note(counted(rules.len(), "diagnostic"));
    table
}
