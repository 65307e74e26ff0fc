//! The real world: the kernel by netlink, Open vSwitch by its database and OpenFlow.

mod observe;
mod rows;

use std::path::Path;
use std::time::Duration;

use flatnet_kernel::{
    AddressSpec, ContainerRoute, ContainerSpec, Kernel, LinkChange, Netns, NetnsError, NextHop,
    RouteSpec, SysctlKey, VethSpec,
};
use flatnet_ovs::openflow::{
    Batch, Flow, FlowFilter, Meter, OpenFlowError, PacketOut, PortSelector, Switch, SwitchConfig,
};
use flatnet_ovs::ovsdb::{Session, SessionConfig};
use flatnet_types::marks::ROUTE_PROTOCOL;
use flatnet_types::{IfName, Mtu, NetnsPath};
use ipnetwork::IpNetwork;

use crate::reconcile::{Actual, NodeWorld, Op, RouteActual};
use crate::world::{ContainerActual, ContainerPlan, LinkPlan, Pending, PortRow, World, WorldError};

/// How long the kernel may take to delete a link before DEL says "try again".
const DELETE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the switch may take to see a new port: 4–10 ms as a rule, and seconds when it is
/// busy with hundreds.
const PORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The real world of one node. Cheap to clone.
#[derive(Clone)]
pub struct RealWorld {
    kernel: Kernel,
    database: Session,
    switch: Switch,
    bridge: String,
    /// The switch reads frames from packet sockets: with checksums that hardware was to fill
    /// in, and nobody would, and with the devices promiscuous.
    userspace_datapath: bool,
}

impl RealWorld {
    /// Connects in the background; nothing waits for Open vSwitch here.
    pub fn start(
        kernel: Kernel,
        database: &Path,
        rundir: &Path,
        bridge: &str,
        userspace_datapath: bool,
    ) -> Self {
        let switch = rundir.join(format!("{bridge}.mgmt"));
        Self {
            kernel,
            database: Session::start(SessionConfig::new(database, rows::monitored())),
            switch: Switch::start(SwitchConfig::new(switch)),
            bridge: bridge.to_owned(),
            userspace_datapath,
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The database.
    pub fn database(&self) -> &Session {
        &self.database
    }

    /// The switch.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    async fn wait_port(&self, row: &PortRow) -> Result<(), WorldError> {
        let port = self
            .switch
            .wait_port(&PortSelector::Name(row.name.clone()), PORT_TIMEOUT)
            .await?;
        match IfName::new(row.name.as_str()) {
            Ok(name) if port.number != row.number => Err(WorldError::PortNumber {
                name,
                wanted: row.number,
                got: port.number,
            }),
            _ => Ok(()),
        }
    }

    /// A userspace datapath sets a device promiscuous by writing all of its flags, as it read
    /// them a moment before: a link that came up in between is down again. Ours are born
    /// promiscuous, so it has nothing to write; it may still have looked before. Once the
    /// switch tells of the port, that is over.
    async fn keep_up(&self, row: &PortRow) -> Result<(), WorldError> {
        if let Ok(name) = IfName::new(row.name.as_str())
            && row.kind.is_empty()
        {
            let up = LinkChange {
                up: Some(true),
                ..LinkChange::default()
            };
            if self.kernel.set_link(&name, &up).await? {
                tracing::debug!(port = row.name, "set up again");
            }
        }
        Ok(())
    }
}

impl World for RealWorld {
    type Netns = Netns;

    fn open_netns(&self, path: &NetnsPath) -> Result<Netns, WorldError> {
        Ok(Netns::open(path)?)
    }

    fn send_flows(&self, meters: &[Meter], flows: &[Flow]) -> Pending {
        let mut batch = Batch::new();
        for meter in meters {
            batch.meter_add(meter);
        }
        for flow in flows {
            batch.add(flow);
        }
        let sent = self.switch.send(batch);
        Box::pin(async move { Ok(sent.await?) })
    }

