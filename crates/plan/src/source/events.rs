//! The text as a run of nodes' beginnings and ends, each with its place.
//!
//! Both readers of a text, the tree ([`super::read`]) and the model ([`super::de`]), take it
//! from here, so what is no document for one is none for the other: one document, keys that
//! are words and no two alike, aliases written out, and no more of anything than the limits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};

use super::{MAX_DEPTH, MAX_NODES, Span, SyntaxError};

/// The beginning of a node: all of a scalar, of anything else what follows is in it.
#[derive(Debug, Clone)]
pub(super) struct Begin<'t> {
    /// Where it begins, and how far it goes on that line.
    pub(super) span: Span,
    /// What it is.
    pub(super) what: What<'t>,
}

/// What begins.
#[derive(Debug, Clone)]
pub(super) enum What<'t> {
    /// A scalar, which is complete.
    Scalar {
        /// Its text, unquoted.
        text: Cow<'t, str>,
        /// Whether it stood without quotes, so that it may be a number or null.
        plain: bool,
    },
    /// A list.
    Sequence,
    /// A mapping: a key and what stands under it by turns.
    Mapping,
}

/// A node's beginning; none is an end.
type Edge<'t> = Option<Begin<'t>>;

/// A text that is being read.
pub(super) struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    documents: usize,
    nodes: usize,
    /// How many containers are open.
    depth: usize,
    /// What is known of the open containers, outermost first. Those that are closed stay, for
    /// their room.
    levels: Vec<Level>,
    /// What anchors stand for, with the aliases in it written out.
    anchors: BTreeMap<usize, Rc<[Edge<'t>]>>,
    /// Anchored nodes that are not complete, outermost first.
    recordings: Vec<Recording<'t>>,
    /// What an alias stands for, while it is gone through.
    replay: Option<Replay<'t>>,
}

struct Recording<'t> {
    anchor: usize,
    /// How many containers were open before it.
    depth: usize,
    edges: Vec<Edge<'t>>,
}

struct Replay<'t> {
    edges: Rc<[Edge<'t>]>,
    next: usize,
    /// Where the alias stands.
    alias: Span,
}

