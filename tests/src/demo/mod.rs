//! `flatnet-lab demo`: real containers on every node reach each other in one flat address
//! space, and the wire proves how.
//!
//! ```text
//!   lab ──▶ [attach] ADD on every node and network ──▶ [cluster] who is to reach whom
//!                                                           │
//!   [wire] tcpdump at uplinks, trunks, the leased line ◀── [probe] ping, marked by [mark]
//!       └─▶ [pcap] ▶ [frame] ▶ tally                        │  [echo] TCP: who called?
//!                         └──────────▶ [report], [matrix] ◀─┘
//! ```

mod attach;
mod cluster;
mod echo;
mod frame;
mod macs;
mod mark;
mod matrix;
pub(crate) mod pcap;
mod probe;
mod report;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Args;

use self::attach::Container;
use self::cluster::Endpoint;
use self::echo::Echoes;
use self::macs::Learned;
use self::matrix::Matrix;
use self::report::{Cell, Report, Wire};
use self::wire::{Capture, Tally};
use crate::interrupt::{self, Interrupt};
use crate::screen::{Paint, Screen};
use crate::{Datapath, Lab, LabGuard, UpOptions};

/// How long frames take to come out of a capture.
const SETTLE: Duration = Duration::from_millis(300);

/// How many TCP connections that went wrong are shown.
const SHOWN: usize = 10;

/// What to show.
#[derive(Debug, Args)]
pub struct Options {
    /// Write the outcome as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leave the lab and the containers up, and say what to try
    #[arg(long)]
    keep: bool,
    /// Containers on each node and network
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=50))]
    each: u8,
    /// IDC nodes [default: 2, or as the running lab has]
    #[arg(long)]
    idc: Option<u8>,
    /// VPC nodes [default: 2, or as the running lab has]
    #[arg(long)]
    vpc: Option<u8>,
    /// Open vSwitch's datapath [default: user, or as the running lab has]
    #[arg(long, value_enum)]
    datapath: Option<Datapath>,
}

/// Runs the demo.
///
/// # Errors
/// If it could not be run to its end; that a cell is not as it should be is an exit status.
pub fn run(options: &Options) -> Result<ExitCode> {
    let outcome = raise_and_show(options);
    if let (Err(_), Some(file)) = (&outcome, &options.json) {
        // Whoever reads only the file is to see that it went wrong.
        let _ = Report::default().write(file);
    }
    interrupt::exit_code(outcome)
}

fn raise_and_show(options: &Options) -> Result<bool> {
    let screen = Screen::stdout();
    let interrupt = Interrupt::catch().context("cannot catch signals")?;
    let was_up = Lab::open().is_ok();
    heading(screen, "The lab");
    let up = UpOptions {
        idc: options.idc,
        vpc: options.vpc,
        datapath: options.datapath,
        ..UpOptions::default()
    };
    let mut lab = LabGuard::take_with(&up, &crate::Terminal::default())?;
    if was_up {
        screen.line("a lab was up: it is used as it is, and left up");
    }
    interrupt.check()?;

    heading(
        screen,
        "Containers, attached by the CNI binary as a runtime does it",
    );
    let spots = attach::spots(&lab)?;
    let each = usize::from(options.each);
    let bin = lab.layout().bin_dir();
    let containers = attach::attach_all(&spots, each, &bin, &interrupt, |c| {
        screen.line(&attached(c));
    })?;
    let shown = show(&lab, &containers, screen, &interrupt)?;
    if let Some(file) = &options.json {
        shown.write(file)?;
    }
    let mut ok = shown.ok;
    if options.keep {
        verdict(screen, ok);
        try_next(screen, &containers);
        attach::keep_all(containers);
        lab.keep();
        return Ok(ok);
    }
    let failed = attach::detach_all(containers);
    ok &= failed.is_empty();
    for failure in failed {
        screen.line(&screen.paint(Paint::Bad, &failure));
    }
    verdict(screen, ok);
    Ok(ok)
}

fn verdict(screen: Screen, ok: bool) {
    let text = match ok {
        true => screen.paint(Paint::Good, "Everything is as the plan says."),
        false => screen.paint(Paint::Bad, "Not everything is as the plan says."),
    };
    screen.line(&format!("\n{text}"));
}

fn heading(screen: Screen, text: &str) {
    screen.line(&format!("\n{}", screen.paint(Paint::Bold, text)));
}

fn attached(container: &Container) -> String {
    let a = &container.attachment;
    let addresses: Vec<String> = a.addresses.iter().map(ToString::to_string).collect();
    format!(
        "  {:<20} {}  {}  {:.1} ms",
        container.endpoint.name,
        a.mac,
        addresses.join("  "),
        container.took.as_secs_f64() * 1e3
    )
}

