//! Which datapath of Open vSwitch the lab runs on, and so where: on this machine, or in a guest.
//!
//! ```text
//!   demo | bench | lab, their words ──▶ plan ─▶ Here: this process becomes flatnet-lab
//!                                            ├▶ Guest: the same words in a guest
//!                                            └▶ Refused: what outlives its command cannot be
//!                                               in a guest, which does not
//! ```

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::binaries::Binaries;
use crate::guest::{self, Job};
use crate::{become_program, host};

/// How long a guest lives that a person looks into.
const LIMIT: Duration = Duration::from_secs(12 * 60 * 60);
/// The option, as `flatnet-lab` has it too.
const OPTION: &str = "--datapath";

/// Suites that run in a guest alone, whatever the machine's kernel has: other programs that
/// configure networks run there, from these packages, which are not installed.
const IN_GUEST: &[(&str, &[&str])] = &[(
    "writers",
    &[
        "dhcpcd-base",
        "dnsmasq-base",
        "ifupdown",
        "isc-dhcp-client",
        "network-manager",
        "udhcpc",
    ],
)];

/// Open vSwitch's datapath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Datapath {
    /// Open vSwitch's userspace: it runs on every kernel.
    User,
    /// The kernel's module.
    Kernel,
}

impl Datapath {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Kernel => "kernel",
        }
    }
}

/// Where a command is to run.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// On this machine: the words of one command.
    Here(Vec<OsString>),
    /// In a guest.
    Guest(Vec<OsString>),
    /// Nowhere; why, and what to do instead.
    Refused(&'static str),
}

/// What is known of the machine and the request.
#[derive(Debug, Clone, Copy)]
struct Means<'m> {
    /// The program `flatnet-lab`.
    lab: &'m OsStr,
    /// Whether the machine's kernel has the datapath.
    machine: bool,
}

/// `cargo xtask demo`, `bench`, `chaos` and `redteam`.
///
/// # Errors
/// What [`guest::run`] says; where the request cannot be met.
pub(crate) fn measure(command: &str, binaries: &Binaries, args: &[OsString]) -> Result<ExitCode> {
    let lab = binaries.lab();
    let kernel = datapath_in(args)? == Some(Datapath::Kernel);
    let means = Means {
        lab: lab.as_os_str(),
        machine: !kernel || guest::machine_has_openvswitch(),
    };
    carry_out(plan_measure(command, args, means), args, false)
}

/// `cargo xtask lab`.
///
/// # Errors
/// As [`measure`].
pub(crate) fn lab(binaries: &Binaries, args: &[OsString]) -> Result<ExitCode> {
    let (datapath, words) = take(args)?;
    let lab = binaries.lab();
    let kernel = datapath == Some(Datapath::Kernel);
    let means = Means {
        lab: lab.as_os_str(),
        machine: !kernel || guest::machine_has_openvswitch(),
    };
    let verb = words.first().map(OsString::as_os_str);
    let terminal = verb.is_some_and(|v| v == "shell" || v == "exec")
        && std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal();
    carry_out(plan_lab(datapath, &words, means), args, terminal)
}

fn carry_out(plan: Plan, args: &[OsString], terminal: bool) -> Result<ExitCode> {
    match plan {
        Plan::Here(argv) => become_program(&argv),
        Plan::Refused(why) => bail!("{why}"),
        Plan::Guest(argv) => {
            host::require_root("the guest reads the machine's files as root")?;
            let job = Job {
                argv,
                dir: std::env::current_dir().context("there is no working directory")?,
                writable: written(args),
                limit: LIMIT,
                terminal,
                programs: programs(args)?,
            };
            guest::run(guest::prepare(guest::Kernel::Uml)?.as_ref(), &job)
        }
    }
}

/// The packages of a suite that is named, unpacked for the guest.
fn programs(words: &[OsString]) -> Result<Option<PathBuf>> {
    let mut named = words.windows(2).filter(|w| w[0] == "suite");
    let packages = named.find_map(|w| packages_of(w[1].to_str()?));
    packages.map(guest::programs).transpose()
}

