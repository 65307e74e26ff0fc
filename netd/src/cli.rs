//! The command line: its commands.

use clap::{Parser, Subcommand};

use crate::cni_files::CniCommand;
use crate::config::{PlanArgs, RunArgs};
use crate::preflight::PreflightArgs;
use crate::ready::ReadyArgs;
use crate::uplink::UplinkCommand;

/// The node daemon of Flatnet.
#[derive(Debug, Parser)]
#[command(name = "netd", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve this node until SIGTERM. The data path goes on without netd.
    Run(Box<RunArgs>),
    /// Print what this node derives from the plan, and exit.
    Derive(PlanArgs),
    /// Say what this host lacks for netd, and what to do about it. Changes nothing.
    Preflight(PreflightArgs),
    /// Exit with 0 if this node's netd is ready, else say why not: for probes.
    Ready(ReadyArgs),
    /// Install the CNI plugin and its configuration once netd is ready, or take them away.
    #[command(subcommand)]
    Cni(CniCommand),
    /// Move an uplink that bears the host's own address into the bridge, and back.
    #[command(subcommand)]
    Uplink(UplinkCommand),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
