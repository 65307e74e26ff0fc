//! What came of a chaos run, for each kind of fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::breakage::Bound;
use crate::screen::{Paint, Screen};

/// The rows by their kinds' names.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) containers: usize,
    /// How many others each container talks to.
    pub(super) partners: usize,
    pub(super) streams: usize,
    pub(super) datapath: String,
    pub(super) seconds: f64,
    pub(super) kinds: BTreeMap<&'static str, Row>,
    /// What was delivered wrongly, the first of it.
    pub(super) wrong: Vec<String>,
    /// Streams that broke.
    pub(super) broken: Vec<String>,
    /// What could not be finished.
    pub(super) failures: Vec<String>,
}

/// One kind of fault.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) times: usize,
    pub(super) sent: usize,
    pub(super) lost: usize,
    /// Whether nothing may be lost.
    pub(super) lossless: bool,
    pub(super) wrong: usize,
    /// Things that are there for nobody, or that an attachment lacks.
    pub(super) left: usize,
    pub(super) left_over: BTreeSet<String>,
    pub(super) broken: usize,
    /// The longest time in which a stream got nothing, in milliseconds.
    pub(super) stalled_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bound: Option<Bound>,
    /// How often the bound in time was missed, or the node was never whole.
    pub(super) late: usize,
    /// How often netd had to be started anew.
    pub(super) restarts: usize,
    pub(super) codes: BTreeSet<String>,
    pub(super) worst_pairs: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skipped: Option<String>,
    #[serde(rename = "repairedMs")]
    pub(super) repaired: Vec<u128>,
    #[serde(rename = "namedMs")]
    pub(super) named: Vec<u128>,
}

/// How strictly a run is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judge {
    /// On an idle machine: every bound, and no packet lost.
    Strict,
    /// Among other work: neither times nor lost packets are judged.
    Lenient,
}

impl Row {
    pub(super) fn took(into: &mut Vec<u128>, time: Option<Duration>) {
        into.extend(time.map(|t| t.as_millis()));
        into.sort_unstable();
    }

    /// What is wrong with it, a sentence each.
    pub(super) fn complaints(&self, judge: Judge) -> Vec<String> {
        let strict = judge == Judge::Strict;
        let mut all = Vec::new();
        if self.lossless && strict && self.lost > 0 {
            all.push(format!("{} of {} packets lost", self.lost, self.sent));
        }
        if self.lossless && strict && self.broken > 0 {
            all.push(format!("{} streams broke", self.broken));
        }
        if self.wrong > 0 {
            all.push(format!("{} wrong deliveries", self.wrong));
        }
        if self.left > 0 {
            let left: Vec<&str> = self.left_over.iter().map(String::as_str).collect();
            all.push(format!("left over: {}", left.join("; ")));
        }
        if strict && self.late > 0 {
            all.push(format!("too late {} times of {}", self.late, self.times));
        }
        all
    }
}

impl Report {
    /// What is wrong, each with its kind.
    pub(super) fn complaints(&self, judge: Judge) -> Vec<String> {
        let rows = self.kinds.iter().flat_map(|(name, row)| {
            let complaints = row.complaints(judge).into_iter();
            complaints.map(move |complaint| format!("{name}: {complaint}"))
        });
        rows.chain(self.failures.iter().cloned()).collect()
    }

    /// A table with a row for each kind of fault, and below it what is wrong.
    pub(super) fn text(&self, screen: Screen, judge: Judge) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, screen, judge);
        text
    }

    fn write(&self, out: &mut String, screen: Screen, judge: Judge) -> std::fmt::Result {
        let head = format!(
            "{:<46} {:>3} {:>7} {:>6} {:>5} {:>4} {:>6} {:>7} {:>13} {:>13}",
            "",
            "n",
            "sent",
            "lost",
            "wrong",
            "left",
            "broken",
            "stalled",
            "repaired p50/w",
            "named p50/w"
        );
        writeln!(out, "\n{}", screen.paint(Paint::Bold, &head))?;
        for (name, row) in &self.kinds {
            let word = match (&row.skipped, row.complaints(judge).is_empty()) {
                (Some(_), _) => screen.paint(Paint::Dim, "skipped"),
                (None, true) => screen.paint(Paint::Good, "PASS"),
                (None, false) => screen.paint(Paint::Bad, "FAIL"),
            };
            writeln!(
                out,
                "{name:<46} {:>3} {:>7} {:>6} {:>5} {:>4} {:>6} {:>7} {:>14} {:>13} {word}",
                row.times,
                row.sent,
                row.lost,
                row.wrong,
                row.left,
                row.broken,
                row.stalled_ms,
                spread(&row.repaired),
                spread(&row.named),
            )?;
            for pair in row.worst_pairs.iter().filter(|_| row.lossless).take(3) {
                writeln!(out, "    lost {pair}")?;
            }
            if !row.codes.is_empty() {
                let codes: Vec<&str> = row.codes.iter().map(String::as_str).collect();
                writeln!(out, "    named {}", codes.join(", "))?;
            }
            if let Some(why) = &row.skipped {
                writeln!(out, "    {why}")?;
            }
        }
        for line in self.wrong.iter().chain(&self.broken) {
            writeln!(out, "    {line}")?;
        }
        for line in self.complaints(judge) {
            writeln!(out, "{} {line}", screen.paint(Paint::Bad, "✗"))?;
        }
        writeln!(
            out,
            "{} containers, each talking to {} others, {} streams, datapath {}, {:.0} s, FLATNET_SEED={}; times in milliseconds",
            self.containers, self.partners, self.streams, self.datapath, self.seconds, self.seed
        )
    }
}

/// The median and the worst of sorted times.
fn spread(sorted: &[u128]) -> String {
    match (
        sorted.get(sorted.len().saturating_sub(1) / 2),
        sorted.last(),
    ) {
        (Some(p50), Some(worst)) => format!("{p50}/{worst}"),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_packet_and_a_late_repair_fail_a_strict_run_alone() {
        let row = Row {
            lossless: true,
            sent: 1000,
            lost: 10,
            late: 1,
            ..Row::default()
        };
        assert_eq!(row.complaints(Judge::Strict).len(), 2);
        assert!(row.complaints(Judge::Lenient).is_empty());
        let wrong = Row {
            wrong: 1,
            ..Row::default()
        };
        assert_eq!(wrong.complaints(Judge::Lenient), ["1 wrong deliveries"]);
    }

    #[test]
    fn a_median_is_a_value_that_was_seen() {
        assert_eq!(spread(&[1, 2, 9]), "2/9");
        assert_eq!(spread(&[]), "-");
    }
}
