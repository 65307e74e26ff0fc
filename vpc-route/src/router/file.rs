//! A configuration file for a router that a person administers.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::RouterError;
use super::statics::Statics;
use crate::diff::Op;
use crate::model::{Entry, Table, TableId};
use crate::provider::{Failure, Provider, ProviderError};

/// Keeps the static routes of one file; the rest of the file is left as it is.
#[derive(Debug, Clone)]
pub struct FileRouter {
    path: PathBuf,
}

impl FileRouter {
    /// The router whose routes are in this file, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn read(&self) -> Result<Statics, RouterError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(RouterError::Io {
                    doing: "read",
                    path: self.path.clone(),
                    source,
                });
            }
        };
        Statics::parse(&text).map_err(|source| RouterError::Statics {
            path: self.path.clone(),
            source,
        })
    }

    fn change(&self, change: impl FnOnce(&mut Statics)) -> Result<(), RouterError> {
        let mut statics = self.read()?;
        change(&mut statics);
        replace(&self.path, statics.render().as_bytes()).map_err(|source| RouterError::Io {
            doing: "write",
            path: self.path.clone(),
            source,
        })
    }
}

/// Replaces a file whole, and durably, or not at all.
pub(crate) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = directory.join(name);
    let written = std::fs::File::create(&fresh).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| std::fs::rename(&fresh, path));
    if replaced.is_err() {
        // What could not be put in place is of no use; that it stays is not worth an error.
        let _ = std::fs::remove_file(&fresh);
    }
    replaced?;
    std::fs::File::open(directory)?.sync_all()
}

impl Provider for FileRouter {
    fn batch(&self) -> usize {
        usize::MAX
    }

    fn shares(&self, _op: &Op) -> bool {
        true
    }

    async fn list(&self, table: &TableId) -> Result<Table, ProviderError> {
        let statics = self.read()?;
        let listed = statics.table(table).map_err(|source| RouterError::Statics {
            path: self.path.clone(),
            source,
        });
        Ok(listed?)
    }

    async fn write(&self, _table: &TableId, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        self.change(|statics| ops.iter().for_each(|op| statics.apply(op)))?;
        Ok(Vec::new())
    }

    async fn rename(&self, _: &TableId, entry: &Entry, name: &str) -> Result<(), ProviderError> {
        Ok(self.change(|statics| statics.rename(entry.destination, name))?)
    }
}
