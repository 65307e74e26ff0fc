//! The dispatcher: environment, stdin and stdout as values, so that the plugin's `main` is
//! tested without a process.

use std::ffi::OsString;
use std::io::{self, Read, Write};

use flatnet_types::Timestamp;
use flatnet_types::api::{ErrorReply, code};
use flatnet_types::cni::conf::STDIN_LIMIT;
use flatnet_types::cni::env::EnvError;
use flatnet_types::cni::{Call, CniArgs, CniError, CniVersion, Document, InputError};

use crate::Netd;
use crate::commands::{self, Answer, Context};
use crate::line::to_line;

/// The process's environment and streams, and netd.
pub struct Process<'a> {
    /// The environment: `std::env::var_os`.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// The network configuration.
    pub stdin: &'a mut dyn Read,
    /// Where the result or the error object goes, and nothing else.
    pub stdout: &'a mut dyn Write,
    /// Where notes for people go.
    pub stderr: &'a mut dyn Write,
    /// The client of netd.
    pub netd: &'a dyn Netd,
    /// Current time, by the host's clock: the time of a spooled DEL.
    pub now: Timestamp,
}

/// Exit code of success.
pub const EXIT_OK: u8 = 0;
/// Exit code of a failure; stdout has an error object.
pub const EXIT_ERROR: u8 = 1;

/// Runs one call and returns the process's exit code: [`EXIT_OK`] or [`EXIT_ERROR`].
///
/// # Guarantees
/// Writes one JSON object to stdout, or nothing for commands without a result. Panics on no input.
pub fn run(process: Process<'_>) -> u8 {
    let Process {
        env,
        stdin,
        stdout,
        stderr,
        netd,
        now,
    } = process;
    let mut version = CniVersion::NEWEST;
    let answer = match Call::from_env(env) {
        Ok(call) => answer(call, stdin, &mut version, Context { netd, now }),
        Err(e) => {
            if e == EnvError::NoCommand {
                usage(stderr);
            }
            Err(environment(&e))
        }
    };
    match answer {
        Ok(answer) => match write_line(stdout, &answer.text) {
            Ok(()) => {
                if !answer.note.is_empty() {
                    // stderr may be closed; that is no error.
                    let _ = writeln!(stderr, "{}", answer.note);
                }
                EXIT_OK
            }
            Err(_) => {
                // The runtime did not get the result, so nothing would ever delete the attachment.
                answer.roll_back(netd);
                EXIT_ERROR
            }
        },
        Err(error) => {
            // If stdout is closed, the exit code still reports the failure.
            let _ = write_line(stdout, &to_line(&CniError::new(version, error)));
            EXIT_ERROR
        }
    }
}

/// Decodes stdin and runs the command. `version` becomes the configuration's as soon as it
/// is known, for the error object.
fn answer(
    call: Call,
    stdin: &mut dyn Read,
    version: &mut CniVersion,
    context: Context<'_>,
) -> Result<Answer, ErrorReply> {
    let input = read(stdin)?;
    let mut document = || {
        let document = Document::parse(&input)?;
        *version = document.version()?;
        Ok::<_, ErrorReply>(document)
    };
    match call {
        Call::Add {
            target,
            netns,
            args,
        } => {
            let document = document()?;
            commands::add(
                &document,
                target,
                netns,
                CniArgs::parse(&args).map_err(InputError::from)?,
                context,
            )
        }
        Call::Del { target, netns } => commands::del(&document()?, target, netns, context),
        Call::Check { target, netns } => commands::check(&document()?, target, netns, context),
        Call::Gc => commands::gc(&document()?, context),
        Call::Status => commands::status(&document()?, context),
        Call::Version => commands::version(&input),
    }
}

/// Reads stdin, at most [`STDIN_LIMIT`] bytes.
fn read(stdin: &mut dyn Read) -> Result<Vec<u8>, ErrorReply> {
    let mut input = Vec::new();
    let one_more = STDIN_LIMIT as u64 + 1;
    stdin
        .take(one_more)
        .read_to_end(&mut input)
        .map_err(|e| ErrorReply {
            code: code::IO_FAILURE,
            msg: format!("cannot read the network configuration from stdin: {e}"),
            details: String::new(),
        })?;
    if input.len() > STDIN_LIMIT {
        return Err(InputError::TooLarge { limit: STDIN_LIMIT }.into());
    }
    Ok(input)
}

fn environment(error: &EnvError) -> ErrorReply {
    ErrorReply {
        code: error.cni_code(),
        msg: error.to_string(),
        details: String::new(),
    }
}

/// The usage, for people who run the plugin by hand.
fn usage(stderr: &mut dyn Write) {
    let versions: Vec<_> = CniVersion::ALL.iter().map(|v| v.as_str()).collect();
    // stderr may be closed; that is no error.
    let _ = writeln!(
        stderr,
        "flatnet {}: the CNI plugin of Flatnet. Container runtimes run it, with CNI_COMMAND \
         and its companions set and a network configuration on stdin; to look at this node \
         use flatctl. CNI versions: {}",
        env!("CARGO_PKG_VERSION"),
        versions.join(", ")
    );
}

fn write_line(stdout: &mut dyn Write, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

#[cfg(test)]
mod tests;
