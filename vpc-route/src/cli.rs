//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use flatnet_daemon::LogFormat;

/// Keeps VPC route tables, leased lines and edge routers equal to the plan
///
/// Exit status: 0 nothing to do or all done; 1 an error, or something refused or in transition;
/// 2 (of `plan`) there are changes to make.
#[derive(Debug, Parser)]
#[command(name = "vpc-route", version)]
pub struct Cli {
    /// The configuration
    #[arg(
        long,
        short,
        global = true,
        default_value = "/etc/flatnet/vpc-route.yml"
    )]
    pub config: PathBuf,
    /// How the log looks
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep the tables right, as long as this process leads
    Run(Change),
    /// Show what would be done, and do nothing
    Plan(Show),
    /// Do it once
    Apply(ApplyArgs),
    /// Take over entries that others made and that agree with the plan
    Adopt(AdoptArgs),
    /// Go back to a recorded state, and hold to it until --release
    Rollback(RollbackArgs),
}

/// What may be changed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Change {
    /// Let a plan delete more of a table than `massDelete` says
    #[arg(long)]
    pub allow_mass_delete: bool,
}

/// How to show it.
#[derive(Debug, Clone, Copy, Args)]
pub struct Show {
    /// For people, or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Colours
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
    /// What may be changed
    #[command(flatten)]
    pub change: Change,
}

/// What `apply` takes.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// How to show it
    #[command(flatten)]
    pub show: Show,
}

/// What `adopt` takes.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Do it; without this, show what would be taken over
    #[arg(long)]
    pub yes: bool,
}

/// What `rollback` takes.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The state, by its number; the last recorded one if none is given
    #[arg(long, conflicts_with_all = ["list", "release"])]
    pub to: Option<u64>,
    /// List the recorded states
    #[arg(long)]
    pub list: bool,
    /// Hold to the plan again
    #[arg(long)]
    pub release: bool,
    /// How to show it
    #[command(flatten)]
    pub show: Show,
}

/// How output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
