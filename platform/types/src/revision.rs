//! The name of what runs.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hexadecimal digits of a revision.
const DIGITS: usize = 10;

/// The revision of an image's digest, a template (`NAME@VERSION`) and values: ten hexadecimal digits, the same for
/// the same input. It is in the names of ReplicaSets and in the labels of pods.
///
/// The order of the values' keys does not matter.
pub fn revision(digest: &str, template: &str, values: &Value) -> String {
    // `Value` keeps keys in order, so equal values are equal texts.
    digits(&[digest, template, &values.to_string()], DIGITS)
}

/// That many hexadecimal digits which stand for these texts, each by itself.
pub(crate) fn digits(parts: &[&str], count: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    hash.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(count)
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_input_has_the_same_revision_and_any_other_another() {
        let one = revision("sha256:1", "java@3", &json!({"a": 1, "b": 2}));
        assert_eq!(one.len(), DIGITS);
        assert_eq!(
            one,
            revision("sha256:1", "java@3", &json!({"b": 2, "a": 1}))
        );
        for other in [
            revision("sha256:2", "java@3", &json!({"a": 1, "b": 2})),
            revision("sha256:1", "java@4", &json!({"a": 1, "b": 2})),
            revision("sha256:1", "java@3", &json!({"a": 1})),
            revision("sha256:1java@3", "", &json!({"a": 1, "b": 2})),
        ] {
            assert_ne!(one, other);
        }
    }
}
