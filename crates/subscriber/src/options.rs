//! What is followed, and to where.

use std::path::PathBuf;

use flatnet_k8s_client::Key;

use crate::target::Target;

/// What is followed, and to where.
pub struct Options {
    /// The set; of this name and namespace in every cluster.
    pub set: Key,
    /// The name of this subscriber in the set; `None`: it acknowledges nothing.
    pub name: Option<String>,
    /// Where the list is written.
    pub targets: Vec<Target>,
    /// What is run by `sh -c` after each write.
    pub reload: Option<String>,
    /// Where the lists that were accepted last are kept.
    pub state: PathBuf,
    /// Who this process is in the lease, for people.
    pub holder: String,
}
