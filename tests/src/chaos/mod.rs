//! `flatnet-lab chaos`: nodes full of living containers are broken one way after the other while
//! all talk to all.
//!
//! ```text
//!   containers ADDed on every node ──▶ [traffic] datagrams, answered   [streams] TCP
//!        │                                   │ lost? wrong?                 │ broken?
//!        └─▶ [kinds] kill, lose, flap, the table of faults ──▶ repaired? left over? ──▶ [report]
//! ```
//!
//! One node is broken at a time, so that what is lost has one cause. netd runs without its sweep.

mod kinds;
mod living;
mod mesh;
mod report;
mod streams;
mod traffic;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use self::kinds::Kind;
pub(crate) use self::living::Crowd;
use self::living::{pairs, peers, populate, spots};
use self::mesh::Mesh;
use self::report::{Judge, Report, Row};
use self::streams::Streams;
use self::traffic::{LOST_AFTER, Traffic};
use crate::breakage::{Ground, Site};
use crate::interrupt::{self, Interrupt};
use crate::measure::Common;
use crate::process::poll;
use crate::rng::{SeededRng, seed};
use crate::screen::Screen;
use crate::traces::Traces;
use crate::{LabGuard, NetdArgs, Node};

/// How long what is left over may take to be gone.
const TIDY: Duration = Duration::from_secs(10);
/// How long until all containers reach one another again: neighbours that were asked for in vain
/// are asked for anew after some seconds.
const WHOLE: Duration = Duration::from_secs(20);
/// How long a netd that was started anew may take to be ready, among many containers.
pub(crate) const READY: Duration = Duration::from_secs(90);

/// What to do.
#[derive(Debug, Args)]
pub struct Options {
    /// How long faults are made; each kind is made once in any case
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Living containers, spread over all nodes
    #[arg(long, default_value_t = 100)]
    containers: usize,
    /// How many others each container talks to [default: all, or as many as the kernel's neighbour
    /// tables have room for]
    #[arg(long)]
    partners: Option<usize>,
    /// Only the kinds of faults whose names have these words
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Runs, prints, and judges every bound.
///
/// # Errors
/// If the lab does not come up, or a container cannot be attached.
pub fn run(options: &Options) -> Result<ExitCode> {
    interrupt::exit_code(strict(options))
}

fn strict(options: &Options) -> Result<bool> {
    let (interrupt, lab) = options.common.begin()?;
    let plan = Plan {
        lasts: Duration::from_secs(60 * options.minutes),
        containers: options.containers,
        partners: options.partners,
        table: true,
        only: options.only.clone(),
    };
    let report = plan.carry_out(&lab, &interrupt)?;
    let screen = Screen::stdout();
    screen.line(&report.text(screen, Judge::Strict));
    options.common.write(&report)?;
    Ok(report.complaints(Judge::Strict).is_empty())
}

/// A small run for the suite: kills, a lost database and flapping uplinks once each among some
/// containers. A busy machine loses packets and takes its time by itself: neither is judged.
///
/// # Errors
/// Whatever was delivered wrongly or left over, and a node that does not recover.
pub(crate) fn small(lab: &LabGuard) -> Result<()> {
    let plan = Plan {
        lasts: Duration::ZERO,
        containers: 12,
        partners: None,
        table: false,
        only: None,
    };
    let report = plan.carry_out(lab, &Interrupt::default())?;
    let complaints = report.complaints(Judge::Lenient);
    ensure!(
        complaints.is_empty(),
        "{}{}",
        complaints.join("; "),
        report.text(Screen::stdout(), Judge::Lenient)
    );
    Ok(())
}

/// How a run is to be.
struct Plan {
    lasts: Duration,
    containers: usize,
    partners: Option<usize>,
    /// Whether the table of faults is gone through, beside the kills.
    table: bool,
    only: Option<String>,
}

impl Plan {
    fn carry_out(&self, lab: &LabGuard, interrupt: &Interrupt) -> Result<Report> {
        let nodes = lab.nodes()?;
        let names: Vec<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
        let _sweepless = NetdArgs::sweepless(lab, &names, READY)?;
        let spots = spots(lab, &nodes)?;
        let turn = (0..self.containers).map(|n| &spots[n % spots.len()]);
        let segments: Vec<_> = turn.clone().map(|spot| &spot.segment).collect();
        let mesh = Mesh::choose(&segments, self.partners)?;
        let living = populate("chaosrun", turn, interrupt)?;
        let peers = peers(&living);
        let pairs = pairs(&peers);
        let seed = seed();
        let mut report = Report {
            seed,
            containers: living.len(),
            partners: mesh.partners(),
            streams: pairs.len(),
            datapath: datapath(&nodes[0])?,
            ..Report::default()
        };
        let streams = Streams::start(&pairs)?;
        let traffic = Traffic::start(peers, &mesh, lab.datapath())?;
        // Neighbours are resolved and flows are cached after the first turns.
        std::thread::sleep(Duration::from_secs(3));
        streams.take();
        let begun = Instant::now();
        let run = Run {
            lab,
            interrupt,
            traffic: &traffic,
            streams: &streams,
        };
        self.rounds(&run, &nodes, seed, &mut report)?;
        report.seconds = begun.elapsed().as_secs_f64();
        report.wrong = traffic.wrong_examples();
        report.broken = streams.stories();
        traffic.finish()?;
        streams.finish()?;
        Ok(report)
    }

