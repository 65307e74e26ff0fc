//! A kernel that was fetched, unpacked and booted once, of whichever kind.
//!
//! ```text
//!   [sources] the machine's mirror ─▶ [packages] sid's versions ─▶ [cache] unpacked, Kind::arrange
//!                                                                     │ booted once: good
//!   Job ─▶ jobs/<n>/{init,command,writable} ─▶ Kind::machine … init=… ─▶ lines, jobs/<n>/status
//! ```

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use super::cache::{Cache, Choice, JobDir, choose};
use super::packages::{Apt, done, key, only_entry, unpack};
use super::process::{Run, run};
use super::{Ended, Guest, Job, sources};
use crate::report;

/// The first process of a guest.
const INIT: &str = include_str!("init.sh");
/// The age of the kernel, in seconds, before which ovs-vswitchd starts no handler threads.
const OVS_UPTIME: u32 = 11;
/// How long a kernel that was just fetched may take to boot.
const TRIAL: Duration = Duration::from_secs(120);

/// What one kind of guest has of its own: where its files come from, and how it is started.
pub(super) trait Kind: fmt::Debug + Send + Sync {
    /// The directory in the cache, the end of the name in a row, the value of `--kernel`: `uml`.
    fn name(&self) -> &'static str;

    /// Its name for people.
    fn title(&self) -> &'static str;

    /// The packages that it is made of, in the order in which they make the key. apt's list is
    /// new.
    ///
    /// # Errors
    /// If the archive does not say.
    fn packages(&self, apt: &Apt) -> Result<Vec<String>>;

    /// Moves out of the unpacked packages in `tree` what is to stay into `dir`, which will be
    /// renamed to `home`: at least `lib/modules/<release>`.
    ///
    /// # Errors
    /// If something is not where it should be.
    fn arrange(&self, tree: &Path, dir: &Path, home: &Path) -> Result<()>;

    /// A line of shell that succeeds in a guest that is of use.
    fn trial(&self) -> &'static str;

    /// What to run for one boot; its output is the console.
    ///
    /// # Errors
    /// If what belongs to it cannot be started.
    fn machine(&self, boot: &Boot<'_>) -> Result<Machine>;

    /// Whether this kind alone prints the line at every boot, and nobody needs it.
    fn is_chatter(&self, line: &str) -> bool;
}

/// One boot.
#[derive(Debug)]
pub(super) struct Boot<'b> {
    /// The directory of the kernel.
    pub(super) kernel: &'b Path,
    /// The kernel's release.
    pub(super) release: &'b str,
    /// The directory of the job; the machine is started in it.
    pub(super) job: &'b Path,
    /// A directory of unpacked packages, which lies over the machine's files.
    programs: Option<&'b Path>,
    /// The age of the kernel, in seconds, before which the command does not run.
    uptime: u32,
}

impl Boot<'_> {
    /// What `init.sh` reads from the kernel's command line. `share` is how directories of the
    /// machine are mounted; `console` is the terminal's name.
    pub(super) fn parameters(&self, share: &str, console: &str) -> Vec<String> {
        let mut all = vec![
            format!("init={}", self.job.join("init").display()),
            format!("GUEST_JOB={}", self.job.display()),
            format!("GUEST_MODULES={}", self.kernel.display()),
            format!("GUEST_UPTIME={}", self.uptime),
            format!("GUEST_SHARE={share}"),
            format!("GUEST_CONSOLE={console}"),
        ];
        all.extend(
            self.programs
                .map(|dir| format!("GUEST_PROGRAMS={}", dir.display())),
        );
        all
    }
}

/// What is run for one boot.
#[derive(Debug)]
pub(super) struct Machine {
    command: Command,
    /// A process that serves it; it is killed when the machine has ended.
    server: Option<Child>,
}

impl Machine {
    pub(super) fn of(command: Command) -> Self {
        Self {
            command,
            server: None,
        }
    }

