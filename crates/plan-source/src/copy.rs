//! The accepted plan on disk: its text, and a last line with the SHA-256 of the text.
//!
//! Without the digest, a digit that the disk altered could yield another valid plan. A copy without
//! the line, as earlier releases of ipamd wrote it, is read as it is.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flatnet_plan::source::MAX_BYTES;
use flatnet_types::Timestamp;

use crate::Version;

/// The copy's name in a daemon's state directory.
pub const COPY: &str = "plan.accepted.yaml";

/// Begins the last line; the digest follows.
const MARK: &str = "\n# flatnet: accepted, sha256 ";
/// Length of the digest in hexadecimal digits, and a line break.
const DIGEST: usize = 64 + 1;

/// A saved plan.
#[derive(Debug)]
pub(crate) struct SavedPlan {
    pub(crate) text: String,
    /// Modification time of the file: when the plan was accepted.
    pub(crate) since: Timestamp,
}

/// Path of a daemon's copy.
#[derive(Debug)]
pub(crate) struct Copy(PathBuf);

impl Copy {
    pub(crate) fn in_dir(state: &Path) -> Self {
        Self(state.join(COPY))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The saved plan; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    pub(crate) fn read(&self) -> io::Result<Option<SavedPlan>> {
        let limit = MAX_BYTES + (MARK.len() + DIGEST) as u64;
        let Some(bytes) = flatnet_files::read_if_there(&self.0, limit)? else {
            return Ok(None);
        };
        let written = std::fs::metadata(&self.0)?.modified();
        let text = without_digest(flatnet_files::text(bytes)?)?;
        let since = Timestamp::from(written.unwrap_or(SystemTime::UNIX_EPOCH));
        Ok(Some(SavedPlan { text, since }))
    }

    /// Saves a plan. When this returns it survives a power cut; until then the former copy is
    /// there.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn save(&self, text: &str) -> io::Result<()> {
        flatnet_files::replace(&self.0, with_digest(text).as_bytes())
    }
}

fn with_digest(text: &str) -> String {
    format!("{text}{MARK}{}\n", Version::of(text))
}

fn without_digest(mut text: String) -> io::Result<String> {
    let at = text.rfind(MARK);
    let Some(at) = at.filter(|at| at + MARK.len() + DIGEST == text.len()) else {
        return Ok(text);
    };
    let digest = text.split_off(at);
    if digest[MARK.len()..].trim_end() != Version::of(&text).to_string() {
        let words = "its digest is not that of what it holds: it was altered or edited";
        return Err(io::Error::new(ErrorKind::InvalidData, words));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_copy_is_read_as_it_was_written_and_only_root_can_read_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let copy = Copy::in_dir(dir.path());
        assert!(copy.read().expect("reads").is_none());
        for text in ["a: 1\n", "a: 1", "", "a: |+\n\n\n", &with_digest("a: 1\n")] {
            copy.save(text).expect("writes");
            let kept = copy.read().expect("reads").expect("there");
            assert_eq!(kept.text, text);
        }
        let mode = fs::metadata(copy.path()).expect("there").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
        let names = fs::read_dir(dir.path()).expect("lists").count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn an_altered_copy_is_not_read_and_one_of_before_the_digest_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let copy = Copy::in_dir(dir.path());
        copy.save("a: 10.0.0.1\n").expect("writes");
        let whole = fs::read_to_string(copy.path()).expect("reads");
        fs::write(copy.path(), whole.replace("10.0.0.1", "10.0.0.3")).expect("writes");
        let refused = copy.read().expect_err("altered").to_string();
        assert!(refused.contains("digest"), "{refused}");
        fs::write(copy.path(), "a: 1\n").expect("writes");
        let kept = copy.read().expect("reads").expect("there");
        assert_eq!(kept.text, "a: 1\n");
    }
}
