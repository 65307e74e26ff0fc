//! `flatctl plan check`.

use std::path::PathBuf;
use std::time::SystemTime;

use flatnet_plan::diagnostics::sarif;
use flatnet_plan::finding::rule;
use flatnet_plan::model::Day;
use flatnet_plan::{Report, Rule, Severity, Style};

use crate::CliError;
use crate::args::Diagnostics;
use crate::error::exit;
use crate::output::{Format, Output, counted};
use crate::source::Source;

/// How plans are to be judged.
pub(super) struct Asked<'a> {
    pub(super) format: Diagnostics,
    /// Whether warnings are as bad as errors.
    pub(super) deny: bool,
    /// Codes of warnings that are not told.
    pub(super) allow: &'a [String],
    /// The day; none: today.
    pub(super) day: Option<Day>,
}

pub(super) fn run(
    plans: &[PathBuf],
    asked: &Asked<'_>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let allowed = asked.allow.iter().map(|code| allowable(code));
    let allowed = allowed.collect::<Result<Vec<_>, _>>()?;
    let day = asked.day.unwrap_or_else(today);
    // What can be read is judged first, whatever cannot be.
    let mut unread = Vec::new();
    let mut reports = Vec::new();
    for plan in plans {
        match Source::read(plan) {
            Ok(source) => {
                let mut report = source.report_on(day);
                report.allow(&allowed);
                reports.push(report);
            }
            Err(e) => unread.push(e),
        }
    }
    let format = match output.format {
        Format::Json if asked.format == Diagnostics::Human => Diagnostics::Json,
        _ => asked.format,
    };
    told(&reports, unread.is_empty(), format, output)?;
    // The last one is told by who called.
    if let Some(last) = unread.pop() {
        for error in unread {
            output.error(&error);
        }
        return Err(last);
    }
    let worst = reports.iter().map(|report| match report.exit_code() {
        exit::OK if asked.deny && report.warnings() > 0 => exit::FOUND,
        code => code,
    });
    Ok(worst.max().unwrap_or(exit::OK))
}

/// The rule of a code that may be allowed: a warning's.
fn allowable(code: &str) -> Result<&'static Rule, CliError> {
    let rule = rule(code).ok_or_else(|| CliError::UnknownCode { code: code.into() })?;
    match rule.severity {
        Severity::Warning => Ok(rule),
        Severity::Error => Err(CliError::NotAllowable { code: rule.code }),
    }
}

fn today() -> Day {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Day::of_unix(since.unwrap_or_default().as_secs())
}

/// `complete`: whether every plan could be read.
fn told(
    reports: &[Report],
    complete: bool,
    format: Diagnostics,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match format {
        Diagnostics::Human => {
            let color = output.colour;
            for report in reports {
                output.text(&report.render(Style::Text { color }))?;
                if let Some(document) = report.document().filter(|_| report.diagnostics.is_empty())
                {
                    let hosts = counted(document.expanded.plan.spec.hosts.len(), "host");
                    let allowed = match report.allowed {
                        0 => String::new(),
                        n => format!(", {n} allowed"),
                    };
                    let file = &report.file;
                    output.note(&format!("{file}: nothing is wrong with {hosts}{allowed}"));
                }
            }
        }
        Diagnostics::Github => {
            for report in reports {
                output.text(&report.render(Style::Github))?;
            }
        }
        Diagnostics::Json => output.text(&one_list(reports)?)?,
        Diagnostics::Sarif => output.text(&sarif(reports, complete))?,
    }
    Ok(())
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
