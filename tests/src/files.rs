//! Files that are there whole or not at all.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes a file by way of a rename; says whether that changed anything.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|have| have == content) {
        return Ok(false);
    }
    let new = beside(path);
    fs::write(&new, content).map_err(Error::io("write", &new))?;
    fs::rename(&new, path).map_err(Error::io("replace", path))?;
    Ok(true)
}

/// Copies a program with its mode and times, if the copy is not of this build already;
/// says whether it did.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn copy_if_changed(from: &Path, to: &Path) -> Result<bool> {
    let source = fs::metadata(from).map_err(Error::io("read", from))?;
    if let Ok(copy) = fs::metadata(to)
        && (copy.len(), copy.mtime(), copy.mtime_nsec())
            == (source.len(), source.mtime(), source.mtime_nsec())
    {
        return Ok(false);
    }
    let new = beside(to);
    // The copy of a running program must be a new file: a write to the old one is refused.
    let _ = fs::remove_file(&new);
    fs::copy(from, &new).map_err(Error::io("copy", from))?;
    let modified = source.modified().map_err(Error::io("read", from))?;
    fs::File::options()
        .write(true)
        .open(&new)
        .and_then(|f| f.set_modified(modified))
        .map_err(Error::io("write", &new))?;
    fs::rename(&new, to).map_err(Error::io("replace", to))?;
    Ok(true)
}

/// Makes a directory and those above it.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create", path))
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_once_for_each_build() {
        let dir = tempfile::tempdir().expect("dir");
        let (from, to) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&from, "one").expect("written");
        assert!(copy_if_changed(&from, &to).expect("copied"));
        assert!(!copy_if_changed(&from, &to).expect("same"));
        fs::write(&from, "three").expect("written");
        assert!(copy_if_changed(&from, &to).expect("copied"));
        assert_eq!(fs::read_to_string(&to).expect("read"), "three");
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 2);
    }

    #[test]
    fn writing_the_same_again_changes_nothing() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("f");
        assert!(write_if_changed(&path, b"x").expect("written"));
        assert!(!write_if_changed(&path, b"x").expect("same"));
    }
}