    fn delete_flows(&self, cookie: u64, meters: &[u32]) -> Pending {
        let mut batch = Batch::new();
        batch.delete(cookie, u64::MAX);
        for id in meters {
            batch.meter_delete(*id);
        }
        let sent = self.switch.send(batch);
        Box::pin(async move {
            match sent.await {
                // A switch that is away has no flows; when it is back it gets what there is
                // to have then.
                Err(OpenFlowError::Disconnected { .. }) => Ok(()),
                other => Ok(other?),
            }
        })
    }

    async fn create_link(&self, netns: &Netns, link: &LinkPlan) -> Result<(), WorldError> {
        let spec = VethSpec {
            host_name: link.host_name.clone(),
            host_ifindex: link.host_ifindex,
            host_mac: Some(link.host_mac),
            alias: Some(link.alias.clone()),
            container: netns.clone(),
            container_name: link.container_name.clone(),
            container_ifindex: Some(container_ifindex(link)),
            container_mac: link.container_mac,
            mtu: link.mtu,
            promiscuous: self.userspace_datapath,
        };
        self.kernel.create_veth(&spec).await?;
        Ok(())
    }

    async fn configure(
        &self,
        netns: &Netns,
        link: &LinkPlan,
        container: &ContainerPlan,
    ) -> Result<Vec<IpNetwork>, WorldError> {
        let spec = ContainerSpec {
            ifname: container.ifname.clone(),
            ifindex: container_ifindex(link),
            addresses: container.addresses.clone(),
            routes: container
                .routes
                .iter()
                .map(|(dst, via)| ContainerRoute {
                    yields: dst.prefix() == 0,
                    ..ContainerRoute::new(*dst, *via)
                })
                .collect(),
            tx_checksum_off: self.userspace_datapath,
            loopback_up: true,
        };
        let left_out = self.kernel.configure_container(netns, &spec).await?;
        // An open namespace outlives its sandbox: without this look, an ADD could succeed
        // into nothing.
        if netns.is_still_at_its_path() {
            return Ok(left_out);
        }
        Err(NetnsError::NotFound {
            path: netns.path().as_path().to_owned(),
        }
        .into())
    }

    async fn add_port(&self, row: &PortRow) -> Result<(), WorldError> {
        self.database
            .transact(&rows::add_port(&self.bridge, row))
            .await
            .map_err(|e| rows::no_bridge(&self.bridge, &e).unwrap_or(WorldError::Database(e)))?;
        tracing::debug!(port = row.name, "in the database");
        self.wait_port(row).await?;
        self.keep_up(row).await
    }

    async fn delete_port(&self, name: &str) -> Result<(), WorldError> {
        let find = || {
            self.database
                .read(|r| rows::delete_ports(r, &self.bridge, &[name]))
        };
        let mut ops = find();
        if ops.is_empty() {
            // An ADD that was cut may have its rows on the way. The database answers in order:
            // after this answer, they are here or will never be.
            self.database.transact(&[]).await?;
            ops = find();
        }
        if !ops.is_empty() {
            self.database.transact(&ops).await?;
        }
        Ok(())
    }

    async fn delete_link(&self, name: &IfName, ifindex: u32) -> Result<(), WorldError> {
        self.kernel
            .delete_link(name, Some(ifindex), DELETE_TIMEOUT)
            .await?;
        Ok(())
    }

    fn announce(&self, packets: Vec<PacketOut>) {
        let mut batch = Batch::new();
        for packet in packets {
            batch.packet_out(&packet);
        }
        // Sent in order on the standing connection; the answer changes nothing.
        drop(self.switch.send(batch));
    }

    async fn observe_container(
        &self,
        netns: &Netns,
        ifname: &IfName,
    ) -> Result<Option<ContainerActual>, WorldError> {
        let view = self.kernel.observe_container(netns, ifname).await?;
        Ok(view.as_ref().map(observe::container))
    }

    async fn link_up(&self, name: &IfName, ifindex: u32) -> Result<Option<bool>, WorldError> {
        let link = self.kernel.link(name).await?;
        Ok(link.filter(|l| l.ifindex == ifindex).map(|l| l.up))
    }

    fn observe_port(&self, name: &str) -> Option<PortRow> {
        self.database.read(|replica| {
            rows::ports(replica, &self.bridge)
                .remove(name)
                .map(|p| p.row)
        })
    }

