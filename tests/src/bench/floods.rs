//! `flatnet-lab bench floods`: what a container that floods costs the ADDs and pings of others.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::stats;
use crate::measure::Common;
use crate::screen::{Paint, Screen};
use crate::suites::floods::{Kind, Scene};

/// How much longer an ADD may take at the median while somebody floods.
const BOUND: f64 = 1.5;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// ADDs that are timed in each round
    #[arg(long, default_value_t = 9)]
    adds: usize,
    /// Rounds of each kind: quiet, flooded, quiet, …
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Frames a second that the container sends; 0: as fast as it can
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    /// Only the kinds whose names have these words
    #[arg(long)]
    only: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// One kind of flood.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    flood: &'static str,
    /// What traffic costs that the datapath forwards by itself: shown, and held to nothing.
    reference: bool,
    frames_per_second: f64,
    /// Packets for which the datapath had no flow.
    upcalls_per_second: f64,
    /// Frames of the container that port security decided on.
    decided_per_second: f64,
    flows: usize,
    pings_lost: usize,
    /// At the median, in milliseconds: just before, on the quiet node, and during the flood.
    quiet_ms: f64,
    flooded_ms: f64,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.flooded_ms / self.quiet_ms.max(1e-9)
    }

    fn kept(&self) -> bool {
        self.reference || (self.ratio() <= BOUND && self.pings_lost == 0)
    }

    fn line(&self, screen: Screen) -> String {
        let verdict = match self.kept() {
            _ if self.reference => "for comparison".to_owned(),
            true => screen.paint(Paint::Good, "ok"),
            false => screen.paint(Paint::Bad, "MISSED"),
        };
        format!(
            "{:<22} {:>8.0} {:>9.0} {:>9.0} {:>6} {:>5} {:>8.2} {:>8.2} {:>6.2}  {verdict}",
            self.flood,
            self.frames_per_second,
            self.upcalls_per_second,
            self.decided_per_second,
            self.flows,
            self.pings_lost,
            self.quiet_ms,
            self.flooded_ms,
            self.ratio()
        )
    }
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    stats::percentile(&times, 50).map_or(0.0, |t| t.as_secs_f64() * 1e3)
}

/// Quiet and flooded in turn: a machine that is busy with something else is so for both.
fn measure(scene: &Scene<'_>, kind: Kind, options: &Options) -> Result<Row> {
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    let (mut sent, mut missed, mut decided) = (0, 0, 0);
    let (mut flows, mut pings_lost, mut took) = (0, 0, Duration::ZERO);
    for _ in 0..options.rounds.max(1) {
        quiet.extend(scene.adds(options.adds)?);
        let flood = scene.flood(kind, 0, options.rate, options.adds)?;
        sent += flood.sent;
        missed += flood.missed;
        decided += flood.decided;
        flows = flows.max(flood.flows);
        pings_lost += flood.pings_lost();
        took += flood.took;
        flooded.extend(flood.adds);
    }
    let per_second = |count: u64| count as f64 / took.as_secs_f64().max(1e-9);
    Ok(Row {
        flood: kind.name(),
        reference: kind == Kind::V4One,
        frames_per_second: per_second(sent),
        upcalls_per_second: per_second(missed),
        decided_per_second: per_second(decided),
        flows,
        pings_lost,
        quiet_ms: median_ms(quiet),
        flooded_ms: median_ms(flooded),
    })
}

/// Measures and prints; whether every bound was kept.
pub(super) fn run(options: &Options) -> Result<bool> {
    let (interrupt, lab) = options.common.begin()?;
    let screen = Screen::stdout();
    let scene = Scene::attach(&lab)?;
    // What is made at the first time does not count.
    scene.adds(3)?;
    screen.line(&format!(
        "ADD at the median, at most {BOUND} times that of the quiet node; no ping lost\n\
         {:<22} {:>8} {:>9} {:>9} {:>6} {:>5} {:>8} {:>8} {:>6}",
        "flood",
        "frames/s",
        "upcalls/s",
        "decided/s",
        "flows",
        "lost",
        "quiet ms",
        "flood ms",
        "ratio"
    ));
    let wanted = |kind: &&Kind| {
        let only = options.only.as_deref();
        only.is_none_or(|words| kind.name().contains(words))
    };
    let mut rows = Vec::new();
    for kind in Kind::ALL.iter().filter(wanted) {
        interrupt.check()?;
        let row = measure(&scene, *kind, options)?;
        screen.line(&row.line(screen));
        rows.push(row);
    }
    options.common.write(&rows)?;
    Ok(!rows.is_empty() && rows.iter().all(Row::kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_kept_by_its_ratio_and_without_a_lost_ping() {
        let row = |flooded_ms, pings_lost| Row {
            flood: "ARP for any target",
            reference: false,
            frames_per_second: 20_000.0,
            upcalls_per_second: 500.0,
            decided_per_second: 500.0,
            flows: 100,
            pings_lost,
            quiet_ms: 10.0,
            flooded_ms,
        };
        assert!(row(15.0, 0).kept());
        assert!(!row(15.1, 0).kept());
        assert!(!row(10.0, 1).kept());
    }

    #[test]
    fn the_median_is_told_in_milliseconds() {
        let times = [3, 1, 2].map(Duration::from_millis).to_vec();
        assert!((median_ms(times) - 2.0).abs() < 1e-9);
    }
}
