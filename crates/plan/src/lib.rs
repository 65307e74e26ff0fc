//! The plan: the declared network, one reviewable YAML document, and what each node derives
//! from it. Everything in here is pure.
//!
//! ```text
//!   plan.yaml ──parse──▶ [model] NetworkPlan ──check──▶ [check] Problem list
//!                              │
//!                              └──derive──▶ [node] NodeSpec ──▶ netd, the lab
//! ```
//!
//! [`load`] is the door: it parses, checks, and gives either a plan that nothing is wrong
//! with or every problem at once.

pub mod aggregate;
pub mod check;
pub mod expand;
pub mod model;
pub mod node;
pub mod prefix;
pub mod routes;
pub mod schema;

use thiserror::Error;

pub use check::Problem;
pub use model::NetworkPlan;
pub use node::{NodeError, NodeSpec};

/// Why a document is not a plan that can be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Not YAML, or not of this shape. The source names line and column.
    #[error("the plan cannot be read: {0}")]
    Parse(#[from] serde_norway::Error),
    /// Readable, but wrong.
    #[error("the plan has {} problem(s):\n{}", .0.len(), list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|p| format!("  - {p}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Parses a plan as it is written: groups stay groups, and nothing is checked.
///
/// # Errors
/// [`LoadError::Parse`] where the text is not a plan.
pub fn parse(text: &str) -> Result<NetworkPlan, LoadError> {
    Ok(serde_norway::from_str(text)?)
}

/// Parses and checks a plan, and writes its groups out: every host is in `spec.hosts`.
///
/// # Errors
/// [`LoadError::Parse`] where the text is not a plan; [`LoadError::Invalid`] with every
/// problem found where it is one that would not work.
pub fn load(text: &str) -> Result<NetworkPlan, LoadError> {
    let expanded = expand::expand(&parse(text)?);
    let mut problems: Vec<Problem> = expanded.faults.iter().map(Problem::from).collect();
    problems.extend(check::check(&expanded.plan));
    if problems.is_empty() {
        Ok(expanded.plan)
    } else {
        Err(LoadError::Invalid(problems))
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
