//! A report as a list of plain objects.

use serde::Serialize;

use crate::diagnostics::{Report, Severity};

impl Report {
    pub(super) fn json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Entry<'a> {
            code: &'a str,
            severity: Severity,
            message: &'a str,
            file: &'a str,
            line: u32,
            column: u32,
            end_column: u32,
            at: &'a str,
            help: &'a str,
            why: &'a str,
            related: Vec<Related<'a>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Related<'a> {
            message: &'a str,
            line: u32,
            column: u32,
            end_column: u32,
        }
        let entries: Vec<Entry<'_>> = self
            .diagnostics
            .iter()
            .map(|d| Entry {
                code: d.rule.code,
                severity: d.rule.severity,
                message: &d.message,
                file: &self.file,
                line: d.span.line,
                column: d.span.column,
                end_column: d.span.end_column(),
                at: &d.at,
                help: &d.help,
                why: d.rule.why,
                related: d
                    .related
                    .iter()
                    .map(|(span, label)| Related {
                        message: label,
                        line: span.line,
                        column: span.column,
                        end_column: span.end_column(),
                    })
                    .collect(),
            })
            .collect();
        // Strings and numbers: the serializer has no cause to refuse.
        serde_json::to_string_pretty(&entries).unwrap_or_default() + "\n"
    }
}
