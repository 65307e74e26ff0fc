//! Running other programs, and saying which one failed and why.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::error::{Error, Result};

/// Where the tools are, whatever the caller's `PATH` leaves out.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The caller's `PATH` with the system's directories behind it.
pub(crate) fn search_path() -> String {
    match std::env::var("PATH") {
        Ok(own) if !own.is_empty() => format!("{own}:{SYSTEM_PATH}"),
        _ => SYSTEM_PATH.to_owned(),
    }
}

/// A command that finds the system's tools and reads nothing.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path()).stdin(Stdio::null());
    command
}

/// Runs a command and gives what it printed.
///
/// # Errors
/// [`Error::Spawn`] or [`Error::Command`].
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let result = command.output();
    finish(command, result)
}

/// Runs a command with `input` on its standard input, and gives what it printed.
///
/// # Errors
/// [`Error::Spawn`] or [`Error::Command`].
pub(crate) fn output_with(command: &mut Command, input: &str) -> Result<String> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let result = command.spawn().and_then(|mut child| {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends early says why by its status.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    });
    finish(command, result)
}

/// Runs `ip -batch` where the calling thread is.
///
/// # Errors
/// [`Error::Command`] with the first line that failed.
pub(crate) fn ip_batch(lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let input = lines.join("\n") + "\n";
    // Who is killed in the middle of it leaves nobody behind that goes on, past a `down` that looks
    // for what there is.
    let mut ip = command("setpriv");
    ip.args(["--pdeathsig", "KILL", "ip", "-batch", "-"]);
    output_with(&mut ip, &input).map_err(|e| match e {
        Error::Command {
            command,
            status,
            stderr,
        } => Error::Command {
            command: format!("{command} (…) {}", failed_line(lines, &stderr)),
            status,
            stderr,
        },
        other => other,
    })?;
    Ok(())
}

/// `ip -batch` says "Command failed -:3": line 3 of what it read.
fn failed_line<'l>(lines: &'l [String], stderr: &str) -> &'l str {
    stderr
        .rsplit_once("Command failed -:")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<usize>().ok())
        .and_then(|n| lines.get(n.checked_sub(1)?))
        .map_or("", String::as_str)
}

fn finish(command: &Command, result: std::io::Result<Output>) -> Result<String> {
    let output = result.map_err(|source| Error::Spawn {
        command: show(command),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command {
        command: show(command),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn show(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Does `work` for each item at once, a few at a time, and collects what failed.
pub(crate) fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    const AT_ONCE: usize = 8;
    let next = std::sync::atomic::AtomicUsize::new(0);
    let errors = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..items.len().min(AT_ONCE) {
            scope.spawn(|| {
                while let Some(item) =
                    items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    if let Err(e) = work(item)
                        && let Ok(mut errors) = errors.lock()
                    {
                        errors.push(e);
                    }
                }
            });
        }
    });
    Error::all(errors.into_inner().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_quoted_with_its_words() {
        let e = output(command("sh").args(["-c", "echo broken >&2; exit 3"])).expect_err("fails");
        let text = e.to_string();
        assert!(text.contains("broken") && text.contains('3'), "{text}");
    }

    #[test]
    fn the_line_of_a_batch_that_failed_is_found() {
        let lines = ["link add a".to_owned(), "link add b".to_owned()];
        assert_eq!(
            failed_line(&lines, "oops\nCommand failed -:2"),
            "link add b"
        );
        assert_eq!(failed_line(&lines, "oops"), "");
    }

    #[test]
    fn every_item_is_worked_on_and_every_error_kept() {
        let items: Vec<u32> = (0..50).collect();
        let err = each(&items, |n| match n % 10 {
            0 => Err(Error::NotRunning(n.to_string())),
            _ => Ok(()),
        })
        .expect_err("five fail");
        assert!(matches!(err, Error::Several(e) if e.len() == 5));
    }
}
