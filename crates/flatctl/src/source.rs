//! A plan's document, from a file or standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flatnet_plan::NetworkPlan;
use flatnet_plan::expand::{Origin, expand};

use crate::CliError;

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

    /// The plan, groups written out. A plan with faults that `flatctl plan check` finds is
    /// taken as it is, so that it can be looked at; only what stands in the way is refused.
    ///
    /// # Errors
    /// [`CliError::NotAPlan`], [`CliError::BadGroups`].
    pub fn plans(&self) -> Result<Plans, CliError> {
        let written = flatnet_plan::parse(&self.text).map_err(|source| CliError::NotAPlan {
            path: self.path.clone(),
            source,
        })?;
        let expanded = expand(&written);
        if !expanded.faults.is_empty() {
            let faults = expanded.faults.iter().map(|f| {
                let group = written.spec.host_groups.get(f.group);
                let group = group.map_or("?", |g| g.name.as_str());
                format!("group {group}: {}", f.message)
            });
            return Err(CliError::BadGroups {
                path: self.path.clone(),
                faults: faults.collect(),
            });
        }
        Ok(Plans {
            written,
            whole: expanded.plan,
            origins: expanded.origins,
        })
    }
}
