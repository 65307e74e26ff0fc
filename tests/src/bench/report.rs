//! The benchmark's table and its JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::attach::Situation;
use super::stats::{Bound, Figures, Verdict};
use super::subject::{APART, Op};
use crate::screen::{Paint, Screen};

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// What the peer is.
    pub(super) peer: String,
    /// Rounds of each side, alternating.
    pub(super) rounds: usize,
    pub(super) results: Vec<Row>,
    pub(super) bounds: Vec<Verdict>,
}

/// One side in one situation.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    subject: &'static str,
    #[serde(flatten)]
    situation: Situation,
    #[serde(flatten)]
    figures: Figures,
}

/// The rows of all sides, side by side.
pub(super) fn rows(sides: &[(&'static str, BTreeMap<Situation, Figures>)]) -> Vec<Row> {
    let mut rows = Vec::new();
    let Some((_, first)) = sides.first() else {
        return rows;
    };
    for situation in first.keys() {
        for (subject, figures) in sides {
            rows.push(Row {
                subject,
                situation: *situation,
                figures: figures.get(situation).copied().unwrap_or_default(),
            });
        }
    }
    rows
}

impl Report {
    /// Whether every bound is kept.
    pub(super) fn passed(&self) -> bool {
        self.bounds.iter().all(|b| b.pass)
    }

    /// Figures and verdicts as tables for a terminal.
    pub(super) fn text(&self, screen: Screen) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, screen);
        text
    }

    fn write(&self, out: &mut String, screen: Screen) -> std::fmt::Result {
        let head = format!(
            "{:<38} {:<8} {:>6} {:>9} {:>9} {:>9} {:>8} {:>8}",
            "milliseconds", "", "n", "p50", "p95", "p99", "per s", "settling"
        );
        writeln!(out, "\n{}", screen.paint(Paint::Bold, &head))?;
        let mut last = None;
        for row in &self.results {
            let f = row.figures;
            let new = last != Some(row.situation);
            last = Some(row.situation);
            writeln!(
                out,
                "{:<38} {:<8} {:>6} {:>9.2} {:>9.2} {:>9.2} {:>8.1} {:>8.0}",
                if new {
                    named(row.situation)
                } else {
                    String::new()
                },
                row.subject,
                f.n,
                f.p50_ms,
                f.p95_ms,
                f.p99_ms,
                f.per_s,
                f.settle_ms
            )?;
        }
        let head = format!("{:<40} {:>12}  {:<12}", "bounds", "measured", "to be");
        writeln!(out, "\n{}", screen.paint(Paint::Bold, &head))?;
        for verdict in &self.bounds {
            let value = verdict
                .value
                .map_or_else(|| "?".to_owned(), |v| format!("{v:.2} {}", verdict.unit));
            let bound = match verdict.bound {
                Bound::AtMost(limit) => format!("≤ {limit} {}", verdict.unit),
                Bound::AtLeast(limit) => format!("≥ {limit} {}", verdict.unit),
            };
            let word = if verdict.pass {
                screen.paint(Paint::Good, "PASS")
            } else {
                screen.paint(Paint::Bad, "FAIL")
            };
            writeln!(out, "{:<40} {value:>12}  {bound:<12} {word}", verdict.name)?;
        }
        writeln!(
            out,
            "\nthe peer: Debian's bridge + host-local {}, IPv4 alone, in a namespace of its own;\n\
             bare: a port of Open vSwitch and nothing else;\n\
             {} rounds of each, in turn; settling: until the switch has done, after the last answer\n\
             of a round, what the calls did not wait for",
            self.peer, self.rounds
        )
    }
}

fn named(situation: Situation) -> String {
    let op = match situation.op {
        Op::Add => "ADD",
        Op::AddApart => {
            return format!(
                "ADD, {} ms apart, {} there",
                APART.as_millis(),
                situation.present
            );
        }
        Op::Del => "DEL",
        Op::Pair => "churn (ADD, DEL)",
    };
    let how = match situation.at_once {
        1 => "serial".to_owned(),
        n => format!("{n} at once"),
    };
    format!("{op}, {how}, {} there", situation.present)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_stand_beneath_each_other() {
        let situation = Situation {
            present: 0,
            op: Op::Add,
            at_once: 8,
        };
        let figures = BTreeMap::from([(situation, Figures::default())]);
        let rows = rows(&[("flatnet", figures.clone()), ("bridge", figures)]);
        let subjects: Vec<&str> = rows.iter().map(|r| r.subject).collect();
        assert_eq!(subjects, ["flatnet", "bridge"]);
        let report = Report {
            peer: "1.1.1".to_owned(),
            rounds: 1,
            results: rows,
            bounds: vec![Verdict::new("x", Some(0.5), "×", Bound::AtMost(0.6))],
        };
        let text = report.text(Screen::plain());
        assert!(text.contains("ADD, 8 at once, 0 there"), "{text}");
        assert!(text.contains("PASS"), "{text}");
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["results"][0]["op"], "ADD");
        assert_eq!(json["bounds"][0]["bound"]["atMost"], 0.6);
    }
}
