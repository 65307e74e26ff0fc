//! A node in memory, for tests: the state of the kernel and of the switch, with injected faults.

mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use flatnet_ovs::openflow::{Flow, FlowHead, Meter, OpenFlowError, PacketOut};
use flatnet_types::{IfName, MacAddr, NetnsPath};
use ipnetwork::IpNetwork;
use tokio::sync::oneshot;

use crate::node_ops::{
    ContainerActual, InterfaceSpec, LinkSpec, NodeOps, NodeOpsError, Pending, PortRow,
};
use crate::reconcile::{
    ActualPort, BridgeRow, InterfaceLocation, LinkActual, RouteActual, SwitchActual,
    UnmanagedRoute, ZoneTimeouts,
};

/// How a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails without an effect.
    Before,
    /// It has its effect and returns an error, like a time-out.
    After,
    /// It has its effect and never returns, as if the process had died there.
    Crash,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) links: BTreeMap<IfName, LinkActual>,
    pub(crate) containers: BTreeMap<(String, String), InterfaceSpec>,
    pub(crate) ports: BTreeMap<String, ActualPort>,
    pub(crate) bridge: Option<BridgeRow>,
    pub(crate) flows: BTreeSet<Flow>,
    pub(crate) meters: Vec<Meter>,
    pub(crate) switch: SwitchActual,
    /// Conntrack zones with time-outs.
    pub(crate) zones: BTreeMap<u16, ZoneTimeouts>,
    /// The datapath does not support time-outs for conntrack zones.
    pub(crate) without_timeouts: bool,
    pub(crate) addresses: BTreeSet<(IfName, IpNetwork)>,
    /// The announcements that were sent.
    pub(crate) announced: Vec<PacketOut>,
    /// How many further observations contain no port numbers.
    pub(crate) observations_without_numbers: usize,
    /// How many further observations each contain a leftover flow of a departed container.
    pub(crate) departing: u16,
    /// Interfaces that are in a bond of Open vSwitch's or in another bridge.
    pub(crate) elsewhere: BTreeMap<String, InterfaceLocation>,
    /// OpenFlow numbers that other ports have.
    pub(crate) taken_numbers: BTreeSet<u32>,
    /// The addresses that bear netd's protocol number.
    pub(crate) marked: BTreeSet<(IfName, IpNetwork)>,
    pub(crate) routes: BTreeSet<RouteActual>,
    pub(crate) unmanaged_routes: BTreeSet<UnmanagedRoute>,
    pub(crate) sysctls: BTreeMap<String, String>,
    /// What the host's kernel knows of its neighbours.
    pub(crate) neighbours: BTreeMap<IpAddr, MacAddr>,
    /// The namespaces in which a process runs.
    pub(crate) with_process: BTreeSet<String>,
    pub(crate) calls: Vec<&'static str>,
    /// The index of the call that fails, counted from the last reset of `calls`, and how.
    pub(crate) fault: Option<(usize, Fault)>,
    pub(crate) broken: bool,
    /// The op, in its text form, that fails.
    pub(crate) refused: Option<String>,
}

/// A node in memory. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct ModelNode(Arc<Mutex<State>>);

enum Next {
    Run,
    FailBefore,
    FailAfter,
    Hang,
}

fn timed_out() -> NodeOpsError {
    NodeOpsError::Flows(OpenFlowError::TimedOut {
        after: Duration::from_secs(1),
    })
}

