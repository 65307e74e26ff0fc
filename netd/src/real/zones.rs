//! The conntrack zones of containers' connections to services: how long connections stay in them, and
//! how many may.

use std::sync::Arc;

use flatnet_ovs::ovsdb::{Op, Replica, TransactError};

use super::{RealNode, rows, timeouts};
use crate::node_ops::NodeOpsError;
use crate::shares::Shares;

impl RealNode {
    /// The same, whose containers' zones are limited with their ports.
    #[must_use]
    pub(crate) fn with_shares(self, shares: Shares) -> Self {
        Self {
            shares: Some(Arc::new(shares)),
            ..self
        }
    }

    /// Limits a container's zone.
    pub(super) async fn limit(&self, zone: Option<u16>) {
        if let (Some(zone), Some(shares)) = (zone, &self.shares) {
            shares.limit(zone).await;
        }
    }

    /// Open vSwitch's name of the datapath's type.
    pub(super) fn datapath(&self) -> &'static str {
        match self.userspace_datapath {
            true => "netdev",
            false => "system",
        }
    }

    /// Whether the time-outs of netd's zones are others than those that netd gave them.
    pub fn timeouts_differ(&self, replica: &Replica) -> bool {
        let zones = timeouts::zones(replica, self.datapath());
        zones.is_some_and(|zones| self.timeouts.differs(&zones))
    }

    /// Does a transaction that makes something of an attachment, and gives its zone its time-outs.
    pub(super) async fn transact_with(
        &self,
        mut ops: Vec<Op>,
        zone: Option<u16>,
    ) -> Result<(), TransactError> {
        let supported = self.features.timeouts() == Some(true);
        let mut zones = Vec::new();
        if let Some(zone) = zone.filter(|_| supported) {
            let more = self
                .database
                .read(|r| timeouts::add(r, self.datapath(), zone));
            zones.extend((!more.is_empty()).then_some(zone));
            ops.extend(more);
        }
        self.transact_zones(&ops, &zones, &zones).await
    }

    /// Does a transaction that is about the time-outs of zones, of which `set` have some after it.
    pub(super) async fn transact_zones(
        &self,
        ops: &[Op],
        zones: &[u16],
        set: &[u16],
    ) -> Result<(), TransactError> {
        let changing = self.timeouts.begin(zones);
        self.database.transact(ops).await?;
        changing.done(set);
        Ok(())
    }

    /// Takes an attachment's port out of the bridge, and its zone's time-outs away.
    pub(super) async fn remove_port(
        &self,
        name: &str,
        zone: Option<u16>,
    ) -> Result<(), NodeOpsError> {
        let find = || {
            self.database.read(|r| {
                let zone = zone.map_or_else(Vec::new, |z| timeouts::remove(r, self.datapath(), z));
                (rows::delete_ports(r, &self.bridge, &[name]), zone)
            })
        };
        let (mut port, mut of_zone) = find();
        if port.is_empty() {
            // An ADD that was cut may have its rows on the way. The database answers in order:
            // after this answer, they are here or will never be.
            self.database.transact(&[]).await?;
            (port, of_zone) = find();
        }
        let names: &[&str] = if port.is_empty() { &[] } else { &[name] };
        port.extend(of_zone);
        if !port.is_empty() {
            self.transact_deletion(names, &port, zone).await?;
        }
        Ok(())
    }

    /// Takes ports out of the bridge, and the time-outs of a zone with them.
    pub(super) async fn transact_deletion(
        &self,
        names: &[&str],
        ops: &[Op],
        zone: Option<u16>,
    ) -> Result<(), NodeOpsError> {
        self.own_deletions.begin(names);
        let zones: Vec<u16> = zone.into_iter().collect();
        let done = self.transact_zones(ops, &zones, &[]).await;
        if done.is_err() {
            self.own_deletions.failed(names);
        }
        Ok(done?)
    }
}
