//! `flatctl plan check`.

use std::path::PathBuf;

use flatnet_plan::{Report, Style};

use crate::CliError;
use crate::args::Diagnostics;
use crate::error::exit;
use crate::output::{Format, Output, counted};
use crate::source::Source;

pub(super) fn run(
    plans: &[PathBuf],
    format: Diagnostics,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let reports = plans
        .iter()
        .map(|p| Ok(Source::read(p)?.report()))
        .collect::<Result<Vec<Report>, CliError>>()?;
    let format = match output.format {
        Format::Json if format == Diagnostics::Human => Diagnostics::Json,
        _ => format,
    };
    match format {
        Diagnostics::Human => {
            let color = output.colour;
            for report in &reports {
                output.text(&report.render(Style::Text { color }))?;
                if let Some(document) = report.document().filter(|_| report.diagnostics.is_empty())
                {
                    let hosts = counted(document.expanded.plan.spec.hosts.len(), "host");
                    output.note(&format!("{}: nothing is wrong with {hosts}", report.file));
                }
            }
        }
        Diagnostics::Github => {
            for report in &reports {
                output.text(&report.render(Style::Github))?;
            }
        }
        Diagnostics::Json => output.text(&one_list(&reports)?)?,
    }
    let worst = reports.iter().map(Report::exit_code).max();
    Ok(worst.unwrap_or(exit::OK))
}

/// The lists of all reports as one.
fn one_list(reports: &[Report]) -> Result<String, CliError> {
    if let [one] = reports {
        return Ok(one.render(Style::Json));
    }
    let other = |e| CliError::Print(std::io::Error::other(e));
    let mut all: Vec<serde_json::Value> = Vec::new();
    for report in reports {
        let list: Vec<serde_json::Value> =
            serde_json::from_str(&report.render(Style::Json)).map_err(other)?;
        all.extend(list);
    }
    let mut text = serde_json::to_string_pretty(&all).map_err(other)?;
    text.push('\n');
    Ok(text)
}
