//! YAML in blocks, with of each line whose it is.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Joined, Lines};
use crate::status::DiagnosticStatus;

/// The text as far as it is written.
#[derive(Debug, Default)]
pub(crate) struct Text {
    text: String,
    written: usize,
    lines: Vec<Lines>,
}

impl Text {
    pub(crate) fn line(&mut self, depth: usize, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{:1$}{line}", "", depth * 2);
        self.written += 1;
    }

    /// Notes that what `write` writes is of an object.
    pub(crate) fn of(&mut self, object: &str, by_object: bool, write: impl FnOnce(&mut Self)) {
        let first = self.written + 1;
        write(self);
        self.lines.push(Lines {
            object: object.to_owned(),
            by_object,
            first,
            last: self.written + 1,
        });
    }

    /// Fields of a mapping, the name first.
    pub(crate) fn fields(&mut self, depth: usize, fields: &Map<String, Value>) {
        let named = |key: &String| key == "name";
        let first = fields.iter().filter(|(key, _)| named(key));
        let rest = fields.iter().filter(|(key, _)| !named(key));
        for (key, value) in first.chain(rest) {
            self.value(depth, &format!("{}:", scalar(&key.as_str().into())), value);
        }
    }

    /// An item of a list, `depth` being that of its dash.
    pub(crate) fn item(&mut self, depth: usize, fields: &Map<String, Value>) {
        if fields.is_empty() {
            return self.line(depth, "- {}");
        }
        let at = self.text.len();
        self.fields(depth + 1, fields);
        // The first field's line begins with the item's dash.
        self.text
            .replace_range(at + depth * 2..at + depth * 2 + 2, "- ");
    }

    /// An item of any type.
    pub(crate) fn any_item(&mut self, depth: usize, item: &Value) {
        match item {
            Value::Object(fields) => self.item(depth, fields),
            other => self.value(depth, "-", other),
        }
    }

    fn value(&mut self, depth: usize, before: &str, value: &Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                self.line(depth, before);
                self.fields(depth + 1, fields);
            }
            Value::Array(items) if !items.is_empty() => {
                self.line(depth, before);
                for item in items {
                    self.any_item(depth + 1, item);
                }
            }
            other => self.line(depth, &format!("{before} {}", scalar(other))),
        }
    }

    pub(crate) fn finish(self, misplaced: Vec<DiagnosticStatus>) -> Joined {
        Joined {
            text: self.text,
            misplaced,
            lines: self.lines,
        }
    }
}

/// A scalar, or an empty list or mapping. A string is plain where every reader of YAML takes it for one, and
/// JSON's otherwise, which is YAML too.
fn scalar(value: &Value) -> String {
    let Value::String(text) = value else {
        return value.to_string();
    };
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let word = words.iter().any(|w| w.eq_ignore_ascii_case(text));
    // A prefix of IPv4: no number, as it has dots and a slash.
    let prefix = text.contains('/') && text.matches('.').count() == 3;
    match text.chars().all(letters) && (begins && !word || prefix) {
        true => text.clone(),
        false => value.to_string(),
    }
}
