//! The commands that look at the network as it is.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::IpamdArgs;

/// Where the route tables are told of.
#[derive(Debug, Clone, clap::Args)]
pub struct TablesArgs {
    /// vpc-route's socket
    #[arg(
        long,
        value_name = "SOCKET",
        global = true,
        env = "FLATNET_VPC_ROUTE",
        default_value = "/run/flatnet/vpc-route.sock",
        value_hint = ValueHint::FilePath
    )]
    pub vpc_route: PathBuf,
    /// What `vpc-route plan -o json` said, instead of asking; `-` reads standard input
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub tables: Option<PathBuf>,
}

/// The commands on route tables.
#[derive(Debug, Subcommand)]
pub enum RoutesCommand {
    /// Show every entry: where it leads, whose it is, its state, and the quota
    Show {
        /// Only the tables of this name, ID or site
        table: Option<String>,
    },
    /// Show what vpc-route would change, and what it cannot
    #[command(
        after_help = "Exits with 0 if every table is as the plan wants it, with 1 if not, \
                            and with 2 if a table cannot be looked at."
    )]
    Diff {
        /// Only the tables of this name, ID or site
        table: Option<String>,
    },
    /// Show which entry of which table an address takes
    #[command(
        after_help = "Exits with 0 if every table leads it where the plan wants it, with 1 \
                            if not, and with 2 if a table cannot be looked at."
    )]
    Trace {
        /// The address
        address: IpAddr,
    },
}

/// What `trace` takes.
#[derive(Debug, clap::Args)]
pub struct TraceArgs {
    /// Who sends
    #[arg(value_name = "A")]
    pub from: IpAddr,
    /// Whom to
    #[arg(value_name = "B")]
    pub to: IpAddr,
    /// A TCP connection to this port of B, not a ping
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// UDP instead of TCP
    #[arg(long, requires = "port")]
    pub udp: bool,
    /// The plan's file
    #[arg(long, env = "FLATNET_PLAN", default_value = "/etc/flatnet/plan.yaml", value_hint = ValueHint::FilePath)]
    pub plan: PathBuf,
    /// netd's socket, if it is not this machine's usual one
    #[arg(long, value_name = "SOCKET", value_hint = ValueHint::FilePath)]
    pub netd: Option<PathBuf>,
    /// A directory with the sockets of many netds: HOST.sock or HOST/netd.sock
    #[arg(long, value_name = "DIR", conflicts_with = "netd", value_hint = ValueHint::DirPath)]
    pub netd_dir: Option<PathBuf>,
    /// Where the tables are told of
    #[command(flatten)]
    pub tables: TablesArgs,
    /// Who knows of ranges that are not in the plan
    #[command(flatten)]
    pub ipamd: IpamdArgs,
}

/// The commands on leased lines.
#[derive(Debug, Subcommand)]
pub enum LinkCommand {
    /// Tell which table of a line lacks what: the edge router's, the VBR's to either side, the
    /// VPC's
    #[command(
        after_help = "Exits with 0 if nothing is wrong, with 1 if something is, and with 2 if not \
                      everything could be looked at."
    )]
    Check {
        /// Only this line
        line: Option<String>,
        /// The plan's file
        #[arg(long, env = "FLATNET_PLAN", default_value = "/etc/flatnet/plan.yaml", value_hint = ValueHint::FilePath)]
        plan: PathBuf,
        /// Where the tables are told of
        #[command(flatten)]
        tables: TablesArgs,
    },
}
