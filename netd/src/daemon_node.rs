//! What the daemon runs on: the real node, and in builds for the suites one that fails on
//! order (`crate::faults`).

use std::path::Path;

use flatnet_ipam::{Config, Ipam, Recovery, StoreError};
use flatnet_types::Timestamp;

use crate::real::RealNode;

/// The world of the daemon.
#[cfg(not(feature = "faults"))]
pub(crate) type DaemonNode = RealNode;
/// The world of the daemon.
#[cfg(feature = "faults")]
pub(crate) type DaemonNode = crate::faults::FaultyNode<RealNode>;

#[cfg(not(feature = "faults"))]
pub(crate) fn wrap(real: RealNode) -> DaemonNode {
    real
}

#[cfg(feature = "faults")]
pub(crate) fn wrap(real: RealNode) -> DaemonNode {
    crate::faults::FaultyNode::new(real, crate::faults::Orders::from_env())
}

#[cfg(not(feature = "faults"))]
pub(crate) fn open_store(
    path: &Path,
    config: Config,
    boot_id: &str,
    now: Timestamp,
) -> Result<(Ipam, Recovery), StoreError> {
    Ipam::open(path, config, boot_id, now)
}

#[cfg(feature = "faults")]
pub(crate) fn open_store(
    path: &Path,
    config: Config,
    boot_id: &str,
    now: Timestamp,
) -> Result<(Ipam, Recovery), StoreError> {
    use crate::faults::{FaultyStore, Orders};
    let store = flatnet_ipam::RedbBackend::open(path)?;
    let store = FaultyStore::new(store, path.to_owned(), Orders::from_env());
    Ipam::open_with(Box::new(store), config, boot_id, now)
}
