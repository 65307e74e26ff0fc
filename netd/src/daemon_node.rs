//! The node that the daemon acts on: the real one, and in builds for the end-to-end suites one with
//! injected faults (`crate::faults`).

use std::path::Path;

use flatnet_ipam::{Config, Ipam, Recovery, StoreError};
use flatnet_types::Timestamp;

use crate::real::RealNode;

/// The daemon's implementation of [`crate::node_ops::NodeOps`].
#[cfg(not(feature = "faults"))]
pub(crate) type DaemonNode = RealNode;
/// The daemon's implementation of [`crate::node_ops::NodeOps`].
#[cfg(feature = "faults")]
pub(crate) type DaemonNode = crate::faults::FaultyNode<RealNode>;

#[cfg(not(feature = "faults"))]
pub(crate) fn wrap(real: RealNode) -> DaemonNode {
    real
}

#[cfg(feature = "faults")]
pub(crate) fn wrap(real: RealNode) -> DaemonNode {
    crate::faults::FaultyNode::new(real, crate::faults::FaultQueue::from_env())
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
    use crate::faults::{FaultQueue, FaultyStore};
    let store = flatnet_ipam::RedbBackend::open(path)?;
    let store = FaultyStore::new(store, path.to_owned(), FaultQueue::from_env());
    Ipam::open_with(Box::new(store), config, boot_id, now)
}
