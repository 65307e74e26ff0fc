//! Why a text gives no value, and what was probably meant.

use std::fmt;

use serde::de;
use thiserror::Error;

use crate::source::{Span, SyntaxError};

/// Why a text gives no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// It is no document, at least from here on.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// What stands here does not fit. [`misfits`](super::misfits) says what else does not.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// What is not of the model's shape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ShapeError {
    /// Where, once known.
    pub span: Option<Span>,
    /// What was found and what is wanted.
    pub message: String,
    pub(super) kind: Kind,
}

/// What does not fit, which decides how the reading goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A field's value or an item of a list.
    Value,
    /// A key that no field has, and the field that was meant, if one is close.
    Key(Option<&'static str>),
    /// A mapping that lacks this field.
    Missing(&'static str),
    /// A mapping that has this field twice, which a key that is read as another one brings about.
    Twice(&'static str),
    /// A value of [`Filler`](super::filler::Filler) for this place.
    Filler(Place),
}

/// The line and the column where a node begins.
pub(super) type At = (u32, u32);

/// Where something is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the stead of the value that begins here.
    Value(At),
    /// As the field of the mapping that begins here.
    Field(At, &'static str),
}

impl ReadError {
    fn of(kind: Kind, message: String) -> Self {
        Self::Shape(ShapeError {
            span: None,
            message,
            kind,
        })
    }

    /// The innermost place wins.
    pub(super) fn at(mut self, span: Span) -> Self {
        if let Self::Shape(shape) = &mut self {
            shape.span.get_or_insert(span);
        }
        self
    }

    /// The same of a key: what was said of its value is said of the key.
    pub(super) fn of_key(mut self) -> Self {
        if let Self::Shape(shape) = &mut self
            && shape.kind == Kind::Value
        {
            shape.kind = Kind::Key(None);
        }
        self
    }

    /// The same of what was filled in at a place.
    pub(super) fn of_filler(mut self, place: Place) -> Self {
        if let Self::Shape(shape) = &mut self {
            shape.kind = Kind::Filler(place);
        }
        self
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(Kind::Value, message.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::invalid_value(found, wanted)
    }

    fn invalid_value(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        let wanted = self::wanted(wanted);
        let found = match found {
            de::Unexpected::Str(text) => format!("`{text}`"),
            other => other.to_string().replacen("integer ", "", 1),
        };
        Self::custom(format!("{wanted} is wanted here, not {found}"))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let meant = likeliest(field, known.iter().copied());
        let message = match meant {
            Some(name) => format!("there is no field `{field}` here; did you mean `{name}`?"),
            None => format!(
                "there is no field `{field}` here; there are {}",
                known.join(", ")
            ),
        };
        Self::of(Kind::Key(meant), message)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Kind::Missing(field), format!("`{field}` is missing here"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(Kind::Twice(field), format!("`{field}` is given twice here"))
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        let message = match likeliest(word, known.iter().copied()) {
            Some(name) => format!(
                "`{word}` is none of {}; did you mean {name}?",
                known.join(", ")
            ),
            None => format!("`{word}` is none of {}", known.join(", ")),
        };
        Self::custom(message)
    }
}

/// What a visitor wants: a visitor of the model says it in its own words, Serde's own ones speak
/// of Rust's types.
pub(super) fn wanted(wanted: &dyn de::Expected) -> String {
    let wanted = wanted.to_string();
    match wanted.as_str() {
        "a sequence" => "a list".to_owned(),
        "a string" => "a word".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "a mapping".to_owned(),
        "IP address" => "an address of IPv4 or IPv6".to_owned(),
        "a nonzero u32" => format!("a number from 1 to {}", u32::MAX),
        word if word.starts_with("enum ") => "a word".to_owned(),
        parts if parts.starts_with("struct ") => "a mapping".to_owned(),
        _ => wanted,
    }
}

/// The name that was meant, if one is close to what was written.
pub(crate) fn likeliest<'n>(
    written: &str,
    known: impl Iterator<Item = &'n str>,
) -> Option<&'n str> {
    let lower = written.to_lowercase();
    let far = |name: &str| strsim::damerau_levenshtein(&lower, &name.to_lowercase());
    let mut best: Option<(usize, &str)> = None;
    // Of two that are as near, neither is known to be meant.
    let mut tie = false;
    for name in known {
        let distance = far(name);
        match best {
            Some((nearest, kept)) if nearest == distance => tie |= kept != name,
            Some((nearest, _)) if nearest < distance => {}
            _ => (best, tie) = (Some((distance, name)), false),
        }
    }
    let (distance, name) = best?;
    (!tie && distance <= 1 + written.chars().count() / 5).then_some(name)
}
