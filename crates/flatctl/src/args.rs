//! The command line as it is written.

mod addresses;
mod install;
mod live;
mod plan;
mod platform;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};
use flatnet_types::{NetworkName, NodeName};
use ipnetwork::IpNetwork;

pub use self::addresses::{AddressesCommand, SetArgs};
pub use self::install::{Datapath, InstallCommand, PreflightArgs};
pub use self::live::{LinkCommand, RoutesCommand, TablesArgs, TraceArgs};
pub use self::plan::{ClusterArgs, Deny, Diagnostics, Growth, PlanCommand, Role, What};
pub use self::platform::{
    AppCommand, AppName, AuditArgs, BuildArgs, ClaimCommand, ClusterCommand, LoginArgs, PlaceArgs,
    PlatformCommand, ReleaseCommand, RollbackArgs, ScaleArgs, ServerArgs, TemplateCommand,
};
use crate::output::{Colour, Format};
use flatnet_client::Endpoint;

/// netd's usual socket.
pub const NETD: &str = "/run/flatnet/netd.sock";

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

/// What `flatctl` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work with a plan's document, offline
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Ask what an address is
    #[command(subcommand)]
    Ip(IpCommand),
    /// List, drain and release the ranges that ipamd has given
    Range {
        /// Where ipamd is
        #[command(flatten)]
        ipamd: IpamdArgs,
        /// What to do
        #[command(subcommand)]
        command: RangeCommand,
    },
    /// Show what the route tables hold, how it differs from the plan, where an address goes
    Routes {
        /// Where the tables are told of
        #[command(flatten)]
        tables: TablesArgs,
        /// What to do
        #[command(subcommand)]
        command: RoutesCommand,
    },
    /// Tell why A cannot reach B: hop by hop, there and back, and what repairs the first wrong one
    #[command(
        after_help = "Exits with 0 if nothing is wrong, with 1 if something is, and with 2 if not \
                      everything could be looked at."
    )]
    Trace(TraceArgs),
    /// Check leased lines from both ends
    #[command(subcommand)]
    Link(LinkCommand),
    /// Sets of pods' addresses: who is in them, who has acknowledged; keep a firewall equal to one
    #[command(subcommand)]
    Addresses(AddressesCommand),
    /// Ask the node daemon of this machine
    #[command(subcommand)]
    Node(NodeCommand),
    /// Install Flatnet on this machine: what it lacks
    #[command(subcommand)]
    Install(InstallCommand),
    /// List what is attached on this node
    Attachments {
        /// netd's socket
        #[arg(long, value_name = "SOCKET", default_value = NETD, value_hint = ValueHint::FilePath)]
        netd: PathBuf,
        /// Only this network's
        #[arg(long)]
        network: Option<NetworkName>,
    },
    /// The release platform's
    #[command(flatten)]
    Platform(PlatformCommand),
    /// Explain a diagnostic: why it matters, and what to do
    Explain {
        /// Its code, such as FN0103; none: list all codes
        code: Option<String>,
    },
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

/// The commands on an address.
#[derive(Debug, Subcommand)]
pub enum IpCommand {
    /// Tell the site, pool and host of an address and, by its netd, the container
    Who {
        /// The address
        address: IpAddr,
        /// The plan's file
        #[arg(long, env = "FLATNET_PLAN", default_value = "/etc/flatnet/plan.yaml", value_hint = ValueHint::FilePath)]
        plan: PathBuf,
        /// netd's socket, if it is not this machine's usual one
        #[arg(long, value_name = "SOCKET", value_hint = ValueHint::FilePath)]
        netd: Option<PathBuf>,
        /// A directory with the sockets of many netds: HOST.sock or HOST/netd.sock
        #[arg(long, value_name = "DIR", conflicts_with = "netd", value_hint = ValueHint::DirPath)]
        netd_dir: Option<PathBuf>,
        /// Who knows of ranges that are not in the plan
        #[command(flatten)]
        ipamd: IpamdArgs,
    },
}

/// The commands on a node.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Show what netd observes, what it would change and why: a dry run
    #[command(
        after_help = "Exits with 0 if the node is ready and nothing is to be done, with 1 if not."
    )]
    Status {
        /// netd's socket
        #[arg(long, value_name = "SOCKET", default_value = NETD, value_hint = ValueHint::FilePath)]
        netd: PathBuf,
    },
    /// Let netd look at its node now, and repair what it can
    #[command(after_help = "Exits with 0 if nothing is left to do, with 1 if something is.")]
    Reconcile {
        /// netd's socket
        #[arg(long, value_name = "SOCKET", default_value = NETD, value_hint = ValueHint::FilePath)]
        netd: PathBuf,
    },
}

/// ipamd's usual endpoint.
pub const IPAMD: &str = "unix:/run/flatnet/ipamd.sock";

/// Where ipamd is.
#[derive(Debug, Clone, clap::Args)]
pub struct IpamdArgs {
    /// ipamd: unix:/PATH, https://HOST:PORT or http://HOST:PORT
    #[arg(
        long,
        value_name = "WHERE",
        global = true,
        env = "FLATNET_IPAMD",
        default_value = IPAMD
    )]
    pub ipamd: Endpoint,
    /// The file with the token, over TCP
    #[arg(long, value_name = "FILE", global = true, env = "FLATNET_IPAMD_TOKEN_FILE", value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// The authority of ipamd's certificate, for https://
    #[arg(long, value_name = "FILE", global = true, env = "FLATNET_IPAMD_CA", value_hint = ValueHint::FilePath)]
    pub ipamd_ca: Option<PathBuf>,
    /// Your certificate: a reader's to list, an admin's to drain and release
    #[arg(long, value_name = "FILE", global = true, env = "FLATNET_IPAMD_CERT", value_hint = ValueHint::FilePath)]
    pub ipamd_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", global = true, env = "FLATNET_IPAMD_KEY", value_hint = ValueHint::FilePath)]
    pub ipamd_key: Option<PathBuf>,
}

/// The commands on ranges.
#[derive(Debug, Subcommand)]
pub enum RangeCommand {
    /// List who has which range, how full it is, and who waits
    List {
        /// Only this host's
        #[arg(long)]
        host: Option<NodeName>,
        /// Only this network's
        #[arg(long)]
        network: Option<NetworkName>,
    },
    /// Let a host give out no more addresses of a range
    Drain {
        /// The host
        host: NodeName,
        /// The range
        prefix: IpNetwork,
        /// Take a drain back
        #[arg(long)]
        cancel: bool,
    },
    /// Take a drained range from a host; after a rest another may have it
    Release {
        /// The host
        host: NodeName,
        /// The range
        prefix: IpNetwork,
        /// Only this lease of it
        #[arg(long)]
        lease: Option<u64>,
        /// Even if it is not drained or in use: for a host that is gone for good
        #[arg(long, visible_alias = "machine-is-gone")]
        force: bool,
    },
}
