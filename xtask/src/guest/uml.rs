//! User Mode Linux: a Linux kernel that is an ordinary process, from Debian's package.
//!
//! Its libc is the one of the same suite: the machine's may be older than the program asks for.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::packages::{Apt, patch};
use super::prepared::{Boot, Kind, Machine};

/// The guest's memory. It is taken from the machine's as the guest uses it.
const MEMORY: &str = "4G";

/// User Mode Linux.
#[derive(Debug)]
pub(super) struct Uml;

impl Kind for Uml {
    fn name(&self) -> &'static str {
        "uml"
    }

    fn title(&self) -> &'static str {
        "User Mode Linux"
    }

    fn packages(&self, _: &Apt) -> Result<Vec<String>> {
        Ok(["user-mode-linux", "libc6"].map(str::to_owned).to_vec())
    }

    fn arrange(&self, tree: &Path, dir: &Path, home: &Path) -> Result<()> {
        let modules = dir.join("lib/modules");
        fs::rename(tree.join("usr/lib/uml/modules"), &modules)
            .context("the package has no modules")?;
        let program = dir.join("linux");
        fs::copy(tree.join("usr/bin/linux.uml"), &program)?;
        patch(tree, &program, dir, home)
    }

    /// It has Open vSwitch's module.
    fn trial(&self) -> &'static str {
        "grep -q ^openvswitch /proc/modules"
    }

    /// The kernel as a process that dies with this one, and leaves no core file. Its memory is a
    /// file that is in no directory any more, of a tmpfs of its own: the machine's `/dev/shm` may be
    /// small, as in containers.
    fn machine(&self, boot: &Boot<'_>) -> Result<Machine> {
        let memory = format!("mount -t tmpfs -o size={MEMORY} guest /dev/shm && exec \"$@\"");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .args([memory.as_str(), "guest"])
            .args(["setpriv", "--pdeathsig", "KILL", "prlimit", "--core=0"])
            .arg(boot.kernel.join("linux"))
            .arg(format!("mem={MEMORY}"))
            .args(["seccomp=on", "root=/dev/root", "rootfstype=hostfs"])
            // Read-only: what the guest writes goes to an overlay in its memory.
            .args(["rootflags=/", "ro", "con=null", "con0=fd:0,fd:1", "quiet"])
            .args(boot.parameters("hostfs", "tty0"));
        Ok(Machine::of(command))
    }

    fn is_chatter(&self, line: &str) -> bool {
        line.starts_with("Failed to initialize ubd device")
    }
}
