//! Edits of a text by place.

use saphyr_parser::{Event, Marker, Parser};

use crate::source::{Node, Span};

/// Edits that are to be made to a text.
pub(super) struct Edits<'t> {
    text: &'t str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    /// The line break that the document uses.
    eol: &'static str,
    lists: Vec<List>,
    /// From, to, and what stands there then.
    edits: Vec<(usize, usize, String)>,
}

/// A list and how it is written. Places are line and column, both from 1.
#[derive(Clone, Copy)]
struct List {
    /// Where it begins: its anchor, its bracket, its first dash or its first item.
    at: Place,
    /// Its opening bracket, as a byte; of a list without brackets none.
    open: Option<usize>,
    /// Where its first item begins.
    first: Option<Place>,
    /// Where its last item begins, and where that item's last character ends.
    last: Option<(Place, Place)>,
    /// Its closing bracket; of a list without brackets nothing to rely on.
    close: Place,
}

type Place = (u32, u32);

fn place(marker: Marker) -> Place {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (
        narrow(marker.line()).max(1),
        narrow(marker.col()).saturating_add(1),
    )
}

impl<'t> Edits<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        // A break is LF, CR LF or CR (YAML 1.2 §5.4).
        let ends = (0..bytes.len()).filter(|i| match bytes[*i] {
            b'\n' => true,
            b'\r' => bytes.get(i + 1) != Some(&b'\n'),
            _ => false,
        });
        let lines: Vec<usize> = std::iter::once(0).chain(ends.map(|i| i + 1)).collect();
        let first = lines.get(1).map_or("", |end| &text[..*end]);
        let eol = match first {
            _ if first.ends_with("\r\n") => "\r\n",
            _ if first.ends_with('\r') => "\r",
            _ => "\n",
        };
        let mut edits = Self {
            text,
            lines,
            eol,
            lists: Vec::new(),
            edits: Vec::new(),
        };
        edits.lists = edits.lists();
        edits
    }

    /// Every list, in the order of their beginnings; of a text that is not YAML those before
    /// the error.
    fn lists(&self) -> Vec<List> {
        let mut found: Vec<List> = Vec::new();
        // What is open: where it begins and, of a list, its place in `found`.
        let mut open: Vec<(Place, Option<usize>)> = Vec::new();
        // The end of the last token that has characters: what closes a block has none.
        let mut end: Place = (1, 1);
        for event in Parser::new_from_str(self.text) {
            let Ok((event, span)) = event else { break };
            let begin = place(span.start);
            match event {
                Event::SequenceStart(..) => {
                    open.push((begin, Some(found.len())));
                    found.push(List {
                        at: begin,
                        open: self.bracket(begin),
                        first: None,
                        last: None,
                        close: begin,
                    });
                }
                Event::MappingStart(..) => open.push((begin, None)),
                Event::Scalar(..) | Event::Alias(_) => {
                    if span.start != span.end {
                        end = self.content_end(begin, place(span.end));
                    }
                    item(&mut found, &open, begin, end);
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some((from, list)) = open.pop() else {
                        break;
                    };
                    if matches!(self.character(begin), Some(']' | '}')) {
                        end = (begin.0, begin.1 + 1);
                    }
                    if let Some(list) = list.and_then(|i| found.get_mut(i)) {
                        list.close = begin;
                    }
                    item(&mut found, &open, from, end);
                }
                _ => {}
            }
        }
        found
    }

    fn character(&self, at: Place) -> Option<char> {
        self.text.get(self.byte(at)?..)?.chars().next()
    }

    /// The bracket of a list that begins there, perhaps with an anchor or a tag.
    fn bracket(&self, at: Place) -> Option<usize> {
        let mut rest = self.text.get(self.byte(at)?..)?;
        while rest.starts_with(['&', '!']) {
            rest = rest[rest.find(char::is_whitespace)?..].trim_start();
        }
        rest.starts_with('[').then(|| self.text.len() - rest.len())
    }

    /// A block scalar's end is where the next token begins: its last line is above that.
    fn content_end(&self, begin: Place, end: Place) -> Place {
        let (mut line, mut column) = end;
        while line > begin.0 {
            let Some((_, text)) = self.line(line) else {
                break;
            };
            let before = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
            if !text.chars().take(before).all(char::is_whitespace) {
                break;
            }
            line -= 1;
            column = u32::MAX;
        }
        (line, column)
    }

    /// The line with that number, from 1, without its end.
    fn line(&self, number: u32) -> Option<(usize, &'t str)> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let from = *self.lines.get(index)?;
        let to = self
            .lines
            .get(index + 1)
            .copied()
            .unwrap_or(self.text.len());
        Some((from, self.text[from..to].trim_end_matches(['\r', '\n'])))
    }

    /// The byte at a place; the end of its line where that is shorter.
    fn byte(&self, (line, column): Place) -> Option<usize> {
        let (from, line) = self.line(line)?;
        let skipped = usize::try_from(column).ok()?.checked_sub(1)?;
        let found = line.char_indices().nth(skipped);
        Some(from + found.map_or(line.len(), |(i, _)| i))
    }

    /// The bytes of a span.
    fn bytes(&self, span: Span) -> Option<(usize, usize)> {
        let end = span.column.checked_add(span.length)?;
        Some((
            self.byte((span.line, span.column))?,
            self.byte((span.line, end))?,
        ))
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

    fn insert(&mut self, at: usize, new: String) {
        self.edits.push((at, at, new));
    }

    /// Adds an item at the end of a list, within brackets or on a line of its own, as the
    /// list is written; none where that cannot be told.
    pub(super) fn append(&mut self, list: &Node<'_>, item: &str) -> Option<()> {
        let at = (list.span.line, list.span.column);
        let list = *self.lists.iter().find(|l| l.at == at)?;
        match (list.open, list.last) {
            (Some(open), None) => self.insert(open + 1, item.to_owned()),
            (Some(_), Some((begin, end))) => {
                self.append_in_brackets(begin, end, list.close, item)?;
            }
            (None, Some((_, end))) => self.append_line(list.first?, end, item)?,
            (None, None) => return None,
        }
        Some(())
    }

    /// Behind the last item of `[…]`: on its line, or on one of its own if the bracket closes
    /// further down.
    fn append_in_brackets(
        &mut self,
        begin: Place,
        end: Place,
        close: Place,
        item: &str,
    ) -> Option<()> {
        let (end, close_at) = (self.byte(end)?, self.byte(close)?);
        let comma = comma(self.text.get(end..close_at)?).map(|i| end + i);
        let behind = comma.map_or(end, |i| i + 1);
        let rest = self.text.get(behind..close_at)?;
        let Some(line_end) = rest.find(['\r', '\n']) else {
            // Of a comma that was there none is left over: `[a, ]` is `[a, b]` then.
            let comma = if comma.is_some() { " " } else { ", " };
            self.insert(behind, format!("{comma}{item}"));
            return Some(());
        };
        let (from, line) = self.line(begin.0)?;
        let before = &line[..self.byte(begin)? - from];
        let indent = match before.trim() {
            "" => before.to_owned(),
            _ => " ".repeat(before.chars().count()),
        };
        let eol = self.eol;
        let more = match comma {
            Some(_) => ",",
            None => {
                self.insert(behind, ",".to_owned());
                ""
            }
        };
        self.insert(behind + line_end, format!("{eol}{indent}{item}{more}"));
        Some(())
    }

    /// Below the last line of the last item, with the dash where that of the first item is.
    fn append_line(&mut self, first: Place, end: Place, item: &str) -> Option<()> {
        let before = self.text[..self.byte(first)?]
            .trim_end()
            .strip_suffix('-')?;
        let from = before.rfind(['\r', '\n']).map_or(0, |i| i + 1);
        let indent = &before[from..];
        if !indent.chars().all(|c| c == ' ') {
            return None;
        }
        let (from, line) = self.line(end.0)?;
        let new = format!("{}{indent}- {item}", self.eol);
        self.insert(from + line.len(), new);
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

/// Where a comma stands that is not in a comment.
fn comma(text: &str) -> Option<usize> {
    let mut comment = false;
    text.char_indices().find_map(|(i, c)| {
        comment = match c {
            '#' => true,
            '\r' | '\n' => false,
            _ => comment,
        };
        (c == ',' && !comment).then_some(i)
    })
}

/// Notes what has ended as the last item so far, if it stands in a list.
fn item(found: &mut [List], open: &[(Place, Option<usize>)], begin: Place, end: Place) {
    let list = open.last().and_then(|(_, list)| *list);
    if let Some(list) = list.and_then(|i| found.get_mut(i)) {
        list.first = list.first.or(Some(begin));
        list.last = Some((begin, end));
    }
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
