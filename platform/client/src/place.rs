//! Where the API is, and as whom one asks: kept by a login, read by every later call.

use std::io;
use std::path::{Path, PathBuf};

use flatnet_platform_types::Moment;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The API, and a token for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// Its URL, `https://platform.example`, without a path.
    pub server: String,
    /// PEM file with the authority of its certificate; the machine's authorities where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The bearer token; absent before a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Until when the token is valid, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
}

/// Without the token.
impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("server", &self.server)
            .field("ca", &self.ca)
            .field("token", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

/// The file with the place cannot be used.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// There is no home directory to keep it in.
    #[error("there is neither $XDG_CONFIG_HOME nor $HOME to keep the session in")]
    NoHome,
    /// It cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// It is not what a login writes.
    #[error("{} is not what a login writes", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Others may read it.
    #[error("{} holds a token, and others may read it: `chmod 600` it, and log in again", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
}

impl Place {
    /// The usual file: `flatnet/platform.json` in the user's configuration directory.
    ///
    /// # Errors
    /// [`PlaceError::NoHome`].
    pub fn usual_file() -> Result<PathBuf, PlaceError> {
        let set = |name: &str| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let dir = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
        Ok(dir.ok_or(PlaceError::NoHome)?.join("flatnet/platform.json"))
    }

    /// What a login kept; `None` where there was none.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn read(path: &Path) -> Result<Option<Self>, PlaceError> {
        use std::os::unix::fs::MetadataExt;
        let file = |source| PlaceError::File {
            path: path.to_owned(),
            source,
        };
        let text = flatnet_files::read_if_there(path, flatnet_files::SECRET_MAX).map_err(file)?;
        let Some(text) = text else {
            return Ok(None);
        };
        let meta = std::fs::metadata(path).map_err(file)?;
        if meta.mode() & 0o077 != 0 {
            return Err(PlaceError::Open {
                path: path.to_owned(),
            });
        }
        let read = serde_json::from_slice(&text);
        read.map(Some).map_err(|source| PlaceError::Content {
            path: path.to_owned(),
            source,
        })
    }

    /// Keeps it, for its owner alone.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn keep(&self, path: &Path) -> Result<(), PlaceError> {
        let file = |source| PlaceError::File {
            path: path.to_owned(),
            source,
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(file)?;
        }
        let text = serde_json::to_vec_pretty(self).map_err(|e| file(e.into()))?;
        flatnet_files::replace(path, &text).map_err(file)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_session_is_kept_for_its_owner_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("flatnet/platform.json");
        assert_eq!(Place::read(&path).expect("nothing"), None);
        let place = Place {
            server: "https://platform.example".to_owned(),
            ca: None,
            token: Some("secret".to_owned()),
            expires: None,
        };
        place.keep(&path).expect("it is kept");
        assert_eq!(Place::read(&path).expect("a place"), Some(place.clone()));
        assert!(!format!("{place:?}").contains("secret"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        assert!(matches!(Place::read(&path), Err(PlaceError::Open { .. })));
    }
}
