//! The project's own commands, run as `cargo xtask <command>`.
//!
//! ```text
//!   install ──▶ build ──▶ lab | demo | bench      (need root: namespaces, Open vSwitch)
//!      └──────────┴─────▶ test                    (--fast: neither root nor packages)
//! ```
//!
//! Nothing in here knows the network: it checks what is needed, builds the binaries and
//! hands over to `target/flatnet/flatnet-lab`.

mod apt;
mod bench;
mod binaries;
mod elf;
mod host;
mod kubernetes;
mod report;
mod test;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::binaries::Binaries;

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
    /// The lab: up | status | exec NODE CMD… | down
    #[command(disable_help_flag = true)]
    Lab(Handover),
    /// Raise the lab, attach containers on every node, and prove who reaches whom
    #[command(disable_help_flag = true)]
    Demo(Handover),
    /// Format, lints, unit and property tests, then the end-to-end suites in the lab
    Test(test::Options),
    /// Benchmarks: attach (in the lab), plan, routes, ipam, ipamd
    #[command(disable_help_flag = true)]
    Bench(Handover),
    /// Build Kubernetes' API server for the suite `kubernetes` (Go, the module proxy)
    Kubernetes,
    /// Licences, banned crates and sources of the dependencies (cargo-deny; no network)
    Deny,
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
            Binaries::build()?;
        }
        Cmd::Lab(rest) => return lab(&rest.args),
        Cmd::Demo(rest) => return hand_over(&ready(&rest.args)?, "demo", &rest.args),
        Cmd::Bench(rest) => {
            if let Some(code) = bench::without_lab(&rest.args)? {
                return Ok(code);
            }
            return hand_over(&ready(&rest.args)?, "bench", &rest.args);
        }
        Cmd::Test(options) => return test::run(&options),
        Cmd::Kubernetes => kubernetes::build()?,
        Cmd::Deny => return test::deny(),
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that the lab needs, in place.
fn prepared() -> Result<Binaries> {
    host::require_root("the lab makes network namespaces and runs Open vSwitch")?;
    apt::install()?;
    Binaries::build()
}

/// The same, but whoever asks for help gets it from the binaries that are there.
fn ready(args: &[OsString]) -> Result<Binaries> {
    let help = args.iter().any(|a| a == "--help" || a == "-h");
    match Binaries::built() {
        Some(binaries) if help => Ok(binaries),
        _ => prepared(),
    }
}

/// `up` prepares the machine; the other commands take the binaries that are there.
fn lab(args: &[OsString]) -> Result<ExitCode> {
    let up = args.first().is_some_and(|a| a == "up");
    let binaries = match Binaries::built() {
        Some(binaries) if !up => binaries,
        _ => ready(args)?,
    };
    hand_over(&binaries, "lab", args)
}

/// Becomes `flatnet-lab`, so that signals and the exit status are its own.
fn hand_over(binaries: &Binaries, command: &str, args: &[OsString]) -> Result<ExitCode> {
    let mut lab = Command::new(binaries.lab());
    // The lab's own verbs are flatnet-lab's top-level commands.
    if command != "lab" {
        lab.arg(command);
    }
    let error = lab.args(args).exec();
    Err(error).with_context(|| format!("cannot run {}", binaries.lab().display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn passed(line: &[&str]) -> Vec<OsString> {
        match Cli::parse_from(line).command {
            Cmd::Lab(rest) | Cmd::Demo(rest) | Cmd::Bench(rest) => rest.args,
            other => panic!("{other:?} passes nothing through"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_behind_a_command_are_passed_through_as_they_are() {
        assert_eq!(
            passed(&["xtask", "demo", "--json", "f", "--keep"]),
            ["--json", "f", "--keep"]
        );
        assert_eq!(passed(&["xtask", "demo", "--help"]), ["--help"]);
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
