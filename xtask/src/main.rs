//! The project's own commands, run as `cargo xtask <command>`.
//!
//! ```text
//!   install ──▶ build ──▶ lab | demo | bench      (need root: namespaces, Open vSwitch)
//!      └──────────┴─────▶ test                    (--fast: neither root nor packages)
//! ```
//!
//! Nothing in here knows the network: it checks what is needed, builds the binaries and hands over to
//! `flatnet-lab` in `target/flatnet/` or `target/flatnet/lab/`; with `--datapath kernel` on a machine
//! whose kernel has no Open vSwitch, that runs in a [`guest`].

mod apt;
mod bench;
mod binaries;
mod console;
mod datapath;
#[cfg(test)]
mod documented;
mod elf;
mod guest;
mod helm;
mod host;
mod images;
mod kubernetes;
mod manifests;
mod node_parts;
mod report;
mod structure;
mod test;
mod workspace;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::binaries::{Binaries, Purpose};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Check what the lab needs, and install the Debian packages that are missing
    Install,
    /// Build the static binaries into target/flatnet/
    Build,
    /// The lab: up | status | exec NODE CMD… | shell | down; `--datapath kernel` before the verb
    /// runs it on the kernel's Open vSwitch
    #[command(disable_help_flag = true)]
    Lab(Handover),
    /// Raise the lab, attach containers on every node, and prove who reaches whom
    #[command(disable_help_flag = true)]
    Demo(Handover),
    /// Format, lints, unit and property tests, then the end-to-end suites in the lab
    Test(test::Options),
    /// Benchmarks: attach, datapath, repair, rest, floods (in the lab), plan, routes, ipam, ipamd
    #[command(disable_help_flag = true)]
    Bench(Handover),
    /// Break nodes full of living containers while all talk to all: --minutes N, --json FILE
    #[command(disable_help_flag = true)]
    Chaos(Handover),
    /// Send forged and odd frames from a container: --mutate, --seed N, --json FILE
    #[command(disable_help_flag = true)]
    Redteam(Handover),
    /// The release platform on two real clusters: demo
    Platform {
        #[command(subcommand)]
        command: Platform,
    },
    /// Build Kubernetes' programs for the suites `kubernetes` and `cluster` (Go, the module proxy)
    Kubernetes,
    /// Check and build the web console for the suite `console` (Node, npm's registry)
    Console,
    /// Build the daemons' images: target/flatnet/NAME-image.tar, for `ctr -n k8s.io images import`
    Image {
        /// Only this one: netd, ipamd, addressd, vpc-route, or the release platform's builder (of Debian's
        /// packages, which are fetched and not installed)
        name: Option<String>,
        /// To this file
        #[arg(long, value_name = "FILE", requires = "name")]
        to: Option<PathBuf>,
    },
    /// Write deploy/kustomize and deploy/helm anew from deploy/kubernetes and deploy/crds (builds nothing)
    Manifests {
        /// Write nothing; fail if they are not those of their sources
        #[arg(long)]
        check: bool,
    },
    /// Lint and render the Helm chart (helm is built once from its Go module)
    Helm,
    /// Run a command in a guest that has the kernel's Open vSwitch
    #[command(hide = true)]
    Guest(guest::Options),
    /// Imports in a circle among modules, and the table of crates in ARCHITECTURE.md (builds nothing)
    Structure,
    /// Licences, banned crates and sources of the dependencies (cargo-deny; no network)
    Deny,
}

/// What is shown of the release platform.
#[derive(Debug, Subcommand)]
enum Platform {
    /// Raise two clusters with real kubelets, in a data centre and a cloud, and release an application over both under
    /// load: forward by a canary, back, with a bad commit, with the controller killed, and without the hub. About four
    /// minutes once everything is built
    Demo {
        /// How many instances the application has
        #[arg(long, default_value_t = 20, value_name = "N")]
        instances: u32,
    },
}

