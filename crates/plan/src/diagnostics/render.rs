//! A report as text for people, JSON and SARIF for programs, and commands for GitHub's workflows.

mod json;
mod sarif;
mod text;
mod wrap;

use std::fmt::Write as _;

use super::Report;
pub use sarif::sarif;
pub(super) use wrap::{WIDTH, wrap};

/// The form of a rendered report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people, in 80 columns.
    Text {
        /// Whether to colour it: for terminals.
        color: bool,
    },
    /// A list of `{code, severity, message, file, line, column, endColumn, at, help, why,
    /// related: [{message, line, column, endColumn}]}`.
    Json,
    /// SARIF 2.1.0 ([`sarif`] has the same for several reports).
    Sarif,
    /// One workflow command a diagnostic: GitHub shows it at its line.
    Github,
}

impl Report {
    /// The report in the wanted form, with a line end; nothing for a clean one in
    /// [`Style::Text`] and [`Style::Github`].
    pub fn render(&self, style: Style) -> String {
        match style {
            Style::Text { color } => self.text(color),
            Style::Json => self.json(),
            Style::Sarif => sarif(std::slice::from_ref(self), true),
            Style::Github => self.github(),
        }
    }

    /// How many errors and warnings, in words.
    pub fn summary(&self) -> String {
        let number = |n: usize, word: &str| match n {
            1 => format!("1 {word}"),
            n => format!("{n} {word}s"),
        };
        let file = &self.file;
        let allowed = match self.allowed {
            0 => String::new(),
            n => format!(", {n} allowed"),
        };
        let counts = match (self.errors(), self.warnings()) {
            (0, 0) => "nothing is wrong".to_owned(),
            (e, 0) => number(e, "error"),
            (0, w) => number(w, "warning"),
            (e, w) => format!("{}, {}", number(e, "error"), number(w, "warning")),
        };
        format!("{file}: {counts}{allowed}")
    }

    fn github(&self) -> String {
        let mut out = String::new();
        for d in &self.diagnostics {
            let text = match d.help.is_empty() {
                true => d.message.clone(),
                false => format!("{}\n{}", d.message, d.help),
            };
            let _ = writeln!(
                out,
                "::{} file={},line={},col={},endColumn={},title={}::{}",
                d.rule.severity.as_str(),
                property(&self.file),
                d.span.line,
                d.span.column,
                d.span.end_column(),
                property(d.rule.code),
                data(&text),
            );
        }
        out
    }
}

/// A workflow command's message.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A workflow command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
