//! The ranges on disk: written whole, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::holdings::Holdings;

/// The file in the state directory.
const FILE: &str = "ranges.json";

fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// What was kept; none if nothing ever was.
///
/// # Errors
/// If it cannot be read. It is not begun anew then: what it names may be in use.
pub(super) fn load(state: &Path) -> io::Result<Option<Holdings>> {
    match fs::read(path(state)) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(io::Error::other),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Keeps `holdings`. When this returns they survive a power cut.
pub(super) fn save(state: &Path, holdings: &Holdings) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(holdings).map_err(io::Error::other)?;
    let path = path(state);
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    File::open(state)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_damage_is_not_taken_for_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(load(dir.path()).expect("reads"), None);
        let holdings = Holdings {
            revision: "1-2".to_owned(),
            ..Holdings::default()
        };
        save(dir.path(), &holdings).expect("writes");
        assert_eq!(load(dir.path()).expect("reads"), Some(holdings));
        fs::write(path(dir.path()), "{").expect("writes");
        assert!(load(dir.path()).is_err());
    }
}
