//! Sentences in lines of a limited width.

use unicode_width::UnicodeWidthStr;

/// How wide text for people is, in columns.
pub(in crate::diagnostics) const WIDTH: usize = 80;

/// The lines of a text in at most `width` columns. A word that is longer, such as a path, stays
/// whole.
pub(in crate::diagnostics) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_are_filled_and_long_words_stay_whole() {
        assert_eq!(wrap("a bb ccc dddd", 6), ["a bb", "ccc", "dddd"]);
        assert_eq!(
            wrap("see /a/long/path here", 6),
            ["see", "/a/long/path", "here"]
        );
        assert_eq!(wrap("one\ntwo", 80), ["one", "two"]);
        assert_eq!(wrap("", 80), [""; 0]);
        // Characters that are two columns wide.
        assert_eq!(wrap("机房 机房", 8), ["机房", "机房"]);
    }
}
