//! The document's text, and where in it everything stands.
//!
//! ```text
//!             ┌─▶ [de] the model, or all that does not fit and its places
//!   text ─▶ events ─▶ [locate] the places of findings, by their [Path]s
//!             └─▶ [read] a tree with every place: for edits, and to explain a misfit
//! ```
//!
//! A text that fits is never in memory as a tree, which takes ten times its room: who keeps
//! a plan of ten thousand hosts reads it again and again.

pub mod de;
mod events;
mod locate;
mod path;

use std::borrow::Cow;

use thiserror::Error;

use events::{Begin, Events, What};

pub use locate::locate;
pub use path::{Path, Step};

/// A place in the text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The number of the line, from 1.
    pub line: u32,
    /// The column of the first character, from 1, in characters.
    pub column: u32,
    /// How many characters of that line, at least 1.
    pub length: u32,
}

impl Span {
    /// The column behind the last character.
    pub fn end_column(self) -> u32 {
        self.column.saturating_add(self.length)
    }
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
        /// The place in the text.
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
        /// The place in the text.
        span: Span,
    },
    /// A key that is a list or a mapping.
    #[error("a key is a word, not a list or a mapping")]
    ComplexKey {
        /// The place in the text.
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
        /// The place in the text.
        span: Span,
    },
    /// Deeper than [`MAX_DEPTH`] or, with aliases written out, larger than [`MAX_NODES`].
    #[error(
        "the document is nested more than {MAX_DEPTH} deep or has, with its aliases written out, \
         more than {MAX_NODES} values"
    )]
    TooLarge {
        /// Where the limit was met.
        span: Span,
    },
}

impl SyntaxError {
    /// The place in the text; of an empty one its first character.
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

/// The longest text of a plan that is read, in bytes: ten times one of ten thousand written-out
/// hosts.
pub const MAX_BYTES: u64 = 64 << 20;
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
    let mut events = Events::of(text);
    let first = events.next()?.ok_or(SyntaxError::Empty)?;
    let root = node(first, &mut events)?;
    events.finish()?;
    Ok(root)
}

/// The rest of a node that has begun. It goes no deeper than [`MAX_DEPTH`].
fn node<'t>(begun: Begin<'t>, events: &mut Events<'t>) -> Result<Node<'t>, SyntaxError> {
    let value = match begun.what {
        What::Scalar { text, plain } => Value::Scalar { text, plain },
        What::Sequence => {
            let mut items = Vec::new();
            while let Some(item) = events.next()? {
                items.push(node(item, events)?);
            }
            // A large plan has hundreds of thousands of these, none of which grows any more.
            items.shrink_to_fit();
            Value::Sequence(items)
        }
        What::Mapping => {
            let mut entries = Vec::new();
            while let Some(key) = events.next()? {
                let key = node(key, events)?;
                // A key without a value has an empty one: YAML 1.2 §7.5.
                let Some(value) = events.next()? else { break };
                entries.push((key, node(value, events)?));
            }
            entries.shrink_to_fit();
            Value::Mapping(entries)
        }
    };
    Ok(Node {
        span: begun.span,
        value,
    })
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

    /// What stands for an item of a list: its `name`, or the item.
    pub(crate) fn headline(&self) -> Span {
        self.get("name").map_or(self.span, |name| name.span)
    }
}

#[cfg(test)]
mod tests;
