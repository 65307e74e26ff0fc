//! Time, memory and instructions.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Runs of one step: the shortest counts, and one is not enough on a busy machine.
const RUNS: u32 = 40;
/// And no longer than this, if there were some.
const MOST: Duration = Duration::from_millis(1500);
const FEWEST: u32 = 4;
/// More than a cache of the third level holds.
const FLUSHED: usize = 64 << 20;

/// Measures steps from cold caches.
///
/// Who runs a step once finds nothing of the plan in the processor's caches beyond what
/// reading it has left there. A loop over the same small plan would find all of it in the
/// second level and measure that: the larger plan, which fits in no such cache, would seem
/// to grow by more than its work. Both points begin alike here.
pub(super) struct Cold(Vec<u8>);

impl Cold {
    pub(super) fn new() -> Self {
        Self(vec![0; FLUSHED])
    }

    /// The shortest of several runs, in time on a CPU: what others do on the machine is not
    /// the plan's cost. There is one thread.
    pub(super) fn best<T>(&mut self, mut run: impl FnMut() -> T) -> Duration {
        let begin = on_cpu();
        let mut best = Duration::MAX;
        for n in 0..RUNS {
            if n >= FEWEST && on_cpu().saturating_sub(begin) > MOST {
                break;
            }
            for line in self.0.iter_mut().step_by(64) {
                *line = line.wrapping_add(1);
            }
            black_box(&self.0);
            let start = on_cpu();
            drop(black_box(run()));
            best = best.min(on_cpu().saturating_sub(start));
        }
        best
    }
}

/// How long this process has been on a CPU (clock_gettime(2)).
fn on_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map(Duration::from)
        .expect("Linux has the clock")
}

/// What this process has had resident at most, in KiB (proc(5), VmHWM).
pub(super) fn peak_memory() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|s| {
            let line = s.lines().find(|l| l.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        })
        .unwrap_or(0)
}

/// Instructions of each of the functions `names`, with all that they call, in a run of
/// `own` with `args` under callgrind; none without valgrind.
pub(super) fn instructions(own: &Path, args: &[&str], names: &[&str]) -> Option<Vec<f64>> {
    let file = std::env::temp_dir().join(format!("flatnet-bench-{}", std::process::id()));
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--compress-strings=no"])
        .args(["--compress-pos=no", "--dump-line=no"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(own)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let told = std::fs::read_to_string(&file).ok();
    // It may never have been written.
    let _ = std::fs::remove_file(&file);
    let told = told.filter(|_| status.is_ok_and(|s| s.success()))?;
    names.iter().map(|name| inclusive(&told, name)).collect()
}

/// The cost of the calls of a function: `cfn=…name…`, `calls=…`, and then a line with it
/// (Callgrind Format Specification, "Calls").
fn inclusive(told: &str, name: &str) -> Option<f64> {
    let mut lines = told.lines();
    let mut sum = None;
    while let Some(line) = lines.next() {
        if line.starts_with("cfn=") && line.contains(name) {
            let cost = lines.by_ref().find(|l| !l.starts_with("calls="))?;
            let cost: f64 = cost.split_whitespace().nth(1)?.parse().ok()?;
            sum = Some(sum.unwrap_or(0.0) + cost);
        }
    }
    sum
}