fn plan_measure(command: &str, args: &[OsString], means: Means<'_>) -> Plan {
    let asks_for = |word: &str| args.iter().any(|a| a == word);
    let mut argv = vec![means.lab.to_owned(), command.into()];
    argv.extend_from_slice(args);
    if means.machine || asks_for("--help") || asks_for("-h") {
        return Plan::Here(argv);
    }
    if asks_for("--keep") {
        return Plan::Refused(
            "this machine's kernel has no Open vSwitch, so the demo runs in a guest, and --keep \
             would leave nothing up: the guest ends with it. Leave --keep out, or look around in \
             `cargo xtask lab --datapath kernel shell`",
        );
    }
    Plan::Guest(argv)
}

fn plan_lab(datapath: Option<Datapath>, words: &[OsString], means: Means<'_>) -> Plan {
    let verb = words.first().and_then(|v| v.to_str()).unwrap_or_default();
    let mut argv = vec![means.lab.to_owned()];
    argv.extend_from_slice(words);
    let option = |d: Datapath| [OsString::from(OPTION), d.word().into()];
    match (verb, datapath) {
        // Raised first where that is not said by a command of its own.
        ("shell", _) => argv = raised(means.lab, datapath, "exec bash", &[]),
        ("exec", Some(_)) => {
            argv = raised(means.lab, datapath, "exec \"$0\" \"$@\"", words);
        }
        ("up" | "suite" | "demo" | "bench" | "chaos" | "redteam", Some(d)) => {
            argv.extend(option(d))
        }
        _ => {}
    }
    match (verb, means.machine) {
        (_, true) => Plan::Here(argv),
        ("shell" | "exec" | "suite" | "demo" | "bench" | "chaos" | "redteam", false) => {
            Plan::Guest(argv)
        }
        (_, false) => Plan::Refused(
            "this machine's kernel has no Open vSwitch, so a lab with the kernel's datapath runs \
             in a guest, and ends with it: it cannot be left up. `cargo xtask lab --datapath \
             kernel shell` raises it there and gives you a shell beside it; `… exec NODE CMD…` \
             and `… suite NAME` run one command",
        ),
    }
}

/// The lab raised, its words on the error output, and then a line of shell.
fn raised(
    lab: &OsStr,
    datapath: Option<Datapath>,
    then: &str,
    words: &[OsString],
) -> Vec<OsString> {
    let option = datapath.map_or(String::new(), |d| format!(" {OPTION} {}", d.word()));
    let script = format!("\"$0\" up{option} >&2 && {then}");
    let mut argv = vec!["sh".into(), "-c".into(), script.into(), lab.to_owned()];
    argv.extend_from_slice(words);
    argv
}

/// Takes the option out, where it is before what `exec` runs.
fn take(args: &[OsString]) -> Result<(Option<Datapath>, Vec<OsString>)> {
    let own = args.iter().position(|a| a == "exec").unwrap_or(args.len());
    let (own, foreign) = args.split_at(own);
    let datapath = datapath_in(own)?;
    let mut rest = Vec::new();
    let mut words = own.iter();
    while let Some(word) = words.next() {
        if word == OPTION {
            words.next();
        } else if value_of(word).is_none() {
            rest.push(word.clone());
        }
    }
    rest.extend_from_slice(foreign);
    Ok((datapath, rest))
}

/// The option's value in a command line; the last one counts.
fn datapath_in(args: &[OsString]) -> Result<Option<Datapath>> {
    let apart = args.windows(2).filter(|w| w[0] == OPTION);
    let apart = apart.filter_map(|w| w[1].to_str());
    let joined = args.iter().filter_map(|a| value_of(a));
    let Some(value) = apart.chain(joined).last() else {
        return Ok(None);
    };
    let known = Datapath::from_str(value, false);
    known.map(Some).map_err(|_| {
        anyhow::anyhow!("there is no datapath {value:?}: {OPTION} takes `kernel` or `user`")
    })
}

/// The value in `--datapath=VALUE`.
fn value_of(word: &OsStr) -> Option<&str> {
    word.to_str()?.strip_prefix(OPTION)?.strip_prefix('=')
}

