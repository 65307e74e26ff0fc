//! Other people's programs: DHCP clients and network managers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;

use super::{RealError, failed};

/// How long a DHCP client may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// The command line of a process; `None` if there is none.
fn argv_of(pid: i32) -> Option<Vec<String>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let argv: Vec<String> = line
        .split(|b| *b == 0)
        .filter(|a| !a.is_empty())
        .map(|a| String::from_utf8_lossy(a).into_owned())
        .collect();
    (!argv.is_empty()).then_some(argv)
}

/// Ends a DHCP client, if the process is still that. Its lease is not released: a termination is
/// no release for dhclient.
pub(super) async fn stop(pid: i32, argv: &[String]) -> Result<(), RealError> {
    let is = || argv_of(pid).as_deref() == Some(argv);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if !is() {
            return Ok(());
        }
        if let Err(e) = send(Pid::from_raw(pid), signal) {
            return Err(failed(format!("end process {pid}"))(&e));
        }
        let mut left = PATIENCE;
        while is() && !left.is_zero() {
            tokio::time::sleep(LOOK).await;
            left = left.saturating_sub(LOOK);
        }
    }
    Ok(())
}

/// Ends the DHCP client whose number is in that file.
pub(super) async fn stop_by_file(pid_file: &Path) -> Result<(), RealError> {
    let pid = fs::read_to_string(pid_file)
        .ok()
        .and_then(|t| t.trim().parse::<i32>().ok());
    let Some(pid) = pid else { return Ok(()) };
    let path = pid_file.display().to_string();
    match argv_of(pid) {
        Some(argv) if argv.contains(&path) => stop(pid, &argv).await?,
        _ => {}
    }
    let _ = fs::remove_file(pid_file);
    Ok(())
}

/// Starts a DHCP client in the background, if it does not run. It asks for its lease again; what it
/// is told it sets by itself.
pub(super) fn start(argv: &[String], pid_file: &Path) -> Result<(), RealError> {
    let running = fs::read_to_string(pid_file)
        .ok()
        .and_then(|t| t.trim().parse::<i32>().ok())
        .and_then(argv_of)
        .is_some_and(|argv| argv.contains(&pid_file.display().to_string()));
    if running {
        return Ok(());
    }
    spawn(argv)
}

/// Starts a program that was ended, if none with its command line runs.
pub(super) fn start_again(argv: &[String]) -> Result<(), RealError> {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let runs = fs::read_dir("/proc").is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).ok() == own)
            .any(|pid| argv_of(pid).as_deref() == Some(argv))
    });
    if runs { Ok(()) } else { spawn(argv) }
}

/// Not waited for: a DHCP client comes back when it has its lease, or goes on asking.
fn spawn(argv: &[String]) -> Result<(), RealError> {
    let Some((program, arguments)) = argv.split_first() else {
        return Ok(());
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(mut child) => {
            // The process that the client leaves behind itself is not ours to wait for.
            std::thread::spawn(move || child.wait());
            Ok(())
        }
        Err(e) => Err(failed(format!("start {}", argv.join(" ")))(&e)),
    }
}

/// Whether a program of that name runs in this network namespace.
fn runs(program: &str) -> bool {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let named = |argv: Vec<String>| {
        let name = argv
            .first()
            .and_then(|p| Path::new(p).file_name()?.to_str());
        name == Some(program)
    };
    fs::read_dir("/proc").is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).ok() == own)
            .filter_map(argv_of)
            .any(named)
    })
}

/// The same, and nothing where nobody is there to be told: it reads its configuration when it
/// starts.
pub(super) fn tell_if_it_runs(command: &[String], program: &str) -> Result<(), RealError> {
    tell(command).or_else(|e| if runs(program) { Err(e) } else { Ok(()) })
}

/// Runs a command to its end.
pub(super) fn tell(command: &[String]) -> Result<(), RealError> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let output = Command::new(program).args(arguments).output();
    let what = || failed(command.join(" "));
    match output {
        Ok(o) if o.status.success() => Ok(()),
        Ok(o) => Err(what()(&String::from_utf8_lossy(&o.stderr).trim())),
        Err(e) => Err(what()(&e)),
    }
}

/// Writes a manager's runtime file and has it read.
pub(super) fn write(file: &Path, text: &str, command: &[String]) -> Result<(), RealError> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir).map_err(|e| failed(format!("make {}", dir.display()))(&e))?;
    }
    let written = fs::write(file, text)
        // The manager is not root, and this process may have a mask of its own.
        .and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(0o644)));
    written.map_err(|e| failed(format!("write {}", file.display()))(&e))?;
    tell(command)
}

/// Removes a manager's runtime file and has that read.
pub(super) fn remove(file: &Path, command: &[String]) -> Result<(), RealError> {
    if !file.exists() {
        return Ok(());
    }
    fs::remove_file(file).map_err(|e| failed(format!("remove {}", file.display()))(&e))?;
    let manager = match command.first().map(String::as_str) {
        Some("nmcli") => "NetworkManager",
        _ => "systemd-networkd",
    };
    tell_if_it_runs(command, manager)
}

/// Kills a mover beyond its time.
pub(super) fn kill(pid: i32) {
    if pid > 1 {
        let _ = send(Pid::from_raw(pid), Signal::SIGKILL);
    }
}
