//! What the supervisor is told to run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Unit {
    /// Its name, `idc1/netd`.
    pub(crate) name: String,
    /// The namespace it runs in, by path; none: the supervisor's.
    pub(crate) netns: Option<PathBuf>,
    /// The program and its arguments.
    pub(crate) argv: Vec<String>,
    /// Its environment beside the supervisor's.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Where the supervisor writes its PID; none: it does that itself.
    pub(crate) pid_file: Option<PathBuf>,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// A unix socket that must answer before it starts.
    pub(crate) after: Option<PathBuf>,
    /// When it ends among the others.
    pub(crate) stage: Stage,
    /// A command to run each time after it was started again.
    #[serde(default)]
    pub(crate) repair: Vec<String>,
    /// Changes when the binary does, and so restarts the daemon.
    #[serde(default)]
    pub(crate) build: String,
}

/// The order in which daemons end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Stage {
    /// netd, which uses the switch.
    Node,
    /// ovs-vswitchd, which uses the database.
    Switch,
    /// ovsdb-server.
    Database,
}

/// Reads the list.
///
/// # Errors
/// [`Error::Io`], [`Error::Json`].
pub(crate) fn read_units(path: &Path) -> Result<Vec<Unit>> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|source| Error::Json {
        what: path.display().to_string(),
        source,
    })
}

/// Writes the list, whole or not at all; says whether that changed it.
///
/// # Errors
/// [`Error::Io`], [`Error::Json`].
pub(crate) fn write_units(path: &Path, units: &[Unit]) -> Result<bool> {
    let text = serde_json::to_string_pretty(units).map_err(|source| Error::Json {
        what: "the list of units".into(),
        source,
    })?;
    crate::files::write_if_changed(path, text.as_bytes())
}
