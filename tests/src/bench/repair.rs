//! `flatnet-lab bench repair`: how long a node is broken after somebody broke it by hand.
//!
//! netd runs with its sweep switched off (`--resync 86400`): what is repaired is repaired because
//! something told it. Each fault is made so many times, and the worst time is what is judged.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;

use super::stats::percentile;
use crate::breakage::{Bound, FAULTS, Fault, Ground, Sample, Site, time};
use crate::chaos::{Crowd, READY};
use crate::interrupt::Interrupt;
use crate::measure::Common;
use crate::screen::{Paint, Screen};
use crate::{LabGuard, NetdArgs, Node};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// How often each fault is made
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Only the faults whose names have these words
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// Containers that live on each of the two nodes besides: their ports and flows are netd's to
    /// repair too
    #[arg(long, default_value_t = 0)]
    containers: usize,
    /// The node in mode `vlan`
    #[arg(long, default_value = "idc1")]
    idc: String,
    /// The node in mode `routed`
    #[arg(long, default_value = "vpc1")]
    vpc: String,
    /// How long one fault is looked at, in seconds, where the bound is missed
    #[arg(long, default_value_t = 5)]
    limit: u64,
    #[command(flatten)]
    common: Common,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Report {
    rounds: usize,
    containers: usize,
    rows: Vec<Row>,
}

/// One fault.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: &'static str,
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound: Option<Bound>,
    /// In seconds.
    limit: f64,
    rounds: usize,
    /// Rounds that missed the bound.
    missed: usize,
    repaired: Times,
    named: Times,
    /// The problems that netd named.
    codes: BTreeSet<String>,
    /// Rounds after which netd had to be started anew.
    restarts: usize,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    /// Why it could not be measured to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

/// Milliseconds of so many rounds in which it happened at all.
#[derive(Debug, Default, Serialize)]
struct Times {
    n: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worst_ms: Option<f64>,
}

impl Times {
    fn of(times: impl Iterator<Item = Option<Duration>>) -> Self {
        let mut sorted: Vec<Duration> = times.flatten().collect();
        sorted.sort_unstable();
        let at = |percent| percentile(&sorted, percent).map(|d| d.as_secs_f64() * 1e3);
        Self {
            n: sorted.len(),
            p50_ms: at(50),
            worst_ms: at(100),
        }
    }
}

/// Measures and prints; whether every bound was kept.
pub(super) fn run(options: &Options) -> Result<bool> {
    let (interrupt, lab) = options.common.begin()?;
    let nodes = [lab.node(&options.idc)?, lab.node(&options.vpc)?];
    let both = [options.idc.as_str(), options.vpc.as_str()];
    let without_sweep = NetdArgs::sweepless(&lab, &both, READY)?;
    let _crowds = [
        Crowd::on(&lab, &nodes[0], options.containers, &interrupt)?,
        Crowd::on(&lab, &nodes[1], options.containers, &interrupt)?,
    ];
    let screen = Screen::stdout();
    let mut rows = Vec::new();
    for site in [Site::Idc, Site::Vpc] {
        let node = match site {
            Site::Idc => &options.idc,
            Site::Vpc => &options.vpc,
        };
        let wanted = |f: &&Fault| {
            f.site == site
                && options
                    .only
                    .as_ref()
                    .is_none_or(|w| f.name.contains(w.as_str()))
        };
        let faults: Vec<&Fault> = FAULTS.iter().filter(wanted).collect();
        if faults.is_empty() {
            continue;
        }
        let mut ground = Ground::prepare(&lab, node)?;
        for fault in faults {
            let row = measure(fault, &ground, options, &interrupt)?;
            screen.line(&row.line(screen));
            if row.failed.is_some() {
                // What comes next is measured on a node that is as it should be.
                ground = anew(&lab, ground)?;
            }
            rows.push(row);
        }
    }
    drop(without_sweep);
    ensure!(!rows.is_empty(), "no fault has these words");
    let report = Report {
        rounds: options.rounds,
        containers: options.containers,
        rows,
    };
    screen.line(&report.text(screen));
    options.common.write(&report)?;
    Ok(report.passed())
}