    /// Every kind on a node that it can be made on, in an order of chance, until the time is over.
    fn rounds(&self, run: &Run<'_>, nodes: &[Node], seed: u64, report: &mut Report) -> Result<()> {
        let mut rng = SeededRng::new(seed, 0);
        let end = Instant::now() + self.lasts;
        let mut grounds = nodes
            .iter()
            .map(|node| Ok((site(node), Ground::prepare(run.lab, &node.name)?)))
            .collect::<Result<Vec<_>>>()?;
        loop {
            for site in [Site::Idc, Site::Vpc] {
                let mut kinds = Kind::all(site);
                kinds.retain(|kind| self.wants(*kind));
                while !kinds.is_empty() {
                    run.interrupt.check()?;
                    let kind = kinds.swap_remove(rng.below(kinds.len()));
                    let there: Vec<usize> = (0..grounds.len())
                        .filter(|at| grounds[*at].0 == site)
                        .collect();
                    let Some(at) = there.get(rng.below(there.len())) else {
                        break;
                    };
                    if let Err(error) = run.one(kind, &grounds[*at].1, report) {
                        let node = grounds[*at].1.node.name.clone();
                        report
                            .failures
                            .push(format!("{} on {node}: {error:#}", kind.name()));
                        run.lab.restart_ovs(&node)?;
                        // Netd may be what does not run.
                        let _ = run.lab.kill_netd(&node);
                        let (site, old) = grounds.swap_remove(*at);
                        drop(old);
                        grounds.push((site, Ground::prepare(run.lab, &node)?));
                    }
                    if Instant::now() >= end && self.lasts > Duration::ZERO && self.all_made(report)
                    {
                        return Ok(());
                    }
                }
            }
            if Instant::now() >= end {
                return Ok(());
            }
        }
    }

    fn wants(&self, kind: Kind) -> bool {
        let named = self.only.as_ref();
        (self.table || !matches!(kind, Kind::Table(_)))
            && named.is_none_or(|words| kind.name().contains(words.as_str()))
    }

    fn all_made(&self, report: &Report) -> bool {
        [Site::Idc, Site::Vpc]
            .into_iter()
            .flat_map(Kind::all)
            .filter(|kind| self.wants(*kind))
            .all(|kind| report.kinds.contains_key(kind.name()))
    }
}

/// What goes on around a fault.
struct Run<'r> {
    lab: &'r LabGuard,
    interrupt: &'r Interrupt,
    traffic: &'r Traffic,
    streams: &'r Streams,
}

impl Run<'_> {
    fn one(&self, kind: Kind, ground: &Ground<'_>, report: &mut Report) -> Result<()> {
        let row = report.kinds.entry(kind.name()).or_insert_with(|| Row {
            lossless: kind.is_lossless(self.lab.datapath()),
            bound: kind.bound(),
            ..Row::default()
        });
        if let Some(why) = kind.missing(ground) {
            row.skipped = Some(why);
            return Ok(());
        }
        let (begun, wrong) = (Instant::now(), self.traffic.wrong());
        self.streams.take();
        let done = kind.make(ground)?;
        let end = Instant::now();
        // What was sent at the end has its time to be answered.
        std::thread::sleep(LOST_AFTER + Duration::from_millis(200));
        let lost = self.traffic.between(begun, end);
        let health = self.streams.take();
        row.times += 1;
        row.sent += lost.sent;
        row.lost += lost.lost;
        row.worst_pairs.extend(self.traffic.worst_pairs(begun, end));
        row.wrong += self.traffic.wrong() - wrong + health.wrong;
        row.broken += health.broken;
        row.stalled_ms = row.stalled_ms.max(health.stalled.as_millis());
        row.late += usize::from(!done.in_time);
        row.restarts += usize::from(done.restarted);
        Row::took(&mut row.repaired, done.repaired);
        Row::took(&mut row.named, done.named);
        row.codes.extend(done.codes);
        let mut left = left_over(&ground.node);
        left.extend(self.still_lost());
        row.left += left.len();
        Screen::stdout().line(&format!(
            "  {} on {}: {} of {} packets lost, {} left over",
            kind.name(),
            ground.node.name,
            lost.lost,
            lost.sent,
            left.len()
        ));
        row.left_over.extend(left);
        Ok(())
    }

    /// Pairs whose packets are lost although the fault is over. One in a hundred may be: a busy
    /// machine loses some by itself.
    fn still_lost(&self) -> Vec<String> {
        let mut pairs = Vec::new();
        poll(WHOLE, || {
            let to = Instant::now().checked_sub(LOST_AFTER)?;
            let from = to.checked_sub(LOST_AFTER)?;
            let lost = self.traffic.between(from, to);
            pairs = self.traffic.worst_pairs(from, to);
            (lost.lost * 100 <= lost.sent).then(|| pairs.clear())
        });
        pairs
            .into_iter()
            .map(|pair| format!("{WHOLE:?} later {pair}"))
            .collect()
    }
}

/// What of a node belongs to no attachment, or is missing of one.
fn left_over(node: &Node) -> Vec<String> {
    let mut last = vec!["the node cannot be read".to_owned()];
    poll(TIDY, || {
        if let Ok(traces) = Traces::take(node) {
            last = traces.strays();
        }
        last.is_empty().then_some(())
    });
    last.into_iter()
        .map(|line| format!("{}: {line}", node.name))
        .collect()
}

/// A node in mode `routed` has no access VLAN.
fn site(node: &Node) -> Site {
    let routed = node.spec.networks.iter().all(|n| n.vlan.is_none());
    if routed { Site::Vpc } else { Site::Idc }
}

/// `netdev` or `system`, as the bridge says.
fn datapath(node: &Node) -> Result<String> {
    let bridge = crate::paths::NODE_BRIDGE;
    let text = crate::run::output(
        node.vsctl()
            .args(["get", "Bridge", bridge, "datapath_type"]),
    )?;
    Ok(text.trim().trim_matches('"').to_owned())
}
