//! The last step before a daemon's own `main`: a fresh process that puts itself where the
//! daemon belongs and becomes it.
//!
//! It does by safe calls what a `pre_exec` hook would need `unsafe` for, and it does what
//! `nsenter --net` does: `ip netns exec` would give the daemon a private view of the
//! mounts, and hide namespaces that are named later.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getppid, setsid};

use crate::error::{Error, Result};

/// What to become.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Launch {
    /// The network namespace to enter.
    #[arg(long)]
    netns: Option<PathBuf>,
    /// The process to die with.
    #[arg(long)]
    parent: Option<i32>,
    /// Leave the caller's session, and come back as soon as the program is started.
    #[arg(long, conflicts_with = "parent")]
    detach: bool,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    argv: Vec<String>,
}

impl Launch {
    /// Becomes the program; comes back only if that fails, or with `detach`.
    ///
    /// # Errors
    /// [`Error::Io`] for the namespace, [`Error::Spawn`] for the program.
    pub(crate) fn run(self) -> Result<()> {
        let Some((program, args)) = self.argv.split_first() else {
            return Ok(());
        };
        let failed = |source: std::io::Error| Error::Spawn {
            command: self.argv.join(" "),
            source,
        };
        if let Some(parent) = self.parent {
            set_pdeathsig(Signal::SIGKILL).map_err(|e| failed(e.into()))?;
            // The parent may have died before that took effect.
            if getppid().as_raw() != parent {
                return Err(Error::NotRunning(format!("supervisor {parent}")));
            }
        }
        // The supervisor waits for its signals by blocking them, and masks are inherited.
        SigSet::empty()
            .thread_set_mask()
            .map_err(|e| failed(e.into()))?;
        if let Some(netns) = &self.netns {
            let handle = File::open(netns).map_err(Error::io("open", netns))?;
            setns(handle, CloneFlags::CLONE_NEWNET)
                .map_err(|e| Error::io("enter", netns)(e.into()))?;
        }
        let mut command = Command::new(program);
        command.args(args);
        if !self.detach {
            return Err(failed(command.exec()));
        }
        setsid().map_err(|e| failed(e.into()))?;
        command.stdin(Stdio::null()).spawn().map_err(failed)?;
        Ok(())
    }
}
