//! Guests: kernels beside the machine's own, for what that lacks. The kernel's datapath of Open
//! vSwitch is tested in one where the machine has no module `openvswitch`.
//!
//! ```text
//!   Job: a command, a directory, a limit ──▶ Guest::run ──▶ lines as they come, then Ended
//!                                              └─ [prepared] a kernel from Debian's packages
//!                                                   ├─ [uml] User Mode Linux: fast, and lacks things
//!                                                   └─ [qemu] Debian's kernel, emulated: slow, whole
//! ```
//!
//! Guarantees: nothing is installed; a guest reads the machine's files and writes none but those
//! below [`Job::writable`]; it ends with this process, and when its time is up.

mod cache;
mod packages;
mod prepared;
mod process;
mod programs;
mod qemu;
mod sources;
mod uml;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

pub(crate) use self::programs::{
    prepare as unpacked_programs, prepare_whole as unpacked_whole_programs,
};
use crate::{apt, host, report};

/// A kernel that runs commands on this machine's files.
pub(crate) trait Guest: fmt::Debug + Send + Sync {
    /// Which kernel it is, for people: `7.2.7 uml`.
    fn name(&self) -> &str;

    /// What `cargo xtask guest --kernel` calls it: `uml`.
    fn kind(&self) -> &str;

    /// Boots it for one command and hands on each line of its output as it comes.
    ///
    /// # Errors
    /// If it cannot be started at all; how it ended is no error.
    fn run(&self, job: &Job, line: &mut dyn FnMut(&str)) -> Result<Ended>;
}

/// A command for a guest.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The program and its arguments.
    pub(crate) argv: Vec<OsString>,
    /// The working directory, absolute.
    pub(crate) dir: PathBuf,
    /// Directories, absolute, whose changes are to outlive the guest.
    pub(crate) writable: Vec<PathBuf>,
    /// After this time the guest is killed.
    pub(crate) limit: Duration,
    /// The command is given the terminal; no line is handed on.
    pub(crate) terminal: bool,
    /// Unpacked packages that the guest has besides the machine's, as [`programs()`] gives them.
    pub(crate) programs: Option<PathBuf>,
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The command ended with this exit status.
    Exit(i32),
    /// The kernel panicked; the line that says why.
    Panicked(String),
    /// It was killed, for its time was up.
    TimedOut,
    /// The kernel's process ended before the command; what is known of why.
    Lost(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "ended with exit status {code}"),
            Self::Panicked(line) => write!(f, "panicked ({line})"),
            Self::TimedOut => f.write_str("was killed, for its time was up"),
            Self::Lost(why) => write!(f, "ended before its command ({why})"),
        }
    }
}

impl Job {
    /// The command as a shell script, with what of an environment concerns Flatnet.
    fn script(&self, environment: impl Iterator<Item = (OsString, OsString)>) -> String {
        let kept = |name: &str| {
            ["FLATNET_", "RUST_"].iter().any(|p| name.starts_with(p)) || name == "NO_COLOR"
        };
        let exports = environment.filter_map(|(name, value)| {
            let name = name.to_str().filter(|name| kept(name))?.to_owned();
            Some(format!("export {name}={}\n", quoted(&value)))
        });
        let words = self.argv.iter().map(|word| quoted(word));
        format!(
            "{}cd {} || exit 126\nexec {}\n",
            exports.collect::<String>(),
            quoted(self.dir.as_os_str()),
            words.collect::<Vec<_>>().join(" ")
        )
    }
}

/// A word as the shell reads it back.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

/// Whether this machine's own kernel has Open vSwitch's datapath.
pub(crate) fn machine_has_openvswitch() -> bool {
    let quiet = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(Stdio::null()).status()
    };
    // It may be built in: what counts is whether it answers.
    let _ = quiet("modprobe", &["-q", "openvswitch"]);
    quiet("ovs-dpctl", &["dump-dps"]).is_ok_and(|status| status.success())
}

/// Which kernel a guest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// User Mode Linux: fast; no `nat` table, no conntrack zones, one processor.
    Uml,
    /// Debian's cloud kernel in qemu, emulated: it has all of that, and is slow.
    Qemu,
}

