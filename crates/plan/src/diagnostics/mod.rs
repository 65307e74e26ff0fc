//! What is wrong with a document, as a good compiler says it: a stable code, the line with
//! the culprit underlined, why it matters, what to do.
//!
//! ```text
//!   text ─▶ model ─▶ written out ─▶ checks ─▶ [Finding] (a path each)
//!     │                                           │
//!     └──────── lines and columns ────────────────┴─▶ [Report] ─▶ text, JSON, SARIF, GitHub
//! ```

mod explain;
mod render;

pub use explain::explain;
pub use render::{Style, sarif};

use std::collections::BTreeSet;

use crate::check;
use crate::culprit;
use crate::expand::{Expanded, expand, expand_owned};
use crate::finding::{
    self, ALLOWANCE, DUPLICATE_KEY, Finding, HEADER, Rule, SHAPE, SYNTAX, Severity, VLAN_BOUNDS,
};
use crate::model::{API_VERSION, Day, KIND, NetworkPlan};
use crate::source::de::{ReadError, ShapeError};
use crate::source::{self, Node, Path, Span, SyntaxError};

/// One thing that is wrong, with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of thing.
    pub rule: &'static Rule,
    /// Where it is by names, as an allowance has it: `sites.idc.switches.tor1`; empty where the
    /// text gives no plan.
    pub at: String,
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
    /// How many warnings were found and are allowed.
    pub allowed: usize,
    today: Option<Day>,
    text: String,
    document: Option<Document>,
    readable: bool,
}

/// Reads a document and checks it.
///
/// Guarantees: pure; never fails: what cannot be read is a diagnostic too.
pub fn diagnose(text: &str, file: &str) -> Report {
    diagnose_on(text, file, None)
}

/// [`diagnose`] on a day: allowances that have run out then allow nothing any more.
pub fn diagnose_on(text: &str, file: &str, today: Option<Day>) -> Report {
    let mut report = Report {
        file: file.to_owned(),
        diagnostics: Vec::new(),
        allowed: 0,
        today,
        text: text.to_owned(),
        document: None,
        readable: true,
    };
    match source::de::from_text::<NetworkPlan>(text) {
        Ok(written) if has_header(&written) => report.of_plan(written),
        Ok(_) => report.of_misfit(None),
        Err(ReadError::Shape(e)) => report.of_misfit(Some(e)),
        Err(ReadError::Syntax(e)) => report.no_yaml(&e),
    }
    report
        .diagnostics
        .sort_by(|a, b| (a.span, a.rule.code).cmp(&(b.span, b.rule.code)));
    report
}

/// The plan of a text with no error in it, its groups written out; none where there is one.
/// A daemon has no use for lines, nor for allowances: one of a code that only a newer check
/// knows is no reason to refuse the plan.
pub(crate) fn sound(text: &str) -> Option<NetworkPlan> {
    let written = source::de::from_text(text).ok().filter(has_header)?;
    let expanded = expand_owned(written);
    let findings = check::check_expanded(&expanded);
    let wrong = |f: &Finding| f.rule.severity == Severity::Error && f.rule != &ALLOWANCE;
    (!findings.iter().any(wrong)).then_some(expanded.plan)
}

impl Report {
    fn unreadable(&mut self, rule: &'static Rule, span: Span, message: &str) {
        self.readable = false;
        self.diagnostics.push(Diagnostic {
            rule,
            at: String::new(),
            message: plain(message),
            span,
            help: rule.help.to_owned(),
            related: None,
        });
    }

    fn no_yaml(&mut self, error: &SyntaxError) {
        let rule = match error {
            SyntaxError::DuplicateKey { .. } => &DUPLICATE_KEY,
            _ => &SYNTAX,
        };
        self.unreadable(rule, error.span(), &error.to_string());
    }

    /// A text that gives no plan of ours. `shape`: what first does not fit in it; none: all does.
    fn of_misfit(&mut self, shape: Option<ShapeError>) {
        let text = std::mem::take(&mut self.text);
        match source::read(&text) {
            Err(e) => self.no_yaml(&e),
            Ok(tree) => self.of_tree(&text, &tree, shape),
        }
        self.text = text;
    }

    fn of_tree(&mut self, text: &str, tree: &Node<'_>, shape: Option<ShapeError>) {
        if let Some((span, message)) = wrong_header(tree) {
            self.unreadable(&HEADER, span, &message);
            return;
        }
        // An ID that no VLAN can have is no VLAN ID for the model, and is told as what it is.
        // However many places have it, it is one mistake.
        let ids = check::vlan_ids_out_of_bounds(tree);
        let mut told = BTreeSet::new();
        for (span, id) in ids.iter().filter(|(_, id)| told.insert(*id)) {
            self.diagnostics.push(Diagnostic {
                rule: &VLAN_BOUNDS,
                at: String::new(),
                message: format!("{id} is no VLAN ID"),
                span: *span,
                help: VLAN_BOUNDS.help.to_owned(),
                related: None,
            });
        }
        let all = shape.map(|first| source::de::misfits::<NetworkPlan>(text, first));
        for misfit in all.into_iter().flatten() {
            let span = misfit.span.unwrap_or(tree.span);
            if !ids.iter().any(|(at, _)| *at == span) {
                self.unreadable(&SHAPE, span, &misfit.message);
            }
        }
    }

    fn of_plan(&mut self, written: NetworkPlan) {
        let expanded = expand(&written);
        let mut findings = check::check_expanded(&expanded);
        let all = culprit::keys(&findings);
        self.allowed = finding::allow(&mut findings, &written, self.today);
        let findings = culprit::single_out(&written, all, findings);
        let related = findings.iter().filter_map(|f| f.related.as_ref());
        let places = findings.iter().map(|f| &f.place);
        let places: Vec<&Path> = places.chain(related.map(|(place, _)| place)).collect();
        let spans = match places.is_empty() {
            true => Vec::new(),
            false => match source::locate(&self.text, &places) {
                Ok(spans) => spans,
                Err(e) => return self.no_yaml(&e),
            },
        };
        let (spans, others) = spans.split_at(findings.len());
        let mut others = others.iter();
        for (finding, span) in findings.into_iter().zip(spans) {
            let related = finding.related.and_then(|(_, label)| {
                let span = others.next()?;
                Some((*span, plain(&label)))
            });
            self.diagnostics.push(Diagnostic {
                rule: finding.rule,
                at: plain(&finding::named(&finding.place, &written)),
                message: plain(&finding.message),
                span: *span,
                help: plain(&finding.help),
                related,
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

    /// Takes out the warnings of these codes: they are counted as allowed.
    pub fn allow(&mut self, codes: &[&'static Rule]) {
        let before = self.diagnostics.len();
        self.diagnostics.retain(|d| {
            let named = codes.iter().any(|rule| rule.code == d.rule.code);
            d.rule.severity == Severity::Error || !named
        });
        self.allowed += before - self.diagnostics.len();
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

fn has_header(plan: &NetworkPlan) -> bool {
    plan.api_version == API_VERSION && plan.kind == KIND
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
