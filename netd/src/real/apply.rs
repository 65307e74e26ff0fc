//! Applies the reconciler's ops to the node.

use flatnet_kernel::{AddressSpec, LinkChange, LinkError, NextHop, PairSpec, RouteSpec, SysctlKey};
use flatnet_ovs::openflow::{Action, Batch, Flow, FlowKey, Meter, OpenFlowError, Settings};
use flatnet_types::marks::ROUTE_PROTOCOL;
use tokio::sync::oneshot;

use super::{RealNode, observe, rows, settings, timeouts};
use crate::node_ops::{NodeOps, NodeOpsError};
use crate::reconcile::{Actual, Op, ReconcileOps, RouteActual};
use crate::{flows, marks};

impl ReconcileOps for RealNode {
    async fn observe(&self, sysctls: &[String]) -> Result<Actual, NodeOpsError> {
        observe::node(self, sysctls).await
    }

    async fn apply(&self, op: &Op) -> Result<(), NodeOpsError> {
        match op {
            Op::CreateBridge { bridge, host } => {
                let ops = self.database.read(|r| rows::create_bridge(r, bridge, host));
                self.database.transact(&ops).await?;
                self.wait_port(host).await?;
                Ok(())
            }
            Op::SetBridge { bridge, .. } => self.set_bridge(bridge).await,
            Op::DeleteUnmanagedFlows(flows) => {
                let mut batch = Batch::new();
                for flow in flows {
                    batch.delete_in_table(flow.table, flow.cookie, u64::MAX);
                }
                Ok(self.switch.send(batch).await?)
            }
            Op::SetFragments(mode) => {
                let mut batch = Batch::new();
                batch.set_config(&Settings {
                    fragments: *mode,
                    ..settings()
                });
                Ok(self.switch.send(batch).await?)
            }
            Op::SetGroup(_) => {
                let mut batch = Batch::new();
                batch.put_group(&flows::group());
                Ok(self.switch.send(batch).await?)
            }
            Op::SetTimeouts { set, gone } => {
                let datapath = self.datapath();
                let ops = self
                    .database
                    .read(|r| timeouts::set(r, datapath, set, gone));
                let all = [set.as_slice(), gone].concat();
                let results = self.transact_zones(&ops, &all, set).await?;
                if set.is_empty() {
                    return Ok(());
                }
                rows::require_match(&results, || format!("the row of datapath {datapath}"))
            }
            Op::OpenPort(name) => match self.switch.open_port(name).await? {
                true => Ok(()),
                false => Err(NodeOpsError::Gone {
                    what: format!("port {name}"),
                }),
            },
            Op::EndRestore => {
                self.database.transact(&rows::end_restore()).await?;
                Ok(())
            }
            Op::AddPort { row, .. } => {
                self.add_port(row, None, oneshot::channel().0).await?;
                Ok(())
            }
            Op::SetPort { row, .. } => {
                let ops = self.database.read(|r| rows::set_port(r, row));
                let results = self.database.transact(&ops).await?;
                rows::require_match(&results, || format!("port {}", row.name))
            }
            Op::DeletePorts(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let ops = self
                    .database
                    .read(|r| rows::delete_ports(r, &self.bridge, &names));
                self.transact_deletion(&names, &ops, None).await
            }
            Op::DeleteLink { name, ifindex } => self.delete_link(name, *ifindex).await,
            Op::CreatePair { name, peer, mtu } => {
                let pair = PairSpec {
                    name: name.clone(),
                    peer: peer.clone(),
                    alias: format!("{}probe", marks::ALIAS_PREFIX),
                    mtu: *mtu,
                    promiscuous: self.userspace_datapath,
                };
                self.kernel.create_pair(&pair).await?;
                Ok(())
            }
            Op::SetLink { name, mtu } => {
                let change = LinkChange {
                    up: Some(true),
                    mtu: *mtu,
                    ..LinkChange::default()
                };
                self.kernel.set_link(name, &change).await?;
                Ok(())
            }
            Op::AddAddress { dev, address } => {
                let spec = AddressSpec {
                    nodad: true,
                    protocol: ROUTE_PROTOCOL,
                    ..AddressSpec::new(*address)
                };
                self.kernel.ensure_address(dev, &spec).await?;
                Ok(())
            }
            Op::DeleteAddress { dev, address } => {
                self.kernel.delete_address(dev, *address).await?;
                Ok(())
            }
            Op::AddRoute(route) => {
                let link = self.kernel.link(&route.dev).await?;
                // Without its index the kernel would choose a link by itself.
                let link = link.ok_or_else(|| LinkError::NoSuchLink {
                    name: route.dev.clone(),
                })?;
                let hop = NextHop {
                    via: route.via,
                    ..NextHop::dev(link.ifindex)
                };
                self.kernel.ensure_route(&route_spec(route, hop)).await?;
                Ok(())
            }
            Op::DeleteRoute(route) => {
                // A route is deleted wherever it leads: the next hop is not looked at.
                let hop = NextHop {
                    via: route.via,
                    ..NextHop::dev(0)
                };
                self.kernel.delete_route(&route_spec(route, hop)).await?;
                Ok(())
            }
            Op::SetSysctl { key, value } => {
                self.kernel.set_sysctl(&SysctlKey::new(key)?, value).await?;
                Ok(())
            }
            Op::DeleteMeters(ids) => {
                let mut batch = Batch::new();
                self.meters.deleted(ids);
                for id in ids {
                    batch.meter_delete(*id);
                }
                Ok(self.switch.send(batch).await?)
            }
            Op::ChangeFlows {
                meters,
                adds,
                deletes,
                ..
            } => {
                let mut batch = Batch::new();
                self.put_meters(meters, &mut batch);
                put_group(&mut batch, adds);
                put_changes(adds, deletes, &mut batch);
                ignore_existing_meter(self.switch.send(batch).await)
            }
        }
    }

