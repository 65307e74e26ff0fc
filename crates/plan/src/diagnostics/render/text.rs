//! A report for people: the culprit underlined in its line, why it matters, and what to do.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

use super::wrap::{WIDTH, wrap};
use crate::diagnostics::{Diagnostic, Report, Severity};
use crate::source::Span;

/// What a tab in the source is printed as.
const TAB: &str = "    ";
/// Stands for a part of a line that has no room.
const CUT: char = '…';
/// The least columns that a label has beside its mark; with fewer it begins below the line's
/// beginning.
const LEAST_LABEL: usize = 30;

impl Report {
    pub(super) fn text(&self, color: bool) -> String {
        let paint = Paint { color };
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

    fn one(&self, d: &Diagnostic, lines: &[&str], paint: Paint, out: &mut String) {
        let severity = d.rule.severity;
        head(d, paint, out);
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
        gutter.snippet(lines, d.span, ('^', &mark), "", out);
        if let Some((span, label)) = &d.related {
            let _ = writeln!(
                out,
                "{}{}",
                gutter.arrow(":::"),
                format_args!("{}:{}:{}", self.file, span.line, span.column)
            );
            gutter.snippet(lines, *span, ('-', &|t| paint.blue(t)), label, out);
        }
        gutter.note("why", d.rule.why, out);
        if !d.help.is_empty() {
            gutter.note("help", &d.help, out);
        }
    }
}

/// What is wrong, behind its severity and its code.
fn head(d: &Diagnostic, paint: Paint, out: &mut String) {
    let severity = d.rule.severity;
    let head = format!("{}[{}]", severity.as_str(), d.rule.code);
    let indent = head.len() + 2;
    for (i, line) in wrap(&d.message, WIDTH - indent).iter().enumerate() {
        let (head, line) = match i {
            0 => (paint.of(severity, &head), format!(": {line}")),
            _ => (" ".repeat(indent), line.clone()),
        };
        let _ = writeln!(out, "{head}{}", paint.bold(&line));
    }
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

/// What underlines a culprit: a character, and its colour.
type Mark<'a> = (char, &'a dyn Fn(&str) -> String);

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
        (mark, paint): Mark<'_>,
        label: &str,
        out: &mut String,
    ) {
        let index = usize::try_from(span.line)
            .unwrap_or(usize::MAX)
            .wrapping_sub(1);
        let Some(line) = lines.get(index) else {
            return;
        };
        // The bar and a space on either side of it.
        let room = WIDTH.saturating_sub(self.width + 3);
        let shown = window(line, span, room);
        let _ = writeln!(out, "{}", self.bar(""));
        let _ = writeln!(out, "{} {}", self.bar(&span.line.to_string()), shown.text);
        let marks = mark.to_string().repeat(shown.under);
        let mut under = |before: usize, text: &str| {
            let _ = writeln!(
                out,
                "{} {}{}",
                self.bar(""),
                " ".repeat(before),
                paint(text)
            );
        };
        let whole = shown.before + shown.under + 1 + label.chars().count();
        if label.is_empty() {
            under(shown.before, &marks);
        } else if whole <= room {
            under(shown.before, &format!("{marks} {label}"));
        } else {
            under(shown.before, &marks);
            let before = match room - shown.before.min(room) {
                left if left >= LEAST_LABEL => shown.before,
                _ => 0,
            };
            for line in wrap(label, room - before) {
                under(before, &line);
            }
        }
    }

    fn note(&self, kind: &str, text: &str, out: &mut String) {
        let pad = " ".repeat(self.width);
        let indent = kind.len() + 4;
        for (i, line) in wrap(text, WIDTH - (self.width + 1 + indent))
            .iter()
            .enumerate()
        {
            let head = match i {
                0 => format!("{} {}: ", self.paint.blue("="), self.paint.bold(kind)),
                _ => " ".repeat(indent),
            };
            let _ = writeln!(out, "{pad} {head}{line}");
        }
    }
}

/// The part of a line that is shown.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    text: String,
    /// How many columns stand before the culprit in it.
    before: usize,
    /// How many the culprit takes.
    under: usize,
}

/// What of a line is shown in `room` columns: all of the culprit, or its beginning.
fn window(line: &str, span: Span, room: usize) -> Shown {
    let start = usize::try_from(span.column).unwrap_or(1).saturating_sub(1);
    let length = usize::try_from(span.length).unwrap_or(1);
    // A plan of one line may have millions of characters: only those near the culprit are looked at.
    let first = start.saturating_sub(room);
    let mut chars = line.trim_end().chars().skip(first);
    let near: Vec<char> = chars.by_ref().take(3 * room).collect();
    let more = chars.next().is_some();
    let start = (start - first).min(near.len());
    let end = start.saturating_add(length).min(near.len());
    let (mut from, mut to) = (0, near.len());
    if first > 0 || more || columns(&near) > room {
        // One column on either side says that there is more.
        let inside = room.saturating_sub(2);
        while from < start && columns(&near[from..end]) > inside {
            from += 1;
        }
        while to > from && columns(&near[from..to]) > inside {
            to -= 1;
        }
    }
    let cut = first > 0 || from > 0;
    let mut text = String::new();
    text.extend(cut.then_some(CUT));
    for c in &near[from..to] {
        match c {
            '\t' => text.push_str(TAB),
            // A terminal must not obey what a plan says.
            c if c.is_control() => text.push('\u{fffd}'),
            c => text.push(*c),
        }
    }
    text.extend((more || to < near.len()).then_some(CUT));
    Shown {
        text,
        before: usize::from(cut) + columns(&near[from..start]),
        under: columns(&near[start..end.min(to)]).max(1),
    }
}

/// How wide characters are as they are printed.
fn columns(chars: &[char]) -> usize {
    let wide = |c: &char| match c {
        '\t' => TAB.len(),
        c => c.width().unwrap_or(1),
    };
    chars.iter().map(wide).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, column: u32, length: u32, room: usize) -> (String, usize, usize) {
        let span = Span {
            line: 1,
            column,
            length,
        };
        let Shown {
            text,
            before,
            under,
        } = window(line, span, room);
        assert!(columns(&text.chars().collect::<Vec<_>>()) <= room, "{text}");
        (text, before, under)
    }

    #[test]
    fn a_long_line_is_cut_around_the_culprit() {
        let of = |text: &str, before, under| (text.to_owned(), before, under);
        assert_eq!(shown("abcdef", 3, 2, 6), of("abcdef", 2, 2));
        assert_eq!(shown("abcdefgh", 1, 2, 6), of("abcd…", 0, 2));
        assert_eq!(shown("abcdefgh", 7, 2, 6), of("…efgh", 3, 2));
        assert_eq!(shown("abcdefghijkl", 6, 2, 6), of("…defg…", 3, 2));
        // One that is longer than the line.
        assert_eq!(shown("abcdefghijkl", 2, 9, 6), of("…bcde…", 1, 4));
        let long = "x".repeat(1000);
        assert_eq!(shown(&long, 500, 1, 10), of("…xxxxxxxx…", 8, 1));
        // Nothing is there: the end of the line.
        assert_eq!(shown("ab", 7, 1, 6), of("ab", 2, 1));
    }

    #[test]
    fn tabs_and_wide_characters_do_not_move_the_mark() {
        assert_eq!(shown("\tab", 2, 2, 20), ("    ab".to_owned(), 4, 2));
        assert_eq!(shown("机房: x", 5, 1, 20), ("机房: x".to_owned(), 6, 1));
        assert_eq!(shown("机房: x", 1, 2, 20), ("机房: x".to_owned(), 0, 4));
    }
}