fn measure(
    fault: &Fault,
    ground: &Ground<'_>,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Row> {
    let mut row = Row {
        name: fault.name,
        node: ground.node.name.clone(),
        bound: Some(fault.bound),
        limit: fault.bound.limit().as_secs_f64(),
        ..Row::default()
    };
    if let Some(why) = (fault.missing)(ground) {
        row.skipped = Some(why);
        return Ok(row);
    }
    let mut samples: Vec<Sample> = Vec::new();
    for _ in 0..options.rounds {
        interrupt.check()?;
        match time(fault, ground, Duration::from_secs(options.limit)) {
            Ok(sample) => samples.push(sample),
            Err(error) => {
                row.failed = Some(format!("{error:#}"));
                break;
            }
        }
    }
    row.rounds = samples.len();
    row.missed = samples.iter().filter(|s| !s.keeps(fault.bound)).count();
    row.repaired = Times::of(samples.iter().map(|s| s.repaired));
    row.named = Times::of(samples.iter().map(|s| s.named));
    row.restarts = samples.iter().filter(|s| s.restarted).count();
    row.codes = samples.into_iter().flat_map(|s| s.codes).collect();
    Ok(row)
}

/// Starts the node's Open vSwitch and netd anew.
fn anew<'l>(lab: &'l LabGuard, ground: Ground<'l>) -> Result<Ground<'l>> {
    let node: Node = ground.node.clone();
    drop(ground);
    lab.restart_ovs(&node.name)?;
    lab.kill_netd(&node.name)?;
    Ground::prepare(lab, &node.name)
}

impl Row {
    fn passed(&self) -> bool {
        self.missed == 0 && self.failed.is_none()
    }

    fn line(&self, screen: Screen) -> String {
        let word = match (&self.skipped, self.passed()) {
            (Some(_), _) => screen.paint(Paint::Dim, "skipped"),
            (None, true) => screen.paint(Paint::Good, "PASS"),
            (None, false) => screen.paint(Paint::Bad, "FAIL"),
        };
        let times = |t: &Times| match (t.p50_ms, t.worst_ms) {
            (Some(p50), Some(worst)) => format!("{p50:>7.0} {worst:>7.0}"),
            _ => format!("{:>7} {:>7}", "-", "-"),
        };
        let bound = match self.bound {
            Some(Bound::Named) => "named ≤ 2 s",
            _ => "repaired ≤ 1 s",
        };
        let mut line = format!(
            "{:<46} {:<6} {:>3} {:>6} {} {} {bound:<15} {word}",
            self.name,
            self.node,
            self.rounds,
            self.missed,
            times(&self.repaired),
            times(&self.named),
        );
        let notes = [
            self.skipped.clone(),
            self.failed.clone(),
            (self.restarts > 0).then(|| format!("netd was started anew {} times", self.restarts)),
            (!self.codes.is_empty()).then(|| {
                let codes: Vec<&str> = self.codes.iter().map(String::as_str).collect();
                format!("named: {}", codes.join(", "))
            }),
        ];
        for note in notes.into_iter().flatten() {
            // Writing to a String cannot fail.
            let _ = write!(line, "\n    {note}");
        }
        line
    }
}

impl Report {
    fn passed(&self) -> bool {
        self.rows.iter().all(Row::passed)
    }

    fn text(&self, screen: Screen) -> String {
        let head = format!(
            "{:<46} {:<6} {:>3} {:>6} {:>15} {:>15}",
            "milliseconds", "node", "n", "missed", "repaired p50/w", "named p50/w"
        );
        let lines: Vec<String> = self.rows.iter().map(|r| r.line(screen)).collect();
        let missed = self.rows.iter().filter(|r| !r.passed()).count();
        let skipped = self.rows.iter().filter(|r| r.skipped.is_some()).count();
        format!(
            "\n{}\n{}\n\n{} faults, {missed} miss their bound, {skipped} skipped; netd without its sweep, {} \
             on each of both nodes",
            screen.paint(Paint::Bold, &head),
            lines.join("\n"),
            self.rows.len(),
            match self.containers {
                0 => "1 container".to_owned(),
                n => format!("{} containers", n + 1),
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fails_by_one_missed_round_and_not_by_being_skipped() {
        let row = Row {
            rounds: 10,
            missed: 1,
            ..Row::default()
        };
        assert!(!row.passed());
        assert!(row.line(Screen::plain()).contains("FAIL"));
        let skipped = Row {
            skipped: Some("no br_netfilter".into()),
            ..Row::default()
        };
        assert!(skipped.passed());
        assert!(skipped.line(Screen::plain()).contains("no br_netfilter"));
    }

    #[test]
    fn what_never_happened_has_no_time() {
        let times = Times::of([None, Some(Duration::from_millis(7)), None].into_iter());
        assert_eq!((times.n, times.worst_ms), (1, Some(7.0)));
        assert_eq!(Times::of([None].into_iter()).p50_ms, None);
    }
}