impl ModelNode {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test holds it while it panics")
    }

    /// Makes the `k`-th call from now fail; 0 is the next one.
    pub(crate) fn fail_at(&self, k: usize, fault: Fault) {
        let mut state = self.state();
        state.calls.clear();
        state.fault = Some((k, fault));
    }

    /// Makes every call fail from now on, or none.
    pub(crate) fn break_all(&self, broken: bool) {
        let mut state = self.state();
        state.fault = None;
        state.broken = broken;
    }

    /// Adds a NIC that no bridge has yet.
    pub(crate) fn with_nic(self, name: &str) -> Self {
        let name = IfName::new(name).expect("a name");
        self.state().links.insert(
            name.clone(),
            LinkActual {
                mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
                mtu: 1500,
                ..LinkActual::new(name, 2)
            },
        );
        self
    }

    fn next(&self, call: &'static str) -> Next {
        let mut state = self.state();
        state.calls.push(call);
        if state.broken {
            return Next::FailBefore;
        }
        match state.fault {
            Some((k, fault)) if state.calls.len() == k + 1 => {
                state.fault = None;
                match fault {
                    Fault::Before => Next::FailBefore,
                    Fault::After => Next::FailAfter,
                    Fault::Crash => Next::Hang,
                }
            }
            _ => Next::Run,
        }
    }

    async fn step<T>(
        &self,
        call: &'static str,
        effect: impl FnOnce(&mut State) -> Result<T, NodeOpsError>,
    ) -> Result<T, NodeOpsError> {
        let next = self.next(call);
        if matches!(next, Next::FailBefore) {
            return Err(timed_out());
        }
        let done = effect(&mut self.state())?;
        match next {
            Next::FailAfter => Err(timed_out()),
            Next::Hang => std::future::pending().await,
            Next::Run | Next::FailBefore => Ok(done),
        }
    }

    fn begin(&self, call: &'static str, effect: impl FnOnce(&mut State)) -> Pending {
        let next = self.next(call);
        if !matches!(next, Next::FailBefore) {
            effect(&mut self.state());
        }
        Box::pin(async move {
            match next {
                Next::Run => Ok(()),
                Next::Hang => std::future::pending().await,
                Next::FailBefore | Next::FailAfter => Err(timed_out()),
            }
        })
    }

    /// Simulates a restart of Open vSwitch with its userspace datapath: no flows, new internal
    /// devices.
    pub(crate) fn restart_switch(&self) {
        let mut state = self.state();
        state.flows.clear();
        state.meters.clear();
        let internal: Vec<String> = state
            .ports
            .values()
            .filter(|p| p.row.kind == "internal")
            .map(|p| p.row.name.clone())
            .collect();
        for name in &internal {
            state.links.remove(name.as_str());
        }
        let stays = |dev: &IfName| internal.iter().all(|name| *dev != **name);
        state.addresses.retain(|(dev, _)| stays(dev));
        state.routes.retain(|r| stays(&r.dev));
        let rows: Vec<PortRow> = internal
            .iter()
            .map(|n| state.ports[n].row.clone())
            .collect();
        for row in rows {
            state.internal_device(&row);
        }
    }
}

impl State {
    fn internal_device(&mut self, row: &PortRow) {
        let ifindex = 10 + u32::try_from(self.links.len()).expect("few");
        let link = LinkActual {
            mac: row.mac.or(Some(MacAddr([2, 0, 0, 0, 9, 9]))),
            mtu: 1500,
            ..LinkActual::new(IfName::new(row.name.as_str()).expect("a name"), ifindex)
        };
        self.links.insert(link.name.clone(), link);
    }

    fn add_link(&mut self, name: IfName, mtu: u32) {
        let ifindex = 30 + u32::try_from(self.links.len()).expect("few");
        let link = LinkActual {
            mtu,
            up: true,
            ..LinkActual::new(name.clone(), ifindex)
        };
        self.links.insert(name, link);
    }

    fn put_port(&mut self, row: &PortRow) {
        if row.kind == "internal" && !self.links.contains_key(row.name.as_str()) {
            self.internal_device(row);
        }
        if let (Some(mac), Some(link)) = (row.mac, self.links.get_mut(row.name.as_str())) {
            link.mac = Some(mac);
        }
        let ofport = self
            .links
            .contains_key(row.name.as_str())
            .then(|| self.number_for(row));
        let port = ActualPort {
            row: row.clone(),
            ofport,
            error: None,
            altered_columns: BTreeMap::new(),
        };
        self.ports.insert(row.name.clone(), port);
    }

    /// As Open vSwitch does it: a change of the controllers or of the fail mode deletes all flows.
    fn set_bridge(&mut self, bridge: BridgeRow) {
        let flushed = |b: &BridgeRow| {
            (
                b.fail_mode.clone(),
                b.altered_columns.contains_key("controller"),
            )
        };
        if self.bridge.as_ref().map(flushed) != Some(flushed(&bridge)) {
            self.flows.clear();
        }
        self.bridge = Some(bridge);
    }

