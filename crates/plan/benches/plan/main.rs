//! What a large plan costs: `cargo xtask bench plan`.
//!
//! Plans of 1,000 and 10,000 hosts, each host with 128 addresses for containers (1,280,000
//! in all): a data centre written out, by groups and with a VLAN of hosts for each rack, and VPCs
//! with leased lines; and the larger ones with a mistake each. Every point
//! runs in a process of its own, so that its peak memory is its own. Where valgrind is
//! there, the instructions are counted too: no machine is too busy for that
//! (`--no-instructions` leaves it out).
//!
//! Exits with 1 where a step of the larger plan takes 1 s or 300 MiB, or grows by more than
//! n log n: in instructions where they can be counted, since the time of a larger plan is
//! also that of caches which others on the machine fill; in time where they cannot. A bound
//! that is missed in time is measured twice more, and the best of all counts.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod documents;
mod measure;
mod mistakes;

use std::path::Path;
use std::process::{Command, ExitCode};

use flatnet_plan::capacity::{Capacity, capacity};
use flatnet_plan::diff::{Diff, diff};
use flatnet_plan::routes::{RoutesError, Table, routes};
use flatnet_plan::{NetworkPlan, Report, Style, diagnose};

use documents::{Form, document};
use measure::{Cold, instructions, peak_memory};

const HOSTS: [u32; 2] = [1_000, 10_000];
const MOST_MS: f64 = 1_000.0;
const MOST_MIB: f64 = 300.0;
/// 10,000 ln 10,000 / (1,000 ln 1,000).
const MOST_GROWTH: f64 = 40.0 / 3.0;
const TRIES: usize = 3;
const STEPS: [&str; 4] = ["check", "diff", "routes", "capacity"];
const COUNTED: [&str; 4] = [
    "counted_check",
    "counted_diff",
    "counted_routes",
    "counted_capacity",
];

// Functions of their own, so that callgrind can name them.

#[inline(never)]
fn counted_check(text: &str) -> Report {
    diagnose(text, "bench.yaml")
}

#[inline(never)]
fn counted_diff(old: &NetworkPlan, new: &NetworkPlan) -> Result<Diff, RoutesError> {
    diff(old, new)
}

#[inline(never)]
fn counted_routes(plan: &NetworkPlan) -> Result<Vec<Table>, RoutesError> {
    routes(plan)
}

#[inline(never)]
fn counted_capacity(plan: &NetworkPlan) -> Result<Capacity, RoutesError> {
    capacity(plan)
}

/// The plan a week later: one host in a hundred is gone, one is new, one has another uplink.
fn changed(plan: &NetworkPlan) -> NetworkPlan {
    let mut next = plan.clone();
    let mut fresh = Vec::new();
    for (i, host) in next.spec.hosts.iter_mut().enumerate() {
        match i % 100 {
            0 => {
                let mut other = host.clone();
                other.name = format!("new-{i}").parse().expect("a name");
                fresh.push(other);
            }
            1 => match host.uplink.nics.first_mut() {
                Some(nic) => nic.port = Some(format!("new-{i}")),
                None => host.instance_id = Some(format!("i-new-{i}")),
            },
            _ => {}
        }
    }
    let mut i = 0;
    next.spec.hosts.retain(|_| {
        i += 1;
        i % 100 != 1
    });
    next.spec.hosts.extend(fresh);
    next
}

/// One point, in a process of its own: milliseconds of each step, MiB at most, and MiB of
/// the text, on one line. `once`: each step once, for callgrind.
fn point(hosts: u32, form: Form, once: bool) {
    let text = document(hosts, form);
    let mut report = counted_check(&text);
    if !report.diagnostics.is_empty() {
        let shown = report.render(Style::Text { color: false });
        panic!("{}", shown.chars().take(2000).collect::<String>());
    }
    let plan = report.take_document().expect("a plan").expanded.plan;
    assert_eq!(plan.spec.hosts.len(), hosts as usize);
    drop(report);
    let next = changed(&plan);
    let found = counted_diff(&plan, &next).expect("both can be routed");
    assert!(found.changes.iter().any(|c| c.hosts.len() > 1));
    assert!(!counted_routes(&plan).expect("it can be routed").is_empty());
    drop(counted_capacity(&plan).expect("it can be counted"));
    let memory = peak_memory();
    if once {
        return;
    }
    let mut cold = Cold::new();
    let check = cold.best(|| counted_check(&text));
    let diff = cold.best(|| counted_diff(&plan, &next));
    let routes = cold.best(|| counted_routes(&plan));
    let capacity = cold.best(|| counted_capacity(&plan));
    for step in [check, diff, routes, capacity] {
        println!("{}", step.as_secs_f64() * 1e3);
    }
    println!(
        "{}\n{}",
        memory as f64 / 1024.0,
        text.len() as f64 / 1048576.0
    );
}

/// The figures of one point.
#[derive(Clone, Copy)]
struct Point {
    ms: [f64; 4],
    mib: f64,
    text_mib: f64,
}

impl Point {
    fn measure(own: &Path, hosts: u32, form: Form) -> Option<Self> {
        let out = Command::new(own)
            .args(["--point", &hosts.to_string(), form.as_str()])
            .output()
            .expect("the point runs");
        let line = String::from_utf8_lossy(&out.stdout);
        let words = line.split_whitespace().filter_map(|w| w.parse().ok());
        let figures: Vec<f64> = words.collect();
        let [check, diff, routes, capacity, mib, text_mib] = figures[..] else {
            println!(
                "{hosts} {}: {}",
                form.as_str(),
                String::from_utf8_lossy(&out.stderr)
            );
            return None;
        };
        Some(Self {
            ms: [check, diff, routes, capacity],
            mib,
            text_mib,
        })
    }

