//! What nodes are made of, beside this program: `cargo xtask test` puts it there.

use std::path::PathBuf;

use anyhow::Result;

use super::cgroups::hierarchies;
use crate::suites::Skip;
use crate::suites::kubernetes::cluster::kube;

/// The parts that are there.
#[derive(Debug)]
pub(in crate::suites) struct Parts {
    /// containerd, runc and busybox, unpacked.
    pub(in crate::suites) programs: PathBuf,
    /// Images, one in each file.
    pub(in crate::suites) images: PathBuf,
}

impl Parts {
    /// Looks for everything.
    ///
    /// # Errors
    /// [`Skip`] with what is missing.
    pub(in crate::suites) fn find() -> Result<Self> {
        let skip = |why: String| Skip(format!("no nodes of Kubernetes here: {why}"));
        if let Err(why) = kube() {
            return Err(skip(format!("{why:#}")).into());
        }
        let beside = std::env::current_exe()?.with_file_name("node");
        let parts = Self {
            programs: beside.join("programs"),
            images: beside.join("images"),
        };
        for file in [
            parts.programs.join("usr/bin/ctr"),
            parts.images.join("netd.tar"),
        ] {
            // containerd of the machine serves too.
            let installed = file.ends_with("ctr") && PathBuf::from("/usr/bin/ctr").is_file();
            if !file.is_file() && !installed {
                let why = format!(
                    "there is no {}; `cargo xtask test` makes it",
                    file.display()
                );
                return Err(skip(why).into());
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts")?;
        if hierarchies(&mounts).next().is_none() {
            let why = "cgroups of version 1 are not mounted in /sys/fs/cgroup".to_owned();
            return Err(skip(why).into());
        }
        let filesystems = std::fs::read_to_string("/proc/filesystems")?;
        if !filesystems.lines().any(|line| line.ends_with("overlay")) {
            return Err(skip("the kernel has no overlay file system".to_owned()).into());
        }
        Ok(parts)
    }
}
