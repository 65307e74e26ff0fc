//! The commands on a plan, as they are written.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use flatnet_plan::model::{Day, VlanRole};
use flatnet_types::VlanId;
use ipnetwork::IpNetwork;

/// The commands on a plan.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Check plans as a compiler checks programs
    #[command(
        after_help = "Exits with 0 if there are no errors (warnings are allowed, but with \
                      --deny warnings), with 1 if there are, and with 2 if a plan cannot be read."
    )]
    Check {
        /// The plans' files; `-` reads standard input
        #[arg(required_unless_present = "from_cluster", value_name = "PLAN", value_hint = ValueHint::FilePath)]
        plans: Vec<PathBuf>,
        /// Check the objects of a Kubernetes cluster: each diagnostic names its object and field
        #[arg(long, conflicts_with_all = ["plans", "deny", "allow", "day", "format"])]
        from_cluster: bool,
        /// How to reach the cluster
        #[command(flatten)]
        cluster: ClusterArgs,
        /// The form of the diagnostics
        #[arg(long, value_enum, default_value_t)]
        format: Diagnostics,
        /// Exit with 1 where there are warnings too
        #[arg(long, value_enum, value_name = "WHAT")]
        deny: Option<Deny>,
        /// Count warnings of this code, and do not tell them; the plan's own `allow` says where,
        /// why and until when
        #[arg(long, value_name = "CODE")]
        allow: Vec<String>,
        /// The day on which the plan's allowances are judged; none: today
        #[arg(long, value_name = "YYYY-MM-DD")]
        day: Option<Day>,
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
        /// The plan as it is; with --from-cluster, the plan as it is to be
        #[arg(value_hint = ValueHint::FilePath)]
        old: PathBuf,
        /// The plan as it is to be
        #[arg(value_hint = ValueHint::FilePath, required_unless_present = "from_cluster")]
        new: Option<PathBuf>,
        /// Compare with the objects of a Kubernetes cluster, which are the plan as it is
        #[arg(long, conflicts_with = "new")]
        from_cluster: bool,
        /// How to reach the cluster
        #[command(flatten)]
        cluster: ClusterArgs,
        /// Show each thing that a change is made of
        #[arg(long)]
        details: bool,
        /// Exit with 1 if the plans differ
        #[arg(long)]
        exit_code: bool,
    },
    /// Write a plan into a Kubernetes cluster as objects, and show the steps that follow from it
    #[command(
        after_help = "A plan with errors is not applied. Objects that were applied from this plan and are \
                      not in it any more are deleted; objects that somebody else made stay, and are named."
    )]
    Apply {
        /// The plan's file; `-` reads standard input
        #[arg(value_hint = ValueHint::FilePath)]
        plan: PathBuf,
        /// Store nothing: let the API server judge all of it, and show what would be done
        #[arg(short = 'n', long)]
        dry_run: bool,
        /// Take over fields that somebody else wrote
        #[arg(long)]
        force: bool,
        /// How to reach the cluster
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Write the plan that a Kubernetes cluster's objects are as one document
    Export {
        /// Where to write it; none: standard output
        #[arg(short, long, value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// How to reach the cluster
        #[command(flatten)]
        cluster: ClusterArgs,
    },
}

/// How to reach a Kubernetes cluster.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// The kubeconfig; without, as kubectl would ($KUBECONFIG, or a pod's service account)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,
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

/// What is not let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deny {
    /// Warnings
    Warnings,
}

/// The form of diagnostics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Diagnostics {
    /// For people: the line, with the culprit underlined
    #[default]
    Human,
    /// A list of {code, severity, message, file, line, column, endColumn, at, help, why, related}
    Json,
    /// A log of SARIF 2.1.0, which code hosts show at the lines of a change
    Sarif,
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
