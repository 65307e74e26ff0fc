//! Renaming files that are no entries to `*.bad`, so that an operator can inspect them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;

use crate::format::BAD_SUFFIX;
use crate::{BadEntry, BadEntryError};

/// The longest file name that is kept, in bytes: file systems allow 255, and a suffix is appended.
const NAME_MAX: usize = 200;

/// The most `*.bad` files of the same name; they are numbered.
const SAME_NAME_MAX: usize = 100;

/// Whether this is the name of a renamed file.
pub(super) fn is_bad(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(BAD_SUFFIX.as_bytes())
}

/// Renames a file to `*.bad`, without overwriting another one. A file that cannot be renamed stays.
pub(super) fn rename_bad(path: PathBuf, reason: BadEntryError) -> BadEntry {
    let name = path.file_name().unwrap_or_default();
    let kept = match name.len() > NAME_MAX {
        true => OsString::from("long-name"),
        false => name.to_owned(),
    };
    for n in 0..SAME_NAME_MAX {
        let mut renamed = kept.clone();
        if n > 0 {
            renamed.push(format!(".{n}"));
        }
        renamed.push(BAD_SUFFIX);
        let renamed = path.with_file_name(renamed);
        if fs::symlink_metadata(&renamed).is_ok() {
            continue;
        }
        return match fs::rename(&path, &renamed) {
            Ok(()) => BadEntry {
                path: renamed,
                reason,
            },
            Err(_) => BadEntry { path, reason },
        };
    }
    BadEntry { path, reason }
}
