//! What ipamd said, on disk: written whole, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What was kept; none if nothing ever was.
///
/// # Errors
/// If it cannot be read. It is not begun anew then: what it names may be in use.
pub(super) fn load<T: DeserializeOwned>(state: &Path, file: &str) -> io::Result<Option<T>> {
    match fs::read(state.join(file)) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(io::Error::other),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Keeps `value`. When this returns it survives a power cut.
pub(super) fn save(state: &Path, file: &str, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    let path = state.join(file);
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
    use super::super::holdings::Holdings;
    use super::*;

    const FILE: &str = "ranges.json";

    #[test]
    fn what_is_kept_is_read_again_and_damage_is_not_taken_for_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let read = || load::<Holdings>(dir.path(), FILE);
        assert_eq!(read().expect("reads"), None);
        let holdings = Holdings {
            revision: "1-2".to_owned(),
            ..Holdings::default()
        };
        save(dir.path(), FILE, &holdings).expect("writes");
        assert_eq!(read().expect("reads"), Some(holdings));
        fs::write(dir.path().join(FILE), "{").expect("writes");
        assert!(read().is_err());
    }
}
