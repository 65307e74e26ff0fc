//! Where guests are kept: for each kind one directory for each set of package versions, beside it
//! the name of the last one that booted.
//!
//! ```text
//!   ~/.cache/flatnet/guest/     ($XDG_CACHE_HOME)
//!     apt/                      the list of packages, and nothing of the machine's own
//!     lock                      held by who fetches
//!     <kind>/                   uml, qemu
//!       kernels/<versions>/     unpacked, complete once it has this name
//!       good                    the versions that booted last
//!       asked                   its time of change: when the archive was asked last
//!       jobs/<pid>-<number>/    what a guest is to do; gone when it has ended
//!     programs/<packages>/      the same for packages that guests get besides: apt/, trees/…
//!     roots/<packages>/         the same for packages with all that they need, for images
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::host;

/// How long an answer of the archive counts as new.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// The cache directory of one kind of guests.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    /// Of all kinds.
    shared: PathBuf,
    dir: PathBuf,
    /// What its sets of versions are: the name of their directory.
    sets: &'static str,
}

/// The only one that changes the cache, as long as it lives.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

/// What to do about a set of versions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Use what is there under this name; the reason, where that is not what was wanted.
    Keep(String, Option<String>),
    /// Fetch these versions and try them; where they do not boot, use the ones of before.
    Fetch {
        wanted: String,
        before: Option<String>,
    },
}

impl Cache {
    /// That of a kind in `$XDG_CACHE_HOME/flatnet/guest`, or the same in `~/.cache`.
    ///
    /// # Errors
    /// Without either variable; if the directory cannot be made.
    pub(crate) fn open(kind: &str) -> Result<Self> {
        let dir = root()?;
        Self::at(dir.clone(), dir.join(kind), "kernels")
    }

