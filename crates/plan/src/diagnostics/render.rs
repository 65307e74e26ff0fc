//! A report as text for people, JSON for programs, and commands for GitHub's workflows.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Diagnostic, Report, Severity};
use crate::source::Span;

/// The form of a rendered report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text {
        /// Whether to colour it: for terminals.
        color: bool,
    },
    /// A list of `{code, severity, message, file, line, column, help}`.
    Json,
    /// One workflow command a diagnostic: GitHub shows it at its line.
    Github,
}

/// What a tab in the source is printed as.
const TAB: &str = "    ";
/// The longest part of a source line that is printed, in characters.
const MAX_LINE: usize = 160;

impl Report {
    /// The report in the wanted form, with a line end; nothing for a clean one in
    /// [`Style::Text`] and [`Style::Github`].
    pub fn render(&self, style: Style) -> String {
        match style {
            Style::Text { color } => self.text(Paint { color }),
            Style::Json => self.json(),
            Style::Github => self.github(),
        }
    }

    fn text(&self, paint: Paint) -> String {
        let lines: Vec<&str> = crate::source::lines(&self.text).collect();
        let mut out = String::new();
        for diagnostic in &self.diagnostics {
            self.one(diagnostic, &lines, paint, &mut out);
            out.push('\n');
        }
        if !self.diagnostics.is_empty() {
            let _ = writeln!(out, "{}", self.summary());
        }
        out
    }

    /// How many errors and warnings, in words.
    pub fn summary(&self) -> String {
        let number = |n: usize, word: &str| match n {
            1 => format!("1 {word}"),
            n => format!("{n} {word}s"),
        };
        let file = &self.file;
        match (self.errors(), self.warnings()) {
            (0, 0) => format!("{file}: nothing is wrong"),
            (e, 0) => format!("{file}: {}", number(e, "error")),
            (0, w) => format!("{file}: {}", number(w, "warning")),
            (e, w) => format!("{file}: {}, {}", number(e, "error"), number(w, "warning")),
        }
    }

    fn one(&self, d: &Diagnostic, lines: &[&str], paint: Paint, out: &mut String) {
        let severity = d.rule.severity;
        let head = format!("{}[{}]", severity.as_str(), d.rule.code);
        let _ = writeln!(
            out,
            "{}{}",
            paint.of(severity, &head),
            paint.bold(&format!(": {}", d.message))
        );
        let last = d
            .related
            .as_ref()
            .map_or(d.span.line, |(s, _)| s.line.max(d.span.line));
        let gutter = Gutter {
            width: last.to_string().len(),
            paint,
        };
        let _ = writeln!(
            out,
            "{}{}",
            gutter.arrow("-->"),
            format_args!("{}:{}:{}", self.file, d.span.line, d.span.column)
        );
        let mark = |text: &str| paint.of(severity, text);
        gutter.snippet(lines, d.span, '^', &mark, "", out);
        if let Some((span, label)) = &d.related {
            let _ = writeln!(
                out,
                "{}{}",
                gutter.arrow(":::"),
                format_args!("{}:{}:{}", self.file, span.line, span.column)
            );
            gutter.snippet(lines, *span, '-', &|t| paint.blue(t), label, out);
        }
        gutter.note("why", d.rule.why, out);
        if !d.help.is_empty() {
            gutter.note("help", &d.help, out);
        }
    }

    fn json(&self) -> String {
        #[derive(Serialize)]
        struct Entry<'a> {
            code: &'a str,
            severity: Severity,
            message: &'a str,
            file: &'a str,
            line: u32,
            column: u32,
            help: &'a str,
        }
        let entries: Vec<Entry<'_>> = self
            .diagnostics
            .iter()
            .map(|d| Entry {
                code: d.rule.code,
                severity: d.rule.severity,
                message: &d.message,
                file: &self.file,
                line: d.span.line,
                column: d.span.column,
                help: &d.help,
            })
            .collect();
        // Strings and numbers: the serializer has no cause to refuse.
        serde_json::to_string_pretty(&entries).unwrap_or_default() + "\n"
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
                d.span.column.saturating_add(d.span.length),
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

/// Colours, where they are wanted.
#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

impl Paint {
    fn put(self, sequence: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{sequence}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn of(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Error => self.put("1;31", text),
            Severity::Warning => self.put("1;33", text),
        }
    }

    fn bold(self, text: &str) -> String {
        self.put("1", text)
    }

    fn blue(self, text: &str) -> String {
        self.put("1;34", text)
    }
}

/// The margin with the line numbers.
struct Gutter {
    width: usize,
    paint: Paint,
}

impl Gutter {
    fn arrow(&self, arrow: &str) -> String {
        let pad = " ".repeat(self.width);
        format!("{pad}{} ", self.paint.blue(arrow))
    }

    fn bar(&self, number: &str) -> String {
        self.paint.blue(&format!("{number:>w$} |", w = self.width))
    }

    fn snippet(
        &self,
        lines: &[&str],
        span: Span,
        mark: char,
        paint: &dyn Fn(&str) -> String,
        label: &str,
        out: &mut String,
    ) {
        let index = usize::try_from(span.line)
            .unwrap_or(usize::MAX)
            .wrapping_sub(1);
        let Some(line) = lines.get(index) else {
            return;
        };
        let (shown, before, under) = window(line, span);
        let _ = writeln!(out, "{}", self.bar(""));
        let _ = writeln!(out, "{} {shown}", self.bar(&span.line.to_string()));
        let marks = mark.to_string().repeat(under);
        let marks = match label {
            "" => marks,
            label => format!("{marks} {label}"),
        };
        let _ = writeln!(
            out,
            "{} {}{}",
            self.bar(""),
            " ".repeat(before),
            paint(&marks)
        );
    }

    fn note(&self, kind: &str, text: &str, out: &mut String) {
        let pad = " ".repeat(self.width);
        for (i, line) in text.lines().enumerate() {
            let head = match i {
                0 => format!("{} {}: ", self.paint.blue("="), self.paint.bold(kind)),
                _ => " ".repeat(kind.len() + 4),
            };
            let _ = writeln!(out, "{pad} {head}{line}");
        }
    }
}

/// The part of a line that is shown, how many columns stand before the culprit in it, and
/// how many it takes.
fn window(line: &str, span: Span) -> (String, usize, usize) {
    let wide = |c: char| if c == '\t' { TAB.len() } else { 1 };
    let start = usize::try_from(span.column).unwrap_or(1).saturating_sub(1);
    let length = usize::try_from(span.length).unwrap_or(1);
    let skip = match start + length.min(MAX_LINE) {
        end if end <= MAX_LINE => 0,
        end => end - MAX_LINE,
    };
    let chars: Vec<char> = line.chars().skip(skip).take(MAX_LINE).collect();
    let start = (start - skip.min(start)).min(chars.len());
    let end = (start + length).min(chars.len());
    let before = chars[..start].iter().map(|c| wide(*c)).sum();
    let under: usize = chars[start..end].iter().map(|c| wide(*c)).sum();
    let shown: String = chars
        .iter()
        .map(|c| match c {
            '\t' => TAB.to_owned(),
            // A terminal must not obey what a plan says.
            c if c.is_control() => '\u{fffd}'.to_string(),
            c => c.to_string(),
        })
        .collect();
    (shown.trim_end().to_owned(), before, under.max(1))
}
