//! The command line: `flatnet-lab up | status | exec | down`, the demo and the benchmark.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::datapath::Datapath;
use crate::error::{Error, Result};
use crate::exec::exec;
use crate::lab::Lab;
use crate::paths::Layout;
use crate::progress::Terminal;
use crate::replan::replan;
use crate::status::status;
use crate::supervise::{launch::Launch, supervise};
use crate::up::{UpOptions, UpReport, repair, up};
use crate::{bench, chaos, cloud, demo, down, plan, suites};

/// A hybrid cluster in network namespaces: IDC nodes on switches, VPC nodes behind a
/// router, a leased line between.
#[derive(Debug, Parser)]
#[command(name = "flatnet-lab", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Raise the lab; where it is up, look at everything and repair what is missing
    Up(Up),
    /// Go over to another plan while it runs: nodes come, hand ranges on, and go
    Replan {
        /// The plan
        plan: PathBuf,
        /// Where netd, flatnet and flatnet-lab are [default: where this program is]
        #[arg(long)]
        bin_dir: Option<PathBuf>,
    },
    /// Show how it is
    Status {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Run a command in a node, a switch or a router
    Exec {
        /// idc1, vpc1, tor1, edge, vpcr, …
        node: String,
        /// The command; a shell where there is none
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Take everything down, in whatever state it is
    Down,
    /// Attach containers on every node, and prove who reaches whom and how
    Demo(demo::Options),
    /// Measure
    Bench(bench::Options),
    /// Break nodes full of living containers, one way after the other, while all talk to all
    Chaos(chaos::Options),
    /// Send thousands of forged and odd frames from a container, and see what arrives where
    Redteam(suites::redteam::Options),
    /// Run an end-to-end suite, all of them, or list them
    Suite(suites::Options),
    /// Keep the daemons running (`up` starts this)
    #[command(hide = true)]
    Supervise {
        /// The state directory
        #[arg(long, default_value = crate::paths::ROOT)]
        root: PathBuf,
    },
    /// Become a daemon where it belongs (the supervisor starts this)
    #[command(hide = true)]
    Launch(Launch),
    /// Make this namespace's routes those of the simulator's tables (the supervisor starts
    /// this)
    #[command(hide = true)]
    Follow(cloud::Follow),
    /// Put right what a restart of a switch undid (the supervisor starts this)
    #[command(hide = true)]
    Repair { member: String },
}

#[derive(Debug, clap::Args)]
struct Up {
    /// IDC nodes [default: 2]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=i64::from(plan::MAX_NODES)))]
    idc: Option<u8>,
    /// VPC nodes [default: 2]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=i64::from(plan::MAX_NODES)))]
    vpc: Option<u8>,
    /// Another plan than the generated one
    #[arg(long, conflicts_with_all = ["idc", "vpc"])]
    plan: Option<PathBuf>,
    /// Open vSwitch's datapath [default: user, or as the running lab has]
    #[arg(long, value_enum)]
    datapath: Option<Datapath>,
    /// Where netd, flatnet and flatnet-lab are [default: where this program is]
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// Only the fabric and Open vSwitch: no daemon of ours, and no routes between nodes
    #[arg(long)]
    no_netd: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Does what the command line says.
///
/// # Errors
/// What the action says.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Action::Up(args) => {
            let usual = UpOptions::default();
            let options = UpOptions {
                idc: args.idc,
                vpc: args.vpc,
                plan: args.plan,
                datapath: args.datapath,
                bin_dir: args.bin_dir.unwrap_or(usual.bin_dir),
                netd: !args.no_netd,
            };
            let report = {
                let progress = Terminal::default();
                up(&options, &progress)?
            };
            print(&said(&report))?;
        }
        Action::Replan { plan, bin_dir } => {
            let text = std::fs::read_to_string(&plan).map_err(Error::io("read", &plan))?;
            let usual = UpOptions::default();
            let options = UpOptions {
                bin_dir: bin_dir.unwrap_or_else(|| usual.bin_dir.clone()),
                ..usual
            };
            let plan = flatnet_plan::load_named(&text, &plan.display().to_string())
                .map_err(Error::from)?;
            let lab = replan(&options, plan, &Terminal::default())?;
            print(&format!(
                "The lab runs the plan: {} nodes.\n",
                lab.nodes()?.len()
            ))?;
        }
        Action::Status { output } => {
            let status = status(&Lab::open()?)?;
            match output {
                Output::Table => print(&status.to_string())?,
                Output::Json => {
                    let text =
                        serde_json::to_string_pretty(&status).map_err(|source| Error::Json {
                            what: "the status".into(),
                            source,
                        })?;
                    print(&(text + "\n"))?;
                }
            }
        }
        Action::Exec { node, command } => match exec(&Lab::open()?, &node, &command)? {},
        Action::Down => {
            let report = {
                let progress = Terminal::default();
                down::down(&progress)?
            };
            let count = report.namespaces.len();
            print(&format!(
                "The lab is down: {count} namespace(s) removed in {:.1} s.\n",
                report.took.as_secs_f64()
            ))?;
        }
        Action::Demo(options) => return demo::run(&options),
        Action::Bench(options) => return bench::run(&options),
        Action::Chaos(options) => return chaos::run(&options),
        Action::Redteam(options) => return suites::redteam::run(&options),
        Action::Suite(options) => return suites::run(&options),
        Action::Supervise { root } => supervise(&Layout::at(root))?,
        Action::Launch(launch) => launch.run()?,
        Action::Follow(options) => cloud::follow(&options)?,
        Action::Repair { member } => repair(&member)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn said(report: &UpReport) -> String {
    let took = format!("{:.1} s", report.took.as_secs_f64());
    if report.created {
        return format!("The lab is up after {took}; `flatnet-lab status` shows it.\n");
    }
    if report.repaired.is_empty() {
        return format!("The lab was up, and nothing was amiss ({took}).\n");
    }
    let list: Vec<String> = report
        .repaired
        .iter()
        .map(|m| format!("  - {m}\n"))
        .collect();
    format!("The lab was up; repaired in {took}:\n{}", list.concat())
}

fn print(text: &str) -> Result<()> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Error::io("write", "standard output"))
}

