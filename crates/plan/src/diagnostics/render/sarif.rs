//! Reports as a log of static analysis results: SARIF 2.1.0 (OASIS), which code hosts show at the
//! lines of a change and keep from run to run.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::diagnostics::{Diagnostic, Report};
use crate::finding::{RULES, Rule};
use crate::source::Span;

/// The log of one run over several plans. `complete`: whether all of them could be opened.
///
/// Columns count characters (`unicodeCodePoints`, §3.14.27), and an `endColumn` is the one behind
/// the last character (§3.30.8). Every rule is listed with its help, whether it was broken or not,
/// so that a host can show the ones that are gone.
pub fn sarif(reports: &[Report], complete: bool) -> String {
    let results = reports.iter().flat_map(|report| {
        let all = report.diagnostics.iter();
        all.map(|d| result(&report.file, d))
    });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "flatctl",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(|rule| of_rule(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": complete}],
            "results": results.collect::<Vec<_>>(),
        }],
    });
    format!("{log:#}\n")
}

/// A reporting descriptor (§3.49).
fn of_rule(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": rule.severity.as_str()},
        "help": {
            "text": format!("{}\n\nFor example:\n{}", rule.help, rule.example),
            "markdown": format!("{}\n\n```yaml\n{}\n```", rule.help, rule.example),
        },
    })
}

/// A result (§3.27).
fn result(file: &str, d: &Diagnostic) -> Value {
    let text = match d.help.is_empty() {
        true => d.message.clone(),
        false => format!("{}\n{}", d.message, d.help),
    };
    let mut location = json!({"physicalLocation": physical(file, d.span)});
    if !d.at.is_empty() {
        location["logicalLocations"] = json!([{"fullyQualifiedName": d.at}]);
    }
    let mut result = json!({
        "ruleId": d.rule.code,
        "level": d.rule.severity.as_str(),
        "message": {"text": text},
        "locations": [location],
    });
    if let Some(index) = RULES.iter().position(|rule| *rule == d.rule) {
        result["ruleIndex"] = json!(index);
    }
    if let Some((span, label)) = &d.related {
        result["relatedLocations"] = json!([{
            "id": 1,
            "message": {"text": label},
            "physicalLocation": physical(file, *span),
        }]);
    }
    result
}

/// A physical location (§3.29).
fn physical(file: &str, span: Span) -> Value {
    json!({
        "artifactLocation": {"uri": uri(file)},
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.line,
            "endColumn": span.end_column(),
        },
    })
}

/// A path as a URI reference (RFC 3986 §4.1): relative where the path is.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            b if b.is_ascii_alphanumeric() => uri.push(char::from(b)),
            b => {
                let _ = write!(uri, "%{b:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_a_reference() {
        assert_eq!(uri("plans/a-1.yaml"), "plans/a-1.yaml");
        assert_eq!(
            uri("/etc/flatnet/plan.yaml"),
            "file:///etc/flatnet/plan.yaml"
        );
        assert_eq!(uri("a:b c%.yaml"), "a%3Ab%20c%25.yaml");
        assert_eq!(uri("机.yaml"), "%E6%9C%BA.yaml");
    }
}
