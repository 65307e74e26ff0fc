//! ipamd's answers on disk, written atomically with a checksum.

use std::io;
use std::path::Path;

use flatnet_files::sealed;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads the file; `None` if it does not exist.
///
/// # Errors
/// It cannot be read. It is not replaced then: addresses of the ranges in it may be in use.
pub(super) fn load<T: DeserializeOwned>(state: &Path, file: &str) -> io::Result<Option<T>> {
    let path = state.join(file);
    let text = flatnet_files::read_if_there(&path, flatnet_files::STATE_MAX)?;
    let value = text.map(|text| sealed::from_slice(&text)).transpose();
    value.map_err(|e| {
        io::Error::other(format!(
            "{}: {e}; it is left as it is: put a copy back, or move it away, and netd waits until \
             ipamd has said again what it holds",
            path.display()
        ))
    })
}

/// Writes `value` durably: when this returns, it survives a power failure.
pub(super) fn save(state: &Path, file: &str, value: &impl Serialize) -> io::Result<()> {
    sealed::save(&state.join(file), value)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::held::HeldRanges;
    use super::*;

    const FILE: &str = "ranges.json";

    #[test]
    fn a_saved_file_is_read_again_and_a_damaged_one_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let read = || load::<HeldRanges>(dir.path(), FILE);
        assert_eq!(read().expect("reads"), None);
        let held = HeldRanges {
            revision: "1-2".to_owned(),
            ..HeldRanges::default()
        };
        save(dir.path(), FILE, &held).expect("writes");
        assert_eq!(read().expect("reads"), Some(held));
        fs::write(dir.path().join(FILE), "{").expect("writes");
        assert!(read().is_err());
        let path = dir.path().join(FILE);
        let held = HeldRanges {
            revision: "1-2".to_owned(),
            ..HeldRanges::default()
        };
        save(dir.path(), FILE, &held).expect("writes");
        let text = fs::read_to_string(&path).expect("reads");
        fs::write(&path, text.replace("1-2", "1-3")).expect("writes");
        let error = read().expect_err("altered").to_string();
        for words in ["checksum", "ranges.json", "move it away"] {
            assert!(error.contains(words), "{error}");
        }
        // An unmounted disk must not look like a host without ranges.
        fs::remove_file(&path).expect("removes");
        std::os::unix::fs::symlink("/mnt/not-mounted/ranges.json", &path).expect("links");
        assert!(read().is_err());
    }
}