/// A guest with the kernel's datapath, ready to boot.
///
/// # Errors
/// If none can be had, with the reason.
pub(crate) fn prepare(kernel: Kernel) -> Result<Arc<dyn Guest>> {
    let offline = std::env::var_os(crate::host::OFFLINE).is_some();
    let (kind, what): (&'static dyn prepared::Kind, _) = match kernel {
        Kernel::Uml => (
            &uml::Uml,
            "the kernel's Open vSwitch can be had (User Mode Linux)",
        ),
        Kernel::Qemu => (&qemu::Qemu, "address translation can be had (qemu)"),
    };
    let guest = prepared::Prepared::find(kind, offline);
    Ok(Arc::new(
        guest.with_context(|| format!("no guest with {what}"))?,
    ))
}

/// Packages of the machine's release, with what they need, for [`Job::programs`]: fetched and
/// unpacked, and not installed.
///
/// # Errors
/// If there are none of before, and none can be fetched.
pub(crate) fn programs(names: &[&str]) -> Result<PathBuf> {
    let offline = std::env::var_os(crate::host::OFFLINE).is_some();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    programs::prepare(&names, offline)
        .with_context(|| format!("the packages {} cannot be had", names.join(", ")))
}

/// `cargo xtask guest`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which kernel
    #[arg(long, value_enum, default_value_t = Kernel::Uml)]
    kernel: Kernel,
    /// Kill the guest after so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    limit: u64,
    /// A directory whose changes outlive the guest (may be repeated); without it nothing that
    /// the command writes is left
    #[arg(long, value_name = "DIR")]
    writable: Vec<PathBuf>,
    /// A Debian package that the guest has besides the machine's, with what it needs (may be
    /// repeated); it is fetched and not installed
    #[arg(long, value_name = "PACKAGE")]
    with: Vec<String>,
    /// Give the command this terminal
    #[arg(long)]
    terminal: bool,
    /// The command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// Runs a command in a guest and ends with its exit status.
///
/// # Errors
/// If there is no guest, or it ended before the command.
pub(crate) fn command(options: Options) -> Result<ExitCode> {
    host::require_root("the guest reads the machine's files as root")?;
    apt::install()?;
    let with: Vec<&str> = options.with.iter().map(String::as_str).collect();
    let absolute = |dir: &PathBuf| std::path::absolute(dir);
    let job = Job {
        argv: options.command,
        dir: std::env::current_dir().context("there is no working directory")?,
        writable: options
            .writable
            .iter()
            .map(absolute)
            .collect::<Result<_, _>>()?,
        limit: Duration::from_secs(60 * options.limit),
        terminal: options.terminal,
        programs: (!with.is_empty()).then(|| programs(&with)).transpose()?,
    };
    run(prepare(options.kernel)?.as_ref(), &job)
}

/// Runs a job with its output on this terminal; the exit status is the command's.
///
/// # Errors
/// If the guest cannot be started, or ended before the command.
pub(crate) fn run(guest: &dyn Guest, job: &Job) -> Result<ExitCode> {
    report::line(&format!(
        "guest: {} boots, and waits 10 s for Open vSwitch's sake",
        guest.name()
    ));
    match guest.run(job, &mut |line| report::line(line))? {
        Ended::Exit(code) => Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)),
        other => anyhow::bail!("the guest {} {other}", guest.name()),
    }
}

/// The directory of a file that a command writes, absolute.
pub(crate) fn home_of(file: &OsStr) -> Option<PathBuf> {
    let path = std::path::absolute(Path::new(file)).ok()?;
    path.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_a_script_whose_words_the_shell_reads_back_as_they_are() {
        let job = Job {
            argv: ["echo", "it's", "$HOME *"].map(Into::into).to_vec(),
            dir: "/a b".into(),
            writable: Vec::new(),
            limit: Duration::ZERO,
            terminal: false,
            programs: None,
        };
        let environment = [
            ("FLATNET_BIN_DIR", "/x y"),
            ("RUST_LOG", "debug"),
            ("SECRET", "s"),
        ];
        let environment = environment.map(|(n, v)| (OsString::from(n), OsString::from(v)));
        assert_eq!(
            job.script(environment.into_iter()),
            "export FLATNET_BIN_DIR='/x y'\nexport RUST_LOG='debug'\ncd '/a b' || exit 126\n\
             exec 'echo' 'it'\\''s' '$HOME *'\n"
        );
    }

    #[test]
    fn a_guest_that_panicked_is_not_taken_for_a_command_that_failed() {
        let text = Ended::Panicked("Kernel panic - not syncing".into()).to_string();
        assert_eq!(text, "panicked (Kernel panic - not syncing)");
        assert_eq!(Ended::Exit(3).to_string(), "ended with exit status 3");
    }
}
