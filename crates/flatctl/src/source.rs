//! A plan's document, from a file or standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flatnet_plan::expand::Origin;
use flatnet_plan::{NetworkPlan, Report, diagnose};

use crate::CliError;
use crate::output::{Output, counted};

/// A document that was read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is, as it was named.
    pub path: PathBuf,
    /// The text.
    pub text: String,
}

/// A plan as it is written and as it is written out.
#[derive(Debug, Clone)]
pub struct Plans {
    /// As it is written: groups stay groups.
    pub written: NetworkPlan,
    /// Every host of its own.
    pub whole: NetworkPlan,
    /// Where each host of `whole` comes from.
    pub origins: Vec<Origin>,
}

impl Source {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// [`CliError::Read`].
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let failed = |source| CliError::Read {
            path: path.to_owned(),
            source,
        };
        let text = if path.as_os_str() == "-" {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map_err(failed)?;
            text
        } else {
            fs::read_to_string(path).map_err(failed)?
        };
        Ok(Self {
            path: path.to_owned(),
            text,
        })
    }

    /// Everything that is wrong with it.
    pub fn report(&self) -> Report {
        diagnose(&self.text, &self.path.display().to_string())
    }

    /// The plan, groups written out. A plan with errors is taken as it is, so that it can be
    /// looked at, with a warning; only what cannot be read is refused.
    ///
    /// # Errors
    /// [`CliError::NotAPlan`].
    pub fn plans(&self, output: &mut Output<'_>) -> Result<Plans, CliError> {
        let mut report = self.report();
        let Some(document) = report.take_document() else {
            return Err(CliError::NotAPlan {
                path: self.path.clone(),
                report: Box::new(report),
            });
        };
        if report.errors() > 0 {
            output.warning(&format!(
                "{} has {}: run `flatctl plan check {}`",
                self.path.display(),
                counted(report.errors(), "error"),
                self.path.display()
            ));
        }
        Ok(Plans {
            written: document.written,
            whole: document.expanded.plan,
            origins: document.expanded.origins,
        })
    }
}
