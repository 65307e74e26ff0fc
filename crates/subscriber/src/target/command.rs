//! Running another program.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::TargetError;

/// How long a program may take.
const LONGEST: Duration = Duration::from_secs(60);
/// Where programs of the system are, whatever the caller's `PATH` leaves out.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program with that input; what it prints. Cancel safe: the program is killed.
///
/// # Errors
/// [`TargetError::Spawn`], [`TargetError::Command`], [`TargetError::TooSlow`].
pub(crate) async fn run(program: &str, args: &[&str], input: &str) -> Result<String, TargetError> {
    let own = std::env::var("PATH").unwrap_or_default();
    let spawned = Command::new(program)
        .args(args)
        .env("PATH", format!("{own}:{SYSTEM_PATH}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let command = || [&[program], args].concat().join(" ");
    let mut child = spawned.map_err(|source| TargetError::Spawn {
        program: program.to_owned(),
        source,
    })?;
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that ends early says why by its status.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let both = async { tokio::join!(write, child.wait_with_output()) };
    let output = match tokio::time::timeout(LONGEST, both).await {
        Err(_) => {
            return Err(TargetError::TooSlow {
                command: command(),
                after: LONGEST,
            });
        }
        Ok(((), output)) => output.map_err(|source| TargetError::Spawn {
            program: program.to_owned(),
            source,
        })?,
    };
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(TargetError::Command {
            command: command(),
            status: output.status.to_string(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}