    /// Removes the time-outs of zones, except unmanaged ones.
    fn remove_zones(&mut self, gone: impl IntoIterator<Item = u16>) {
        for zone in gone {
            if self.zones.get(&zone) != Some(&ZoneTimeouts::Unmanaged) {
                self.zones.remove(&zone);
            }
        }
    }

    /// As Open vSwitch chooses: the requested number if it is free, also for a port that has
    /// another one; else the port keeps its own, or gets the lowest free one.
    fn number_for(&self, row: &PortRow) -> u32 {
        let others = |number: u32| {
            self.taken_numbers.contains(&number)
                || self
                    .ports
                    .values()
                    .any(|p| p.row.name != row.name && p.ofport == Some(number))
        };
        let own = self.ports.get(&row.name).and_then(|p| p.ofport);
        match own {
            _ if row.number != 0 && !others(row.number) => row.number,
            Some(own) => own,
            None => (1..).find(|n| !others(*n)).expect("there are enough"),
        }
    }

    fn put_flows(&mut self, meters: &[Meter], flows: &[Flow]) {
        for meter in meters {
            self.meters.retain(|m| m.id != meter.id);
            self.meters.push(*meter);
        }
        for flow in flows {
            self.flows.retain(|f| f.key() != flow.key());
            self.flows.insert(flow.clone());
        }
    }
}

/// Flows that are neither netd's nor learned.
fn unmanaged_flows(flows: &BTreeSet<Flow>) -> Vec<FlowHead> {
    flows
        .iter()
        .filter(|f| !flatnet_types::marks::is_ours(f.cookie))
        .map(Flow::head)
        .collect()
}

impl NodeOps for ModelNode {
    type Netns = String;

    fn open_netns(&self, path: &NetnsPath) -> Result<String, NodeOpsError> {
        if path.as_str().contains("missing") {
            return Err(flatnet_kernel::NetnsError::NotFound {
                path: path.clone().into(),
            }
            .into());
        }
        Ok(path.as_str().to_owned())
    }

    fn send_flows(&self, meters: &[Meter], flows: &[Flow]) -> Pending {
        self.begin("send_flows", |state| state.put_flows(meters, flows))
    }

    fn delete_flows(&self, cookie: u64, meters: &[u32]) -> Pending {
        self.begin("delete_flows", |state| {
            state.flows.retain(|f| f.cookie != cookie);
            state.meters.retain(|m| !meters.contains(&m.id));
        })
    }

    async fn create_link(&self, netns: &String, link: &LinkSpec) -> Result<(), NodeOpsError> {
        self.step("create_link", |state| {
            let end = (netns.clone(), link.container_name.to_string());
            if state.containers.contains_key(&end) {
                let name = link.container_name.clone();
                return Err(flatnet_kernel::LinkError::ContainerNameTaken { name }.into());
            }
            let plan = InterfaceSpec {
                ifname: link.container_name.clone(),
                addresses: Vec::new(),
                routes: Vec::new(),
            };
            state.containers.insert(end, plan);
            state.links.insert(
                link.host_name.clone(),
                LinkActual {
                    mac: Some(link.host_mac),
                    mtu: link.mtu.get(),
                    up: true,
                    alias: Some(format!("{} @{netns}", link.alias)),
                    ..LinkActual::new(link.host_name.clone(), link.host_ifindex)
                },
            );
            // A switch that has the port already opens the new link.
            let waiting = state.ports.get(link.host_name.as_str());
            if let Some(row) = waiting
                .filter(|p| p.ofport.is_none())
                .map(|p| p.row.clone())
            {
                state.put_port(&row);
            }
            Ok(())
        })
        .await
    }

