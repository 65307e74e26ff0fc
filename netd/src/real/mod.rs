//! The real node: the kernel by netlink, Open vSwitch by its database and by OpenFlow.

mod apply;
mod neutral;
mod observe;
mod own_deletions;
mod rows;
mod switch;
mod tables;
mod timeouts;
mod zones;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flatnet_kernel::{
    ContainerRoute, ContainerSpec, Kernel, LinkChange, Netns, NetnsError, VethSpec,
};
use flatnet_ovs::openflow::{
    Batch, Flow, FlowFilter, Meter, OpenFlowError, PacketOut, PortSelector, Settings, Switch,
    SwitchConfig,
};
use flatnet_ovs::ovsdb::{Session, SessionConfig};
use flatnet_types::marks::{COOKIE_MARK_MASK, LEARNED_COOKIE};
use flatnet_types::{IfName, MacAddr, NetnsPath};
use ipnetwork::IpNetwork;
use tokio::sync::oneshot;

use self::apply::put_group;
use self::own_deletions::OwnDeletions;
pub(crate) use self::rows::open_error;
use self::switch::{MeterRecord, RestoreWaitTimer};
use self::timeouts::TimeoutRecord;
use crate::features::Features;
use crate::node_ops::{
    ContainerActual, InterfaceSpec, LinkSpec, NodeOps, NodeOpsError, Pending, PortRow,
};
use crate::reconcile::FRAGMENTS;
use crate::shares::Shares;

/// How long the kernel may take to delete a link before DEL fails with code 11 (try again later).
const DELETE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the switch may take to see a new port: 4–10 ms as a rule, and seconds when it is
/// busy with hundreds.
const PORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The node that netd runs on. Cheap to clone.
#[derive(Clone)]
pub struct RealNode {
    kernel: Kernel,
    database: Session,
    switch: Switch,
    bridge: String,
    /// Where Open vSwitch's sockets are.
    rundir: PathBuf,
    /// Whether Open vSwitch's userspace datapath is used. It reads frames from packet sockets, so
    /// transmit checksums must not be offloaded, and the devices must be promiscuous.
    userspace_datapath: bool,
    meters: Arc<MeterRecord>,
    timeouts: Arc<TimeoutRecord>,
    restore: Arc<RestoreWaitTimer>,
    own_deletions: Arc<OwnDeletions>,
    features: Features,
    /// Limits containers' connections to services; `None` if they are not limited.
    shares: Option<Arc<Shares>>,
}

/// How long the switch may take to act on a bridge's columns.
const RECONFIGURE_TIMEOUT: Duration = Duration::from_secs(2);

impl RealNode {
    /// Starts to connect to Open vSwitch in the background; does not wait for it.
    pub fn start(
        kernel: Kernel,
        database: &Path,
        rundir: &Path,
        bridge: &str,
        userspace_datapath: bool,
    ) -> Self {
        let mut switch = SwitchConfig::new(rundir.join(format!("{bridge}.mgmt")));
        switch.settings = settings();
        switch.unwatched = (LEARNED_COOKIE, COOKIE_MARK_MASK);
        Self {
            kernel,
            database: Session::start(SessionConfig::new(database, rows::monitored())),
            switch: Switch::start(switch),
            bridge: bridge.to_owned(),
            rundir: rundir.to_owned(),
            userspace_datapath,
            meters: Arc::default(),
            timeouts: Arc::default(),
            restore: Arc::default(),
            own_deletions: Arc::default(),
            features: Features::default(),
            shares: None,
        }
    }

    /// The datapath's features, while [`Features::follow`] runs.
    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    /// The bridge's name.
    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// Where Open vSwitch's sockets are.
    pub fn rundir(&self) -> &Path {
        &self.rundir
    }

    /// Whether the switch's meters differ from those that netd set.
    pub fn meters_differ(&self, meters: &[Meter]) -> bool {
        self.meters.differs(meters)
    }

    /// Whether netd itself is deleting this port. `true` once for each deletion.
    pub fn take_own_deletion(&self, name: &str) -> bool {
        self.own_deletions.take(name)
    }

    /// Sets the bridge's columns and waits until the switch has applied them: a change of its
    /// controllers or its fail mode deletes all flows, also those that are added meanwhile.
    async fn set_bridge(&self, bridge: &crate::reconcile::BridgeRow) -> Result<(), NodeOpsError> {
        let ops = self.database.read(|r| rows::set_bridge(r, bridge));
        let results = self.database.transact(&ops).await?;
        rows::require_match(&results, || format!("bridge {}", bridge.name))?;
        let Some(number) = rows::requested_config(&results) else {
            return Ok(());
        };
        let applied = |r: &_| rows::is_applied(r, number).then_some(());
        if let Err(error) = self.database.wait_for(RECONFIGURE_TIMEOUT, applied).await {
            // While the switch is away it has no flows to lose.
            tracing::debug!(%error, "the switch has not acted on the bridge's columns");
        }
        Ok(())
    }

    /// The handle to the node's kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The session with Open vSwitch's database.
    pub fn database(&self) -> &Session {
        &self.database
    }

    /// The OpenFlow connection to the bridge.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Waits until the switch has a port, and returns its number.
    async fn wait_port(&self, row: &PortRow) -> Result<u32, NodeOpsError> {
        let port = self
            .switch
            .wait_port(&PortSelector::Name(row.name.clone()), PORT_TIMEOUT)
            .await?;
        if port.number != row.number && row.number != 0 {
            tracing::info!(
                port = row.name,
                asked = row.number,
                got = port.number,
                "another port has the number that was asked for"
            );
            // At the next change of any port the switch would otherwise recreate this port and the
            // one that has the requested number, to give both the numbers that they request.
            let adopt = rows::request_number(&row.name, port.number);
            if let Err(error) = self.database.transact(&[adopt]).await {
                tracing::debug!(%error, "the reconcile asks for the number that the port has");
            }
        }
        Ok(port.number)
    }

