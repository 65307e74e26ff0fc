//! What the commands that measure have in common: the lab they take, and the file they write.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::interrupt::Interrupt;
use crate::{Datapath, LabGuard};

/// The options that each of them has.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Open vSwitch's datapath [default: user, or as the running lab has]
    #[arg(long, value_enum)]
    pub(crate) datapath: Option<Datapath>,
    /// Write everything as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Common {
    /// Catches signals, so that what is raised is also taken down, and takes the usual lab.
    ///
    /// # Errors
    /// If the lab does not come up.
    pub(crate) fn begin(&self) -> Result<(Interrupt, LabGuard)> {
        let interrupt = Interrupt::catch().context("cannot catch signals")?;
        Ok((interrupt, LabGuard::take_on(self.datapath)?))
    }

    /// Writes what was measured to the file of `--json`, where one is asked for.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write(&self, measured: &impl Serialize) -> Result<()> {
        let Some(file) = &self.json else {
            return Ok(());
        };
        let json = serde_json::to_string_pretty(measured)?;
        std::fs::write(file, json + "\n").with_context(|| file.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_written_where_a_file_is_named_and_an_error_names_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let to = |file: Option<PathBuf>| Common {
            datapath: None,
            json: file,
        };
        to(None).write(&[1]).expect("nothing to do");
        let file = dir.path().join("out.json");
        to(Some(file.clone())).write(&[1]).expect("written");
        assert_eq!(std::fs::read_to_string(file).expect("there"), "[\n  1\n]\n");
        let nowhere = dir.path().join("no/such/dir.json");
        let error = to(Some(nowhere)).write(&[1]).expect_err("no directory");
        assert!(error.to_string().contains("no/such/dir.json"), "{error:#}");
    }
}
