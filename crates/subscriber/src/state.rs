//! What was accepted last, on disk: so that a restart while an API server is away loses nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use flatnet_files::{STATE_MAX, sealed};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::merge::List;

/// What was accepted last, by `SERVER NAMESPACE/NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The lists.
    pub lists: BTreeMap<String, List>,
}

/// The file cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("the state file {path}")]
    Io {
        /// Which one.
        path: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// It is not as it was written.
    #[error("the state file {path} is not as it was written: move it away, and it is made anew")]
    Sealed {
        /// Which one.
        path: String,
        /// What is wrong with it.
        #[source]
        source: sealed::SealError,
    },
}

/// Reads it; one that is not there is empty.
///
/// # Errors
/// [`StateError`].
pub fn load(path: &Path) -> Result<State, StateError> {
    let name = || path.display().to_string();
    let found = flatnet_files::read_if_there(path, STATE_MAX);
    let found = found.map_err(|source| StateError::Io {
        path: name(),
        source,
    })?;
    let Some(bytes) = found else {
        return Ok(State::default());
    };
    sealed::from_slice(&bytes).map_err(|source| StateError::Sealed {
        path: name(),
        source,
    })
}

/// Writes it durably, with its directory.
///
/// # Errors
/// [`StateError::Io`].
pub fn save(path: &Path, state: &State) -> Result<(), StateError> {
    let io = |source| StateError::Io {
        path: path.display().to_string(),
        source,
    };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(io)?;
    }
    sealed::save(path, state).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_refused_otherwise() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("deep/state.json");
        assert_eq!(load(&path).expect("none"), State::default());
        let list = List {
            uid: "u".to_owned(),
            generation: 7,
            addresses: ["10.0.0.1".parse().expect("an address")].into(),
        };
        let state = State {
            lists: [("https://a shop/web".to_owned(), list)].into(),
        };
        save(&path, &state).expect("written");
        assert_eq!(load(&path).expect("read"), state);
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, text.replace("10.0.0.1", "10.0.0.2")).expect("written");
        let error = load(&path).expect_err("altered").to_string();
        assert!(error.contains("move it away"), "{error}");
    }
}
