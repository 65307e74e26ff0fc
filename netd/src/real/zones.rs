//! The conntrack zones of containers' connections to services: time-outs and limits.

use std::sync::Arc;

use flatnet_ovs::ovsdb::{Op, OpResult, Replica, TransactError};

use super::{RealNode, rows, timeouts};
use crate::node_ops::NodeOpsError;
use crate::shares::Shares;

impl RealNode {
    /// Also limits containers' zones, when their ports are added.
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
            let generation = self.switch.state().borrow().generation();
            shares.limit(zone, generation).await;
        }
    }

    /// Open vSwitch's name of the datapath's type.
    pub(super) fn datapath(&self) -> &'static str {
        match self.userspace_datapath {
            true => "netdev",
            false => "system",
        }
    }

    /// Whether the time-outs of netd's zones differ from those that netd set.
    pub fn timeouts_differ(&self, replica: &Replica) -> bool {
        let zones = timeouts::zones(replica, self.datapath());
        zones.is_some_and(|zones| self.timeouts.differs(&zones))
    }

    /// Executes a transaction that adds an attachment's port, and in it sets the time-outs of its
    /// zone.
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
        self.transact_zones(&ops, &zones, &zones).await?;
        Ok(())
    }

    /// Executes a transaction that changes the time-outs of `zones`; those of `set` have time-outs
    /// after it.
    pub(super) async fn transact_zones(
        &self,
        ops: &[Op],
        zones: &[u16],
        set: &[u16],
    ) -> Result<Vec<OpResult>, TransactError> {
        let changing = self.timeouts.begin(zones);
        let results = self.database.transact(ops).await?;
        changing.done(set);
        Ok(results)
    }

    /// Deletes an attachment's port and its zone's time-outs.
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
            // The transaction of an ADD that was cancelled may still be under way. The database
            // executes transactions in order: after this one the rows exist, or never will.
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

    /// Executes a transaction that deletes ports and the time-outs of a zone.
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
        done?;
        Ok(())
    }
}
