//! Edits of a text by place.

use crate::source::{Node, Span, Value};

/// Edits that are to be made to a text.
pub(super) struct Edits<'t> {
    text: &'t str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    /// From, to, and what stands there then.
    edits: Vec<(usize, usize, String)>,
}

impl<'t> Edits<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(i, _)| i + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(ends).collect(),
            edits: Vec::new(),
        }
    }

    /// The line with that number, from 1, without its end.
    fn line(&self, number: u32) -> Option<(usize, &'t str)> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let from = *self.lines.get(index)?;
        let line = self.text[from..].lines().next().unwrap_or_default();
        Some((from, line))
    }

    /// The bytes of a span.
    fn bytes(&self, span: Span) -> Option<(usize, usize)> {
        let (from, line) = self.line(span.line)?;
        let skipped = usize::try_from(span.column).ok()?.checked_sub(1)?;
        let length = usize::try_from(span.length).ok()?;
        let place = |n: usize| line.char_indices().nth(n).map_or(line.len(), |(i, _)| i);
        Some((from + place(skipped), from + place(skipped + length)))
    }

    /// The text of a span.
    pub(super) fn at(&self, span: Span) -> Option<&'t str> {
        let (from, to) = self.bytes(span)?;
        self.text.get(from..to)
    }

    /// Puts `new` in the place of a span.
    pub(super) fn replace(&mut self, span: Span, new: &str) {
        if let Some((from, to)) = self.bytes(span) {
            self.edits.push((from, to, new.to_owned()));
        }
    }

    /// Adds an item at the end of a list, in the list's own style; none where that cannot be
    /// told.
    pub(super) fn append(&mut self, list: &Node<'_>, item: &str) -> Option<()> {
        let items = list.items();
        let (first, last) = (items.first()?, items.last()?);
        let (_, line) = self.line(first.span.line)?;
        let dash = line.find("- ")?;
        let indent = &line[..dash];
        if !indent.chars().all(|c| c == ' ') {
            return None;
        }
        // Behind the last line of the last item, and what closes its brackets.
        let mut end = last_line(last);
        while let Some((_, next)) = self.line(end + 1) {
            let closing = next.trim();
            if closing.is_empty() || !closing.chars().all(|c| matches!(c, ']' | '}' | ',' | ' ')) {
                break;
            }
            end += 1;
        }
        let (from, line) = self.line(end)?;
        let at = from + line.len();
        self.edits.push((at, at, format!("\n{indent}- {item}")));
        Some(())
    }

    /// The text with all edits made.
    pub(super) fn apply(mut self) -> String {
        self.edits.sort_by_key(|e| e.0);
        let mut out = String::with_capacity(self.text.len() + 256);
        let mut at = 0;
        for (from, to, new) in &self.edits {
            out.push_str(&self.text[at..*from]);
            out.push_str(new);
            at = *to;
        }
        out.push_str(&self.text[at..]);
        out
    }
}

/// The last line that a node has a part on.
fn last_line(node: &Node<'_>) -> u32 {
    let inner = match &node.value {
        Value::Scalar { .. } => None,
        Value::Sequence(items) => items.iter().map(last_line).max(),
        Value::Mapping(entries) => entries
            .iter()
            .map(|(k, v)| last_line(k).max(last_line(v)))
            .max(),
    };
    inner.unwrap_or(0).max(node.span.line)
}

/// A value as a scalar of a flow mapping: quoted where YAML would read it otherwise.
pub(super) fn scalar(value: &impl ToString) -> String {
    let text = value.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let address = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['.', '/']);
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    if (word || address)
        && text.chars().all(plain)
        && !reserved.contains(&text.to_ascii_lowercase().as_str())
    {
        return text;
    }
    // JSON's strings are YAML's double-quoted ones.
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
