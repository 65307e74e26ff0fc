//! The cgroups of a node: one in each hierarchy that the machine has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::ProcessId;

/// Hierarchies of version 1 are here.
const CGROUPS: &str = "/sys/fs/cgroup";
/// What the names of our groups begin with.
const PREFIX: &str = "flatnet-lab-";

/// The node's group in each hierarchy that the machine has mounted. Several labs may run on one machine:
/// this process is in the name.
///
/// # Errors
/// If there is no hierarchy of version 1.
pub(super) fn groups(node: &str) -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let groups: Vec<PathBuf> = hierarchies(&mounts)
        .map(|dir| Path::new(dir).join(format!("{PREFIX}{node}-{}", std::process::id())))
        .collect();
    ensure!(
        !groups.is_empty(),
        "there is no hierarchy of cgroups in {CGROUPS}"
    );
    Ok(groups)
}

/// Removes what suites left that were killed together with what cleans up behind them.
///
/// # Errors
/// If the mounts cannot be read.
pub(super) fn remove_old() -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    for group in hierarchies(&mounts)
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .flatten()
    {
        let name = group.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.rsplit_once('-')?.1.parse().ok());
        if owner.is_some_and(|pid| ProcessId::of(pid).is_none()) {
            remove(&group.path());
        }
    }
    Ok(())
}

/// Where cgroups of version 1 are, of `/proc/self/mounts`.
pub(super) fn hierarchies(mounts: &str) -> impl Iterator<Item = &str> {
    mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (dir, kind) = (words.next()?, words.next()?);
        (kind == "cgroup" && dir.starts_with(CGROUPS)).then_some(dir)
    })
}

fn remove(group: &Path) {
    // What has processes stays.
    let _ = Command::new("find")
        .arg(group)
        .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"])
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_those_of_version_1() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
                      cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n";
        let found: Vec<_> = hierarchies(mounts).collect();
        assert_eq!(found, ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/systemd"]);
    }
}
