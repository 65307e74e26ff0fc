//! The table and its JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Kind;
use super::sides::Place;
use crate::Datapath;
use crate::screen::{Paint, Screen};

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(super) struct Cell {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// What was measured, by line, side and round.
#[derive(Debug)]
pub(super) struct Report {
    datapath: Datapath,
    sides: [&'static str; 3],
    cells: BTreeMap<Cell, [Vec<f64>; 3]>,
}

/// One side as a multiple of another: of the medians, and of each round.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ratio {
    medians: f64,
    least: f64,
    most: f64,
}

impl Ratio {
    fn of(ours: &[f64], theirs: &[f64]) -> Self {
        let rounds = || ours.iter().zip(theirs).map(|(a, b)| a / b);
        Self {
            medians: median(ours) / median(theirs),
            least: rounds().fold(f64::INFINITY, f64::min),
            most: rounds().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// The value in the middle; of an even number the upper one.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Report {
    pub(super) fn new(datapath: Datapath, sides: [&'static str; 3]) -> Self {
        Self {
            datapath,
            sides,
            cells: BTreeMap::new(),
        }
    }

    /// One figure of one side in one round.
    pub(super) fn record(&mut self, cell: Cell, side: usize, value: f64) {
        if let Some(values) = self.cells.entry(cell).or_default().get_mut(side) {
            values.push(value);
        }
    }

    /// The table, of 80 columns.
    pub(super) fn text(&self, screen: Screen) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, screen);
        text
    }

    fn write(&self, out: &mut String, screen: Screen) -> std::fmt::Result {
        let [ours, first, second] = self.sides;
        let head = format!(
            "{:<17} {ours:>8} {first:>8} {:<17} {second:>8} {:<17}",
            "", "  flatnet / it", "  flatnet / it"
        );
        writeln!(out, "\n{}", screen.paint(Paint::Bold, head.trim_end()))?;
        let mut last = None;
        for (cell, [a, b, c]) in &self.cells {
            if last != Some(cell.place) {
                let place = match cell.place {
                    Place::OneHost => "on one host",
                    Place::TwoHosts => "on two hosts",
                };
                writeln!(out, "{}", screen.paint(Paint::Bold, place))?;
                last = Some(cell.place);
            }
            let line = format!(
                "{:<17} {:>8} {:>8} {:<17} {:>8} {:<17}",
                named(cell.kind),
                number(median(a)),
                number(median(b)),
                shown(Ratio::of(a, b)),
                number(median(c)),
                shown(Ratio::of(a, c)),
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        let rounds = self.cells.values().next().map_or(0, |[a, ..]| a.len());
        write!(
            out,
            "\n{rounds} rounds of each, in turn; medians, and the ratio of the medians with the least\n\
             and the most of a round. Open vSwitch's datapath: {}; Linux {}",
            self.datapath.name(),
            release()
        )
    }

    /// Every figure of every round.
    pub(super) fn json(&self) -> Value {
        let cells = self.cells.iter().map(|(cell, values)| {
            let sides = self.sides.iter().zip(values);
            let sides: serde_json::Map<String, Value> = sides
                .map(|(name, values)| ((*name).to_owned(), json!(values)))
                .collect();
            json!({"place": cell.place, "kind": cell.kind, "unit": unit(cell.kind), "rounds": sides})
        });
        json!({
            "datapath": self.datapath,
            "kernel": release(),
            "results": cells.collect::<Vec<_>>(),
        })
    }
}

fn unit(kind: Kind) -> &'static str {
    match kind {
        Kind::Stream => "Mbit/s",
        Kind::RoundTrip => "µs",
        Kind::Connections => "1/s",
    }
}

fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Stream => "  stream, Mbit/s",
        Kind::RoundTrip => "  round trip, µs",
        Kind::Connections => "  connections/s",
    }
}

fn number(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

fn shown(ratio: Ratio) -> String {
    let Ratio {
        medians,
        least,
        most,
    } = ratio;
    format!(" {medians:.2} {least:.2}..{most:.2}")
}

/// The kernel's release (uname(2)).
fn release() -> String {
    nix::sys::utsname::uname().map_or_else(
        |_| "of unknown release".to_owned(),
        |name| name.release().to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new(Datapath::User, ["flatnet", "normal", "bridge"]);
        for place in [Place::OneHost, Place::TwoHosts] {
            for kind in Kind::ALL {
                for (side, factor) in [1.0, 0.5, 4.0].into_iter().enumerate() {
                    for round in [12_000.0, 10_000.0, 14_000.0] {
                        report.record(Cell { place, kind }, side, round * factor);
                    }
                }
            }
        }
        report
    }

    #[test]
    fn a_ratio_is_of_the_medians_and_its_spread_of_the_rounds() {
        let ratio = Ratio::of(&[1.0, 3.0, 2.0], &[2.0, 2.0, 4.0]);
        let expected = Ratio {
            medians: 1.0,
            least: 0.5,
            most: 1.5,
        };
        assert_eq!(ratio, expected);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_table_fits_a_terminal_and_holds_both_ratios() {
        let text = report().text(Screen::plain());
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(text.contains("on two hosts"), "{text}");
        let line = text.lines().find(|l| l.contains("connections/s"));
        let words: Vec<&str> = line.expect("a line").split_whitespace().collect();
        assert_eq!(
            words[1..],
            [
                "12000",
                "6000",
                "2.00",
                "2.00..2.00",
                "48000",
                "0.25",
                "0.25..0.25"
            ]
        );
    }

    #[test]
    fn the_json_has_every_round_of_every_side() {
        let json = report().json();
        assert_eq!(json["results"].as_array().map(Vec::len), Some(6));
        assert_eq!(json["results"][0]["kind"], "stream");
        assert_eq!(
            json["results"][0]["rounds"]["normal"],
            json!([6000.0, 5000.0, 7000.0])
        );
    }
}
