//! What is no entry, renamed where somebody can look at it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;

use flatnet_types::spool::BAD_SUFFIX;

use super::{BadEntry, BadEntryError};

/// The longest name that is kept, in bytes: a file system has 255, and a suffix comes after it.
const NAME_MAX: usize = 200;

/// So many of the same name are kept apart.
const ALIKE: usize = 100;

/// Whether a file of this name was moved aside.
pub(super) fn is_aside(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(BAD_SUFFIX.as_bytes())
}

/// Renames a file to `*.bad`. One that was moved aside before stays; a file that cannot be
/// renamed stays where it is.
pub(super) fn move_aside(path: PathBuf, reason: BadEntryError) -> BadEntry {
    let name = path.file_name().unwrap_or_default();
    let kept = match name.len() > NAME_MAX {
        true => OsString::from("long-name"),
        false => name.to_owned(),
    };
    for n in 0..ALIKE {
        let mut aside = kept.clone();
        if n > 0 {
            aside.push(format!(".{n}"));
        }
        aside.push(BAD_SUFFIX);
        let aside = path.with_file_name(aside);
        if fs::symlink_metadata(&aside).is_ok() {
            continue;
        }
        return match fs::rename(&path, &aside) {
            Ok(()) => BadEntry {
                path: aside,
                reason,
            },
            Err(_) => BadEntry { path, reason },
        };
    }
    BadEntry { path, reason }
}
