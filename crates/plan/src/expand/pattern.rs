//! Names with numbers in them: `idc-{n:03}`, `tor{rack}a`.

use std::fmt::Write as _;

use thiserror::Error;

/// What a pattern may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The member's number.
    pub n: u32,
    /// Its rack, counted from 1.
    pub rack: u32,
    /// Its place in the rack, counted from 1.
    pub unit: u32,
}

/// Why a pattern cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// A brace without its counterpart.
    #[error("{pattern:?} has a brace without its counterpart")]
    Unbalanced {
        /// The pattern.
        pattern: String,
    },
    /// Not one of the known numbers.
    #[error("{{{asked}}} is not known; there are {{n}}, {{rack}} and {{unit}}, and {{n:03}} pads")]
    Unknown {
        /// What stands between the braces.
        asked: String,
    },
}

/// The widest padding.
const MAX_WIDTH: usize = 10;

/// `pattern` with its numbers in place.
///
/// # Errors
/// [`PatternError`] for a brace without its counterpart or an unknown number.
pub fn fill(pattern: &str, with: Numbers) -> Result<String, PatternError> {
    let unbalanced = || PatternError::Unbalanced {
        pattern: pattern.to_owned(),
    };
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut rest = pattern;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(brace);
        out.push_str(literal);
        let inner = from_brace.strip_prefix('{').ok_or_else(unbalanced)?;
        let end = inner.find('}').ok_or_else(unbalanced)?;
        place(&inner[..end], with, &mut out)?;
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn place(asked: &str, with: Numbers, out: &mut String) -> Result<(), PatternError> {
    let unknown = || PatternError::Unknown {
        asked: asked.to_owned(),
    };
    let (name, width) = match asked.split_once(":0") {
        Some((name, width)) => (name, width.parse().map_err(|_| unknown())?),
        None => (asked, 0),
    };
    let number = match name {
        "n" => with.n,
        "rack" => with.rack,
        "unit" => with.unit,
        _ => return Err(unknown()),
    };
    if width > MAX_WIDTH {
        return Err(unknown());
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "{number:0width$}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_put_in_place_and_padded() {
        let with = Numbers {
            n: 7,
            rack: 2,
            unit: 11,
        };
        assert_eq!(fill("idc-{n:03}", with).as_deref(), Ok("idc-007"));
        assert_eq!(fill("tor{rack}a", with).as_deref(), Ok("tor2a"));
        assert_eq!(
            fill("{rack}/{unit:2}", with),
            Err(PatternError::Unknown {
                asked: "unit:2".into()
            })
        );
        assert_eq!(fill("plain", with).as_deref(), Ok("plain"));
        assert!(matches!(
            fill("a{n", with),
            Err(PatternError::Unbalanced { .. })
        ));
        assert!(matches!(
            fill("a}n", with),
            Err(PatternError::Unbalanced { .. })
        ));
        assert!(matches!(
            fill("{n:0999}", with),
            Err(PatternError::Unknown { .. })
        ));
    }
}
