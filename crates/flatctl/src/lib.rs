//! `flatctl`, the admin's CLI.
//!
//! ```text
//!   arguments ─▶ [args] ─▶ [command] ─┬─ crates/plan (pure): check, capacity, routes, diff …
//!                                     ├─ netd, ipamd: HTTP on a socket
//!                                     └─▶ view ─▶ [output] ─▶ the terminal
//! ```
//!
//! A command computes a *view*, a value that serializes; what is printed of it, and how, is
//! decided in [`output`] alone. A run is a function of arguments, files and the answers of
//! daemons, so tests run it without a process: [`run`].

pub mod args;
pub mod command;
pub mod daemon;
pub mod encoding;
pub mod error;
pub mod output;
pub mod source;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use flatnet_types::Timestamp;

pub use error::CliError;
use output::{Colour, Output};

/// What a run knows of its surroundings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings {
    /// The width of the terminal that results go to, in columns; none: no terminal.
    pub width: Option<usize>,
    /// Whether results go to a terminal that shows colours.
    pub colour_out: bool,
    /// Whether messages do.
    pub colour_err: bool,
    /// The time that commands take for now.
    pub now: Timestamp,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|v: OsString| !v.is_empty());
        let plain = set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let terminal = io::stdout().is_terminal();
        Self {
            width: terminal
                .then(terminal_size::terminal_size)
                .flatten()
                .map(|(width, _)| usize::from(width.0)),
            colour_out: terminal && !plain,
            colour_err: io::stderr().is_terminal() && !plain,
            now: std::time::SystemTime::now().into(),
        }
    }
}

/// Runs `flatctl` with the process's arguments, environment and terminal.
pub fn main() -> ExitCode {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let mut output = Output::new(&mut out, &mut err);
    ExitCode::from(run(
        std::env::args_os(),
        Surroundings::of_process(),
        &mut output,
    ))
}

/// One run: parses `args`, of which the first is the program's name, does it, and returns
/// the exit code ([`error::exit`]).
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    around: Surroundings,
    output: &mut Output<'_>,
) -> u8 {
    output.width = around.width;
    output.colour = around.colour_out;
    output.colour_err = around.colour_err;
    output.now = around.now;
    let parsed = args::Cli::command()
        .try_get_matches_from(args)
        .and_then(|m| args::Cli::from_arg_matches(&m));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(e) => return refused_or_helped(&e, output),
    };
    output.format = cli.output;
    match cli.color {
        Colour::Auto => {}
        Colour::Always => (output.colour, output.colour_err) = (true, true),
        Colour::Never => (output.colour, output.colour_err) = (false, false),
    }
    match command::dispatch(cli.command, output) {
        Ok(code) => code,
        Err(e) if e.is_broken_pipe() => error::exit::OK,
        Err(e) => {
            output.error(&e);
            e.exit_code()
        }
    }
}

/// clap's own answers: help and version are results, everything else is a wrong call.
fn refused_or_helped(e: &clap::Error, output: &mut Output<'_>) -> u8 {
    let text = e.render();
    if e.use_stderr() {
        let text = if output.colour_err {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        output.raw_message(&text);
        error::exit::UNREADABLE
    } else {
        let text = if output.colour {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        match output.text(&text) {
            Ok(()) => error::exit::OK,
            Err(e) => e.exit_code(),
        }
    }
}

#[cfg(test)]
mod tests;
