//! The command line as it is written.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum, ValueHint};

use crate::output::{Colour, Format};

/// Check, show, compare and grow a Flatnet plan; ask the daemons what is.
#[derive(Debug, Parser)]
#[command(
    name = "flatctl",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 done and something is wrong, 2 input or call cannot be \
                  used, 3 a daemon does not answer or refuses."
)]
pub struct Cli {
    /// What the result is printed as
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        global = true,
        value_name = "FORMAT"
    )]
    pub output: Format,
    /// When to colour
    #[arg(
        long,
        alias = "colour",
        value_enum,
        default_value_t,
        global = true,
        value_name = "WHEN"
    )]
    pub color: Colour,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work with a plan's document, offline
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Print the completion script of a shell
    #[command(after_help = "Put it where the shell looks, for example:\n  \
                      flatctl completions bash > /etc/bash_completion.d/flatctl")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// The directory, such as /usr/local/share/man/man1
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
}

/// The commands on a plan.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Show what a plan declares
    Show {
        /// The plan's file; `-` reads standard input
        #[arg(value_hint = ValueHint::FilePath)]
        plan: PathBuf,
        /// What of it; nothing: a summary
        #[arg(value_enum)]
        what: Vec<What>,
    },
    /// List who owns which range
    Ranges {
        /// The plan's file; `-` reads standard input
        #[arg(value_hint = ValueHint::FilePath)]
        plan: PathBuf,
        /// Only this host's
        #[arg(long)]
        host: Option<String>,
        /// Only this network's
        #[arg(long)]
        network: Option<String>,
    },
    /// Show how full pools, VLANs, switches and route tables are, and how many hosts more fit
    Capacity {
        /// The plan's file; `-` reads standard input
        #[arg(value_hint = ValueHint::FilePath)]
        plan: PathBuf,
    },
    /// Show what every route table, VBR, edge router and node must hold
    Routes {
        /// The plan's file; `-` reads standard input
        #[arg(value_hint = ValueHint::FilePath)]
        plan: PathBuf,
        /// Only the table of this name, or tables of this site
        #[arg(long, value_name = "NAME")]
        table: Option<String>,
        /// Prove each aggregate: what it covers, and what else, and why that is nobody's
        #[arg(long)]
        proof: bool,
    },
}

/// Parts of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Counts of everything
    Summary,
    /// Data centres and VPCs
    Sites,
    /// Switches of the data centres
    Switches,
    /// VLANs of the data centres
    Vlans,
    /// vSwitches of the VPCs
    Vswitches,
    /// Route tables of the VPCs
    Tables,
    /// Networks that a CNI configuration may name
    Networks,
    /// Pools of the networks
    Pools,
    /// Host groups, as they are written
    Groups,
    /// Hosts, groups written out
    Hosts,
    /// Leased lines
    Links,
    /// Everything
    All,
}