    pub(super) fn served_by(mut self, server: Child) -> Self {
        self.server = Some(server);
        self
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // It may have ended with its client.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A kernel of some kind, ready to boot.
#[derive(Debug)]
pub(super) struct Prepared {
    kind: &'static dyn Kind,
    cache: Cache,
    dir: PathBuf,
    release: String,
    name: String,
}

impl Prepared {
    /// Finds the kernel to use, fetching it where the archive has a newer one; says what it does.
    /// With `offline` the archive is not asked.
    ///
    /// # Errors
    /// If there is none of before, and none can be fetched or it does not boot.
    pub(super) fn find(kind: &'static dyn Kind, offline: bool) -> Result<Self> {
        let cache = Cache::open(kind.name())?;
        let _held = cache.hold()?;
        let good = cache.good();
        let ask = !offline && (good.is_none() || !cache.is_fresh(SystemTime::now()));
        let newest = ask.then(|| newest(kind, &cache));
        match choose(good, newest)? {
            Choice::Keep(key, None) => Self::at(kind, &cache, &key),
            Choice::Keep(key, Some(why)) => {
                report::line(&format!("guest: {why}; the kernel of before is used"));
                Self::at(kind, &cache, &key)
            }
            Choice::Fetch { wanted, before } => {
                let tried = fetch(kind, &cache, &wanted)
                    .and_then(|()| Self::at(kind, &cache, &wanted))
                    .and_then(|guest| guest.try_out().map(|()| guest));
                match (tried, before) {
                    (Ok(guest), _) => {
                        cache.set_good(&wanted)?;
                        Ok(guest)
                    }
                    (Err(error), Some(before)) => {
                        report::line(&format!(
                            "guest: {wanted} is of no use ({error:#}); the kernel of before is used"
                        ));
                        Self::at(kind, &cache, &before)
                    }
                    (Err(error), None) => Err(error),
                }
            }
        }
    }

    fn at(kind: &'static dyn Kind, cache: &Cache, key: &str) -> Result<Self> {
        let dir = cache.set(key);
        let release = only_entry(&dir.join("lib/modules"))?;
        Ok(Self {
            kind,
            cache: cache.clone(),
            dir,
            name: format!("{release} {}", kind.name()),
            release,
        })
    }

    /// Boots it, and looks whether it has what it is for.
    fn try_out(&self) -> Result<()> {
        let job = Job {
            argv: ["sh", "-c", self.kind.trial()].map(Into::into).to_vec(),
            dir: PathBuf::from("/"),
            writable: Vec::new(),
            limit: TRIAL,
            terminal: false,
            programs: None,
        };
        let mut said = Vec::new();
        let ended = self.boot(&job, 0, &mut |line| said.push(line.to_owned()))?;
        ensure!(
            ended == Ended::Exit(0),
            "it {ended} at the trial: {}",
            said.join("; ")
        );
        Ok(())
    }

    fn boot(&self, job: &Job, uptime: u32, line: &mut dyn FnMut(&str)) -> Result<Ended> {
        let dir = self.cache.job()?;
        write(&dir, job)?;
        let mut machine = self.kind.machine(&Boot {
            kernel: &self.dir,
            release: &self.release,
            job: dir.path(),
            programs: job.programs.as_deref(),
            uptime,
        })?;
        let run_as = Run {
            limit: job.limit,
            terminal: job.terminal,
        };
        let mut last = String::new();
        let mut panic = None;
        let status = run(
            machine.command.current_dir(dir.path()),
            &run_as,
            &mut |text| {
                if text.contains("Kernel panic") {
                    panic.get_or_insert_with(|| text.to_owned());
                }
                if !is_chatter(text) && !self.kind.is_chatter(text) {
                    text.clone_into(&mut last);
                    line(text);
                }
            },
        )
        .with_context(|| format!("cannot start {}", self.kind.title()))?;
        let Some(status) = status else {
            return Ok(Ended::TimedOut);
        };
        // The exit status goes first: a job that has ended has ended, whatever befell after.
        let written = fs::read_to_string(dir.path().join("status")).unwrap_or_default();
        Ok(match (written.trim().parse(), panic) {
            (Ok(code), _) => Ended::Exit(code),
            (Err(_), Some(panic)) => Ended::Panicked(panic),
            (Err(_), None) => Ended::Lost(format!("{status}; its last line: {last}")),
        })
    }
}

impl Guest for Prepared {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &str {
        self.kind.name()
    }

    fn run(&self, job: &Job, line: &mut dyn FnMut(&str)) -> Result<Ended> {
        self.boot(job, OVS_UPTIME, line)
    }
}

/// What every guest prints and nobody needs.
fn is_chatter(line: &str) -> bool {
    line.is_empty() || line == "reboot: Power down"
}

/// Asks the archive; its answer makes the key.
fn newest(kind: &dyn Kind, cache: &Cache) -> Result<String> {
    report::line(&format!(
        "guest: asking the archive for the newest {}",
        kind.title()
    ));
    let apt = Apt::begin(cache.apt(), &sources::for_kernel()?)?;
    apt.update()?;
    let files = apt.newest(&kind.packages(&apt)?)?;
    let key = key(&files)?;
    cache.set_asked()?;
    Ok(key)
}

/// Fetches and unpacks the packages into the directory of their key, whole or not at all.
fn fetch(kind: &dyn Kind, cache: &Cache, key: &str) -> Result<()> {
    let to = cache.set(key);
    if to.is_dir() {
        return Ok(());
    }
    report::line(&format!("guest: fetching {}", key.replace(',', ", ")));
    let fresh = cache.set(&format!(".{}.new", std::process::id()));
    let made = unpacked(kind, cache, key, &fresh);
    let made = made.and_then(|()| {
        let named = fs::rename(&fresh, &to);
        named.with_context(|| format!("cannot rename {} to {}", fresh.display(), to.display()))
    });
    if made.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&fresh);
    }
    made
}

