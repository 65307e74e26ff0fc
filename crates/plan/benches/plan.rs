//! What checking a large plan costs: `cargo xtask bench plan`.
//!
//! Plans of 1,000 and 10,000 hosts, each host with a range of 128 addresses (1,280,000 in
//! all), written out and by groups. Every point runs in a process of its own, so that its
//! peak memory is its own. Fails where the larger plan is beyond 1 s or 300 MiB, or where
//! the cost of a check grows worse than n log n.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flatnet_plan::{NetworkPlan, Style, capacity::capacity, diagnose, diff::diff, routes::routes};

const HOSTS: [u32; 2] = [1_000, 10_000];
const HOSTS_IN_VLAN: u32 = 200;
const BATCHES: usize = 7;
const MOST_TIME: Duration = Duration::from_secs(1);
const MOST_MEMORY_KIB: u64 = 300 * 1024;
/// 10,000 ln 10,000 / (1,000 ln 1,000) is 13.3; the rest is for a machine that is busy.
const MOST_GROWTH: f64 = 20.0;

/// How a plan is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Written,
    Groups,
}

impl Form {
    fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Groups => "groups",
        }
    }
}

/// A plan of so many hosts, 200 in a VLAN, 40 in a rack.
fn document(hosts: u32, form: Form) -> String {
    let vlans = hosts.div_ceil(HOSTS_IN_VLAN);
    let racks = hosts.div_ceil(40);
    // Each VLAN has a /17, of which the first and the last /25 are nobody's.
    let subnet = |v: u32| std::net::Ipv4Addr::from(0x0a40_0000 + v * 0x8000);
    let address = |n: u32| std::net::Ipv4Addr::from(0x0a00_0000 + 0x10 + n);
    let mut t = String::from(
        "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {name: bench}\nspec:\n  \
         density: 100\n  budgets: {neighbours: 65536, gcThresh3: 131072}\n  sites:\n    \
         - name: idc\n      type: IDC\n      switches:\n        \
         - {name: core, macTableSize: 131072}\n",
    );
    for r in 0..racks {
        for (side, other) in [("a", "b"), ("b", "a")] {
            let _ = writeln!(
                t,
                "        - {{name: tor{r}{side}, macTableSize: 32768, peers: [tor{r}{other}], uplinks: [core]}}"
            );
        }
    }
    t.push_str(
        "      vlans:\n        - {id: 10, name: hosts, role: host, subnets: [{prefix: 10.0.0.0/16, gateway: 10.0.0.1}]}\n",
    );
    for v in 0..vlans {
        let at = subnet(v);
        let gateway = std::net::Ipv4Addr::from(u32::from(at) + 1);
        let _ = writeln!(
            t,
            "        - {{id: {}, name: pods{v}, role: pod, subnets: [{{prefix: {at}/17, gateway: {gateway}}}]}}",
            100 + v
        );
    }
    t.push_str("  networks:\n");
    for v in 0..vlans {
        let _ = writeln!(
            t,
            "    - {{name: net{v}, site: idc, vlan: {}, pools: [{{prefix: {at}/17, exclude: [{at}/25]}}]}}",
            100 + v,
            at = subnet(v)
        );
    }
    let uplink = |rack: &str, unit: &str| {
        format!(
            "{{interface: bond0, bond: lacp, nics: [{{interface: eth0, switch: tor{rack}a, port: \"{unit}\"}}, \
             {{interface: eth1, switch: tor{rack}b, port: \"{unit}\"}}]}}"
        )
    };
    match form {
        Form::Written => {
            t.push_str("  hosts:\n");
            for n in 0..hosts {
                let (v, k) = (n / HOSTS_IN_VLAN, n % HOSTS_IN_VLAN);
                let range = std::net::Ipv4Addr::from(u32::from(subnet(v)) + (k + 1) * 128);
                let _ = writeln!(
                    t,
                    "    - name: host-{n:05}\n      site: idc\n      addresses: [{}/16]\n      uplink: {}\n      \
                     ranges:\n        - {{network: net{v}, prefix: {range}/25}}",
                    address(n),
                    uplink(&(n / 40).to_string(), &(n % 40).to_string()),
                );
            }
        }
        Form::Groups => {
            t.push_str("  hostGroups:\n");
            for v in 0..vlans {
                let first = v * HOSTS_IN_VLAN;
                let from = std::net::Ipv4Addr::from(u32::from(subnet(v)) + 128);
                let _ = writeln!(
                    t,
                    "    - name: group{v}\n      site: idc\n      hostName: \"host-{{n:05}}\"\n      first: {first}\n      \
                     count: {}\n      addresses: [{}/16]\n      uplink: {}\n      \
                     ranges:\n        - {{network: net{v}, length: 25, from: {from}}}",
                    HOSTS_IN_VLAN.min(hosts - first),
                    address(first),
                    uplink(&(v * 5).to_string(), "g{n}"),
                );
            }
        }
    }
    t
}

