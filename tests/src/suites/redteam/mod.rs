//! `redteam`: a container that is an enemy sends whatever a grammar yields, and what arrives where is
//! judged by the promise.
//!
//! ```text
//!   [grammar] protocol × wrapping × fragment × source × tag × destination ──▶ [shape]
//!        │                                                                     │
//!   [bytes, wrapping, packet] the frame, marked ──[stage] send──▶ the lab      │
//!                                                    │                    [oracle, listed, control]
//!                                   [watch] ◀────────┘                         │
//!                                      └──▶ [volley] what arrived, what was to ◀┘ ──▶ [report]
//!   [mutate] the same with one security flow out: it must be missed
//! ```

mod bytes;
mod control;
mod grammar;
mod listed;
mod mutate;
mod oracle;
mod packet;
mod report;
mod shape;
mod stage;
mod volley;
mod watch;
mod words;
mod wrapping;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::oracle::Mode;
use self::report::{Report, Site};
use self::shape::Shape;
use self::stage::{SITES, Stage};
use super::kit::say;
use super::{Check, Suite};
use crate::LabGuard;
use crate::interrupt::{self, Interrupt};
use crate::measure::Common;
use crate::rng::{SeededRng, seed};
use crate::screen::Screen;

/// Shapes that are odd in several ways, beside all that are odd in one.
const MORE: usize = 1_500;
/// The same in the suite.
const MORE_IN_SUITE: usize = 300;
/// Flows that the suite takes out at each site.
const MUTANTS_IN_SUITE: usize = 3;

pub(super) const SUITE: Suite = Suite {
    name: "redteam",
    about: "thousands of forged and odd frames: none arrives where it must not",
    checks: &[
        Check {
            sentence: "what a container sends arrives where it may, and a security flow that is out is missed, in mode vlan",
            run: |lab| small(lab, Mode::Vlan),
        },
        Check {
            sentence: "what a container sends arrives where it may, and a security flow that is out is missed, in mode routed",
            run: |lab| small(lab, Mode::Routed),
        },
    ],
};

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Take each security flow out once, and see that it is missed
    #[arg(long)]
    mutate: bool,
    /// Which of the shapes that are odd in several ways are sent
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many of them
    #[arg(long, default_value_t = MORE)]
    more: usize,
    #[command(flatten)]
    common: Common,
}

/// Runs and prints.
///
/// # Errors
/// If the lab does not come up, or frames cannot be sent or seen.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    interrupt::exit_code(whole(options))
}

fn whole(options: &Options) -> Result<bool> {
    let (interrupt, lab) = options.common.begin()?;
    let shapes = grammar::shapes(options.seed, options.more);
    let mut report = Report {
        datapath: lab.datapath().name(),
        seed: options.seed,
        sites: Vec::new(),
    };
    for site in SITES {
        let run = Run {
            site,
            shapes: &shapes,
            out: options.mutate.then_some(Choice::All),
        };
        report.sites.push(run.carry_out(&lab, &interrupt)?);
    }
    let screen = Screen::stdout();
    screen.line(&report.text(screen));
    options.common.write(&report)?;
    Ok(report.is_good())
}

fn small(lab: &LabGuard, mode: Mode) -> Result<()> {
    let seed = seed();
    let shapes = grammar::shapes(seed, MORE_IN_SUITE);
    let site = SITES.into_iter().find(|(_, _, m)| *m == mode);
    let run = Run {
        site: site.context("there is such a site")?,
        shapes: &shapes,
        out: Some(Choice::Some(SeededRng::new(seed, 1))),
    };
    let site = run.carry_out(lab, &Interrupt::default())?;
    say(&format!("seed {seed}: {}", site.line()));
    let complaints = site.complaints();
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// Which flows are taken out.
#[derive(Clone)]
enum Choice {
    All,
    /// A few, by chance.
    Some(SeededRng),
}

/// What is to be done at one site.
struct Run<'r> {
    site: (&'static str, &'static str, Mode),
    shapes: &'r [Shape],
    out: Option<Choice>,
}

impl Run<'_> {
    fn carry_out(&self, lab: &LabGuard, interrupt: &Interrupt) -> Result<Site> {
        let name = self.site.0;
        let stage = Stage::raise(lab, self.site).with_context(|| format!("site {name}"))?;
        let before = mutate::deciding(&stage)?;
        let screen = Screen::stdout();
        let progress = screen.progress(&format!("{name}: shapes"), 1);
        let all: Vec<&Shape> = self.shapes.iter().collect();
        let sent = volley::send(&stage, &all, interrupt)?;
        let mut site = volley::count(name, &sent);
        progress.done(&site.line());
        let mut flows = mutate::since(&before, mutate::deciding(&stage)?);
        if let Some(choice) = self.out.clone() {
            if let Choice::Some(mut rng) = choice {
                while flows.len() > MUTANTS_IN_SUITE {
                    flows.swap_remove(rng.below(flows.len()));
                }
            }
            let progress = screen.progress(&format!("{name}: flows taken out"), flows.len());
            site.flows = mutate::mutants(&stage, &flows, self.shapes, interrupt, || {
                progress.step();
            })?;
            progress.done(&format!("{} taken out", flows.len()));
        }
        Ok(site)
    }
}
