//! What is wrong with a document, as a good compiler says it: a stable code, the line with
//! the culprit underlined, why it matters, what to do.
//!
//! ```text
//!   text ─▶ source tree ─▶ model ─▶ written out ─▶ checks ─▶ [Finding] (a path each)
//!              │                                                  │
//!              └──────────── lines and columns ───────────────────┴─▶ [Report] ─▶ text, JSON, GitHub
//! ```

mod explain;
mod render;
mod rules;

use serde::Serialize;

pub use explain::explain;
pub use render::Style;
#[allow(
    clippy::wildcard_imports,
    reason = "fifty rules, used by name where they apply"
)]
pub(crate) use rules::*;
pub use rules::{RULES, Rule, rule};

use crate::check;
use crate::expand::{Expanded, expand, expand_owned};
use crate::model::{API_VERSION, KIND, NetworkPlan};
use crate::source::{self, Node, Path, Span};

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

/// One thing that is wrong, with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of thing.
    pub rule: &'static Rule,
    /// What is wrong.
    pub message: String,
    /// The culprit.
    pub span: Span,
    /// What to do about it.
    pub help: String,
    /// Another place that takes part in it, and how.
    pub related: Option<(Span, String)>,
}

/// A plan that could be read, as written and written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// As it is written.
    pub written: NetworkPlan,
    /// Its groups written out.
    pub expanded: Expanded,
}

/// Everything that is wrong with one document.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file's name, as it was given.
    pub file: String,
    /// What is wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    text: String,
    document: Option<Document>,
    readable: bool,
}

/// Reads a document and checks it.
///
/// Guarantees: pure; never fails: what cannot be read is a diagnostic too.
pub fn diagnose(text: &str, file: &str) -> Report {
    let mut report = Report {
        file: file.to_owned(),
        diagnostics: Vec::new(),
        text: text.to_owned(),
        document: None,
        readable: true,
    };
    match source::read(text) {
        Err(e) => {
            let rule = match e {
                source::SyntaxError::DuplicateKey { .. } => &DUPLICATE_KEY,
                _ => &SYNTAX,
            };
            report.unreadable(rule, e.span(), &e.to_string());
        }
        Ok(tree) => report.of_tree(&tree),
    }
    report
        .diagnostics
        .sort_by(|a, b| (a.span, a.rule.code).cmp(&(b.span, b.rule.code)));
    report
}

/// The plan of a text with no error in it, its groups written out; none where there is one.
///
/// A daemon has no use for lines: the tree, which is most of what a diagnosis holds, is gone
/// before the groups are written out.
pub(crate) fn sound(text: &str) -> Option<NetworkPlan> {
    let expanded = expand_owned(shaped(text)?);
    let findings = check::check_expanded(&expanded);
    let wrong = |f: &Finding| f.rule.severity == Severity::Error;
    (!findings.iter().any(wrong)).then_some(expanded.plan)
}

/// The plan as it is written, where its text has the shape of one.
fn shaped(text: &str) -> Option<NetworkPlan> {
    let tree = source::read(text).ok()?;
    let as_it_should =
        wrong_header(&tree).is_none() && check::vlan_ids_out_of_bounds(&tree).is_empty();
    source::de::from_node(&tree).ok().filter(|_| as_it_should)
}

impl Report {
    fn unreadable(&mut self, rule: &'static Rule, span: Span, message: &str) {
        self.readable = false;
        self.diagnostics.push(Diagnostic {
            rule,
            message: plain(message),
            span,
            help: rule.help.to_owned(),
            related: None,
        });
    }

    fn of_tree(&mut self, tree: &Node<'_>) {
        if let Some((span, message)) = wrong_header(tree) {
            self.unreadable(&HEADER, span, &message);
            return;
        }
        // An ID that no VLAN can have is no VLAN ID for the model. It is found beforehand, so
        // that it is told as what it is.
        let ids = check::vlan_ids_out_of_bounds(tree);
        for (span, id) in &ids {
            self.diagnostics.push(Diagnostic {
                rule: &VLAN_BOUNDS,
                message: format!("{id} is no VLAN ID"),
                span: *span,
                help: VLAN_BOUNDS.help.to_owned(),
                related: None,
            });
        }
        let written: NetworkPlan = match source::de::from_node(tree) {
            Ok(plan) => plan,
            Err(e) => {
                let span = e.span.unwrap_or(tree.span);
                if !ids.iter().any(|(at, _)| *at == span) {
                    self.unreadable(&SHAPE, span, &e.message);
                }
                return;
            }
        };
        let expanded = expand(&written);
        for finding in check::check_expanded(&expanded) {
            self.diagnostics.push(Diagnostic {
                rule: finding.rule,
                span: tree.locate(&finding.place),
                message: plain(&finding.message),
                help: plain(&finding.help),
                related: finding
                    .related
                    .map(|(place, label)| (tree.locate(&place), plain(&label))),
            });
        }
        self.document = Some(Document { written, expanded });
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.diagnostics
            .iter()
            .filter(|d| d.rule.severity == severity)
            .count()
    }

    /// Whether the text is a plan at all, whatever is wrong with it.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// The plan, where the text is one, even if it has errors.
    pub fn document(&self) -> Option<&Document> {
        self.document.as_ref()
    }

    /// Takes the plan out, where the text is one, even if it has errors.
    pub fn take_document(&mut self) -> Option<Document> {
        self.document.take()
    }

    /// What a process ends with: 0 clean or warnings only, 1 errors, 2 unreadable.
    pub fn exit_code(&self) -> u8 {
        match (self.readable, self.errors()) {
            (false, _) => 2,
            (true, 0) => 0,
            (true, _) => 1,
        }
    }
}

/// One line that a terminal prints and does not obey: a document's words are in it.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A document of another version or kind is told so before anything in it is judged.
fn wrong_header(tree: &Node<'_>) -> Option<(Span, String)> {
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match tree.get(key) {
            Some(node) if node.text() == Some(wanted) => {}
            Some(node) => {
                let found = node.text().unwrap_or("a list or mapping");
                return Some((node.span, format!("{key} {found:?} is not read here")));
            }
            None => return Some((tree.span, format!("{key} is missing"))),
        }
    }
    None
}