/// Measures, prints, and gives the whole as a report.
fn show(
    lab: &Lab,
    containers: &[Container],
    screen: Screen,
    interrupt: &Interrupt,
) -> Result<Report> {
    let plan = lab.plan();
    let mut endpoints: Vec<Endpoint> = containers.iter().map(|c| c.endpoint.clone()).collect();
    endpoints.extend(cluster::infrastructure(plan));
    let questions = cluster::questions(plan, &endpoints);
    let netns_of = |index: usize| -> Option<&Path> { Some(containers.get(index)?.netns.path()) };
    let run = run_number();

    heading(screen, "Who reaches whom");
    lab.flush_mac_tables()?;
    let places = wire::places(plan);
    let captures = places
        .into_iter()
        .map(Capture::start)
        .collect::<Result<Vec<_>>>()?;
    let progress = screen.progress("ping", questions.len());
    let answers = probe::ask_all(&questions, netns_of, run, interrupt, || progress.step())?;
    progress.done(&format!("{} cells", questions.len()));
    // Where ping has no answer, TCP would only take longer to say the same.
    let asked = questions.iter().zip(&answers);
    let calls: Vec<_> = asked.filter_map(|(q, a)| a.rtt_us.map(|_| *q)).collect();
    let progress = screen.progress("TCP", 1);
    let echoes = echo::call_all(&endpoints, &calls, netns_of, interrupt)?;
    progress.done(&format!("{} connections", echoes.answered));
    std::thread::sleep(SETTLE);
    let tallies = captures
        .into_iter()
        .map(|capture| capture.finish(run, &endpoints))
        .collect::<Result<Vec<_>>>()?;

    let matrix = Matrix {
        endpoints: &endpoints,
        questions: &questions,
        answers: &answers,
    };
    screen.line(&format!("\n{}", matrix.text(screen)));
    let attachments: Vec<_> = containers.iter().map(|c| c.attachment.clone()).collect();
    let mut tables = Vec::new();
    for switch in lab.switches() {
        let table = lab.mac_table(&switch.name)?;
        tables.push(macs::learned(plan, &switch.name, &table, &attachments));
    }
    heading(screen, "On the wire");
    print_wire(screen, &tallies, &echoes, &tables);

    let proven = tallies.iter().all(|(_, t)| t.ok()) && echoes.ok();
    let hidden = tables.iter().all(|t| t.leaked.is_empty());
    Ok(Report {
        ok: matrix.ok() && proven && hidden,
        cells: cells(&matrix),
        wire: wires(&tallies, &echoes),
        attachments,
    })
}

/// Different for each run; frames of an earlier one may still be under way.
fn run_number() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |t| t.subsec_nanos()) ^ std::process::id()
}

fn cells(matrix: &Matrix<'_>) -> Vec<Cell> {
    let cell = |(question, answer): (&cluster::Question, &probe::Answer)| {
        let (from, to) = (
            &matrix.endpoints[question.from],
            &matrix.endpoints[question.to],
        );
        let source = from.in_family(question.address);
        let source = source.map(|a| a.to_string()).unwrap_or_default();
        Cell {
            from: format!("{} {source}", from.name),
            to: format!("{} {}", to.name, question.address),
            expected: question.expected,
            observed: answer.observed(),
            ok: question.expected == answer.observed(),
            rtt_us: answer.rtt_us,
        }
    };
    matrix.cells().map(cell).collect()
}

fn wires(tallies: &[(String, Tally)], echoes: &Echoes) -> Vec<Wire> {
    let captured = tallies.iter().map(|(place, tally)| Wire {
        place: place.clone(),
        frames: tally.frames,
        encapsulated: tally.encapsulated > 0,
        source_rewritten: tally.rewritten > 0,
    });
    let received = Wire {
        place: "the receiving containers (TCP)".to_owned(),
        frames: echoes.answered,
        encapsulated: false,
        source_rewritten: !echoes.rewritten.is_empty(),
    };
    captured.chain([received]).collect()
}

fn print_wire(screen: Screen, tallies: &[(String, Tally)], echoes: &Echoes, tables: &[Learned]) {
    let head = format!(
        "  {:<26} {:>7} {:>7} {:>13} {:>10}  {}",
        "captured at", "frames", "probes", "encapsulated", "rewritten", "802.1Q VLANs"
    );
    screen.line(&screen.paint(Paint::Bold, &head));
    for (place, t) in tallies {
        let vlans: Vec<String> = t.vlans.iter().map(u16::to_string).collect();
        let vlans = if vlans.is_empty() {
            "untagged".to_owned()
        } else {
            vlans.join(", ")
        };
        let row = format!(
            "  {place:<26} {:>7} {:>7} {:>13} {:>10}  {vlans}",
            t.frames, t.probes, t.encapsulated, t.rewritten
        );
        let paint = if t.ok() { Paint::Good } else { Paint::Bad };
        screen.line(&screen.paint(paint, &row));
    }
    screen.line(&format!(
        "  {} TCP connections were answered with the caller's own address",
        echoes.answered - echoes.rewritten.len()
    ));
    let wrong = || echoes.rewritten.iter().chain(&echoes.failed);
    for line in wrong().take(SHOWN) {
        screen.line(&screen.paint(Paint::Bad, &format!("  {line}")));
    }
    if let more @ 1.. = wrong().count().saturating_sub(SHOWN) {
        screen.line(&screen.paint(Paint::Bad, &format!("  and {more} more")));
    }
    for table in tables {
        let Learned {
            switch,
            entries,
            vlans,
            leaked,
        } = table;
        screen.line(&format!(
            "  {switch} has learned {entries} MACs in {vlans} VLANs; MACs of containers among them: {}",
            leaked.len()
        ));
    }
}

/// Three things to try.
fn try_next(screen: Screen, containers: &[Container]) {
    let (Some(first), Some(last)) = (containers.first(), containers.last()) else {
        return;
    };
    let to = last.endpoint.addresses.first();
    let to = to.map(ToString::to_string).unwrap_or_default();
    heading(screen, "The lab stays up. Three things to try:");
    let node = &first.attachment.node;
    for line in [
        format!("  ip netns exec {} ping {to}", first.netns.name()),
        "  cargo xtask lab exec edge tcpdump -e -n -i line0 icmp".to_owned(),
        format!("  cargo xtask lab exec {node} ovs-ofctl -O OpenFlow14 dump-flows br-flat"),
        "and in the end: cargo xtask lab down".to_owned(),
    ] {
        screen.line(&line);
    }
}

#[cfg(test)]
mod tests_root;
