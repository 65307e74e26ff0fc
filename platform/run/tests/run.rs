//! `flatnet-run` with real processes.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_flatnet-run");

/// A run whose output is read line by line: each line is an event to wait for.
struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Run {
    fn of(options: &[&str], script: &str) -> Self {
        Self::spawn(
            Command::new(PROGRAM)
                .args(options)
                .args(["--", "sh", "-c", script]),
        )
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("no line more").unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Its exit code, and what it printed last.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let rest = self.lines.map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

fn code_of(args: &[&str]) -> Option<i32> {
    let mut command = Command::new(PROGRAM);
    command
        .args(args)
        .stderr(Stdio::null())
        .stdin(Stdio::null());
    command.status().unwrap().code()
}

/// An executable script in `dir`.
fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("stop.sh");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn exists(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

/// Runs until it is told to end by SIGTERM; then says so.
const SERVES: &str =
    r#"trap 'echo terminated; exit 3' TERM; echo up; while :; do sleep 0.05; done"#;

#[test]
fn the_exit_code_is_the_applications() {
    assert_eq!(code_of(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code_of(&["sh", "-c", "kill -9 $$"]), Some(128 + 9));
    assert_eq!(code_of(&["/there/is/no/such/program"]), Some(127));
    assert_eq!(code_of(&["/etc/hostname"]), Some(126));
    assert_eq!(code_of(&[]), Some(125));
    assert_eq!(code_of(&["--stop-within", "soon", "true"]), Some(125));
    assert_eq!(code_of(&["--help"]), Some(0));
}

#[test]
fn the_stop_script_runs_while_the_application_serves_and_sigterm_comes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let stop = script(dir.path(), "kill -0 $FLATNET_PID && echo still serving");
    let mut run = Run::of(&["--stop", stop.to_str().unwrap()], SERVES);
    assert_eq!(run.line(), "up");
    run.signal(Signal::SIGTERM);
    let (code, rest) = run.end();
    assert_eq!(rest, ["still serving", "terminated"]);
    assert_eq!(code, Some(3));
}

#[test]
fn a_stop_script_that_hangs_or_is_not_there_does_not_keep_the_application() {
    let dir = tempfile::tempdir().unwrap();
    let stop = script(dir.path(), "exec sleep 1000");
    for path in [stop.to_str().unwrap(), "/there/is/no/stop.sh"] {
        let mut run = Run::of(&["--stop", path, "--stop-within", "0"], SERVES);
        assert_eq!(run.line(), "up");
        run.signal(Signal::SIGTERM);
        assert_eq!(
            run.end(),
            (Some(3), vec!["terminated".to_owned()]),
            "{path}"
        );
    }
}

#[test]
fn what_ignores_sigterm_is_killed_with_all_that_it_started() {
    let deaf = r#"trap '' TERM; sleep 1000 & echo $!; wait"#;
    let mut run = Run::of(&["--kill-after", "0"], deaf);
    let child = run.line();
    assert!(exists(&child));
    run.signal(Signal::SIGTERM);
    assert_eq!(run.end().0, Some(128 + 9));
    assert!(!exists(&child), "{child} is left");
}

#[test]
fn the_background_ends_with_the_application() {
    let background = r#"sh -c 'trap "echo background ended; exit" TERM; echo up; while :; do sleep 0.05; done' &
        read line; exit 5"#;
    let mut run = Run::of(&[], background);
    assert_eq!(run.line(), "up");
    run.say("end");
    let (code, rest) = run.end();
    assert_eq!(rest, ["background ended"]);
    assert_eq!(code, Some(5));
}

#[test]
fn orphans_are_reaped() {
    // The orphan's parent ends at once, and nobody but flatnet-run is left to wait for it.
    let mut run = Run::of(
        &[],
        r#"sh -c 'sh -c "echo \$\$; exec true" & exit'; read line"#,
    );
    let orphan = run.line();
    // A zombie would be there for ever; what is reaped is gone soon.
    while exists(&orphan) {
        std::thread::yield_now();
    }
    run.say("end");
    assert_eq!(run.end().0, Some(0));
}

#[test]
fn other_signals_are_passed_on() {
    let script = r#"trap 'echo reloaded; exit 0' HUP; echo up; while :; do sleep 0.05; done"#;
    let mut run = Run::of(&[], script);
    assert_eq!(run.line(), "up");
    run.signal(Signal::SIGHUP);
    assert_eq!(run.end(), (Some(0), vec!["reloaded".to_owned()]));
}

#[test]
fn the_ready_file_of_an_earlier_run_counts_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ready");
    fs::write(&file, "").unwrap();
    let ready = || {
        let mut probe = Command::new(PROGRAM);
        probe.arg("ready").env("FLATNET_READY_FILE", &file);
        probe.stderr(Stdio::null()).status().unwrap().success()
    };
    let mut command = Command::new(PROGRAM);
    command.env("FLATNET_READY_FILE", &file).args([
        "sh",
        "-c",
        r#"echo up; read line; touch "$FLATNET_READY_FILE"; echo ready; read line"#,
    ]);
    let mut run = Run::spawn(&mut command);
    assert_eq!(run.line(), "up");
    assert!(!ready());
    run.say("go on");
    assert_eq!(run.line(), "ready");
    assert!(ready());
    run.say("end");
    assert_eq!(run.end().0, Some(0));
}

#[test]
fn as_pid_1_nothing_of_the_namespace_is_left() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: a PID namespace needs root");
        return;
    }
    // `setsid` and a dead parent: no process below PID 1's children in any tree or session.
    let script = r#"setsid sh -c 'trap "echo far ended; exit" TERM; echo up; while :; do sleep 0.05; done' &
        read line; exit 9"#;
    let mut command = Command::new("unshare");
    command.args([
        "--pid",
        "--fork",
        "--mount-proc",
        PROGRAM,
        "sh",
        "-c",
        script,
    ]);
    let mut run = Run::spawn(&mut command);
    assert_eq!(run.line(), "up");
    run.say("end");
    assert_eq!(run.end(), (Some(9), vec!["far ended".to_owned()]));
}