    async fn observe_flows(&self, cookie: u64) -> Result<Vec<Flow>, WorldError> {
        let filter = FlowFilter {
            cookie,
            cookie_mask: u64::MAX,
            ..FlowFilter::default()
        };
        let stats = self.switch.flows(filter).await?;
        Ok(stats.into_iter().map(|s| s.flow).collect())
    }
}

/// Beside the host's: an attachment's slot gives it both.
fn container_ifindex(link: &LinkPlan) -> u32 {
    link.host_ifindex + 1
}

impl NodeWorld for RealWorld {
    async fn observe(&self, sysctls: &[String]) -> Result<Actual, WorldError> {
        observe::node(self, sysctls).await
    }

    async fn apply(&self, op: &Op) -> Result<(), WorldError> {
        match op {
            Op::CreateBridge { bridge, host } => {
                self.database
                    .transact(&rows::create_bridge(bridge, host))
                    .await?;
                self.wait_port(host).await
            }
            Op::SetBridge(bridge) => {
                self.database.transact(&rows::set_bridge(bridge)).await?;
                Ok(())
            }
            Op::AddPort { row, .. } => self.add_port(row).await,
            Op::SetPort { row, .. } => {
                self.database.transact(&rows::set_port(row)).await?;
                Ok(())
            }
            Op::DeletePorts(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let ops = self
                    .database
                    .read(|r| rows::delete_ports(r, &self.bridge, &names));
                self.database.transact(&ops).await?;
                Ok(())
            }
            Op::DeleteLink { name, ifindex } => match IfName::new(name.as_str()) {
                Ok(name) => self.delete_link(&name, *ifindex).await,
                // The kernel has no such name either.
                Err(_) => Ok(()),
            },
            Op::SetLink { name, mtu } => {
                let mtu = mtu.and_then(|m| Mtu::new(m.into()).ok());
                let change = LinkChange {
                    up: Some(true),
                    mtu,
                    ..LinkChange::default()
                };
                if let Ok(name) = IfName::new(name.as_str()) {
                    self.kernel.set_link(&name, &change).await?;
                }
                Ok(())
            }
            Op::AddAddress { dev, address } => {
                if let Ok(name) = IfName::new(dev.as_str()) {
                    let spec = AddressSpec {
                        nodad: true,
                        protocol: ROUTE_PROTOCOL,
                        ..AddressSpec::new(*address)
                    };
                    self.kernel.ensure_address(&name, &spec).await?;
                }
                Ok(())
            }
            Op::DeleteAddress { dev, address } => {
                if let Ok(name) = IfName::new(dev.as_str()) {
                    self.kernel.delete_address(&name, *address).await?;
                }
                Ok(())
            }
            Op::AddRoute(route) => {
                self.kernel.ensure_route(&self.route(route).await?).await?;
                Ok(())
            }
            Op::DeleteRoute(route) => {
                self.kernel.delete_route(&self.route(route).await?).await?;
                Ok(())
            }
            Op::SetSysctl { key, value } => {
                self.kernel.set_sysctl(&SysctlKey::new(key)?, value).await?;
                Ok(())
            }
            Op::DeleteMeters(ids) => {
                let mut batch = Batch::new();
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
                for meter in meters {
                    batch.meter_add(meter);
                }
                // Additions before deletions: no moment without a flow that stays.
                for flow in adds {
                    batch.add(flow);
                }
                for key in deletes {
                    batch.delete_strict(key);
                }
                Ok(self.switch.send(batch).await?)
            }
        }
    }
}

impl RealWorld {
    async fn route(&self, route: &RouteActual) -> Result<RouteSpec, WorldError> {
        let dev = match IfName::new(route.dev.as_str()) {
            Ok(name) => self.kernel.link(&name).await?.map(|l| l.ifindex),
            Err(_) => None,
        };
        let hop = NextHop {
            via: route.via,
            ifindex: dev,
            ..NextHop::dev(dev.unwrap_or(0))
        };
        Ok(RouteSpec {
            src: route.src,
            ..RouteSpec::new(route.dst, vec![hop], ROUTE_PROTOCOL)
        })
    }
}
