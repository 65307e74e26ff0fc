//! The benchmarks that need no lab: cargo's own.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{binaries, host};

/// A name for the command line, and the package and targets behind it.
struct Bench {
    name: &'static str,
    package: &'static str,
    /// What cargo is told to build before, for it is run as a process: cargo builds for a benchmark
    /// what it links, and nothing else.
    before: Option<&'static [&'static str]>,
    /// What cargo is told to run of it.
    run: &'static [&'static str],
}

/// Cargo's commands for programs that are no benchmarks to cargo.
const RUN: &str = "run";
const BUILD: &str = "build";

const BENCHES: &[Bench] = &[
    Bench {
        name: "ipam",
        package: "flatnet-ipam",
        before: None,
        run: &["bench", "--bench", "allocator", "--bench", "store"],
    },
    // A daemon and its clients, so it is a program of its own. It is linked as ipamd is: what that is
    // built from serves both.
    Bench {
        name: "ipamd",
        package: "flatnet-ipam",
        before: Some(&[BUILD, "--release", "--features", "daemon", "--bin", "ipamd"]),
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
        before: None,
        run: &["bench", "--bench", "plan"],
    },
    Bench {
        name: "platform",
        package: "flatnet-platform-engine",
        before: None,
        run: &["bench", "--bench", "engine"],
    },
    Bench {
        name: "routes",
        package: "flatnet-vpc-route",
        before: None,
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
    for mut cargo in commands(bench, rest, &host::triple()?) {
        let status = cargo.status().context("cannot run cargo")?;
        if !status.success() {
            return Ok(Some(ExitCode::FAILURE));
        }
    }
    Ok(Some(ExitCode::SUCCESS))
}

/// What is run, one after the other.
fn commands(bench: &Bench, rest: &[OsString], triple: &str) -> Vec<Command> {
    let command = |words: &[&str]| {
        let mut cargo = host::cargo();
        cargo.args(words);
        if words.contains(&RUN) || words.contains(&BUILD) {
            binaries::link_statically(&mut cargo, triple);
        }
        cargo.args(["--locked", "--package", bench.package]);
        cargo
    };
    let mut run = command(bench.run);
    run.arg("--").args(rest);
    bench.before.map(command).into_iter().chain([run]).collect()
}

fn chosen(args: &[OsString]) -> Option<(&'static Bench, &[OsString])> {
    let (name, rest) = args.split_first()?;
    let bench = BENCHES.iter().find(|b| name == b.name)?;
    Some((bench, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

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
        let targets = |name: &str| -> Vec<bool> {
            let args = [OsString::from(name)];
            let (bench, rest) = chosen(&args).expect("there is one");
            let commands = commands(bench, rest, "triple");
            let for_target = |c: &Command| c.get_args().any(|arg| arg == "--target");
            commands.iter().map(for_target).collect()
        };
        // The daemon, then its clients.
        assert_eq!(targets("ipamd"), [true, true]);
        assert_eq!(
            (targets("plan"), targets("ipam")),
            (vec![false], vec![false])
        );
    }

    #[test]
    fn what_cargo_is_told_to_build_is_there() {
        let workspace = Workspace::read(host::root()).expect("cargo knows it");
        for bench in BENCHES {
            let member = workspace.members.get(bench.package);
            let member = member.unwrap_or_else(|| panic!("there is no {}", bench.package));
            let words: Vec<&str> = bench
                .before
                .into_iter()
                .chain([bench.run])
                .flatten()
                .copied()
                .collect();
            let mut named = 0;
            for pair in words.windows(2) {
                let kind = pair[0].trim_start_matches("--");
                if !["bench", "bin", "example"].contains(&kind) || !pair[0].starts_with("--") {
                    continue;
                }
                named += 1;
                let there = member
                    .targets
                    .iter()
                    .any(|t| t.is(kind) && t.name == pair[1]);
                assert!(there, "{} has no {kind} {}", bench.package, pair[1]);
            }
            assert!(named > 0, "{}", bench.name);
        }
    }

    #[test]
    fn a_document_names_benchmarks_of_this_list_or_of_the_lab() {
        // Those of the lab are held against its command line by its own test.
        const LAB: &[&str] = &["attach", "datapath", "repair", "rest", "floods"];
        let mut seen = 0;
        for command in crate::documented::commands(host::root()) {
            if let [bench, name, ..] = command.words.as_slice()
                && bench == "bench"
            {
                seen += 1;
                let known = LAB.contains(&name.as_str()) || BENCHES.iter().any(|b| b.name == name);
                assert!(known, "{}: bench {name}", command.file.display());
            }
        }
        assert!(seen > 8, "only {seen} are found");
    }
}
