//! The plan: the declared network, one reviewable YAML document, and what each node derives
//! from it. Everything in here is pure.
//!
//! ```text
//!   plan.yaml ─▶ [source] ─▶ [model] NetworkPlan ─▶ [expand] groups written out ──────┐
//!                   │ lines                                                           │
//!                   ▼                                                                 │
//!   [diagnostics] Report ◀── findings, a path each ── [check] ◀───────────────────────┤
//!                                                                                     │
//!                        netd, the lab ◀── NodeSpec ── [node] derive ◀────────────────┘
//! ```
//!
//! [`load`] is the door for daemons: it parses, checks, and gives either a plan that would
//! work, or every error at once. [`diagnose`] is the admin's: every error and warning, with
//! its line, its reason and what to do.

pub mod aggregate;
pub mod capacity;
pub mod check;
mod culprit;
pub mod diagnostics;
pub mod diff;
pub mod draw;
pub mod expand;
pub mod finding;
pub mod grants;
pub mod grow;
pub mod model;
pub mod node;
pub mod part;
pub mod prefix;
pub mod routes;
pub mod schema;
pub mod services;
pub mod slices;
pub mod source;
pub mod takeover;
pub mod who;

use thiserror::Error;

pub use diagnostics::{Diagnostic, Report, Style, diagnose, diagnose_on, explain};
pub use finding::{Finding, Rule, Severity};
pub use model::NetworkPlan;
pub use node::{NodeError, NodeSpec};

/// Why a document is not a plan that can be used. Both carry every diagnostic.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Not YAML, or not of this shape.
    #[error("the plan cannot be read:\n{}", list(.0))]
    Unreadable(Box<Report>),
    /// Readable, but wrong.
    #[error("the plan has {} error(s):\n{}", .0.errors(), list(.0))]
    Invalid(Box<Report>),
}

impl LoadError {
    /// All that is wrong.
    pub fn report(&self) -> &Report {
        match self {
            Self::Unreadable(report) | Self::Invalid(report) => report,
        }
    }
}

/// The errors, one a line.
fn list(report: &Report) -> String {
    report
        .diagnostics
        .iter()
        .filter(|d| d.rule.severity == Severity::Error)
        .map(|d| {
            format!(
                "  - {}:{}:{}: {}: {}",
                report.file, d.span.line, d.span.column, d.rule.code, d.message
            )
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a text is called where no file name is known.
const NAMELESS: &str = "plan";

/// Parses a plan as it is written: groups stay groups, and nothing is checked but its shape.
///
/// # Errors
/// [`LoadError::Unreadable`] where the text is not a plan.
pub fn parse(text: &str) -> Result<NetworkPlan, LoadError> {
    let mut report = diagnose(text, NAMELESS);
    match report.take_document() {
        Some(document) => Ok(document.written),
        None => Err(LoadError::Unreadable(Box::new(report))),
    }
}

/// Parses and checks a plan, and writes its groups out: every host is in `spec.hosts`.
///
/// # Errors
/// [`LoadError::Unreadable`] where the text is not a plan; [`LoadError::Invalid`] where it
/// is one that would not work. Warnings are no errors.
pub fn load(text: &str) -> Result<NetworkPlan, LoadError> {
    load_named(text, NAMELESS)
}

/// [`load`], with the file's name for its diagnostics.
///
/// # Errors
/// Those of [`load`].
pub fn load_named(text: &str, file: &str) -> Result<NetworkPlan, LoadError> {
    if let Some(plan) = diagnostics::sound(text) {
        return Ok(plan);
    }
    let mut report = diagnose(text, file);
    match (report.exit_code(), report.take_document()) {
        (0, Some(document)) => Ok(document.expanded.plan),
        (1, _) => Err(LoadError::Invalid(Box::new(report))),
        _ => Err(LoadError::Unreadable(Box::new(report))),
    }
}

/// Writes a plan as YAML, so that [`load`] reads the same again.
///
/// # Errors
/// If the serializer refuses, which a plan gives it no cause to.
pub fn to_yaml(plan: &NetworkPlan) -> Result<String, serde_norway::Error> {
    serde_norway::to_string(plan)
}

#[cfg(test)]
mod tests;
