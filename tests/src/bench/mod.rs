//! `flatnet-lab bench attach`: what an ADD and a DEL cost, beside the reference plugins.
//!
//! ```text
//!   flatnet in a node of the lab ──┐            ┌─ [attach] rounds, in turn ─▶ samples
//!                                  ├─ [subject] ┤
//!   [peer] bridge + host-local ────┘            └─ [stats] percentiles, bounds ─▶ [report]
//! ```
//!
//! Both sides are driven by the same code, from threads that are already in the node's
//! namespace, with containers' namespaces that exist before the clock starts.

mod attach;
mod peer;
mod report;
mod stats;
mod subject;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use self::attach::{AT_ONCE, Samples};
use self::peer::PeerNode;
use self::report::Report;
use self::subject::{Settle, Subject};
use crate::interrupt::{self, Interrupt};
use crate::runtime::{Cni, Conflist};
use crate::screen::Screen;
use crate::{LabGuard, Node, Terminal, UpOptions, run};

/// The attachments that netd's memory is bounded for.
const MEMORY_AT: usize = 250;

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// ADD and DEL beside Debian's bridge + host-local, in turn
    Attach(AttachOptions),
}

#[derive(Debug, Args)]
struct AttachOptions {
    #[command(flatten)]
    load: Load,
    /// The node of the lab
    #[arg(long, default_value = "idc1")]
    node: String,
    /// Its network; the node's first where absent
    #[arg(long)]
    network: Option<String>,
    /// Write everything as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure the peer against itself: shows the noise, and needs no lab
    #[arg(long)]
    null: bool,
    /// Exit with 1 unless every bound is kept
    #[arg(long)]
    strict: bool,
}

/// How much is measured.
#[derive(Debug, Clone, Args)]
struct Load {
    /// Rounds of each side, in turn
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Containers of a serial run
    #[arg(long, default_value_t = 20)]
    serial: usize,
    /// Containers of a run of eight at once
    #[arg(long, default_value_t = 48)]
    parallel: usize,
    /// Attachments that are there already in the second half
    #[arg(long, default_value_t = 200)]
    present: usize,
}

impl Load {
    /// One small round.
    fn warm_up(&self) -> Self {
        Self {
            rounds: 1,
            serial: self.serial.min(2),
            parallel: self.parallel.min(AT_ONCE),
            ..self.clone()
        }
    }

    fn timed(&self) -> usize {
        self.serial.max(self.parallel)
    }
}

/// Measures and prints.
///
/// # Errors
/// If the lab does not come up, or a call fails: a benchmark of failing calls means nothing.
pub fn run(options: &Options) -> Result<ExitCode> {
    let What::Attach(options) = &options.what;
    interrupt::exit_code(attach(options))
}

/// Whether to end well.
fn attach(options: &AttachOptions) -> Result<bool> {
    let interrupt = Interrupt::catch().context("cannot catch signals")?;
    let report = if options.null {
        null(options, &interrupt)?
    } else {
        against_peer(options, &interrupt)?
    };
    let screen = Screen::stdout();
    screen.line(&report.text(screen));
    if let Some(file) = &options.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, json + "\n").with_context(|| file.display().to_string())?;
    }
    Ok(report.passed() || !options.strict)
}

fn against_peer(options: &AttachOptions, interrupt: &Interrupt) -> Result<Report> {
    let lab = LabGuard::take_with(&UpOptions::default(), &Terminal::default())?;
    let node = lab.node(&options.node)?;
    let conflists = node.conflists();
    let (network, conflist) = match &options.network {
        Some(wanted) => conflists.iter().find(|(name, _)| name.as_str() == wanted),
        None => conflists.first(),
    }
    .with_context(|| format!("{} has no such network", options.node))?;
    Screen::stdout().line(&format!(
        "flatnet: node {}, network {network}",
        options.node
    ));
    let bin = lab.layout().bin_dir();
    let cni = Cni::new(Conflist::read(conflist)?, &[&bin]);
    let load = &options.load;
    let there = load.present.max(MEMORY_AT);
    let ours = Subject::create("flatnet", cni, &node.netns_path(), load.timed(), there)?
        .with_settle(switch_settles(lab.node(&options.node)?));
    let peer = PeerNode::create("peer")?;
    let theirs = peer.subject("bridge", load.timed(), there)?;
    let memory = || {
        lab.netd_pid(&options.node)
            .ok()
            .and_then(|p| resident_mib(p.pid))
    };
    compare([ours, theirs], load, interrupt, &memory)
}

/// `ovs-vsctl` ends when the switch has taken over all that the database says: the ports of a
/// DEL are taken out of the datapath after its answer.
fn switch_settles(node: Node) -> Settle {
    let count = Cell::new(0_u32);
    Box::new(move || {
        // The same value again would be no change, and nothing to wait for.
        count.set(count.get().wrapping_add(1));
        let mark = format!("external_ids:bench={}", count.get());
        run::output(node.vsctl().args(["set", "Open_vSwitch", ".", &mark]))?;
        Ok(())
    })
}

fn null(options: &AttachOptions, interrupt: &Interrupt) -> Result<Report> {
    let load = &options.load;
    let (a, b) = (PeerNode::create("a")?, PeerNode::create("b")?);
    let sides = [
        a.subject("a", load.timed(), load.present)?,
        b.subject("b", load.timed(), load.present)?,
    ];
    compare(sides, load, interrupt, &|| None)
}

/// Empty nodes first, then full ones, then the memory.
fn compare(
    sides: [Subject; 2],
    load: &Load,
    interrupt: &Interrupt,
    memory: &dyn Fn() -> Option<f64>,
) -> Result<Report> {
    let mut sides = sides.map(|subject| (subject, Samples::default()));
    attach::measure(&mut sides, 0, load, interrupt)?;
    for (subject, _) in &mut sides {
        subject.attach_present(0..load.present)?;
    }
    attach::measure(&mut sides, load.present, load, interrupt)?;
    let ours = &mut sides[0].0;
    let there = ours.present.len();
    ours.attach_present(load.present..there)?;
    let rss_mib = memory();
    for (subject, _) in &mut sides {
        subject.detach_present()?;
    }

    let names = [sides[0].0.name, sides[1].0.name];
    let [ours, theirs] = sides.map(|(_, samples)| samples.figures());
    Ok(Report {
        peer: peer::version(),
        rounds: load.rounds,
        bounds: attach::verdicts(&ours, &theirs, load.present, rss_mib),
        results: report::rows([(names[0], &ours), (names[1], &theirs)]),
    })
}

/// A process's resident memory (`VmRSS` of proc(5), in kB).
fn resident_mib(pid: i32) -> Option<f64> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    vm_rss_mib(&status.ok()?)
}

fn vm_rss_mib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(f64::from(kib) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_mib() {
        let status = "VmPeak:\t  9000 kB\nVmRSS:\t    5120 kB\n";
        assert_eq!(vm_rss_mib(status), Some(5.0));
        assert_eq!(vm_rss_mib("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn a_warm_up_is_small() {
        let load = Load {
            rounds: 10,
            serial: 20,
            parallel: 48,
            present: 200,
        };
        let warm = load.warm_up();
        assert_eq!((warm.rounds, warm.serial, warm.parallel), (1, 2, AT_ONCE));
    }
}
