//! What netd keeps on a host goes when netd has gone: its store, its spool, its socket's directory.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tracing::info;

use crate::ask::{self, AskError};

/// How often it is looked whether netd has ended.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until nobody serves the socket, then empties its directory and the state directory, which may be
/// mounts and stay.
///
/// # Errors
/// Something cannot be deleted.
pub(super) async fn purge(socket: &Path, state: &Path) -> Result<()> {
    let serves = || !matches!(ask::get(socket, "/livez"), Err(AskError::Socket { .. }));
    while tokio::task::block_in_place(serves) {
        tokio::time::sleep(LOOK).await;
    }
    for directory in socket.parent().into_iter().chain([state]) {
        empty(directory).with_context(|| format!("empty {}", directory.display()))?;
        info!(directory = %directory.display(), "emptied");
    }
    Ok(())
}

fn empty(directory: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_emptied_and_stays_and_an_absent_one_is_no_error() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("spool")).expect("made");
        fs::write(dir.path().join("spool/a"), "").expect("written");
        fs::write(dir.path().join("netd.redb"), "").expect("written");
        std::os::unix::fs::symlink("/nowhere", dir.path().join("link")).expect("linked");
        empty(dir.path()).expect("emptied");
        assert_eq!(fs::read_dir(dir.path()).expect("it stays").count(), 0);
        empty(&dir.path().join("absent")).expect("nothing to do");
    }
}
