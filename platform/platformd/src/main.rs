//! platformd: the release platform's processes. Each is a library of its own.

use std::io::Write;

use clap::{Parser, Subcommand};
use flatnet_platform_controller as controller;
use flatnet_platform_server as server;

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
    /// Serves the API: for flatctl, a console, continuous integration.
    Serve(server::Cli),
    #[command(flatten)]
    Tool(server::Tool),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().process {
        Process::Controller(cli) => controller::main(&cli),
        Process::Serve(cli) => server::main(&cli),
        Process::Tool(tool) => Ok(writeln!(std::io::stdout(), "{}", server::tool(&tool)?)?),
    }
}