    fn best(self, other: Self) -> Self {
        let mut ms = self.ms;
        for (mine, other) in ms.iter_mut().zip(other.ms) {
            *mine = mine.min(other);
        }
        Self { ms, ..self }
    }

    fn print(&self, hosts: u32) {
        let [check, diff, routes, capacity] = self.ms;
        println!(
            "  {hosts:>6} hosts  {check:>9.2}  {diff:>9.2}  {routes:>9.2}  {capacity:>9.2}  ms   {:>6.1} MiB, text {:.2} MiB",
            self.mib, self.text_mib
        );
    }
}

fn growth(of: [[f64; 4]; 2]) -> [f64; 4] {
    std::array::from_fn(|i| of[1][i] / of[0][i])
}

/// What a form keeps in time.
#[derive(Clone, Copy, Default)]
struct Kept {
    /// Time and memory of the larger plan.
    limits: bool,
    growth: bool,
}

/// Both points of a form in time, and whether the bounds are kept.
fn timed(own: &Path, form: Form) -> Option<Kept> {
    let mut points: Option<[Point; 2]> = None;
    let mut kept = Kept::default();
    for _ in 0..TRIES {
        let now = [
            Point::measure(own, HOSTS[0], form)?,
            Point::measure(own, HOSTS[1], form)?,
        ];
        let best = points.map_or(now, |p| [p[0].best(now[0]), p[1].best(now[1])]);
        points = Some(best);
        let grown = growth([best[0].ms, best[1].ms]);
        kept = Kept {
            limits: best[1].ms.iter().all(|ms| *ms < MOST_MS) && best[1].mib < MOST_MIB,
            growth: grown.iter().all(|g| *g <= MOST_GROWTH),
        };
        if kept.limits && kept.growth {
            break;
        }
    }
    let points = points?;
    points[0].print(HOSTS[0]);
    points[1].print(HOSTS[1]);
    print_growth(growth([points[0].ms, points[1].ms]), kept.growth);
    Some(kept)
}

/// The same in instructions; none where they cannot be counted.
fn counted(own: &Path, form: Form) -> Option<bool> {
    let mut points = [[0.0; 4]; 2];
    for (point, hosts) in points.iter_mut().zip(HOSTS) {
        let args = ["--once", &hosts.to_string(), form.as_str()];
        let counts = instructions(own, &args, &COUNTED)?;
        *point = counts.try_into().ok()?;
        let [check, diff, routes, capacity] = point.map(|n| n / 1e6);
        println!(
            "  {hosts:>6} hosts  {check:>9.2}  {diff:>9.2}  {routes:>9.2}  {capacity:>9.2}  million instructions"
        );
    }
    let grown = growth(points);
    let kept = grown.iter().all(|g| *g <= MOST_GROWTH);
    print_growth(grown, kept);
    Some(kept)
}

fn print_growth(grown: [f64; 4], kept: bool) {
    let [check, diff, routes, capacity] = grown.map(|g| format!("× {g:.1}"));
    println!(
        "  growth        {check:>9}  {diff:>9}  {routes:>9}  {capacity:>9}  at most × {MOST_GROWTH:.1}: {}",
        if kept { "kept" } else { "exceeded" }
    );
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|a| a == "--point" || a == "--once") {
        let hosts = args[at + 1].parse().expect("a number of hosts");
        let mut forms = Form::ALL.into_iter();
        let form = forms.find(|f| f.as_str() == args[at + 2]);
        point(hosts, form.expect("a form"), args[at] == "--once");
        return ExitCode::SUCCESS;
    }
    if let [_, mode, hosts, form] = args.as_slice()
        && mode == "--mistakes"
    {
        let form = Form::ALL.into_iter().find(|f| f.as_str() == form);
        let hosts = hosts.parse().expect("a number of hosts");
        mistakes::point(hosts, form.expect("a form"));
        return ExitCode::SUCCESS;
    }
    let own = std::env::current_exe().expect("the benchmark's own path");
    let count = !args.iter().any(|a| a == "--no-instructions");
    let [check, diff, routes, capacity] = STEPS;
    println!("                {check:>9}  {diff:>9}  {routes:>9}  {capacity:>9}");
    let mut good = true;
    for form in Form::ALL {
        println!("{}", form.as_str());
        let Some(kept) = timed(&own, form) else {
            return ExitCode::FAILURE;
        };
        let counted = count.then(|| counted(&own, form)).flatten();
        if count && counted.is_none() {
            println!("  (valgrind is not there, or told nothing: no instructions)");
        }
        good &= kept.limits && counted.unwrap_or(kept.growth);
        println!("  checks of a plan with a mistake:");
        good &= mistakes::measured(&own, (HOSTS[1], form), MOST_MS);
    }
    println!(
        "bounds at {} hosts: {MOST_MS} ms for each step and each check of a mistake, {MOST_MIB} MiB, growth × {MOST_GROWTH:.1} (n log n): {}",
        HOSTS[1],
        if good { "kept" } else { "NOT KEPT" }
    );
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
