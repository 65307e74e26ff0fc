//! The dispatcher: environment, stdin and stdout as values, so that the plugin's `main` is
//! tested without a process.

use std::ffi::OsString;
use std::io::{self, Read, Write};

use flatnet_types::api::{ErrorReply, code};
use flatnet_types::cni::conf::STDIN_LIMIT;
use flatnet_types::cni::env::EnvError;
use flatnet_types::cni::{Call, CniArgs, CniError, CniVersion, Document, InputError};

use crate::Netd;
use crate::commands::{self, Answer, Context};
use crate::line::to_line;

/// Everything that a run of the plugin touches.
pub struct Process<'a> {
    /// The environment: `std::env::var_os`.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// The network configuration.
    pub stdin: &'a mut dyn Read,
    /// Where the result or the error object goes, and nothing else.
    pub stdout: &'a mut dyn Write,
    /// For people.
    pub stderr: &'a mut dyn Write,
    /// Whom to ask.
    pub netd: &'a dyn Netd,
    /// The host's clock, in milliseconds since 1970: the time of a spooled DEL.
    pub now_ms: u64,
}

/// Success.
pub const EXIT_OK: u8 = 0;
/// An error object is on stdout.
pub const EXIT_ERROR: u8 = 1;

/// Does one call and returns the process's exit code: [`EXIT_OK`] or [`EXIT_ERROR`].
///
/// Guarantees: stdout gets one JSON object or, where CNI wants nothing, nothing. No input
/// makes it panic.
pub fn run(process: Process<'_>) -> u8 {
    let Process {
        env,
        stdin,
        stdout,
        stderr,
        netd,
        now_ms,
    } = process;
    let mut version = CniVersion::NEWEST;
    let answer = match Call::from_env(env) {
        Ok(call) => answer(call, stdin, &mut version, Context { netd, now_ms }),
        Err(e) => {
            if e == EnvError::NoCommand {
                greet(stderr);
            }
            Err(environment(&e))
        }
    };
    match answer {
        Ok(answer) => match say(stdout, &answer.text) {
            Ok(()) => {
                if !answer.note.is_empty() {
                    // Nobody may be listening; that is no error.
                    let _ = writeln!(stderr, "{}", answer.note);
                }
                EXIT_OK
            }
            Err(_) => {
                // The runtime will never know of what was made.
                answer.take_back(netd);
                EXIT_ERROR
            }
        },
        Err(error) => {
            // Without a stdout there is nobody to tell; the exit code still does.
            let _ = say(stdout, &to_line(&CniError::new(version, error)));
            EXIT_ERROR
        }
    }
}

/// Decodes stdin and does the command. `version` becomes the configuration's as soon as it
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

/// stdin whole, and not one byte more than is taken.
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

/// For whoever runs it by hand.
fn greet(stderr: &mut dyn Write) {
    let versions: Vec<_> = CniVersion::ALL.iter().map(|v| v.as_str()).collect();
    // Nobody may be listening; that is no error.
    let _ = writeln!(
        stderr,
        "flatnet {}: the CNI plugin of Flatnet. Container runtimes run it, with CNI_COMMAND \
         and its companions set and a network configuration on stdin; to look at this node \
         use flatctl. CNI versions: {}",
        env!("CARGO_PKG_VERSION"),
        versions.join(", ")
    );
}

fn say(stdout: &mut dyn Write, text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

#[cfg(test)]
mod tests;
