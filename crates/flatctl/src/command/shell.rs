//! Completion scripts and manual pages, generated from the command line's own definition.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use crate::CliError;
use crate::args::Cli;
use crate::error::exit;
use crate::output::Output;

/// Prints the completion script of `shell`.
pub(super) fn completions(
    shell: clap_complete::Shell,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "flatctl", &mut script);
    output.bytes(&script)?;
    Ok(exit::OK)
}

/// Writes `flatctl.1` and a page for each command into `dir`.
pub(super) fn manual(dir: &Path, output: &mut Output<'_>) -> Result<u8, CliError> {
    let write = |source| CliError::Write {
        path: dir.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(write)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = 0;
    page(&command, dir, &mut pages).map_err(write)?;
    output.note(&format!("wrote {pages} pages to {}", dir.display()));
    Ok(exit::OK)
}

/// One command's page, and those of its subcommands.
fn page(command: &clap::Command, dir: &Path, pages: &mut usize) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    fs::write(dir.join(format!("{name}.1")), text)?;
    *pages += 1;
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        page(sub, dir, pages)?;
    }
    Ok(())
}
