//! What came of a run: for a person, and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::listed::Listed;
use super::oracle::Place;
use crate::screen::{Paint, Screen};

/// The whole run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) datapath: &'static str,
    pub(super) seed: u64,
    pub(super) sites: Vec<Site>,
}

/// One site's part.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Site {
    pub(super) site: String,
    pub(super) frames: usize,
    /// How many were to arrive nowhere.
    pub(super) forbidden: usize,
    /// How many were to arrive.
    pub(super) honest: usize,
    pub(super) unexpected: Vec<Unexpected>,
    pub(super) listed: BTreeMap<&'static str, Row>,
    pub(super) flows: Vec<Mutant>,
}

/// A line of the threat model.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) reason: &'static str,
    pub(super) frames: usize,
    /// How many of them arrived anywhere.
    pub(super) arrived: usize,
}

/// A frame that did what it must not.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Unexpected {
    pub(super) shape: String,
    pub(super) bytes: String,
    pub(super) expected: String,
    /// Where it must not, and as what.
    pub(super) arrived: Vec<(Place, String)>,
    /// Where it was to arrive.
    pub(super) missing: Vec<Place>,
}

/// What it came to that a flow was taken out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mutant {
    pub(super) flow: String,
    /// Frames that came to it while it was there.
    pub(super) hits: u64,
    pub(super) found: Found,
}

/// Whether its absence is seen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "as")]
pub(super) enum Found {
    /// By a frame that arrives where it must not, or by an honest one that is lost.
    Seen { shapes: usize, first: String },
    /// Its frames are dropped without it too, and are no longer counted where they were.
    Counted,
    /// No frame of this datapath comes to it; why.
    Unreached { reason: &'static str },
    /// Nothing changes.
    Unseen,
}

impl Site {
    pub(super) fn new(site: &str, frames: usize) -> Self {
        Self {
            site: site.to_owned(),
            frames,
            forbidden: 0,
            honest: 0,
            unexpected: Vec::new(),
            listed: BTreeMap::new(),
            flows: Vec::new(),
        }
    }

    pub(super) fn list(&mut self, listed: &'static Listed, arrived: bool) {
        let row = self.listed.entry(listed.name).or_insert(Row {
            reason: listed.reason,
            frames: 0,
            arrived: 0,
        });
        row.frames += 1;
        row.arrived += usize::from(arrived);
    }

    fn borne(&self) -> usize {
        self.listed.values().map(|row| row.frames).sum()
    }

    /// The line that says it all.
    pub(super) fn line(&self) -> String {
        format!(
            "{} frames, {} unexpected, {} listed in the threat model",
            self.frames,
            self.unexpected.len(),
            self.borne()
        )
    }

    /// What is wrong, a paragraph each.
    pub(super) fn complaints(&self) -> Vec<String> {
        let unexpected = self.unexpected.iter().map(Unexpected::text);
        let unseen = self
            .flows
            .iter()
            .filter(|m| matches!(m.found, Found::Unseen));
        let unseen = unseen.map(|m| {
            format!(
                "taken out, and nothing changed ({} frames came to it before): {}\n  a shape is \
                 missing in the grammar, or the flow does nothing",
                m.hits, m.flow
            )
        });
        unexpected.chain(unseen).collect()
    }
}

impl Unexpected {
    /// In words, with its bytes.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n  expected: {}", self.shape, self.expected);
        let _ = write!(text, "\n  sent:     {}", self.bytes);
        for (place, bytes) in &self.arrived {
            let _ = write!(text, "\n  arrived at {place:?}: {bytes}");
        }
        if !self.missing.is_empty() {
            let _ = write!(text, "\n  did not arrive at {:?}", self.missing);
        }
        text
    }
}

impl Report {
    /// All of it; the last line is the count.
    pub(super) fn text(&self, screen: Screen) -> String {
        let mut text = String::new();
        for site in &self.sites {
            let head = format!(
                "{}, datapath {}, seed {}: {} forbidden, {} honest",
                site.site, self.datapath, self.seed, site.forbidden, site.honest
            );
            let _ = writeln!(text, "{}", screen.paint(Paint::Bold, &head));
            for (name, row) in &site.listed {
                let count = format!("{} frames, {} arrived", row.frames, row.arrived);
                let _ = writeln!(text, "  listed: {name}: {count}; {}", row.reason);
            }
            for mutant in &site.flows {
                let _ = writeln!(text, "  {}", mutant.line());
            }
            for complaint in site.complaints() {
                let _ = writeln!(
                    text,
                    "{} {complaint}",
                    screen.paint(Paint::Bad, "UNEXPECTED")
                );
            }
            let _ = writeln!(text, "{}: {}", site.site, site.line());
        }
        let sum = |of: fn(&Site) -> usize| -> usize { self.sites.iter().map(of).sum() };
        let flows = sum(|s| s.flows.len());
        if flows > 0 {
            let mutants = self.sites.iter().flat_map(|s| &s.flows);
            let missed = mutants.filter(|m| matches!(m.found, Found::Unseen)).count();
            let _ = writeln!(text, "{flows} flows taken out, {missed} not missed");
        }
        let _ = write!(
            text,
            "{} frames, {} unexpected, {} listed in the threat model",
            sum(|s| s.frames),
            sum(|s| s.unexpected.len()),
            sum(Site::borne)
        );
        text
    }

    /// Whether all is as it should be.
    pub(super) fn is_good(&self) -> bool {
        self.sites.iter().all(|s| s.complaints().is_empty())
    }
}

impl Mutant {
    fn line(&self) -> String {
        let Self { flow, hits, .. } = self;
        match &self.found {
            Found::Seen { shapes, first } => {
                format!("out: {flow} ({hits} frames): seen by {shapes}, first {first}")
            }
            Found::Counted => format!(
                "out: {flow} ({hits} frames): they are dropped by another flow, and counted there"
            ),
            Found::Unreached { reason } => format!("out: {flow}: {reason}"),
            Found::Unseen => format!("out: {flow} ({hits} frames): NOT SEEN"),
        }
    }
}

/// Bytes as a person reads them.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_count_and_a_flow_that_nobody_misses_is_a_complaint() {
        let mut site = Site::new("idc", 3);
        site.list(&super::super::listed::CHECKSUM, true);
        let mut report = Report {
            datapath: "user",
            seed: 1,
            sites: vec![site],
        };
        let text = report.text(Screen::plain());
        let last = text.lines().last();
        assert_eq!(
            last,
            Some("3 frames, 0 unexpected, 1 listed in the threat model")
        );
        assert!(report.is_good());
        report.sites[0].flows.push(Mutant {
            flow: "table=1 priority=9".into(),
            hits: 0,
            found: Found::Unseen,
        });
        assert!(!report.is_good());
        assert!(
            report
                .text(Screen::plain())
                .contains("1 flows taken out, 1 not missed")
        );
    }
}
