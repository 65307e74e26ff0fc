//! `flatnet-lab bench rest`: what netd costs while nothing happens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Args;
use nix::errno::Errno;
use serde::Serialize;

use crate::measure::Common;
use crate::paths::MemberPaths;
use crate::screen::{Paint, Screen};

/// Of one processor core, in percent.
const BOUND: f64 = 0.2;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The nodes, one of each mode
    #[arg(long, value_delimiter = ',', default_value = "idc1,vpc1")]
    nodes: Vec<String>,
    /// How long is measured, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How long netd is left alone before that, in seconds: what it does after its start is over then
    #[arg(long, default_value_t = 65)]
    settle: u64,
    #[command(flatten)]
    common: Common,
}

/// What a process has used so far, all of its threads together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usage {
    /// Time on a processor, in nanoseconds.
    cpu_ns: u64,
    /// How often a thread got a processor.
    runs: u64,
}

impl Usage {
    /// From `/proc/PID/task/*/schedstat` (Documentation/scheduler/sched-stats.rst).
    fn of(pid: i32) -> Result<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        let mut usage = Self { cpu_ns: 0, runs: 0 };
        for thread in std::fs::read_dir(process.join("task"))? {
            let text = match std::fs::read_to_string(thread?.path().join("schedstat")) {
                Ok(text) => text,
                // It ended meanwhile.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) if e.raw_os_error() == Some(Errno::ESRCH as i32) => continue,
                Err(e) => return Err(e.into()),
            };
            let (cpu, runs) = schedstat(&text).with_context(|| format!("schedstat: {text}"))?;
            usage.cpu_ns += cpu;
            usage.runs += runs;
        }
        Ok(usage)
    }
}

/// Time on a processor in nanoseconds, time in a queue, and turns.
fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(|n| n.parse().ok());
    let cpu = numbers.next()??;
    Some((cpu, numbers.nth(1)??))
}

/// netd's files on a node, by path: their sizes in bytes and when they were written to.
type Files = BTreeMap<PathBuf, (u64, SystemTime)>;

/// The store, the spool and the log. `write_bytes` of proc(5) would say nothing: the lab's disk is
/// memory.
fn files(paths: &MemberPaths) -> Result<Files> {
    let mut found = Files::new();
    let mut left = vec![paths.store(), paths.spool(), paths.log("netd")];
    while let Some(path) = left.pop() {
        let meta = std::fs::metadata(&path).with_context(|| path.display().to_string())?;
        if meta.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
        found.insert(path, (meta.len(), meta.modified()?));
    }
    Ok(found)
}

/// The files that came, went or changed.
fn changed(before: &Files, after: &Files) -> Vec<PathBuf> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
    paths.into_iter().filter(differs).cloned().collect()
}

/// One node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    node: String,
    /// Of one core, in percent.
    percent: f64,
    /// How often a thread of it ran, in a second.
    runs_per_second: f64,
    /// netd's files that changed.
    written: Vec<PathBuf>,
}

impl Row {
    fn between(node: &str, [before, after]: [Usage; 2], window: Duration) -> Self {
        let cpu = Duration::from_nanos(after.cpu_ns.saturating_sub(before.cpu_ns));
        let runs = u32::try_from(after.runs.saturating_sub(before.runs)).unwrap_or(u32::MAX);
        Self {
            node: node.to_owned(),
            percent: 100.0 * cpu.as_secs_f64() / window.as_secs_f64(),
            runs_per_second: f64::from(runs) / window.as_secs_f64(),
            written: Vec::new(),
        }
    }

    fn kept(&self) -> bool {
        self.percent <= BOUND && self.written.is_empty()
    }

    fn line(&self, screen: Screen) -> String {
        let verdict = match self.kept() {
            true => screen.paint(Paint::Good, "ok"),
            false => screen.paint(Paint::Bad, "MISSED"),
        };
        let mut line = format!("{:<8} {:>6.3} % of a core", self.node, self.percent);
        // Writing to a string cannot fail.
        let _ = write!(line, "{:>8.1} runs/s  ", self.runs_per_second);
        let _ = match self.written.is_empty() {
            true => write!(line, "nothing written  {verdict}"),
            false => write!(line, "written: {:?}  {verdict}", self.written),
        };
        line
    }
}

/// Measures and prints; whether every bound was kept.
pub(super) fn run(options: &Options) -> Result<bool> {
    let (interrupt, lab) = options.common.begin()?;
    let screen = Screen::stdout();
    screen.line(&format!(
        "netd is left alone for {} s and measured for {} s; at most {BOUND} % of a core, nothing written",
        options.settle, options.seconds
    ));
    interrupt.sleep(Duration::from_secs(options.settle))?;
    let look = || -> Result<Vec<(Usage, Files)>> {
        let of = |node: &String| {
            let usage = Usage::of(lab.netd_pid(node)?.pid)?;
            Ok((usage, files(&lab.member(node)?.paths)?))
        };
        options.nodes.iter().map(of).collect()
    };
    let before = look()?;
    let window = Duration::from_secs(options.seconds);
    interrupt.sleep(window)?;
    let after = look()?;
    let mut rows = Vec::new();
    for (node, (before, after)) in options.nodes.iter().zip(before.iter().zip(&after)) {
        rows.push(Row {
            written: changed(&before.1, &after.1),
            ..Row::between(node, [before.0, after.0], window)
        });
    }
    for row in &rows {
        screen.line(&row.line(screen));
    }
    options.common.write(&rows)?;
    Ok(rows.iter().all(Row::kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_what_the_kernel_shows() {
        assert_eq!(schedstat("1500 20 7\n"), Some((1500, 7)));
        assert_eq!(schedstat(""), None);
        assert!(Usage::of(std::process::id().cast_signed()).is_ok());
    }

    #[test]
    fn the_share_is_of_one_core_over_the_window() {
        let usage = |cpu_ns, runs| Usage { cpu_ns, runs };
        let (before, after) = (usage(1_000_000, 10), usage(181_000_000, 610));
        let row = Row::between("idc1", [before, after], Duration::from_secs(60));
        assert!((row.percent - 0.3).abs() < 1e-9 && !row.kept());
        assert!((row.runs_per_second - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_file_that_came_went_or_grew_is_named() {
        let at = |path: &str, size| (PathBuf::from(path), (size, SystemTime::UNIX_EPOCH));
        let before = Files::from([at("a", 1), at("b", 1), at("c", 1)]);
        let after = Files::from([at("a", 1), at("b", 2), at("d", 1)]);
        assert_eq!(changed(&before, &after), ["b", "c", "d"].map(PathBuf::from));
        assert!(changed(&before, &before).is_empty());
    }
}
