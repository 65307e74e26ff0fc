//! The command line as it is written.

mod live;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use flatnet_plan::model::VlanRole;
use flatnet_types::{NetworkName, NodeName, VlanId};
use ipnetwork::IpNetwork;

pub use self::live::{LinkCommand, RoutesCommand, TablesArgs, TraceArgs};
use crate::output::{Colour, Format};
use flatnet_client::Endpoint;

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
    /// Tell why A cannot reach B: hop by hop, there and back, and what mends the first wrong one
    #[command(
        after_help = "Exits with 0 if nothing is wrong, with 1 if something is, and with 2 if not \
                      everything could be looked at."
    )]
    Trace(TraceArgs),
    /// Check leased lines from both ends
    #[command(subcommand)]
    Link(LinkCommand),
    /// Ask the node daemon of this machine
    #[command(subcommand)]
    Node(NodeCommand),
    /// List what is attached on this node
    Attachments {
        /// netd's socket
        #[arg(long, value_name = "SOCKET", default_value = crate::command::NETD, value_hint = ValueHint::FilePath)]
        netd: PathBuf,
        /// Only this network's
        #[arg(long)]
        network: Option<NetworkName>,
    },
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
        #[arg(long, value_name = "SOCKET", default_value = crate::command::NETD, value_hint = ValueHint::FilePath)]
        netd: PathBuf,
    },
    /// Let netd look at its node now, and mend what it can
    #[command(after_help = "Exits with 0 if nothing is left to do, with 1 if something is.")]
    Reconcile {
        /// netd's socket
        #[arg(long, value_name = "SOCKET", default_value = crate::command::NETD, value_hint = ValueHint::FilePath)]
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
        #[arg(long)]
        force: bool,
    },
}

/// The commands on a plan.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Check plans as a compiler checks programs
    #[command(
        after_help = "Exits with 0 if there are no errors (warnings are allowed), with 1 if there \
                      are, and with 2 if a plan cannot be read."
    )]
    Check {
        /// The plans' files; `-` reads standard input
        #[arg(required = true, value_name = "PLAN", value_hint = ValueHint::FilePath)]
        plans: Vec<PathBuf>,
        /// The form of the diagnostics
        #[arg(long, value_enum, default_value_t)]
        format: Diagnostics,
    },
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
        /// List what is free instead, and where a new group would best begin
        #[arg(long, conflicts_with = "host")]
        free: bool,
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
    /// Draw the topology as SVG
    #[command(
        after_help = "For paper: flatctl plan draw plan.yaml | rsvg-convert -f pdf -o plan.pdf"
    )]
    Draw {
        /// The plan's file; `-` reads standard input
        #[arg(value_hint = ValueHint::FilePath)]
        plan: PathBuf,
        /// Where to write the picture; none: standard output
        #[arg(short, long, value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Add hosts or a VLAN: writes the new plan, moves nothing, keeps every comment
    Grow {
        /// The plan's file; `-` reads standard input
        #[arg(value_hint = ValueHint::FilePath)]
        plan: PathBuf,
        /// Write the new plan into this file; none: to standard output
        #[arg(short, long, global = true, value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// Write the new plan in the place of the old
        #[arg(long, global = true, conflicts_with = "file")]
        write: bool,
        /// Write nothing: show the change as a unified diff
        #[arg(short = 'n', long, global = true)]
        dry_run: bool,
        /// What to add
        #[command(subcommand)]
        what: Growth,
    },
    /// Compare two plans: what changes for which hosts, whether it disrupts, in which order
    Diff {
        /// The plan as it is
        #[arg(value_hint = ValueHint::FilePath)]
        old: PathBuf,
        /// The plan as it is to be
        #[arg(value_hint = ValueHint::FilePath)]
        new: PathBuf,
        /// Show each thing that a change is made of
        #[arg(long)]
        details: bool,
        /// Exit with 1 if the plans differ
        #[arg(long)]
        exit_code: bool,
    },
}

/// What a plan grows by.
#[derive(Debug, Subcommand)]
pub enum Growth {
    /// Add hosts at the end of a group
    Hosts {
        /// The host group
        group: String,
        /// How many
        count: u32,
    },
    /// Add a VLAN to a data centre, for containers with a network of its name
    Vlan {
        /// Its name
        name: String,
        /// The data centre
        #[arg(long)]
        site: String,
        /// Its 802.1Q ID
        #[arg(long, value_parser = vlan_id)]
        id: VlanId,
        /// Its subnet; give one of each family
        #[arg(long, required = true)]
        prefix: Vec<IpNetwork>,
        /// The router's address in each subnet, in the same order; none: the first
        #[arg(long)]
        gateway: Vec<IpAddr>,
        /// What it is for
        #[arg(long, value_enum, default_value_t)]
        role: Role,
    },
}

fn vlan_id(text: &str) -> Result<VlanId, String> {
    let id: u32 = text.parse().map_err(|_| "a number is wanted".to_owned())?;
    VlanId::new(id).map_err(|e| e.to_string())
}

/// What a VLAN is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Containers
    #[default]
    Pod,
    /// The hosts' own addresses
    Host,
    /// Storage
    Storage,
    /// Consoles and the switches' own addresses
    Management,
    /// Links between routers
    Transit,
}

impl From<Role> for VlanRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Pod => Self::Pod,
            Role::Host => Self::Host,
            Role::Storage => Self::Storage,
            Role::Management => Self::Management,
            Role::Transit => Self::Transit,
        }
    }
}

/// The form of diagnostics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Diagnostics {
    /// For people: the line, with the culprit underlined
    #[default]
    Human,
    /// A list of {code, severity, message, file, line, column, help}
    Json,
    /// Annotations of GitHub's workflows
    Github,
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