    async fn configure(
        &self,
        netns: &String,
        _link: &LinkSpec,
        container: &InterfaceSpec,
    ) -> Result<Vec<IpNetwork>, NodeOpsError> {
        self.step("configure", |state| {
            let mut plan = container.clone();
            let others: Vec<IpNetwork> = state
                .containers
                .iter()
                .filter(|((ns, name), _)| ns == netns && *name != container.ifname.to_string())
                .flat_map(|(_, other)| other.routes.iter().map(|(dst, _)| *dst))
                .filter(|dst| dst.prefix() == 0)
                .collect();
            plan.routes.retain(|(dst, _)| !others.contains(dst));
            let end = (netns.clone(), container.ifname.to_string());
            state.containers.insert(end, plan);
            Ok(others)
        })
        .await
    }

    async fn add_port(
        &self,
        row: &PortRow,
        zone: Option<u16>,
        stored: oneshot::Sender<()>,
    ) -> Result<u32, NodeOpsError> {
        let number = self
            .step("add_port", |state| {
                state.put_port(row);
                let zone = zone.filter(|_| !state.without_timeouts);
                state.zones.extend(zone.map(|z| (z, ZoneTimeouts::Current)));
                // A port may be added before its link, as ADD does.
                Ok(state.ports[&row.name]
                    .ofport
                    .unwrap_or_else(|| state.number_for(row)))
            })
            .await;
        let _ = stored.send(());
        number
    }

    fn has_port_number(&self, number: u32) -> bool {
        let state = self.state();
        state.ports.values().any(|p| p.ofport == Some(number))
    }

    fn port_number(&self, name: &str) -> Option<u32> {
        self.state().ports.get(name).and_then(|p| p.ofport)
    }

    async fn delete_port(&self, name: &str, zone: Option<u16>) -> Result<(), NodeOpsError> {
        self.step("delete_port", |state| {
            state.ports.remove(name);
            state.remove_zones(zone);
            Ok(())
        })
        .await
    }

    async fn delete_link(&self, name: &IfName, ifindex: u32) -> Result<(), NodeOpsError> {
        self.step("delete_link", |state| {
            state.delete_link(name.as_str(), ifindex);
            Ok(())
        })
        .await
    }

    fn announce(&self, packets: Vec<PacketOut>) {
        self.state().announced.extend(packets);
    }

    async fn has_process(&self, netns: &String) -> bool {
        self.state().with_process.contains(netns)
    }

    async fn observe_container(
        &self,
        netns: &String,
        ifname: &IfName,
    ) -> Result<Option<ContainerActual>, NodeOpsError> {
        let state = self.state();
        let Some(plan) = state.containers.get(&(netns.clone(), ifname.to_string())) else {
            return Ok(None);
        };
        let alias = format!("@{netns}");
        let host = state
            .links
            .values()
            .find(|l| l.alias.as_ref().is_some_and(|a| a.ends_with(&alias)));
        let [.., a, b, c, d] = plan.addresses.first().map_or([0; 4], |ip| match ip.ip() {
            std::net::IpAddr::V4(v4) => v4.octets(),
            std::net::IpAddr::V6(_) => [0; 4],
        });
        Ok(Some(ContainerActual {
            mac: Some(MacAddr([0x0a, 0xf1, a, b, c, d])),
            mtu: host.map_or(1500, |h| h.mtu),
            up: true,
            addresses: plan.addresses.clone(),
            routes: plan.routes.clone(),
        }))
    }

    async fn link_up(&self, name: &IfName, ifindex: u32) -> Result<Option<bool>, NodeOpsError> {
        let state = self.state();
        let link = state
            .links
            .get(name.as_str())
            .filter(|l| l.ifindex == ifindex);
        Ok(link.map(|l| l.up))
    }

    async fn neighbours_with_mac(&self, mac: MacAddr) -> Result<Vec<IpAddr>, NodeOpsError> {
        let state = self.state();
        let of_it = state.neighbours.iter().filter(|(_, m)| **m == mac);
        Ok(of_it.map(|(ip, _)| *ip).collect())
    }

    fn observe_port(&self, name: &str) -> Option<PortRow> {
        self.state().ports.get(name).map(|p| p.row.clone())
    }

    async fn observe_flows(&self, cookie: u64) -> Result<Vec<Flow>, NodeOpsError> {
        Ok(self
            .state()
            .flows
            .iter()
            .filter(|f| f.cookie == cookie)
            .cloned()
            .collect())
    }
}