/// The directories of the files that a command is told to write.
fn written(args: &[OsString]) -> Vec<PathBuf> {
    let apart = args.windows(2).filter(|w| w[0] == "--json");
    let apart = apart.map(|w| w[1].clone());
    let joined = args
        .iter()
        .filter_map(|a| a.to_str()?.strip_prefix("--json="));
    let files = apart.chain(joined.map(OsString::from));
    files.filter_map(|f| guest::home_of(&f)).collect()
}

/// The packages of a suite that runs in a guest alone.
pub(crate) fn packages_of(suite: &str) -> Option<&'static [&'static str]> {
    let found = IN_GUEST.iter().find(|(name, _)| *name == suite);
    found.map(|(_, packages)| *packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(Into::into).collect()
    }

    fn means(machine: bool) -> Means<'static> {
        let lab = OsStr::new("lab");
        Means { lab, machine }
    }

    #[test]
    fn the_option_is_read_in_both_forms_and_a_wrong_value_is_named() {
        let of = |line: &str| datapath_in(&words(line));
        assert_eq!(of("--json f").expect("none"), None);
        assert_eq!(of("--datapath kernel").expect("it"), Some(Datapath::Kernel));
        assert_eq!(of("--datapath=user --x").expect("it"), Some(Datapath::User));
        let error = of("--datapath both").expect_err("no datapath").to_string();
        assert!(
            error.contains("\"both\"") && error.contains("kernel"),
            "{error}"
        );
    }

    #[test]
    fn what_is_run_in_a_node_keeps_its_own_options() {
        let line = words("--datapath kernel exec idc1 tool --datapath x");
        let (datapath, rest) = take(&line).expect("sound");
        assert_eq!(datapath, Some(Datapath::Kernel));
        assert_eq!(rest, words("exec idc1 tool --datapath x"));
    }

    #[test]
    fn the_demo_runs_in_a_guest_only_where_the_machine_lacks_the_datapath() {
        let line = words("--datapath kernel --json f");
        let plan = |machine| plan_measure("demo", &line, means(machine));
        let argv = words("lab demo --datapath kernel --json f");
        assert_eq!(plan(true), Plan::Here(argv.clone()));
        assert_eq!(plan(false), Plan::Guest(argv));
        let keep = plan_measure("demo", &words("--datapath kernel --keep"), means(false));
        assert!(matches!(keep, Plan::Refused(why) if why.contains("--keep")));
    }

    #[test]
    fn a_lab_that_cannot_outlive_its_guest_is_refused_with_what_can_be_done() {
        let kernel = Some(Datapath::Kernel);
        let up = plan_lab(kernel, &words("up"), means(false));
        assert!(matches!(up, Plan::Refused(why) if why.contains("kernel shell")));
        let up = plan_lab(kernel, &words("up --idc 3"), means(true));
        assert_eq!(up, Plan::Here(words("lab up --idc 3 --datapath kernel")));
        let down = plan_lab(None, &words("down"), means(true));
        assert_eq!(down, Plan::Here(words("lab down")));
        let suite = plan_lab(kernel, &words("suite cloud"), means(false));
        let argv = words("lab suite cloud --datapath kernel");
        assert_eq!(suite, Plan::Guest(argv));
    }

    #[test]
    fn a_shell_and_a_command_in_a_node_raise_the_lab_first() {
        let kernel = Some(Datapath::Kernel);
        let Plan::Guest(argv) = plan_lab(kernel, &words("exec idc1 ip link"), means(false)) else {
            panic!("not in a guest");
        };
        assert_eq!(argv[0], "sh");
        assert_eq!(
            argv[2],
            "\"$0\" up --datapath kernel >&2 && exec \"$0\" \"$@\""
        );
        assert_eq!(argv[3..], words("lab exec idc1 ip link"));
        let here = plan_lab(None, &words("exec idc1 ip link"), means(true));
        assert_eq!(here, Plan::Here(words("lab exec idc1 ip link")));
    }

    #[test]
    fn the_directory_of_a_file_that_is_written_is_shared_with_the_guest() {
        let here = std::env::current_dir().expect("a directory");
        assert_eq!(written(&words("--json f.json")), [here]);
        assert_eq!(written(&words("--json=/a/b.json")), [PathBuf::from("/a")]);
        assert!(written(&words("--each 2")).is_empty());
    }
}