    async fn change_flows(&self, ops: &[&Op]) -> Result<(), NodeOpsError> {
        // A bundle cannot contain meters, and flows refer to them: they are sent before.
        let (mut before, mut bundle) = (Batch::new(), Batch::new());
        let mut added: Vec<&Flow> = Vec::new();
        for op in ops {
            if let Op::ChangeFlows {
                meters,
                adds,
                deletes,
                ..
            } = op
            {
                self.put_meters(meters, &mut before);
                put_changes(adds, deletes, &mut bundle);
                added.extend(adds);
            }
        }
        put_group(&mut before, added);
        if !before.is_empty() {
            ignore_existing_meter(self.switch.send(before).await)?;
        }
        if !bundle.is_empty() {
            self.switch.send_atomic(bundle).await?;
        }
        Ok(())
    }
}

/// Sets the group before flows that refer to it: a restarted switch does not have it, and refuses
/// such flows.
pub(super) fn put_group<'f>(batch: &mut Batch, flows: impl IntoIterator<Item = &'f Flow>) {
    let group = flows::group();
    let named = |f: &Flow| f.instructions.actions.contains(&Action::Group(group.id));
    if flows.into_iter().any(named) {
        batch.put_group(&group);
    }
}

/// Additions before deletions, so that a replaced flow is never missing.
fn put_changes(adds: &[Flow], deletes: &[(u64, FlowKey)], batch: &mut Batch) {
    for flow in adds {
        batch.add(flow);
    }
    for (cookie, key) in deletes {
        // Only with the cookie: a newer ADD may have flows with the same keys, if its port got the
        // same number.
        batch.delete_strict_of(*cookie, key);
    }
}

/// Ignores the error that a meter exists already: the same batch modifies it.
fn ignore_existing_meter(sent: Result<(), OpenFlowError>) -> Result<(), NodeOpsError> {
    match sent {
        Err(OpenFlowError::Rejected { failures })
            if failures.iter().all(|f| f.error.is_meter_exists()) =>
        {
            Ok(())
        }
        other => Ok(other?),
    }
}

impl RealNode {
    fn put_meters(&self, meters: &[Meter], batch: &mut Batch) {
        self.meters.sent(meters);
        for meter in meters {
            // A meter of this number may exist with other values.
            batch.meter_add(meter).meter_modify(meter);
        }
    }
}

fn route_spec(route: &RouteActual, hop: NextHop) -> RouteSpec {
    RouteSpec {
        src: route.src,
        ..RouteSpec::new(route.dst, vec![hop], ROUTE_PROTOCOL)
    }
}
