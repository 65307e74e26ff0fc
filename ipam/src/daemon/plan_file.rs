//! The plan file: read, checked, and looked at again for changes.
//!
//! It is polled and not watched: a ConfigMap's symbolic links, an editor's renames and a
//! network file system all look alike that way.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flatnet_plan::LoadError;
use thiserror::Error;

use super::declare::declare;
use crate::assign::{Declared, DeclaredError};

/// The largest plan that is read, in bytes: ten times one of 10,000 written-out hosts.
const PLAN_MAX: u64 = 64 << 20;

/// Why a plan was not taken over.
#[derive(Debug, Error)]
pub(crate) enum PlanError {
    /// It cannot be read.
    #[error("cannot read the plan {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is wrong; every diagnostic is in it.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// Its ranges or slices are.
    #[error("{0}")]
    Declared(#[from] DeclaredError),
}

/// A plan that was read.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) declared: Arc<Declared>,
    pub(crate) text: String,
}

/// What tells that a file is another: its inode, size and time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64, u64, i64, i64);

/// The stamp of `path`; none where there is no file.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some(Stamp(
        meta.ino(),
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
    ))
}

/// Reads and checks a plan. Blocks.
pub(crate) fn load(path: &Path) -> Result<Loaded, PlanError> {
    let read = |source| PlanError::Read {
        path: path.to_owned(),
        source,
    };
    let size = fs::metadata(path).map_err(read)?.len();
    if size > PLAN_MAX {
        return Err(read(io::Error::other(format!(
            "it has {size} bytes; at most {PLAN_MAX} are read"
        ))));
    }
    parse(fs::read_to_string(path).map_err(read)?)
}

fn parse(text: String) -> Result<Loaded, PlanError> {
    let plan = flatnet_plan::load(&text)?;
    let declared = Arc::new(declare(&plan)?);
    Ok(Loaded { declared, text })
}

/// The plan that was last taken over, kept beside the ledger for a start with a wrong one.
pub(crate) fn accepted(state: &Path) -> PathBuf {
    state.join("plan.accepted.yaml")
}

/// Keeps a copy of a plan that was taken over, whole or not at all.
pub(crate) fn keep(state: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    let path = accepted(state);
    let fresh = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, &path)
}
