//! `console`: the web console (platform/console) for the suite of that name, beside the lab's binaries.
//!
//! ```text
//!   package-lock.json ─▶ npm ci ─▶ ~/.cache/flatnet/console/modules-KEY    once, for every checkout
//!                                        ▲ node_modules (a link)
//!   platform/console ─▶ copy ─▶ target/flatnet/lab/console ─▶ types, tests, tsc, vite ─▶ dist
//! ```
//!
//! Nothing is written in platform/console.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::binaries::Purpose;
use crate::{host, report};

/// What an installation takes, in GiB.
const DISK_GIB: u64 = 1;
/// The oldest Node that vite runs on (its `engines`).
const NODE: (u32, u32) = (20, 19);
/// What npm installs by: another text is another installation.
const FILES: [&str; 4] = [
    "package.json",
    "package-lock.json",
    "tools/package.json",
    "tools/package-lock.json",
];
/// What is not copied: of somebody who works on the console there.
const NOT_COPIED: [&str; 2] = ["node_modules", "dist"];
/// How many installations are kept: checkouts of several versions may stand side by side.
const KEPT: usize = 3;

/// Whether the packages of this lock file were installed before.
///
/// # Errors
/// If the console's files cannot be read.
pub(crate) fn installed() -> Result<bool> {
    Ok(modules()?.is_dir())
}

/// Installs the packages, unless that was done before; checks and builds the console, and puts it beside the lab's binaries:
/// `console/dist` is what is served, `console/e2e` what the suite plays.
///
/// # Errors
/// Without Node or the registry; where a check fails, with what it said.
pub(crate) fn build() -> Result<()> {
    right_node()?;
    let modules = modules()?;
    if !modules.is_dir() {
        install(&modules)?;
    }
    let started = Instant::now();
    let to = Purpose::Lab.directory().join("console");
    if to.exists() {
        fs::remove_dir_all(&to).with_context(|| format!("cannot delete {}", to.display()))?;
    }
    copy(&source(), &to)?;
    symlink(modules.join("node_modules"), to.join("node_modules"))?;
    symlink(
        modules.join("tools/node_modules"),
        to.join("tools/node_modules"),
    )?;
    let document = host::root().join("docs/api/platform.json");
    let said = run(npm(&to)
        .args(["run", "--silent", "verify", "--"])
        .arg(document))?;
    let most = said.lines().find(|l| l.starts_with("first load at most"));
    report::line(&format!(
        "console: built in {:.0} s; {}",
        started.elapsed().as_secs_f64(),
        most.unwrap_or_default()
    ));
    Ok(())
}

/// Debian 12's Node is older, and what it says of that is a riddle.
fn right_node() -> Result<()> {
    let (major, minor) = NODE;
    let wanted = format!("the web console is built by Node {major}.{minor} or later");
    let said = Command::new("node").arg("--version").output();
    let said = said.with_context(|| format!("{wanted}; cannot run node"))?;
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let known = version(&said);
    ensure!(
        known.is_some_and(|known| known >= NODE),
        "{wanted}, and `node --version` says {said:?}"
    );
    Ok(())
}

/// The first two numbers of `v20.20.2`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn install(modules: &Path) -> Result<()> {
    let dir = directory()?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let lock = dir.join("lock");
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    lock.lock().context("cannot lock the console's packages")?;
    // Another checkout may have installed them meanwhile.
    if modules.is_dir() {
        return Ok(());
    }
    host::require_free(&dir, DISK_GIB)?;
    report::line("console: installing its packages by npm, about a minute");
    let started = Instant::now();
    let fresh = dir.join("modules.new");
    if fresh.exists() {
        // Left by one that was killed here.
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(fresh.join("tools"))?;
    for name in FILES {
        fs::copy(source().join(name), fresh.join(name))
            .with_context(|| format!("cannot copy {name}"))?;
    }
    for place in [fresh.clone(), fresh.join("tools")] {
        // No package's script is run: none of them needs one.
        run(npm(&place).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
            .context("npm ci needs its registry (`npm config get registry`)")?;
    }
    fs::rename(&fresh, modules).with_context(|| format!("cannot write {}", modules.display()))?;
    forget_old(&dir)?;
    report::line(&format!(
        "console: packages installed in {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Deletes all but the newest installations.
fn forget_old(dir: &Path) -> Result<()> {
    let mut all: Vec<(SystemTime, PathBuf)> = fs::read_dir(dir)?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("modules-"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    all.sort();
    for (_, old) in all.iter().rev().skip(KEPT) {
        // What is left costs disk, no more.
        let _ = fs::remove_dir_all(old);
    }
    Ok(())
}

/// Copies a tree of plain files, but for what [`NOT_COPIED`] names.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if NOT_COPIED.iter().any(|not| name == *not) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))
                .with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

fn npm(dir: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(dir);
    npm
}

/// Runs it; what it said.
fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .context("cannot run npm: it and Node 20 or later are wanted")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "npm failed:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

fn source() -> PathBuf {
    host::root().join("platform/console")
}

fn directory() -> Result<PathBuf> {
    Ok(host::cache_dir()?.join("console"))
}

/// Where the packages of these files are.
fn modules() -> Result<PathBuf> {
    let mut hasher = Sha256::new();
    for name in FILES {
        let path = source().join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hasher.update(text.len().to_be_bytes());
        hasher.update(text);
    }
    let key: String = hasher.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(directory()?.join(format!("modules-{key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_name_no_registry_and_pin_what_they_install() {
        for name in ["package-lock.json", "tools/package-lock.json"] {
            let text = fs::read_to_string(source().join(name)).expect("a lock file");
            assert!(!text.contains("\"resolved\""), "{name} names a registry");
            assert!(text.contains("\"integrity\""), "{name} has no hashes");
        }
        for name in ["package.json", "tools/package.json"] {
            let text = fs::read_to_string(source().join(name)).expect("a package");
            let loose = text
                .lines()
                .find(|l| l.contains("\": \"^") || l.contains("\": \"~"));
            assert_eq!(loose, None, "{name} has a version that is not exact");
        }
    }

    #[test]
    fn an_old_node_is_told_from_one_that_will_do() {
        assert_eq!(version("v20.20.2"), Some((20, 20)));
        assert!(version("v18.20.4") < Some(NODE) && version("v24.1.0") > Some(NODE));
        assert_eq!(version("20.1"), None);
    }

    #[test]
    fn what_somebody_built_there_is_not_copied() {
        let dir = std::env::temp_dir().join(format!("flatnet-console-{}", std::process::id()));
        let (from, to) = (dir.join("from"), dir.join("to"));
        for path in ["src/a", "node_modules/b", "tools/node_modules/c", "dist/d"] {
            let path = from.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, "x").expect("a file");
        }
        copy(&from, &to).expect("copied");
        let there = [
            "src/a",
            "node_modules",
            "tools",
            "tools/node_modules",
            "dist",
        ]
        .map(|path| to.join(path).exists());
        fs::remove_dir_all(&dir).expect("it goes");
        assert_eq!(there, [true, false, true, false, false]);
    }
}
