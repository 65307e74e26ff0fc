//! Things of the lab that end with the value that stands for them.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::datapath::Datapath;
use crate::error::{Error, Result};
use crate::lab::{Lab, inside};
use crate::lock::{self, Lock};
use crate::paths::{CONTAINER_PREFIX, netns_path};
use crate::process::{self, ProcessId};
use crate::progress::{Progress, Silent, Terminal};
use crate::up::{UpOptions, up};
use crate::{down, netns, run};

/// How long a suite waits for another one to finish.
const OTHER_SUITES: Duration = Duration::from_secs(3600);

/// The lab for the time of a suite: nobody else's meanwhile, and down afterwards.
///
/// A lab that was up before is repaired, used and left up.
#[derive(Debug)]
pub struct LabGuard {
    lab: Lab,
    keep: bool,
    _use: Lock,
}

impl LabGuard {
    /// Waits for the lab, raises it, and holds it.
    ///
    /// # Errors
    /// [`Error::Locked`] after an hour; what [`up`] says.
    pub fn take(options: &UpOptions) -> Result<Self> {
        Self::take_with(options, &Silent)
    }

    /// The same, saying what is going on.
    ///
    /// # Errors
    /// As [`LabGuard::take`].
    pub fn take_with(options: &UpOptions, progress: &dyn Progress) -> Result<Self> {
        let held = Lock::take(Path::new(lock::USE), OTHER_SUITES, |holder| {
            progress.note(&format!("the lab is in use by {holder}: waiting"));
        })?;
        let was_up = matches!(Lab::open(), Ok(_) | Err(Error::Plan(_)));
        let raised = up(options, progress).and_then(|_| Lab::open());
        match raised {
            Ok(lab) => Ok(Self {
                lab,
                keep: was_up,
                _use: held,
            }),
            Err(e) => {
                if !was_up {
                    // The first error is the one to tell.
                    let _ = down::down(progress);
                }
                Err(e)
            }
        }
    }

    /// The usual lab on this datapath (none: as the running lab has, or userspace), saying on the
    /// terminal what is going on.
    ///
    /// # Errors
    /// As [`LabGuard::take`].
    pub(crate) fn take_on(datapath: Option<Datapath>) -> Result<Self> {
        let up = UpOptions {
            datapath,
            ..UpOptions::default()
        };
        Self::take_with(&up, &Terminal::default())
    }

    /// Leaves the lab up.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Deref for LabGuard {
    type Target = Lab;
    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for LabGuard {
    fn drop(&mut self) {
        if !self.keep {
            // A test that fails has said why; the next `down` finds what is left.
            let _ = down::down(&Silent);
        }
    }
}

/// Nodes whose netd runs with more arguments than usual, until this is dropped.
#[derive(Debug)]
pub(crate) struct NetdArgs<'l> {
    lab: &'l Lab,
    nodes: Vec<String>,
    ready: Duration,
}

impl<'l> NetdArgs<'l> {
    /// Starts each node's netd anew with these arguments behind its usual ones, and waits until all
    /// are ready again, for each at most so long.
    ///
    /// # Errors
    /// As [`Lab::set_netd_args`]; if one does not become ready.
    pub(crate) fn set(
        lab: &'l Lab,
        nodes: &[&str],
        args: &[&str],
        ready: Duration,
    ) -> Result<Self> {
        let nodes = nodes.iter().map(|&node| node.to_owned()).collect();
        let set = Self { lab, nodes, ready };
        for node in &set.nodes {
            lab.set_netd_args(node, args)?;
        }
        for node in &set.nodes {
            lab.wait_ready(node, ready)?;
        }
        Ok(set)
    }

    /// Without its sweep: what is repaired is repaired because an event told of it.
    ///
    /// # Errors
    /// As [`NetdArgs::set`].
    pub(crate) fn sweepless(lab: &'l Lab, nodes: &[&str], ready: Duration) -> Result<Self> {
        // A day, in seconds.
        Self::set(lab, nodes, &["--resync", "86400"], ready)
    }

    /// Deaf to events: it repairs when it is told to, and not before. What it repairs within a moment
    /// could not be looked at.
    ///
    /// # Errors
    /// As [`NetdArgs::set`].
    pub(crate) fn idle(lab: &'l Lab, nodes: &[&str], ready: Duration) -> Result<Self> {
        Self::set(lab, nodes, &["--no-events"], ready)
    }
}

impl Drop for NetdArgs<'_> {
    fn drop(&mut self) {
        // The next `up` does what fails here.
        for node in &self.nodes {
            let _ = self.lab.set_netd_args(node, &[]);
        }
        for node in &self.nodes {
            let _ = self.lab.wait_ready(node, self.ready);
        }
    }
}

/// A container's namespace, `fnc-…`; removed when dropped, with who is inside.
#[derive(Debug)]
pub struct Sandbox {
    name: String,
}

impl Sandbox {
    /// Makes one, with its loopback up.
    ///
    /// # Errors
    /// [`Error::Command`], such as when there is one of that name.
    pub fn create(name: &str) -> Result<Self> {
        let name = format!("{CONTAINER_PREFIX}{name}");
        run::output(run::command("ip").args(["netns", "add", &name]))?;
        let sandbox = Self { name };
        netns::enter(&sandbox.path(), || {
            run::ip_batch(&["link set lo up".to_owned()])
        })??;
        Ok(sandbox)
    }

    /// Its name, `fnc-…`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a runtime gives as `CNI_NETNS`.
    pub fn path(&self) -> PathBuf {
        netns_path(&self.name)
    }

    /// A command that runs inside.
    pub fn command(&self, program: &str) -> Command {
        inside(&self.path(), program)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let inside: Vec<ProcessId> = netns::processes_inside()
            .into_iter()
            .filter(|(name, _)| *name == self.name)
            .map(|(_, process)| process)
            .collect();
        process::end(&inside, Duration::from_millis(500));
        // `down` finds what is left.
        let _ = netns::remove(&self.name);
    }
}