    /// Sets the link up again if needed. A userspace datapath makes a device promiscuous by writing
    /// back all flags that it read a moment before, which sets a link down that came up in between.
    /// netd creates links promiscuous, so the datapath usually has nothing to write. Once the
    /// switch reports the port, it does not write any more.
    async fn ensure_link_up(&self, row: &PortRow) -> Result<(), NodeOpsError> {
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

impl NodeOps for RealNode {
    type Netns = Netns;

    fn open_netns(&self, path: &NetnsPath) -> Result<Netns, NodeOpsError> {
        Ok(Netns::open(path)?)
    }

    fn send_flows(&self, meters: &[Meter], flows: &[Flow]) -> Pending {
        let mut batch = Batch::new();
        self.meters.sent(meters);
        for meter in meters {
            batch.meter_add(meter);
        }
        put_group(&mut batch, flows);
        for flow in flows {
            batch.add(flow);
        }
        let sent = self.switch.send(batch);
        Box::pin(async move { Ok(sent.await?) })
    }

    fn delete_flows(&self, cookie: u64, meters: &[u32]) -> Pending {
        let mut batch = Batch::new();
        batch.delete(cookie, u64::MAX);
        self.meters.deleted(meters);
        for id in meters {
            batch.meter_delete(*id);
        }
        let sent = self.switch.send(batch);
        Box::pin(async move {
            match sent.await {
                // A switch that is away has no flows; the reconciler sets them when it is back.
                Err(OpenFlowError::Disconnected { .. }) => Ok(()),
                other => Ok(other?),
            }
        })
    }

    async fn create_link(&self, netns: &Netns, link: &LinkSpec) -> Result<(), NodeOpsError> {
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
        link: &LinkSpec,
        container: &InterfaceSpec,
    ) -> Result<Vec<IpNetwork>, NodeOpsError> {
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
        // An open namespace outlives its sandbox: without this check an ADD could succeed in a
        // namespace that nobody uses.
        if netns.is_still_at_its_path() {
            return Ok(left_out);
        }
        Err(NetnsError::NotFound {
            path: netns.path().as_path().to_owned(),
        }
        .into())
    }

    async fn add_port(
        &self,
        row: &PortRow,
        zone: Option<u16>,
        stored: oneshot::Sender<()>,
    ) -> Result<u32, NodeOpsError> {
        let ops = rows::add_port(&self.bridge, row);
        self.transact_with(ops, zone)
            .await
            .map_err(|e| rows::no_bridge(&self.bridge, &e).unwrap_or(NodeOpsError::Database(e)))?;
        tracing::debug!(port = row.name, "in the database");
        // Nobody may wait for it.
        let _ = stored.send(());
        let (number, ()) = tokio::join!(self.wait_port(row), self.limit(zone));
        let number = number?;
        self.ensure_link_up(row).await?;
        Ok(number)
    }

    fn has_port_number(&self, number: u32) -> bool {
        self.switch.has_port(number)
    }

    fn port_number(&self, name: &str) -> Option<u32> {
        self.switch.port_number(name)
    }

    async fn delete_port(&self, name: &str, zone: Option<u16>) -> Result<(), NodeOpsError> {
        self.remove_port(name, zone).await
    }

    async fn delete_link(&self, name: &IfName, ifindex: u32) -> Result<(), NodeOpsError> {
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
        // Requests are sent in the order of the calls; the result is not needed.
        drop(self.switch.send(batch));
    }

    async fn observe_container(
        &self,
        netns: &Netns,
        ifname: &IfName,
    ) -> Result<Option<ContainerActual>, NodeOpsError> {
        let view = self.kernel.observe_container(netns, ifname).await?;
        Ok(view.as_ref().map(observe::container))
    }

    async fn has_process(&self, netns: &Netns) -> bool {
        let netns = netns.clone();
        // Reading all of /proc takes some milliseconds, so it runs on a blocking thread.
        let looked = tokio::task::spawn_blocking(move || netns.is_inhabited()).await;
        looked.unwrap_or(false)
    }

    async fn neighbours_with_mac(&self, mac: MacAddr) -> Result<Vec<IpAddr>, NodeOpsError> {
        let neighbours = self.kernel.neighbours(None).await?;
        let of_it = neighbours.iter().filter(|n| n.mac == Some(mac));
        Ok(of_it.map(|n| n.address).collect())
    }

    async fn link_up(&self, name: &IfName, ifindex: u32) -> Result<Option<bool>, NodeOpsError> {
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

    async fn observe_flows(&self, cookie: u64) -> Result<Vec<Flow>, NodeOpsError> {
        let filter = FlowFilter {
            cookie,
            cookie_mask: u64::MAX,
            ..FlowFilter::default()
        };
        let stats = self.switch.flows(filter).await?;
        Ok(stats.into_iter().map(|s| s.flow).collect())
    }
}

/// The switch's OpenFlow configuration.
fn settings() -> Settings {
    Settings {
        fragments: FRAGMENTS,
        ..Settings::default()
    }
}

/// The container's ifindex, which follows the host's: the slot determines both.
fn container_ifindex(link: &LinkSpec) -> u32 {
    link.host_ifindex + 1
}