/// The shortest of a few batches, for one run, in time on a CPU: what others do on the
/// machine is not the plan's cost. There is one thread. A batch is long enough for a clock
/// that ticks every 4 ms.
fn best<T>(mut run: impl FnMut() -> T) -> Duration {
    const BATCH: Duration = Duration::from_millis(200);
    let start = Instant::now();
    drop(run());
    let runs = (BATCH.as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 50_000);
    let runs = u32::try_from(runs).unwrap_or(1);
    (0..BATCHES)
        .map(|_| {
            let start = on_cpu();
            for _ in 0..runs {
                drop(run());
            }
            on_cpu().saturating_sub(start) / runs
        })
        .min()
        .unwrap_or_default()
}

/// How long this process has been on a CPU (proc(5), schedstat); where the kernel does not
/// say, the time of day.
fn on_cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/self/schedstat");
    let nanos = told
        .ok()
        .and_then(|s| s.split_whitespace().next()?.parse().ok());
    match nanos {
        Some(nanos) => Duration::from_nanos(nanos),
        None => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    }
}

/// What this process has had resident at most, in KiB (proc(5), VmHWM).
fn peak_memory() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|s| {
            let line = s.lines().find(|l| l.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        })
        .unwrap_or(0)
}

/// The plan a week later: one host in a hundred is gone, one is new, one has another port.
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
            1 => host.uplink.nics[0].port = Some(format!("new-{i}")),
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

/// One point, in a process of its own: milliseconds and KiB on one line.
fn point(hosts: u32, form: Form) {
    let text = document(hosts, form);
    let report = diagnose(&text, "bench.yaml");
    let shown = report.render(Style::Text { color: false });
    assert!(
        report.diagnostics.is_empty(),
        "{}",
        &shown[..shown.len().min(2000)]
    );
    drop(report);
    let check = best(|| diagnose(&text, "bench.yaml"));
    let mut report = diagnose(&text, "bench.yaml");
    let plan = report.take_document().expect("a plan").expanded.plan;
    assert_eq!(plan.spec.hosts.len(), hosts as usize);
    let routes = best(|| routes(&plan));
    let capacity = best(|| capacity(&plan));
    let next = changed(&plan);
    assert!(diff(&plan, &next).is_ok_and(|d| d != diff(&plan, &plan).expect("a diff")));
    let diff = best(|| diff(&plan, &next));
    let memory = peak_memory();
    println!(
        "{} {} {} {} {memory} {}",
        check.as_secs_f64() * 1e3,
        diff.as_secs_f64() * 1e3,
        routes.as_secs_f64() * 1e3,
        capacity.as_secs_f64() * 1e3,
        text.len()
    );
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|a| a == "--point") {
        let hosts = args[at + 1].parse().expect("a number of hosts");
        let form = match args[at + 2].as_str() {
            "written" => Form::Written,
            _ => Form::Groups,
        };
        point(hosts, form);
        return ExitCode::SUCCESS;
    }
    let own = std::env::current_exe().expect("the benchmark's own path");
    let mut good = true;
    println!(
        "best of 7 batches, time on the CPU\nhosts   form      text MiB  check ms   diff ms  routes ms  capacity ms  peak MiB"
    );
    for form in [Form::Written, Form::Groups] {
        let mut before: Option<[f64; 4]> = None;
        for hosts in HOSTS {
            let out = Command::new(&own)
                .args(["--point", &hosts.to_string(), form.as_str()])
                .output()
                .expect("the point runs");
            let line = String::from_utf8_lossy(&out.stdout);
            let figures: Vec<f64> = line
                .split_whitespace()
                .filter_map(|w| w.parse().ok())
                .collect();
            let [check, diff, routes, capacity, memory, bytes] = figures[..] else {
                println!(
                    "{hosts} {}: {}",
                    form.as_str(),
                    String::from_utf8_lossy(&out.stderr)
                );
                return ExitCode::FAILURE;
            };
            println!(
                "{hosts:<7} {:<9} {:>8.2}  {check:>8.1}  {diff:>8.1}  {routes:>9.2}  {capacity:>11.2}  {:>8.1}",
                form.as_str(),
                bytes / 1048576.0,
                memory / 1024.0
            );
            let slowest = check.max(diff).max(routes);
            good &= slowest < MOST_TIME.as_secs_f64() * 1e3 && memory < MOST_MEMORY_KIB as f64;
            if let Some(before) = before {
                let now = [check, diff, routes, capacity];
                let growth: Vec<f64> = now.iter().zip(before).map(|(n, b)| n / b).collect();
                println!(
                    "        growth    n log n is 13.3: check {:.1}, diff {:.1}, routes {:.1}, capacity {:.1}",
                    growth[0], growth[1], growth[2], growth[3]
                );
                good &= growth[0] < MOST_GROWTH;
            }
            before = Some([check, diff, routes, capacity]);
        }
    }
    println!(
        "limits: 1000 ms each of check, diff and routes; 300 MiB; growth of check {MOST_GROWTH}: {}",
        if good { "kept" } else { "NOT KEPT" }
    );
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
