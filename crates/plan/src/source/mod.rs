//! The document's text as a tree that remembers where everything stands.
//!
//! One pass over the text gives the tree; the model is deserialized from the tree ([`de`]),
//! so an error of the model knows its line, and so does every finding of a check, by its
//! [`Path`].

pub mod de;
mod path;

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use thiserror::Error;

pub use path::{Path, Step};

/// A place in the text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The line.
    pub line: u32,
    /// The column of the first character.
    pub column: u32,
    /// How many characters of that line, at least 1.
    pub length: u32,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<'t> {
    /// Where it begins, and how far it goes on that line.
    pub span: Span,
    /// What it is.
    pub value: Value<'t>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'t> {
    /// A scalar.
    Scalar {
        /// Its text, unquoted.
        text: Cow<'t, str>,
        /// Whether it stood without quotes, so that it may be a number or null.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node<'t>>),
    /// A mapping, in the order of the text.
    Mapping(Vec<(Node<'t>, Node<'t>)>),
}

/// Why a text is no YAML document that a plan could be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SyntaxError {
    /// Not YAML.
    #[error("{message}")]
    Yaml {
        /// Where.
        span: Span,
        /// The parser's words.
        message: String,
    },
    /// Nothing but comments.
    #[error("the document is empty")]
    Empty,
    /// A second document after `---`.
    #[error("a second document begins here; a plan is one document")]
    SecondDocument {
        /// Where.
        span: Span,
    },
    /// A key that is a list or a mapping.
    #[error("a key is a word, not a list or a mapping")]
    ComplexKey {
        /// Where.
        span: Span,
    },
    /// The same key twice in a mapping.
    #[error("`{key}` is given twice here; the first is on line {first}")]
    DuplicateKey {
        /// Where the second stands.
        span: Span,
        /// The key.
        key: String,
        /// The first one's line.
        first: u32,
    },
    /// An alias to something that is not complete, or is not there.
    #[error("the alias leads nowhere")]
    BadAlias {
        /// Where.
        span: Span,
    },
    /// Deeper than [`MAX_DEPTH`] or, with aliases written out, larger than [`MAX_NODES`].
    #[error("the document is nested too deeply or, with its aliases written out, too large")]
    TooLarge {
        /// Where the limit was met.
        span: Span,
    },
}

impl SyntaxError {
    /// Where.
    pub fn span(&self) -> Span {
        match self {
            Self::Empty => Span {
                line: 1,
                column: 1,
                length: 1,
            },
            Self::Yaml { span, .. }
            | Self::SecondDocument { span }
            | Self::ComplexKey { span }
            | Self::DuplicateKey { span, .. }
            | Self::BadAlias { span }
            | Self::TooLarge { span } => *span,
        }
    }
}

/// The deepest nesting that is read: the model has about ten levels.
pub const MAX_DEPTH: usize = 64;
/// The most nodes that are read, aliases written out: four times what a plan of ten
/// thousand written-out hosts has.
pub const MAX_NODES: usize = 2_000_000;

/// Reads a text as one tree.
///
/// # Errors
/// [`SyntaxError`] with its place.
pub fn read(text: &str) -> Result<Node<'_>, SyntaxError> {
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|e| scan_error(&e))?;
        builder.take(event, span)?;
    }
    builder.root.ok_or(SyntaxError::Empty)
}

/// The lines of a text as YAML counts them, without their ends: LF, CR LF, or CR alone
/// (YAML 1.2 §5.4).
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, next) = rest.split_at(end);
        let broken = next.strip_prefix("\r\n");
        rest = broken.unwrap_or_else(|| next.get(1..).unwrap_or_default());
        Some(line)
    })
}

fn scan_error(error: &ScanError) -> SyntaxError {
    let at = error.marker();
    SyntaxError::Yaml {
        span: Span {
            line: narrow(at.line()),
            column: narrow(at.col()).saturating_add(1),
            length: 1,
        },
        message: error.info().to_owned(),
    }
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX).max(u32::from(n != 0))
}

fn span_of(span: saphyr_parser::Span) -> Span {
    let (start, end) = (span.start, span.end);
    let length = if start.line() == end.line() {
        narrow(end.col().saturating_sub(start.col()))
    } else {
        1
    };
    Span {
        line: narrow(start.line()).max(1),
        column: narrow(start.col()).saturating_add(1),
        length: length.max(1),
    }
}