/// The commands that the documents name, which `xtask` checks too.
#[cfg(test)]
#[path = "../../xtask/src/documented.rs"]
mod documented;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Benchmarks that `cargo xtask` runs by itself, without the lab.
    const WITHOUT_LAB: [&str; 5] = ["plan", "platform", "routes", "ipam", "ipamd"];
    /// Opens a shell beside the lab, which is `cargo xtask`'s own verb.
    const SHELL: &str = "shell";

    /// The words of `cargo xtask` as it hands them over to this program; `None` for what it does not.
    fn handed_over(words: &[String]) -> Option<Vec<&str>> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["lab", "--datapath", _, rest @ ..] | ["lab", rest @ ..] if !rest.is_empty() => {
                (rest[0] != SHELL).then(|| rest.to_vec())
            }
            ["bench", what, ..] if WITHOUT_LAB.contains(what) => None,
            ["demo" | "bench" | "chaos" | "redteam", ..] => Some(words),
            _ => None,
        }
    }

    #[test]
    fn every_command_of_the_lab_that_the_documents_name_is_one() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut checked = 0;
        for documented::Documented { file, words } in documented::commands(&root) {
            let Some(words) = handed_over(&words) else {
                continue;
            };
            let line = ["flatnet-lab"].into_iter().chain(words.iter().copied());
            if let Err(error) = Cli::try_parse_from(line) {
                panic!("{}: {words:?}: {error}", file.display());
            }
            checked += 1;
        }
        assert!(checked > 20, "only {checked} are found");
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_commands_own_options_are_not_taken_for_ours() {
        let cli = Cli::parse_from(["flatnet-lab", "exec", "idc1", "ip", "-br", "link"]);
        let Action::Exec { node, command } = cli.command else {
            panic!("not exec");
        };
        assert_eq!((node.as_str(), command.len()), ("idc1", 3));
    }

    #[test]
    fn a_second_up_says_what_it_repaired() {
        let mut report = UpReport {
            created: false,
            repaired: Vec::new(),
            took: std::time::Duration::from_millis(1200),
        };
        assert!(said(&report).contains("nothing was amiss"));
        report.repaired.push("edge: port tor1".into());
        assert!(said(&report).contains("  - edge: port tor1"));
    }
}
