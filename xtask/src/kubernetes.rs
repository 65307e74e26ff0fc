//! `kube`: Kubernetes' own programs in one (API server, controllers, scheduler, kubelet, kube-proxy,
//! kubectl, leader election), for the suites `kubernetes` and `cluster`, from their own sources
//! (tests/kubernetes).
//!
//! It is kept in the user's cache directory for every checkout, and what a build leaves there is the
//! program: modules and build cache are 3.3 GiB that nobody needs again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use crate::binaries::Purpose;
use crate::{host, report};

/// What a build takes while it runs, in GiB.
const DISK_GIB: u64 = 4;
/// The module's files.
const FILES: [&str; 4] = ["go.mod", "go.sum", "main.go", "candidate.go"];
/// What the flags and variables below are, for the key: change it with them.
const RECIPE: u8 = 1;

/// The program of the module as it is, if it was built before.
///
/// # Errors
/// If the module cannot be read.
pub(crate) fn built() -> Result<Option<PathBuf>> {
    let path = program()?;
    Ok(path.is_file().then_some(path))
}

/// Builds the program, unless that was done before, and puts it beside the lab's other binaries.
///
/// # Errors
/// Without Go, the module proxy or room on the disk; if Go fails.
pub(crate) fn build() -> Result<()> {
    let program = match built()? {
        Some(program) => {
            report::line("kube: built before");
            program
        }
        None => compile()?,
    };
    let beside = Purpose::Lab.directory();
    fs::create_dir_all(&beside).with_context(|| format!("cannot create {}", beside.display()))?;
    let (fresh, to) = (beside.join("kube.new"), beside.join("kube"));
    // Left by one that was killed here.
    let _ = fs::remove_file(&fresh);
    let linked = fs::hard_link(&program, &fresh).or_else(|_| fs::copy(&program, &fresh).map(drop));
    linked
        .and_then(|()| fs::rename(&fresh, &to))
        .with_context(|| format!("cannot write {}", to.display()))
}

