//! The ledger's objects on an API server. Calls block the thread that makes them, which is the ledger's own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use flatnet_k8s_client::{Cluster, ClusterError, LedgerHead, LedgerPlace, StoredRange};
use flatnet_types::ipamd::Lease;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;

use crate::assign::{LedgerObjects, ObjectError, RangeChange};

/// Writes at a time. A cluster of thousands of hosts that all ask at once is served in some seconds, and the
/// API server serves others meanwhile.
const WRITES: usize = 16;

/// The objects as they were read or written last.
pub(super) struct ClusterObjects {
    cluster: Arc<Cluster>,
    place: LedgerPlace,
    runtime: Handle,
    head: Option<LedgerHead>,
    /// By first address.
    ranges: HashMap<IpAddr, StoredRange>,
}

impl ClusterObjects {
    /// The ledger at `place`. Nothing is asked yet.
    ///
    /// Assumptions: a tokio runtime runs, and outlives this.
    pub(super) fn new(cluster: Arc<Cluster>, place: LedgerPlace) -> Self {
        Self {
            cluster,
            place,
            runtime: Handle::current(),
            head: None,
            ranges: HashMap::new(),
        }
    }
}

fn failed(error: ClusterError) -> ObjectError {
    match error {
        ClusterError::Conflict { .. } => ObjectError::Conflict,
        other => ObjectError::Failed(other.into()),
    }
}

impl LedgerObjects for ClusterObjects {
    fn place(&self) -> String {
        format!("ConfigMap {} on {}", self.place, self.cluster.server())
    }

    fn head(&mut self) -> Result<Option<String>, ObjectError> {
        let asked = self.cluster.ledger_head(&self.place);
        self.head = self.runtime.block_on(asked).map_err(failed)?;
        let text = |head: &LedgerHead| head.text().unwrap_or_default().to_owned();
        Ok(self.head.as_ref().map(text))
    }

    fn replace_head(&mut self, text: &str) -> Result<(), ObjectError> {
        // What was never read is in another version than the one that was read.
        let over = self.head.as_ref().ok_or(ObjectError::Conflict)?;
        let written = self
            .cluster
            .replace_ledger_head(&self.place, over, text.to_owned());
        self.head = Some(self.runtime.block_on(written).map_err(failed)?);
        Ok(())
    }

    fn ranges(&mut self) -> Result<Vec<Lease>, ObjectError> {
        let listed = self.runtime.block_on(self.cluster.assigned_ranges());
        let listed = listed.map_err(failed)?;
        let leases = listed.iter().map(|stored| stored.lease.clone()).collect();
        let by_address = |stored: StoredRange| (stored.lease.prefix.network(), stored);
        self.ranges = listed.into_iter().map(by_address).collect();
        Ok(leases)
    }

    fn write(&mut self, changes: &[RangeChange]) -> Result<(), ObjectError> {
        let cluster = &self.cluster;
        let writes = changes.iter().map(|change| {
            let prefix = match change {
                RangeChange::Put(lease) => lease.prefix,
                RangeChange::Remove(prefix) => *prefix,
            };
            let known = self.ranges.get(&prefix.network());
            async move {
                let written = match (change, known) {
                    (RangeChange::Put(lease), _) => cluster.put_range(known, lease).await.map(Some),
                    (RangeChange::Remove(_), Some(known)) => {
                        cluster.remove_range(known).await.map(|()| None)
                    }
                    (RangeChange::Remove(_), None) => Ok(None),
                };
                (prefix.network(), written)
            }
        });
        let writes: Vec<_> = writes.collect();
        let all = stream::iter(writes).buffer_unordered(WRITES).collect();
        let done: Vec<(IpAddr, Result<Option<StoredRange>, ClusterError>)> =
            self.runtime.block_on(all);
        let mut first_error = None;
        for (address, written) in done {
            match written {
                Ok(Some(stored)) => {
                    self.ranges.insert(address, stored);
                }
                Ok(None) => {
                    self.ranges.remove(&address);
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(()), |error| Err(failed(error)))
    }
}