/// What is handed to `flatnet-lab` as it is.
#[derive(Debug, Args)]
struct Handover {
    /// Passed through, `--help` too
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    args: Vec<OsString>,
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Cmd::Install => apt::install()?,
        Cmd::Build => {
            Binaries::build(Purpose::Release)?;
        }
        Cmd::Lab(rest) => return lab(&rest.args),
        Cmd::Demo(rest) => {
            return datapath::measure("demo", &ready(Purpose::Lab, &rest.args)?, &rest.args);
        }
        Cmd::Bench(rest) => {
            if let Some(code) = bench::without_lab(&rest.args)? {
                return Ok(code);
            }
            return datapath::measure("bench", &ready(Purpose::Release, &rest.args)?, &rest.args);
        }
        Cmd::Chaos(rest) => {
            return datapath::measure("chaos", &ready(Purpose::Release, &rest.args)?, &rest.args);
        }
        Cmd::Redteam(rest) => {
            return datapath::measure("redteam", &ready(Purpose::Lab, &rest.args)?, &rest.args);
        }
        Cmd::Test(options) => return test::run(&options),
        Cmd::Platform {
            command: Platform::Demo { instances },
        } => return platform_demo(instances),
        Cmd::Console => console::build()?,
        Cmd::Kubernetes => {
            kubernetes::build()?;
            // `test` builds the lab's binaries first; by itself this command takes those that are there.
            if let Some(binaries) = Binaries::built(Purpose::Lab) {
                let offline = std::env::var_os(host::OFFLINE).is_some();
                node_parts::prepare(&binaries, offline)?;
            }
        }
        Cmd::Image { name, to } => images::command(name.as_deref(), to)?,
        Cmd::Manifests { check } => manifests::command(check)?,
        Cmd::Helm => helm::command()?,
        Cmd::Guest(options) => return guest::command(options),
        Cmd::Structure => return structure::command(),
        Cmd::Deny => return test::deny(),
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that the lab needs, in place.
fn prepared(purpose: Purpose) -> Result<Binaries> {
    host::require_root("the lab makes network namespaces and runs Open vSwitch")?;
    apt::install()?;
    Binaries::build(purpose)
}

/// The same, but whoever asks for help gets it from the binaries that are there.
fn ready(purpose: Purpose, args: &[OsString]) -> Result<Binaries> {
    let help = args.iter().any(|a| a == "--help" || a == "-h");
    match Binaries::built(purpose) {
        Some(binaries) if help => Ok(binaries),
        _ => prepared(purpose),
    }
}

/// `up` prepares the machine; the other commands take the binaries that are there.
fn lab(args: &[OsString]) -> Result<ExitCode> {
    let up = args.iter().any(|a| a == "up");
    let binaries = match Binaries::built(Purpose::Lab) {
        Some(binaries) if !up => binaries,
        _ => ready(Purpose::Lab, args)?,
    };
    datapath::lab(&binaries, args)
}

/// The suite `release` with so many instances; its lines are the story and its figures.
fn platform_demo(instances: u32) -> Result<ExitCode> {
    let binaries = prepared(Purpose::Lab)?;
    kubernetes::build()?;
    node_parts::prepare(&binaries, std::env::var_os(host::OFFLINE).is_some())?;
    let error = Command::new(binaries.lab())
        .args(["suite", "release", "--datapath", "user"])
        .env("FLATNET_INSTANCES", instances.to_string())
        .exec();
    Err(error).with_context(|| format!("cannot run {}", binaries.lab().display()))
}

/// Becomes another program, so that signals and the exit status are its own.
fn become_program(argv: &[OsString]) -> Result<ExitCode> {
    let (program, args) = argv.split_first().context("there is no command")?;
    let error = Command::new(program).args(args).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn passed(line: &[&str]) -> Vec<OsString> {
        match Cli::parse_from(line).command {
            Cmd::Lab(rest)
            | Cmd::Demo(rest)
            | Cmd::Bench(rest)
            | Cmd::Chaos(rest)
            | Cmd::Redteam(rest) => rest.args,
            other => panic!("{other:?} passes nothing through"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_the_documents_name_is_one() {
        let commands = documented::commands(host::root());
        assert!(commands.len() > 40, "only {} are found", commands.len());
        for documented::Documented { file, words } in commands {
            let line = ["xtask"]
                .into_iter()
                .chain(words.iter().map(String::as_str));
            if let Err(error) = Cli::try_parse_from(line) {
                panic!("{}: {words:?}: {error}", file.display());
            }
        }
    }

    #[test]
    fn options_behind_a_command_are_passed_through_as_they_are() {
        assert_eq!(
            passed(&["xtask", "demo", "--json", "f", "--keep"]),
            ["--json", "f", "--keep"]
        );
        assert_eq!(passed(&["xtask", "demo", "--help"]), ["--help"]);
        assert_eq!(
            passed(&["xtask", "redteam", "--mutate", "--seed", "7"]),
            ["--mutate", "--seed", "7"]
        );
        assert_eq!(
            passed(&[
                "xtask",
                "lab",
                "exec",
                "idc1",
                "ovs-ofctl",
                "-O",
                "x",
                "--",
                "-h"
            ]),
            ["exec", "idc1", "ovs-ofctl", "-O", "x", "--", "-h"]
        );
        assert!(passed(&["xtask", "lab"]).is_empty());
    }
}
