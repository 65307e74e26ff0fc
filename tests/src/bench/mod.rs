//! `flatnet-lab bench attach | datapath | repair | rest | floods`: what an ADD and a DEL cost, beside
//! the reference plugins.
//!
//! ```text
//!   flatnet in a node of the lab ──┐            ┌─ [attach] rounds, in turn ─▶ samples
//!   [peer] bridge + host-local ────┼─ [subject] ┤
//!   [bare] Open vSwitch alone ─────┘            └─ [stats] percentiles, bounds ─▶ [report]
//! ```
//!
//! All sides are driven by the same code, from threads that are already in the node's
//! namespace, with containers' namespaces that exist before the clock starts.

mod attach;
mod bare;
mod datapath;
mod floods;
mod peer;
mod repair;
mod report;
mod rest;
mod stats;
mod subject;

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};

use self::attach::{AT_ONCE, Full, Others, Samples};
use self::bare::Bare;
use self::peer::PeerNode;
use self::report::Report;
use self::subject::{Means, Subject};
use crate::interrupt::{self, Interrupt};
use crate::measure::Common;
use crate::runtime::{Cni, Conflist};
use crate::screen::Screen;
use crate::{Datapath, LabGuard, Member, Node, netd, run};

/// The attachments that netd's memory and its reconcile are bounded for.
const FULL: usize = 250;
/// How often a reconcile is timed.
const RECONCILES: usize = 11;

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
    /// Streams, round trips and connections beside the action NORMAL and Debian's bridge, in turn
    Datapath(datapath::Options),
    /// How long a node stays broken after something was broken by hand; 1 unless every bound is kept
    Repair(repair::Options),
    /// What netd costs while nothing happens; 1 unless every bound is kept
    Rest(rest::Options),
    /// What a container that floods costs others' ADDs and pings; 1 unless every bound is kept
    Floods(floods::Options),
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
    #[command(flatten)]
    common: Common,
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
    interrupt::exit_code(match &options.what {
        What::Attach(options) => attach(options),
        What::Datapath(options) => datapath::run(options),
        What::Repair(options) => repair::run(options),
        What::Rest(options) => rest::run(options),
        What::Floods(options) => floods::run(options),
    })
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
    options.common.write(&report)?;
    Ok(report.passed() || !options.strict)
}

fn against_peer(options: &AttachOptions, interrupt: &Interrupt) -> Result<Report> {
    let lab = LabGuard::take_on(options.common.datapath)?;
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
    let there = load.present.max(FULL);
    let means = Means::cni(cni);
    let ours = Subject::create("flatnet", means, &node.netns_path(), load.timed(), there)?
        .with_settle(switch_settles(node.member.clone()));
    let peer = PeerNode::create("peer")?;
    let theirs = peer.subject("bridge", load.timed(), there)?;
    let switch = lab.switches().pop().context("the lab has no switch")?;
    let bare = Bare::on(switch, lab.datapath())?;
    let (netns, settles) = (bare.netns_path(), bare.settles());
    let bare = Subject::create("bare", Means::Bare(bare), &netns, load.timed(), there)?;
    let sides = vec![ours, theirs, bare.with_settle(settles)];
    let full = || -> Result<Full> {
        let pid = lab.netd_pid(&options.node)?.pid;
        let rss_mib = resident_mib(pid);
        let reconcile_ms = reconcile_ms(&lab.node(&options.node)?)?;
        Ok(Full {
            rss_mib,
            reconcile_ms,
        })
    };
    compare(sides, load, interrupt, lab.datapath(), &full)
}

/// How long netd takes to look at the whole node and find it right, at the median, with the request.
fn reconcile_ms(node: &Node) -> Result<Option<f64>> {
    let mut times = Vec::with_capacity(RECONCILES);
    for _ in 0..RECONCILES {
        let begun = Instant::now();
        let (_, body) = netd::post(&node.paths.netd_sock(), "/v1/reconcile")?;
        times.push(begun.elapsed());
        let report: serde_json::Value = serde_json::from_str(&body)?;
        ensure!(
            report["converged"] == true && report["applied"] == serde_json::json!([]),
            "something was to be done on a node at rest: {body}"
        );
    }
    times.sort_unstable();
    Ok(stats::percentile(&times, 50).map(|t| t.as_secs_f64() * 1e3))
}

/// Waits until what a side left to do in the background is done.
type Settle = Box<dyn Fn() -> Result<()>>;

/// `ovs-vsctl` ends when the switch has taken over all that the database says: the ports of a
/// DEL are taken out of the datapath after its answer.
fn switch_settles(member: Member) -> Settle {
    let count = Cell::new(0_u32);
    Box::new(move || {
        // The same value again would be no change, and nothing to wait for.
        count.set(count.get().wrapping_add(1));
        let mark = format!("external_ids:bench={}", count.get());
        run::output(member.vsctl().args(["set", "Open_vSwitch", ".", &mark]))?;
        Ok(())
    })
}

fn null(options: &AttachOptions, interrupt: &Interrupt) -> Result<Report> {
    let load = &options.load;
    let (a, b) = (PeerNode::create("a")?, PeerNode::create("b")?);
    let sides = vec![
        a.subject("a", load.timed(), load.present)?,
        b.subject("b", load.timed(), load.present)?,
    ];
    let none = || Ok(Full::default());
    compare(sides, load, interrupt, Datapath::User, &none)
}

/// Empty nodes first, then full ones, then what netd is asked for on a full one.
fn compare(
    sides: Vec<Subject>,
    load: &Load,
    interrupt: &Interrupt,
    datapath: Datapath,
    full: &dyn Fn() -> Result<Full>,
) -> Result<Report> {
    let with_samples = |subject| (subject, Samples::default());
    let mut sides: Vec<_> = sides.into_iter().map(with_samples).collect();
    attach::measure(&mut sides, 0, load, interrupt)?;
    for (subject, _) in &mut sides {
        subject.attach_present(0..load.present)?;
    }
    attach::measure(&mut sides, load.present, load, interrupt)?;
    let ours = &mut sides[0].0;
    let there = ours.present.len();
    ours.attach_present(load.present..there)?;
    let full = full()?;
    for (subject, _) in &mut sides {
        subject.detach_present()?;
    }

    let measured: Vec<_> = sides
        .into_iter()
        .map(|(subject, samples)| (subject.name, samples.figures()))
        .collect();
    let [(_, ours), (_, theirs), rest @ ..] = measured.as_slice() else {
        bail!("nothing to compare with");
    };
    let others = Others {
        peer: theirs,
        bare: rest.first().map(|(_, figures)| figures),
        userspace: datapath == Datapath::User,
    };
    Ok(Report {
        peer: peer::version(),
        rounds: load.rounds,
        bounds: attach::verdicts(ours, others, load.present, full),
        results: report::rows(&measured),
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
