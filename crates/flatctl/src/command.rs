//! What each command does.

mod explain;
mod plan;
mod shell;

use crate::CliError;
use crate::args::Command;
use crate::output::Output;

/// Runs a command and returns the exit code.
///
/// # Errors
/// [`CliError`] where it could not be done.
pub fn dispatch(command: Command, output: &mut Output<'_>) -> Result<u8, CliError> {
    match command {
        Command::Plan(command) => plan::dispatch(command, output),
        Command::Explain { code } => explain::run(code.as_deref(), output),
        Command::Completions { shell } => shell::completions(shell, output),
        Command::Man { dir } => shell::manual(&dir, output),
    }
}
