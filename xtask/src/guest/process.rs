//! A process with a limit whose output is read line by line while it runs.

use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Result;

/// How often a process that says nothing is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long the last lines of a process that has ended may take to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How to run it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// After this time it is killed.
    pub(crate) limit: Duration,
    /// It has this process's own terminal, and its lines are not read.
    pub(crate) terminal: bool,
}

/// Runs a program, and hands each line of its output and errors on; `None` if it was killed for
/// its limit.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn run(
    command: &mut Command,
    how: &Run,
    line: &mut dyn FnMut(&str),
) -> Result<Option<ExitStatus>> {
    let begun = Instant::now();
    let (lines, heard) = mpsc::channel();
    let mut child = if how.terminal {
        drop(lines);
        command.spawn()?
    } else {
        let (reader, writer) = pipe()?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let child = command.spawn()?;
        // The command holds the pipe's writing ends until it is given others.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        std::thread::spawn(move || read(reader, &lines));
        child
    };
    loop {
        match heard.recv_timeout(LOOK) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
        }
        if let Some(status) = child.try_wait()? {
            // Whoever else holds the pipe is not waited for.
            while let Ok(text) = heard.recv_timeout(LAST_LINES) {
                line(&text);
            }
            return Ok(Some(status));
        }
        if begun.elapsed() >= how.limit {
            kill(&mut child)?;
            return Ok(None);
        }
    }
}

fn kill(child: &mut Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn read(reader: PipeReader, lines: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader
        .read_until(b'\n', &mut bytes)
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&bytes);
        // A guest's console ends its lines as terminals do.
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        if lines.send(text).is_err() {
            return;
        }
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str, limit: Duration) -> (Option<ExitStatus>, Vec<String>) {
        let mut said = Vec::new();
        let how = Run {
            limit,
            terminal: false,
        };
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        let status = run(&mut command, &how, &mut |l| said.push(l.to_owned())).expect("it starts");
        (status, said)
    }

    #[test]
    fn lines_come_without_their_ends_and_the_exit_status_last() {
        let (status, said) = shell(
            "printf 'a\\r\\nb'; echo; echo c >&2; exit 3",
            LAST_LINES * 30,
        );
        assert_eq!(said, ["a", "b", "c"]);
        assert_eq!(status.expect("it ended").code(), Some(3));
    }

    #[test]
    fn a_process_over_its_limit_is_killed() {
        let begun = Instant::now();
        let (status, said) = shell("echo begun; exec sleep 60", Duration::from_millis(300));
        assert!(status.is_none() && begun.elapsed() < Duration::from_secs(30));
        assert_eq!(said, ["begun"]);
    }
}