fn compile() -> Result<PathBuf> {
    if !host::has_program("go") {
        bail!(
            "kube needs Go {} or later (https://go.dev/dl/), which is not in PATH",
            wanted_go(&fs::read_to_string(module().join("go.mod"))?).unwrap_or("1.26")
        );
    }
    let dir = directory()?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let lock = dir.join("lock");
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    lock.lock()
        .context("cannot lock the cache of the API server")?;
    // Another checkout may have built it meanwhile.
    if let Some(program) = built()? {
        return Ok(program);
    }
    host::require_free(&dir, DISK_GIB)?;
    let program = program()?;
    let fresh = dir.join("kube.new");
    report::line("kube: building Kubernetes' programs from source, about 12 minutes");
    let started = Instant::now();
    let done = go(&dir, &version()?, &fresh).output();
    let done = done.context("cannot run go")?;
    ensure!(
        done.status.success(),
        "go build of kube failed; it needs the module proxy (`go env GOPROXY`):\n{}",
        telling(&String::from_utf8_lossy(&done.stderr))
    );
    fs::rename(&fresh, &program).with_context(|| format!("cannot write {}", program.display()))?;
    for left in ["cache", "mod"] {
        // What is left costs disk, no more.
        let _ = fs::remove_dir_all(dir.join(left));
    }
    forget_old(&dir)?;
    report::line(&format!(
        "kube: built in {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(program)
}

/// Deletes all but the newest programs: checkouts of several versions may stand side by side.
fn forget_old(dir: &Path) -> Result<()> {
    const KEPT: usize = 3;
    let mut programs: Vec<(SystemTime, PathBuf)> = fs::read_dir(dir)?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("kube-"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    programs.sort();
    for (_, old) in programs.iter().rev().skip(KEPT) {
        // What is left costs disk, no more.
        let _ = fs::remove_file(old);
    }
    Ok(())
}

/// What Go said, but for its hundreds of downloads.
fn telling(said: &str) -> String {
    let lines = said.lines().filter(|l| !l.starts_with("go: downloading"));
    lines.collect::<Vec<_>>().join("\n")
}

fn go(dir: &Path, version: &str, to: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(module())
        .env("GOMODCACHE", dir.join("mod"))
        .env("GOCACHE", dir.join("cache"))
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        // Without it nobody but root could delete the modules.
        .env("GOFLAGS", "-modcacherw")
        // The compiler collects less often: it has the memory.
        .env("GOGC", "400")
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        // Unoptimized: a fifth less to build, and it starts in 4 s instead of 3.
        .args(["-gcflags", "all=-N -l", "-ldflags"])
        .arg(format!(
            "-s -w -X k8s.io/component-base/version.gitVersion={version}"
        ))
        .arg("-o")
        .arg(to)
        .arg(".");
    go
}

/// Where it is built to: a change of the module, of the recipe or of Go is another program.
fn program() -> Result<PathBuf> {
    let mut key = Fnv::default();
    key.add(&[RECIPE]);
    for name in FILES {
        let path = module().join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        key.add(name.as_bytes());
        key.add(&text);
    }
    Ok(directory()?.join(format!("kube-{:016x}", key.0)))
}

/// Kubernetes' version in the module.
fn version() -> Result<String> {
    let text = fs::read_to_string(module().join("go.mod"))?;
    let found = required(&text, "k8s.io/kubernetes");
    Ok(found
        .context("go.mod requires no k8s.io/kubernetes")?
        .to_owned())
}

fn required<'t>(go_mod: &'t str, module: &str) -> Option<&'t str> {
    let words = go_mod.lines().map(str::split_whitespace);
    words
        .filter_map(|mut words| (words.next() == Some(module)).then(|| words.next())?)
        .find(|version| version.starts_with('v'))
}

fn wanted_go(go_mod: &str) -> Option<&str> {
    go_mod.lines().find_map(|line| line.strip_prefix("go "))
}

fn module() -> PathBuf {
    host::root().join("tests/kubernetes")
}

fn directory() -> Result<PathBuf> {
    Ok(host::cache_dir()?.join("kubernetes"))
}

/// FNV-1a, 64 bits: the same with every toolchain.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_fnv_1a() {
        let mut key = Fnv::default();
        key.add(b"foobar");
        assert_eq!(key.0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_version_is_the_one_that_is_required_not_one_that_is_replaced() {
        let text = "go 1.26.0\nrequire (\n\tk8s.io/kubernetes v1.36.3\n)\nreplace (\n\tk8s.io/api => k8s.io/api v0.36.3\n)\n";
        assert_eq!(required(text, "k8s.io/kubernetes"), Some("v1.36.3"));
        assert_eq!(required(text, "k8s.io/api"), None);
        assert_eq!(wanted_go(text), Some("1.26.0"));
    }

    #[test]
    fn the_newest_programs_stay() {
        let dir = std::env::temp_dir().join(format!("flatnet-kube-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        for n in 0..5 {
            let file = File::create(dir.join(format!("kube-{n}"))).expect("a file");
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n);
            file.set_modified(time).expect("a time");
        }
        File::create(dir.join("lock")).expect("a file");
        forget_old(&dir).expect("it can be read");
        let mut left: Vec<_> = fs::read_dir(&dir)
            .expect("the directory")
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        fs::remove_dir_all(&dir).expect("it goes");
        assert_eq!(left, ["kube-2", "kube-3", "kube-4", "lock"]);
    }

    #[test]
    fn what_go_downloads_is_not_told() {
        let said = "go: downloading k8s.io/api v0.36.3\nx.go:1: undefined: y\n";
        assert_eq!(telling(said), "x.go:1: undefined: y");
    }

    #[test]
    fn every_file_of_the_module_is_in_the_key() {
        let files = fs::read_dir(module()).expect("the module").flatten();
        for file in files {
            let name = file.file_name();
            assert!(FILES.iter().any(|f| *f == name), "{name:?} is not in FILES");
        }
        let program = program().expect("a key");
        assert_eq!(program, super::program().expect("the same key"));
    }

    #[test]
    fn nothing_outside_of_the_cache_directory_is_written() {
        let command = go(Path::new("/t"), "v1", Path::new("/t/kube"));
        let set: Vec<_> = command.get_envs().collect();
        for name in ["GOMODCACHE", "GOCACHE"] {
            let value = set
                .iter()
                .find(|(key, _)| *key == name)
                .and_then(|(_, v)| *v);
            assert!(value.is_some_and(|v| v.to_string_lossy().starts_with("/t/")));
        }
    }
}