    /// That of packages that were asked for together.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn programs(names: &[String]) -> Result<Self> {
        let dir = root()?.join("programs").join(names.join(","));
        Self::at(dir.clone(), dir, "trees")
    }

    /// That of packages that were asked for together, with all that they need.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn roots(names: &[String]) -> Result<Self> {
        let dir = root()?.join("roots").join(names.join(","));
        Self::at(dir.clone(), dir, "trees")
    }

    /// A cache in another place.
    ///
    /// # Errors
    /// If the directory cannot be made.
    fn at(shared: PathBuf, dir: PathBuf, sets: &'static str) -> Result<Self> {
        for part in [shared.join("apt"), dir.join(sets), dir.join("jobs")] {
            fs::create_dir_all(&part)
                .with_context(|| format!("cannot create {}", part.display()))?;
        }
        Ok(Self { shared, dir, sets })
    }

    /// Waits until no other process prepares a guest.
    ///
    /// # Errors
    /// If the lock cannot be made.
    pub(crate) fn hold(&self) -> Result<Held> {
        let path = self.shared.join("lock");
        let file = File::create(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Held { _file: file })
    }

    /// apt's directory.
    pub(crate) fn apt(&self) -> PathBuf {
        self.shared.join("apt")
    }

    /// The directory of one set of versions.
    pub(crate) fn set(&self, key: &str) -> PathBuf {
        self.dir.join(self.sets).join(key)
    }

    /// The versions that were good last, where they are still there.
    pub(crate) fn good(&self) -> Option<String> {
        let key = fs::read_to_string(self.dir.join("good")).ok()?;
        let key = key.trim();
        (!key.is_empty() && self.set(key).is_dir()).then(|| key.to_owned())
    }

    /// These versions are good. All but them and the ones of before are deleted.
    ///
    /// # Errors
    /// If that cannot be written down.
    pub(crate) fn set_good(&self, key: &str) -> Result<()> {
        let before = self.good();
        let path = self.dir.join("good");
        let fresh = self.dir.join("good.new");
        fs::write(&fresh, format!("{key}\n"))
            .and_then(|()| fs::rename(&fresh, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let kept = |name: &str| name == key || before.as_deref() == Some(name);
        for entry in fs::read_dir(self.dir.join(self.sets))?.flatten() {
            if !kept(&entry.file_name().to_string_lossy()) {
                // What is left costs disk, no more.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Whether the archive was asked within the last day.
    pub(crate) fn is_fresh(&self, now: SystemTime) -> bool {
        let asked = fs::metadata(self.dir.join("asked")).and_then(|m| m.modified());
        asked.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age < FRESH))
    }

    /// The archive answered now.
    ///
    /// # Errors
    /// If that cannot be written down.
    pub(crate) fn set_asked(&self) -> Result<()> {
        let path = self.dir.join("asked");
        fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))
    }

    /// A directory for one job.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn job(&self) -> Result<JobDir> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        self.remove_left_jobs();
        let path = self.dir.join("jobs").join(name);
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(JobDir { path })
    }

    /// Those of processes that were killed.
    fn remove_left_jobs(&self) {
        for entry in fs::read_dir(self.dir.join("jobs"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.split('-').next().unwrap_or_default();
            if !Path::new("/proc").join(pid).is_dir() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// The directory of one job, deleted when dropped.
#[derive(Debug)]
pub(crate) struct JobDir {
    path: PathBuf,
}

impl JobDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for JobDir {
    fn drop(&mut self) {
        // The next job deletes what is left.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where everything of guests is kept.
fn root() -> Result<PathBuf> {
    Ok(host::cache_dir()?.join("guest"))
}

/// Decides which versions to use, from the ones that were good last and from what the archive has:
/// `None` where it was not asked.
///
/// # Errors
/// If there is nothing of before and the archive did not answer, with its error.
pub(crate) fn choose(good: Option<String>, newest: Option<Result<String>>) -> Result<Choice> {
    match (good, newest) {
        (Some(good), None) => Ok(Choice::Keep(good, None)),
        (Some(good), Some(Ok(wanted))) if good == wanted => Ok(Choice::Keep(good, None)),
        (Some(good), Some(Err(error))) => Ok(Choice::Keep(good, Some(format!("{error:#}")))),
        (before, Some(Ok(wanted))) => Ok(Choice::Fetch { wanted, before }),
        (None, Some(Err(error))) => Err(error),
        (None, None) => Err(anyhow::anyhow!(
            "nothing was fetched for the guest before, and the archive was not asked"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-guest-{name}-{}", std::process::id()))
    }

    #[test]
    fn the_last_good_kernel_is_used_where_the_archive_is_out_of_reach() {
        let good = || Some("a".to_owned());
        let keep = |reason: Option<&str>| Choice::Keep("a".into(), reason.map(str::to_owned));
        assert_eq!(choose(good(), None).expect("kept"), keep(None));
        let unreachable = Some(Err(anyhow::anyhow!("no route")));
        assert_eq!(
            choose(good(), unreachable).expect("kept"),
            keep(Some("no route"))
        );
        let same = Some(Ok("a".to_owned()));
        assert_eq!(choose(good(), same).expect("kept"), keep(None));
        let newer = choose(good(), Some(Ok("b".to_owned()))).expect("fetched");
        let (wanted, before) = ("b".to_owned(), good());
        assert_eq!(newer, Choice::Fetch { wanted, before });
        assert!(choose(None, None).is_err());
        assert!(choose(None, Some(Err(anyhow::anyhow!("no route")))).is_err());
    }

    #[test]
    fn of_many_versions_the_good_one_and_the_one_before_it_stay() {
        let dir = scratch("good");
        let cache = Cache::at(dir.clone(), dir.join("uml"), "kernels").expect("a cache");
        assert_eq!(cache.good(), None);
        for key in ["a", "b", "c"] {
            fs::create_dir(cache.set(key)).expect("a kernel");
            cache.set_good(key).expect("written");
            assert_eq!(cache.good().as_deref(), Some(key));
        }
        let there = ["a", "b", "c"].map(|key| cache.set(key).is_dir());
        assert_eq!(there, [false, true, true]);
        fs::remove_dir(cache.set("c")).expect("deleted by hand");
        assert_eq!(cache.good(), None);
        fs::remove_dir_all(dir).expect("gone");
    }

    #[test]
    fn an_answer_of_the_archive_lasts_a_day() {
        let dir = scratch("asked");
        let cache = Cache::at(dir.clone(), dir.join("uml"), "kernels").expect("a cache");
        let now = SystemTime::now();
        assert!(!cache.is_fresh(now));
        cache.set_asked().expect("written");
        assert!(cache.is_fresh(now + Duration::from_secs(60)));
        assert!(!cache.is_fresh(now + FRESH + Duration::from_secs(60)));
        fs::remove_dir_all(dir).expect("gone");
    }

    #[test]
    fn a_jobs_directory_ends_with_it_or_with_the_next_one() {
        let dir = scratch("jobs");
        let cache = Cache::at(dir.clone(), dir.join("uml"), "kernels").expect("a cache");
        // No process has that number (the kernel's largest is 4194304).
        let left = dir.join("uml/jobs/999999999-0");
        fs::create_dir(&left).expect("left over");
        let job = cache.job().expect("a job");
        let path = job.path().to_owned();
        assert!(path.is_dir() && !left.exists());
        drop(job);
        assert!(!path.exists());
        fs::remove_dir_all(dir).expect("gone");
    }
}