#[derive(Default)]
struct Builder<'t> {
    /// The containers that are open, outermost first, each with its anchor.
    open: Vec<(usize, Open<'t>)>,
    anchors: BTreeMap<usize, (Node<'t>, usize)>,
    root: Option<Node<'t>>,
    documents: usize,
    nodes: usize,
}

enum Open<'t> {
    Sequence(Span, Vec<Node<'t>>),
    Mapping(Span, Vec<(Node<'t>, Node<'t>)>, Option<Node<'t>>),
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, at: saphyr_parser::Span) -> Result<(), SyntaxError> {
        let span = span_of(at);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(SyntaxError::SecondDocument { span });
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, _) => {
                let node = Node {
                    span,
                    value: Value::Scalar {
                        text,
                        plain: style == ScalarStyle::Plain,
                    },
                };
                self.finish(node, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.enter(anchor, span, Open::Sequence(span, Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                self.enter(anchor, span, Open::Mapping(span, Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                // A plan of ten thousand hosts has hundreds of thousands of these, none of which
                // grows any more.
                Some((anchor, Open::Sequence(span, mut items))) => {
                    items.shrink_to_fit();
                    let value = Value::Sequence(items);
                    self.finish(Node { span, value }, anchor)
                }
                Some((anchor, Open::Mapping(span, mut entries, _))) => {
                    unique(&entries)?;
                    entries.shrink_to_fit();
                    let value = Value::Mapping(entries);
                    self.finish(Node { span, value }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let Some((node, weight)) = self.anchors.get(&anchor) else {
                    return Err(SyntaxError::BadAlias { span });
                };
                self.nodes = self.nodes.saturating_add(*weight);
                if self.nodes > MAX_NODES {
                    return Err(SyntaxError::TooLarge { span });
                }
                let node = node.clone();
                self.finish(node, 0)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn enter(&mut self, anchor: usize, span: Span, open: Open<'t>) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(SyntaxError::TooLarge { span });
        }
        self.open.push((anchor, open));
        Ok(())
    }

    /// Puts a node that is complete where it belongs.
    fn finish(&mut self, node: Node<'t>, anchor: usize) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(SyntaxError::TooLarge { span: node.span });
        }
        if anchor != 0 {
            let weight = weight(&node);
            self.nodes = self.nodes.saturating_add(weight);
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((_, Open::Sequence(_, items))) => items.push(node),
            Some((_, Open::Mapping(_, entries, key))) => match key.take() {
                Some(key) => entries.push((key, node)),
                None if matches!(node.value, Value::Scalar { .. }) => *key = Some(node),
                None => return Err(SyntaxError::ComplexKey { span: node.span }),
            },
        }
        Ok(())
    }
}

fn weight(node: &Node<'_>) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } => 0,
        Value::Sequence(items) => items.iter().map(weight).sum(),
        Value::Mapping(entries) => entries.iter().map(|(_, v)| 1 + weight(v)).sum(),
    }
}

/// A mapping of the model has a dozen keys; labels may have more.
fn unique(entries: &[(Node<'_>, Node<'_>)]) -> Result<(), SyntaxError> {
    let duplicate = |key: &Node<'_>, first: &Node<'_>| SyntaxError::DuplicateKey {
        span: key.span,
        key: key.text().unwrap_or_default().to_owned(),
        first: first.span.line,
    };
    const FEW: usize = 16;
    if entries.len() <= FEW {
        for (i, (key, _)) in entries.iter().enumerate() {
            if let Some((first, _)) = entries[..i].iter().find(|(k, _)| k.text() == key.text()) {
                return Err(duplicate(key, first));
            }
        }
        return Ok(());
    }
    let mut seen: BTreeMap<Option<&str>, &Node<'_>> = BTreeMap::new();
    for (key, _) in entries {
        if let Some(first) = seen.insert(key.text(), key) {
            return Err(duplicate(key, first));
        }
    }
    Ok(())
}

impl<'t> Node<'t> {
    /// A scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What stands under `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node<'t>> {
        self.entry(key).map(|(_, value)| value)
    }

    /// `key` of a mapping, and what stands under it.
    pub fn entry(&self, key: &str) -> Option<&(Node<'t>, Node<'t>)> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(k, _)| k.text() == Some(key)),
            _ => None,
        }
    }

    /// The items of a sequence; of anything else none.
    pub fn items(&self) -> &[Node<'t>] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Where `path` leads, or the deepest part of it that is there.
    pub fn locate(&self, path: &Path) -> Span {
        let mut node = self;
        let mut span = self.span;
        for step in path.steps() {
            match step {
                Step::Key(key) => match node.entry(key) {
                    Some((key, value)) => {
                        // What is under a key may begin lines below it; the key tells more.
                        span = match value.value {
                            Value::Scalar { .. } => value.span,
                            _ => key.span,
                        };
                        node = value;
                    }
                    None => return span,
                },
                Step::Index(index) => match node.items().get(*index) {
                    Some(item) => {
                        span = item.headline();
                        node = item;
                    }
                    None => return span,
                },
            }
        }
        span
    }

    /// What stands for an item of a list: its `name`, or the item.
    pub(crate) fn headline(&self) -> Span {
        self.get("name").map_or(self.span, |name| name.span)
    }
}

#[cfg(test)]
mod tests;
