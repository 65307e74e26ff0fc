//! What is wanted and what was found, in the words of people who write plans.

use std::fmt;

use serde::de;

use super::ReadError;
use super::error::wanted;
use crate::source::events::{Begin, What};

/// That a node is of another type than what is wanted.
pub(super) fn wrong(found: &Begin<'_>, expected: &dyn de::Expected) -> ReadError {
    let wanted = wanted(expected);
    let list = wanted == "a list";
    let error = not(found, &wanted);
    match (&found.what, error) {
        (What::Scalar { text, .. }, ReadError::Shape(mut shape))
            if list && !is_null(&found.what) =>
        {
            shape.message = format!("{}: write [{text}]", shape.message);
            ReadError::Shape(shape)
        }
        (_, error) => error,
    }
}

/// That something else than `wanted` was found.
pub(super) fn not(found: &Begin<'_>, wanted: &str) -> ReadError {
    let what = match &found.what {
        What::Sequence => "a list".to_owned(),
        What::Mapping => "a mapping".to_owned(),
        null if is_null(null) => "nothing".to_owned(),
        What::Scalar { text, .. } => format!("`{text}`"),
    };
    <ReadError as de::Error>::custom(format!("{wanted} is wanted here, not {what}")).at(found.span)
}

/// What the standard library says of an address, in the plan's words.
pub(super) fn of_address(mut error: ReadError, text: &str) -> ReadError {
    if let ReadError::Shape(shape) = &mut error
        && shape.span.is_none()
        && shape.message == "invalid IP address syntax"
    {
        shape.message = match text.split_once('/') {
            Some((address, _)) if address.parse::<std::net::IpAddr>().is_ok() => {
                format!("`{text}` is a prefix, and an address is wanted: write {address}")
            }
            _ => format!("`{text}` is no address of IPv4 or IPv6"),
        };
    }
    error
}

pub(super) fn is_null(what: &What<'_>) -> bool {
    matches!(what, What::Scalar { text, plain: true }
        if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL"))
}

/// Nothing at all, where YAML reads null.
pub(super) fn is_empty(what: &What<'_>) -> bool {
    matches!(what, What::Scalar { text, plain: true } if text.is_empty())
}

/// True or false as YAML 1.2 has it (§10.2.1.2). Programs of YAML 1.1 take `yes` and `on` for
/// true, those of 1.2 for words.
pub(super) fn truth(found: &Begin<'_>) -> Result<bool, ReadError> {
    let What::Scalar { text, plain: true } = &found.what else {
        return Err(not(found, "true or false"));
    };
    match text.as_ref() {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        other => {
            let meant = match other.to_lowercase().as_str() {
                "yes" | "y" | "on" => Some("true"),
                "no" | "n" | "off" => Some("false"),
                _ => None,
            };
            let error = not(found, "true or false");
            Err(match (meant, error) {
                (Some(meant), ReadError::Shape(mut shape)) => {
                    shape.message = format!("{}: write {meant}", shape.message);
                    ReadError::Shape(shape)
                }
                (_, error) => error,
            })
        }
    }
}

/// Refuses a word without quotes that other programs read as something else: `true`, `1.10`, `010`,
/// `0x10`. A whole number stays as it is written in all of them, so that a rack may be called 7.
pub(super) fn is_word(
    (text, plain): (&str, bool),
    expected: &dyn de::Expected,
) -> Result<(), ReadError> {
    if !plain || !is_other(text) || wanted(expected) != "a word" {
        return Ok(());
    }
    Err(<ReadError as de::Error>::custom(format!(
        "`{text}` is no word to some programs: write \"{text}\""
    )))
}

/// Whether YAML 1.2 (§10.3.2) or 1.1 reads a plain scalar as a truth, or as a number that is not
/// written as it is here.
fn is_other(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some(first) = digits.bytes().next() else {
        return false;
    };
    if !first.is_ascii_digit() && first != b'.' {
        // YAML 1.1 (type bool). Its `y` and `n` no common reader takes for truths.
        let truths = ["true", "false", "yes", "no", "on", "off"];
        let small = text.to_lowercase();
        let rest_is_small = small.get(1..) == text.get(1..);
        return truths.contains(&small.as_str()) && (rest_is_small || text == text.to_uppercase());
    }
    let based = |prefix: &str, base: u32| {
        let rest = digits.strip_prefix(prefix);
        rest.is_some_and(|r| !r.is_empty() && r.chars().all(|c| c.is_digit(base)))
    };
    if based("0x", 16) || based("0o", 8) {
        return true;
    }
    match digits.bytes().all(|b| b.is_ascii_digit()) {
        true => text.starts_with('+') || (digits.len() > 1 && first == b'0'),
        false => text.parse::<f64>().is_ok(),
    }
}

/// A number from `least` to `most`, without quotes. `expected` says what of.
pub(super) fn number<T>(
    found: &Begin<'_>,
    (least, most): (T, T),
    expected: &dyn de::Expected,
) -> Result<T, ReadError>
where
    T: std::str::FromStr + fmt::Display + Copy,
{
    let wanted = || match wanted(expected) {
        // Rust's names of its types.
        name if !name.contains(' ') => format!("a number from {least} to {most}"),
        words => words,
    };
    match &found.what {
        What::Scalar { text, plain: true } => {
            if let Some(why) = read_otherwise(text) {
                return Err(<ReadError as de::Error>::custom(why).at(found.span));
            }
            text.parse().map_err(|_| not(found, &wanted()))
        }
        _ => Err(not(found, &wanted())),
    }
}

/// Numbers that programs read differently: YAML 1.1 takes `020` for 16 and `1e3` for a word, YAML
/// 1.2 for 20 and for 1000.
fn read_otherwise(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if all && (text.starts_with('+') || (digits.len() > 1 && digits.starts_with('0'))) {
        let plain = digits.trim_start_matches('0');
        let plain = if plain.is_empty() { "0" } else { plain };
        return Some(format!(
            "`{text}` is read as another number by some programs: write {plain}"
        ));
    }
    let power = text.parse::<f64>().is_ok_and(f64::is_finite) && !all;
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    (power && value.fract() == 0.0 && value.abs() < 1e15)
        .then(|| format!("`{text}` is no number to some programs: write {value}"))
}
