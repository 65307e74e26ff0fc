//! `flatnet-lab bench datapath`: what a packet costs, beside the same Open vSwitch with the action
//! NORMAL alone and beside Debian's `bridge` plugin.
//!
//! ```text
//!   idc1 ═ tor1 ─ edge ─ tor2 ═ idc2     flatnet: netd's flows
//!   idc3 ═ tor1          tor2 ═ idc4     normal: netd away, one flow, actions=NORMAL
//!   idc5 ═ tor1          tor2 ═ idc6     bridge: netd away, the uplink in a bridge of Linux
//! ```
//!
//! Three pairs of nodes of one lab: the same cables, the same switches between, the same kernel.
//! Times are shown and not judged: in a guest they vary by more than the sides differ. What can be
//! judged anywhere, upcalls, masks and recirculations, is a check of the suite `data-path`.

mod pods;
mod report;
mod sides;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use self::report::{Cell, Report};
use self::sides::{Place, Side};
use crate::interrupt::Interrupt;
use crate::load::{self, Many};
use crate::measure::Common;
use crate::screen::Screen;
use crate::{LabGuard, Terminal, UpOptions};

/// Two nodes for each side.
const NODES: u8 = 6;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Rounds of each side, in turn
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each figure is measured in a round, in milliseconds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
    #[command(flatten)]
    common: Common,
}

/// What is measured of a pair of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    /// Bits a second of one TCP stream.
    Stream,
    /// The round trip of one byte, at the median.
    RoundTrip,
    /// Connections one after the other, each with a byte and its end.
    Connections,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Stream, Self::RoundTrip, Self::Connections];

    /// In the unit that the report names.
    fn measure(self, way: load::Way<'_>, window: Duration) -> Result<f64> {
        Ok(match self {
            Self::Stream => load::stream(way, window)? / 1e6,
            Self::RoundTrip => load::round_trips(way, window)?.as_secs_f64() * 1e6,
            Self::Connections => load::connections(way, Many::For(window))?,
        })
    }
}

/// Measures and prints; true unless something does not work, which is an error.
pub(super) fn run(options: &Options) -> Result<bool> {
    let interrupt = Interrupt::catch().context("cannot catch signals")?;
    let up = UpOptions {
        idc: Some(NODES),
        datapath: options.common.datapath,
        ..UpOptions::default()
    };
    let lab = LabGuard::take_with(&up, &Terminal::default())?;
    let sides = [
        Side::flatnet(&lab, ["idc1", "idc2"])?,
        Side::normal(&lab, ["idc3", "idc4"])?,
        Side::bridge(&lab, ["idc5", "idc6"])?,
    ];
    let mut report = Report::new(lab.datapath(), sides.each_ref().map(|s| s.name));
    let window = Duration::from_millis(options.window);
    let rounds = usize::from(options.rounds);
    let screen = Screen::stdout();
    let progress = screen.progress("rounds", rounds);
    // The first does not count: caches of neighbours, flows, page tables.
    for round in 0..=rounds {
        let window = if round == 0 { window / 10 } else { window };
        for (place, kind) in cells() {
            for turn in 0..sides.len() {
                interrupt.check()?;
                // A B C, B C A, C A B, …: nobody always comes first.
                let number = (round + turn) % sides.len();
                let side = &sides[number];
                let value = kind
                    .measure(side.way(place), window)
                    .with_context(|| format!("{}, {place:?}, {kind:?}", side.name))?;
                if round > 0 {
                    report.record(Cell { place, kind }, number, value);
                }
            }
        }
        if round > 0 {
            progress.step();
        }
    }
    progress.done(&format!("{rounds} rounds of each"));
    screen.line(&report.text(screen));
    options.common.write(&report.json())?;
    Ok(true)
}

/// Every place with every kind.
fn cells() -> impl Iterator<Item = (Place, Kind)> {
    let places = [Place::OneHost, Place::TwoHosts];
    let with_kinds = |place| Kind::ALL.into_iter().map(move |kind| (place, kind));
    places.into_iter().flat_map(with_kinds)
}
