//! The benchmarks that need no lab: cargo's own.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{binaries, host};

/// A name for the command line, and the package and targets behind it.
struct Bench {
    name: &'static str,
    package: &'static str,
    /// What cargo is told to run of it.
    run: &'static [&'static str],
}

/// Cargo's command for programs that are no benchmarks to cargo.
const RUN: &str = "run";

const BENCHES: &[Bench] = &[
    Bench {
        name: "ipam",
        package: "flatnet-ipam",
        run: &["bench", "--bench", "allocator", "--bench", "store"],
    },
    // A daemon and its clients, so it is a program of its own. It is linked as ipamd is: what that is
    // built from serves both.
    Bench {
        name: "ipamd",
        package: "flatnet-ipam",
        run: &[
            RUN,
            "--release",
            "--features",
            "daemon",
            "--example",
            "ipamd_load",
        ],
    },
    Bench {
        name: "plan",
        package: "flatnet-plan",
        run: &["bench", "--bench", "plan"],
    },
    Bench {
        name: "routes",
        package: "flatnet-vpc-route",
        run: &["bench", "--bench", "routes"],
    },
];

/// Runs the benchmark that the first argument names, with the others; `None` if it is one of
/// the lab's.
///
/// # Errors
/// If cargo cannot be run.
pub(crate) fn without_lab(args: &[OsString]) -> Result<Option<ExitCode>> {
    let Some((bench, rest)) = chosen(args) else {
        return Ok(None);
    };
    let mut cargo = command(bench, rest, &host::triple()?);
    let status = cargo.status().context("cannot run cargo")?;
    Ok(Some(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }))
}

fn command(bench: &Bench, rest: &[OsString], triple: &str) -> Command {
    let mut cargo = host::cargo();
    cargo.args(bench.run);
    if bench.run.contains(&RUN) {
        binaries::link_statically(&mut cargo, triple);
    }
    cargo.args(["--locked", "--package", bench.package, "--"]);
    cargo.args(rest);
    cargo
}

fn chosen(args: &[OsString]) -> Option<(&'static Bench, &[OsString])> {
    let (name, rest) = args.split_first()?;
    let bench = BENCHES.iter().find(|b| name == b.name)?;
    Some((bench, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_its_benchmark_and_the_lab_keeps_its_own() {
        let args = ["routes", "--quick"].map(OsString::from);
        let (bench, rest) = chosen(&args).expect("there is one");
        assert_eq!(bench.package, "flatnet-vpc-route");
        assert_eq!(rest, ["--quick"]);
        assert!(chosen(&["attach".into()]).is_none());
        assert!(chosen(&[]).is_none());
    }

    #[test]
    fn a_program_is_linked_as_the_daemons_are_and_a_benchmark_of_cargos_is_not() {
        let target = |name: &str| {
            let args = [OsString::from(name)];
            let (bench, rest) = chosen(&args).expect("there is one");
            let command = command(bench, rest, "triple");
            command.get_args().any(|arg| arg == "--target")
        };
        assert!(target("ipamd"));
        assert!(!target("plan") && !target("ipam"));
    }
}