impl<'t> Events<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            documents: 0,
            nodes: 0,
            depth: 0,
            levels: Vec::new(),
            anchors: BTreeMap::new(),
            recordings: Vec::new(),
            replay: None,
        }
    }

    /// The next node of the container that is open; none where it ends, and where the
    /// document does.
    pub(super) fn next(&mut self) -> Result<Option<Begin<'t>>, SyntaxError> {
        if let Some(replay) = &mut self.replay {
            if let Some(edge) = replay.edges.get(replay.next) {
                replay.next += 1;
                let (edge, alias) = (edge.clone(), replay.alias);
                return self.take(edge, 0, Some(alias));
            }
            self.replay = None;
        }
        while let Some(event) = self.parser.next_event() {
            let (event, at) = event.map_err(|e| scan_error(&e))?;
            let span = span_of(at);
            let (what, anchor) = match event {
                Event::DocumentStart(_) => {
                    self.documents += 1;
                    if self.documents > 1 {
                        return Err(SyntaxError::SecondDocument { span });
                    }
                    continue;
                }
                Event::Scalar(text, style, anchor, _) => {
                    let plain = style == ScalarStyle::Plain;
                    (What::Scalar { text, plain }, anchor)
                }
                Event::SequenceStart(anchor, _) => (What::Sequence, anchor),
                Event::MappingStart(anchor, _) => (What::Mapping, anchor),
                Event::SequenceEnd | Event::MappingEnd => return self.take(None, 0, None),
                Event::Alias(anchor) => {
                    let known = self.anchors.get(&anchor);
                    let edges = known.ok_or(SyntaxError::BadAlias { span })?;
                    self.replay = Some(Replay {
                        edges: Rc::clone(edges),
                        next: 0,
                        alias: span,
                    });
                    return self.next();
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {
                    continue;
                }
            };
            return self.take(Some(Begin { span, what }), anchor, None);
        }
        Ok(None)
    }

    /// Goes to the end of the text, after the document's only node.
    pub(super) fn finish(&mut self) -> Result<(), SyntaxError> {
        while self.next()?.is_some() {}
        Ok(())
    }

    /// Goes past the rest of a node that has begun.
    pub(super) fn skip(&mut self, begun: &Begin<'_>) -> Result<(), SyntaxError> {
        if matches!(begun.what, What::Scalar { .. }) {
            return Ok(());
        }
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// Judges an edge, and keeps it where an anchor wants it kept.
    fn take(
        &mut self,
        edge: Edge<'t>,
        anchor: usize,
        alias: Option<Span>,
    ) -> Result<Edge<'t>, SyntaxError> {
        let before = self.depth;
        match &edge {
            Some(begin) => self.begin(begin, alias)?,
            None => self.end()?,
        }
        if anchor != 0 {
            self.recordings.push(Recording {
                anchor,
                depth: before,
                edges: Vec::new(),
            });
        }
        for recording in &mut self.recordings {
            recording.edges.push(edge.clone());
        }
        while let Some(done) = self.recordings.pop_if(|r| r.depth == self.depth) {
            self.anchors.insert(done.anchor, done.edges.into());
        }
        Ok(edge)
    }

    fn begin(&mut self, begin: &Begin<'t>, alias: Option<Span>) -> Result<(), SyntaxError> {
        let span = alias.unwrap_or(begin.span);
        // What is kept for aliases takes room too.
        self.nodes += 1 + self.recordings.len();
        if self.nodes > MAX_NODES {
            return Err(SyntaxError::TooLarge { span });
        }
        let open = self.depth.checked_sub(1).map(|at| &mut self.levels[at]);
        if let Some(level) = open
            && level.mapping
        {
            level.key_is_next = !level.key_is_next;
            if let (false, What::Scalar { text, .. }) = (level.key_is_next, &begin.what) {
                level.add(text, begin.span);
            }
        }
        let mapping = match begin.what {
            What::Scalar { .. } => return Ok(()),
            What::Sequence => false,
            What::Mapping => true,
        };
        if self.depth >= MAX_DEPTH {
            return Err(SyntaxError::TooLarge { span });
        }
        if self.levels.len() == self.depth {
            self.levels.push(Level::default());
        }
        self.levels[self.depth].open(mapping, begin.span);
        self.depth += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        // The parser closes nothing that it did not open.
        self.depth = self.depth.saturating_sub(1);
        let Some(ended) = self.levels.get(self.depth) else {
            return Ok(());
        };
        ended.unique()?;
        let around = self.depth.checked_sub(1).map(|at| &self.levels[at]);
        match around.is_some_and(|level| level.mapping && !level.key_is_next) {
            true => Err(SyntaxError::ComplexKey { span: ended.span }),
            false => Ok(()),
        }
    }
}

/// An open container.
#[derive(Default)]
struct Level {
    span: Span,
    mapping: bool,
    /// Of a mapping: whether the next node in it is a key.
    key_is_next: bool,
    /// A mapping's keys one after the other, and where each ends and stands: text that is
    /// used again for the next container, where each key by itself would be made anew.
    keys: String,
    ends: Vec<(usize, Span)>,
}

impl Level {
    fn open(&mut self, mapping: bool, span: Span) {
        self.span = span;
        self.mapping = mapping;
        self.key_is_next = true;
        self.keys.clear();
        self.ends.clear();
    }

    fn add(&mut self, key: &str, span: Span) {
        self.keys.push_str(key);
        self.ends.push((self.keys.len(), span));
    }

    fn keys(&self) -> impl Iterator<Item = (&str, Span)> {
        let mut from = 0;
        self.ends.iter().map(move |(end, span)| {
            let key = &self.keys[from..*end];
            from = *end;
            (key, *span)
        })
    }

    /// A mapping of the model has a dozen keys; labels may have more.
    fn unique(&self) -> Result<(), SyntaxError> {
        const FEW: usize = 16;
        let duplicate = |key: &str, span, first: Span| SyntaxError::DuplicateKey {
            span,
            key: key.to_owned(),
            first: first.line,
        };
        if self.ends.len() <= FEW {
            for (i, (key, span)) in self.keys().enumerate() {
                if let Some((_, first)) = self.keys().take(i).find(|(k, _)| *k == key) {
                    return Err(duplicate(key, span, first));
                }
            }
            return Ok(());
        }
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for (key, span) in self.keys() {
            if let Some(first) = seen.insert(key, span) {
                return Err(duplicate(key, span, first));
            }
        }
        Ok(())
    }
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
