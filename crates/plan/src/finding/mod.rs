//! What a check finds: the kinds of findings, and which of them a plan allows.

mod allow;
mod rules;

use serde::Serialize;

pub(crate) use allow::{allow, faults as faults_of_allowances, named};
#[allow(
    clippy::wildcard_imports,
    reason = "fifty rules, used by name where they apply"
)]
pub(crate) use rules::*;
pub use rules::{RULES, Rule, rule};

use crate::source::Path;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The network would not work as declared.
    Error,
    /// It would work, and something about it deserves a second look.
    Warning,
}

impl Severity {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that a check found, before its line is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub rule: &'static Rule,
    /// Where in the document.
    pub place: Path,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Another place that takes part in it, and how.
    pub related: Option<(Path, String)>,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.rule.code, self.place, self.message)
    }
}
