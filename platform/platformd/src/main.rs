//! platformd: the release platform's processes. Each is a library of its own.

use clap::{Parser, Subcommand};
use flatnet_platform_controller as controller;

/// The release platform's processes.
#[derive(Debug, Parser)]
#[command(name = "platformd", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    process: Process,
}

#[derive(Debug, Subcommand)]
enum Process {
    /// Takes releases through their steps in all clusters. Several may run; one leads.
    Controller(controller::Cli),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().process {
        Process::Controller(cli) => controller::main(&cli),
    }
}
