//! What a file is that is no text in UTF-8.

use std::fmt;

/// Why bytes are no plan's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotText {
    /// UTF-16, as some editors and `PowerShell` write.
    Utf16,
    /// No text at all.
    Binary,
    /// A text of another encoding.
    Foreign,
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf16 => "a text in UTF-16, and UTF-8 is wanted",
            Self::Binary => "a binary file, and a text is wanted",
            Self::Foreign => "no text in UTF-8",
        })
    }
}

/// What bytes are that begin with `head`, if they are no text in UTF-8. Half of the bytes of an
/// English text in UTF-16 are zero, and of a text in UTF-8 none is.
pub(crate) fn not_text(head: &[u8], is_utf8: bool) -> Option<NotText> {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Some(NotText::Utf16);
    }
    let zeros = |odd: usize| {
        head.iter()
            .skip(odd)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    match (even, odd, is_utf8) {
        (0, 0, true) => None,
        (0, 0, false) => Some(NotText::Foreign),
        (0, some, _) | (some, 0, _) if some >= head.len() / 4 => Some(NotText::Utf16),
        _ => Some(NotText::Binary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        let units = mark.into_iter().chain(text.encode_utf16());
        units.flat_map(bytes).collect()
    }

    #[test]
    fn an_encoding_is_known_by_its_first_bytes() {
        let plan = "apiVersion: flatnet.io/v1alpha1\n";
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            for mark in [true, false] {
                let text = utf16(plan, mark, bytes);
                let is_utf8 = std::str::from_utf8(&text).is_ok();
                assert_eq!(not_text(&text, is_utf8), Some(NotText::Utf16), "{mark}");
            }
        }
        assert_eq!(not_text(plan.as_bytes(), true), None);
        assert_eq!(
            not_text(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0", true),
            Some(NotText::Binary)
        );
        assert_eq!(
            not_text(b"name: M\xfcnchen\n", false),
            Some(NotText::Foreign)
        );
        assert_eq!(not_text(b"", true), None);
    }
}
