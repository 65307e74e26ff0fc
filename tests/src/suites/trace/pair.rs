//! Two containers, and the way between them that a check breaks.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::rig::{REPAIRED, Said, Tables, attach, carry_out, clean, first_fault, trace};
use crate::suites::kit::container::Container;
use crate::suites::kit::{READY, eventually};
use crate::{LabGuard, NetdArgs};

/// Two containers that reach each other until something is broken.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    lab: &'a LabGuard,
    pub(super) one: Container,
    pub(super) two: Container,
    _idle: [NetdArgs<'a>; 2],
}

impl<'a> Pair<'a> {
    /// A container each on a node and in a network, and the way between them is right.
    pub(super) fn attach(lab: &'a LabGuard, one: (&str, &str), two: (&str, &str)) -> Result<Self> {
        let pair = Self {
            _idle: [
                NetdArgs::idle(lab, &[one.0], READY)?,
                NetdArgs::idle(lab, &[two.0], READY)?,
            ],
            lab,
            one: attach(lab, one.0, one.1, "one")?,
            two: attach(lab, two.0, two.1, "two")?,
        };
        pair.repaired(Tables::Asked)?;
        Ok(pair)
    }

    /// Where the packets go.
    pub(super) fn to(&self) -> IpAddr {
        self.two.v4.into()
    }

    /// That all is well again, within a while.
    pub(super) fn repaired(&self, tables: Tables) -> Result<()> {
        eventually(REPAIRED, || clean(self.lab, &self.one, self.to(), tables))?;
        Ok(())
    }

    /// That a packet does not get through: what is broken is really broken.
    pub(super) fn lost(&self) -> Result<()> {
        eventually(REPAIRED, || {
            ensure!(
                self.one.reaches(self.to()).is_err(),
                "{} is still reached",
                self.to()
            );
            Ok(())
        })?;
        Ok(())
    }

    /// What `flatctl trace` says of the way.
    pub(super) fn trace(&self, tables: Tables) -> Result<Said> {
        trace(self.lab, self.one.v4.into(), self.to(), tables)
    }

    /// The first fault, which must be this check at such a place; its command.
    pub(super) fn fault(&self, tables: Tables, check: &str, at: &str) -> Result<Value> {
        first_fault(&self.trace(tables)?, check, at)
    }

    /// Breaks something; it is named as `check` at `at`, and its command repairs it.
    pub(super) fn broken(
        &self,
        (check, at): (&str, &str),
        breaks: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        breaks()?;
        let repair = self.fault(Tables::Asked, check, at)?;
        carry_out(self.lab, &repair)?;
        self.repaired(Tables::Asked)
    }

    pub(super) fn detach(self) -> Result<()> {
        self.one.detach()?;
        self.two.detach()
    }
}
