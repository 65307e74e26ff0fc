//! An edge router's part of a configuration.

use std::path::PathBuf;

use serde::Deserialize;

use super::frr::FrrConfig;

/// How to reach an edge router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "provider")]
pub enum EdgeConfig {
    /// A file with its static routes, for a person to bring there.
    File {
        /// Written whole at each change; its directory is there.
        path: PathBuf,
    },
    /// The FRR of this machine.
    Frr(FrrConfig),
    /// The kernel of this machine.
    Linux {
        /// Its network namespace, such as `/run/netns/edge`; none: this process's.
        #[serde(default)]
        netns: Option<PathBuf>,
    },
}
