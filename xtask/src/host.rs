//! What this machine is: user, distribution, tools, directories.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The variable that leaves out what needs a network.
pub(crate) const OFFLINE: &str = "FLATNET_OFFLINE";

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}

/// Where cargo builds to.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Where what is built or fetched once is kept for every checkout: `$XDG_CACHE_HOME/flatnet`, or the
/// same in `~/.cache`.
///
/// # Errors
/// Without either variable.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    cache_of(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
        .context("neither XDG_CACHE_HOME nor HOME says where what is built once is kept")
}

fn cache_of(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // A path that is not absolute is to be ignored (XDG Base Directory Specification).
    let cache = cache.map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(home?).join(".cache")))?;
    Some(cache.join("flatnet"))
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}

/// Whether the effective user is root.
pub(crate) fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| effective_uid(&status) == Some(0))
}

/// The effective user's ID in `/proc/self/status` (proc(5): real, effective, saved, fs).
fn effective_uid(status: &str) -> Option<u32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// Refuses to go on without root.
///
/// # Errors
/// Where the effective user is another, with the reason.
pub(crate) fn require_root(why: &str) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    bail!("this needs root: {why}. Run the same command as root (for example by sudo)")
}

/// Refuses to begin what would end in the middle for want of disk.
///
/// A first build of everything takes `first_gib` (GiB); once there are binaries, a later one
/// takes little.
///
/// # Errors
/// If less is free where cargo builds to. A disk that cannot be asked is no reason to stop.
pub(crate) fn require_disk(first_gib: u64) -> Result<()> {
    let target = target_dir();
    let needed = if target.join("flatnet/flatnet-lab").is_file() {
        1
    } else {
        first_gib
    };
    let free = free_gib(&target);
    match free {
        Some(free) if free < needed => bail!(
            "this needs about {needed} GiB of disk in {}, and {free} GiB are free: make room \
             (`cargo clean` takes older builds away), or set CARGO_TARGET_DIR to another disk",
            target.display()
        ),
        _ => Ok(()),
    }
}

/// Refuses to begin what takes so much disk in a directory (GiB).
///
/// # Errors
/// If less is free. A disk that cannot be asked is no reason to stop.
pub(crate) fn require_free(dir: &Path, gib: u64) -> Result<()> {
    match free_gib(dir) {
        Some(free) if free < gib => bail!(
            "this needs about {gib} GiB of disk in {} for a while, and {free} GiB are free",
            dir.display()
        ),
        _ => Ok(()),
    }
}

fn free_gib(dir: &Path) -> Option<u64> {
    let there = dir.ancestors().find(|dir| dir.is_dir());
    let out = Command::new("df")
        .args(["--block-size=1G", "--output=avail"])
        .arg(there.unwrap_or_else(|| root()))
        .output();
    avail(&String::from_utf8_lossy(&out.ok()?.stdout))
}

/// The number below df's heading.
fn avail(df: &str) -> Option<u64> {
    df.lines().nth(1)?.trim().parse().ok()
}

/// The host triple that rustc builds for by default.
///
/// # Errors
/// If rustc does not run or says none.
pub(crate) fn triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("cannot run rustc -vV")?;
    host_line(&String::from_utf8_lossy(&out.stdout)).context("rustc -vV names no host triple")
}

fn host_line(verbose: &str) -> Option<String> {
    verbose
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
}

/// Whether a program of that name is in `PATH`.
pub(crate) fn has_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_user_keeps_caches() {
        let at = |cache: Option<&str>, home: Option<&str>| {
            cache_of(cache.map(Into::into), home.map(Into::into))
        };
        let kept = |path: &str| Some(PathBuf::from(path));
        assert_eq!(at(Some("/c"), Some("/h")), kept("/c/flatnet"));
        assert_eq!(at(Some("c"), Some("/h")), kept("/h/.cache/flatnet"));
        assert_eq!(at(None, None), None);
    }

    #[test]
    fn the_effective_user_is_the_second_of_four() {
        assert_eq!(
            effective_uid("Name:\tx\nUid:\t1000\t0\t1000\t1000\n"),
            Some(0)
        );
        assert_eq!(effective_uid("Name:\tx\n"), None);
    }

    #[test]
    fn what_df_says_is_below_its_heading() {
        assert_eq!(avail("Avail\n   42\n"), Some(42));
        assert_eq!(avail("df: no such file\n"), None);
    }

    #[test]
    fn the_triple_is_taken_from_rustcs_own_words() {
        let text =
            "rustc 1.90.0\nbinary: rustc\nhost: aarch64-unknown-linux-gnu\nrelease: 1.90.0\n";
        assert_eq!(
            host_line(text).as_deref(),
            Some("aarch64-unknown-linux-gnu")
        );
    }
}
