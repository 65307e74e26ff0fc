//! What is printed: one line of JSON.

use serde::Serialize;

/// A line of JSON. If `value` could not be serialised, the line would be an error object.
pub(crate) fn to_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| {
        r#"{"cniVersion":"1.1.0","code":999,"msg":"the answer cannot be written as JSON"}"#
            .to_owned()
    })
}
