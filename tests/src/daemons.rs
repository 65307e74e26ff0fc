//! Daemons of the lab that a suite takes out for a while, by their names among the supervisor's
//! units (`vpcr/vpc-route`).

use std::time::Duration;

use crate::error::{Error, Result};
use crate::lab::Lab;
use crate::process::ProcessId;
use crate::supervise::{self, Unit, read_units, write_units};

/// How long a daemon may take to end.
const END: Duration = Duration::from_secs(5);

/// A daemon that was ended in good order; it is started again when this is dropped.
#[derive(Debug)]
#[must_use = "it starts again when this is dropped"]
pub struct Stopped<'l> {
    lab: &'l Lab,
    unit: Unit,
}

impl Lab {
    /// The process that runs a unit now.
    ///
    /// # Errors
    /// [`Error::NotRunning`]; [`Error::Io`] for the list of units.
    pub fn process(&self, unit: &str) -> Result<ProcessId> {
        let units = read_units(&self.layout().units())?;
        let found = units.into_iter().find(|u| u.name == unit);
        let file = found.and_then(|u| u.pid_file);
        file.and_then(|f| ProcessId::from_file(&f))
            .ok_or_else(|| Error::NotRunning(unit.to_owned()))
    }

    /// Ends a daemon by SIGTERM, and has the supervisor leave it so.
    ///
    /// # Errors
    /// [`Error::NotRunning`]; [`Error::Timeout`] where it does not end.
    pub fn stop_unit(&self, name: &str) -> Result<Stopped<'_>> {
        let process = self.process(name).ok();
        let path = self.layout().units();
        let mut units = read_units(&path)?;
        let at = units.iter().position(|u| u.name == name);
        let at = at.ok_or_else(|| Error::NotRunning(name.to_owned()))?;
        let unit = units.remove(at);
        write_units(&path, &units)?;
        let stopped = Stopped { lab: self, unit };
        supervise::hang_up(self.layout())?;
        match process {
            Some(process) if !process.wait_gone(END) => Err(Error::Timeout {
                what: format!("the end of {name}"),
                after: END,
                hint: "see supervisor.log".into(),
            }),
            _ => Ok(stopped),
        }
    }
}

impl Stopped<'_> {
    /// Leaves it stopped for longer than this value lives: until [`Lab::start_unit`], or until the next
    /// `up` repairs the lab.
    pub(crate) fn leave(self) -> Unit {
        let unit = self.unit.clone();
        std::mem::forget(self);
        unit
    }
}

impl Lab {
    /// Starts a daemon that was left stopped.
    pub(crate) fn start_unit(&self, unit: &Unit) {
        let path = self.layout().units();
        let Ok(mut units) = read_units(&path) else {
            // The lab is gone, and the daemon with it.
            return;
        };
        if units.iter().all(|u| u.name != unit.name) {
            units.push(unit.clone());
            // The next `up` starts what cannot be started here.
            let _ = write_units(&path, &units).and_then(|_| supervise::hang_up(self.layout()));
        }
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.lab.start_unit(&self.unit);
    }
}