fn unpacked(kind: &dyn Kind, cache: &Cache, key: &str, dir: &Path) -> Result<()> {
    let files = dir.join("packages");
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    let apt = Apt::begin(cache.apt(), &sources::for_kernel()?)?;
    apt.download(&kind.packages(&apt)?, &files)?;
    let tree = dir.join("unpacked");
    let mut got: Vec<String> = Vec::new();
    for entry in fs::read_dir(&files)? {
        let entry = entry?;
        got.push(entry.file_name().to_string_lossy().into_owned());
        unpack(&entry.path(), &tree)?;
    }
    for stem in key.split(',') {
        ensure!(
            got.iter().any(|file| file.starts_with(stem)),
            "{stem} was announced, and {} came",
            got.join(", ")
        );
    }
    fs::create_dir_all(dir.join("lib"))?;
    kind.arrange(&tree, dir, &cache.set(key))?;
    let release = only_entry(&dir.join("lib/modules"))?;
    done(Command::new("depmod").arg("-b").arg(dir).arg(&release))?;
    for left in [files, tree] {
        fs::remove_dir_all(&left).with_context(|| format!("cannot delete {}", left.display()))?;
    }
    Ok(())
}

/// Writes what the first process reads.
fn write(dir: &JobDir, job: &Job) -> Result<()> {
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("init", INIT)?;
    let init = dir.path().join("init");
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    write("command", &job.script(std::env::vars_os()))?;
    let writable = job.writable.iter().map(|d| format!("{}\n", d.display()));
    write("writable", &writable.collect::<String>())?;
    if job.terminal {
        write("terminal", "")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{qemu::Qemu, uml::Uml};
    use super::*;

    #[test]
    fn what_the_kernel_says_at_every_boot_is_left_out() {
        assert!(is_chatter("reboot: Power down"));
        let devices = "Failed to initialize ubd device 0 :Couldn't determine size";
        let shares = "virtio-fs: virtio_fs_enqueue_req() failed -5";
        assert!(Uml.is_chatter(devices) && !Uml.is_chatter(shares));
        assert!(Qemu.is_chatter(shares) && !Qemu.is_chatter(devices));
        let panic = "Kernel panic - not syncing: No working init found.";
        assert!(!is_chatter(panic) && !Uml.is_chatter(panic) && !Qemu.is_chatter(panic));
    }

    #[test]
    fn what_serves_a_machine_ends_with_it() {
        let server = Command::new("sleep").arg("600").spawn().expect("it starts");
        let process = PathBuf::from(format!("/proc/{}", server.id()));
        let machine = Machine::of(Command::new("true")).served_by(server);
        assert!(process.exists());
        drop(machine);
        assert!(!process.exists());
    }
}
