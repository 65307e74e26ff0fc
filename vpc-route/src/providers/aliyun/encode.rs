//! Percent encoding as both signatures want it: RFC 3986's unreserved characters stay.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// One word, encoded: a space becomes `%20`, `*` becomes `%2A`, `~` stays.
pub(super) fn encode(word: &str) -> String {
    utf8_percent_encode(word, RESERVED).to_string()
}

/// The canonical query: sorted by key, keys and values encoded.
pub(super) fn canonical_query(parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = parameters.iter().collect();
    sorted.sort();
    let pairs: Vec<String> = sorted
        .into_iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    pairs.join("&")
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
