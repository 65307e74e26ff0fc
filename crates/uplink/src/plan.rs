//! The plan of a move: refusals, or the steps. Pure.

mod refusal;
mod steps;

use std::net::IpAddr;

use flatnet_kernel::{Entry, LinkId};
use flatnet_types::{MacAddr, VlanId};
use ipnetwork::IpNetwork;

use crate::gate::Gate;
use crate::inventory::{Inventory, LinkFacts};
use crate::step::{Step, SwitchSpec};

pub use refusal::Refusal;

/// What is wanted: the plan's part of this node, and how netd runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The NIC or bond that the plan names.
    pub uplink: String,
    /// The VLAN of the host's own addresses; `None`: untagged.
    pub host_vlan: Option<VlanId>,
    /// The VLANs that the uplink carries, the host's included.
    pub trunks: Vec<VlanId>,
    /// The MAC that the physical network is to see, where it is not the NIC's.
    pub mac: Option<MacAddr>,
    /// The host's addresses by the plan.
    pub addresses: Vec<IpNetwork>,
    /// Name of the bridge.
    pub bridge: String,
    /// The host's port.
    pub host_port: String,
    /// `system` or `netdev`.
    pub datapath: String,
    /// The API server that must answer, as `host:port`.
    pub api_server: Option<String>,
}

/// A move that can be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The device that bears the addresses: the uplink, or its sub-interface.
    pub from: LinkId,
    /// Name of the plan's uplink.
    pub nic: String,
    /// The host's port.
    pub to: String,
    /// In this order.
    pub steps: Vec<Step>,
    /// What must answer afterwards.
    pub gates: Vec<Gate>,
    /// What does not follow, or will be otherwise, in sentences.
    pub notes: Vec<String>,
}

/// Plans a move, or says everything that stands in its way.
///
/// # Errors
/// [`Refusal`]s, at least one. [`Refusal::Nothing`] comes alone.
pub fn plan(target: &Target, inventory: &Inventory) -> Result<Move, Vec<Refusal>> {
    let nic = refusal::nic(target, inventory).map_err(|r| vec![r])?;
    let source = refusal::source(target, inventory, nic).map_err(|r| vec![r])?;
    let refusals = refusal::whole(target, inventory, nic, source);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let switch = switch_spec(target, inventory, nic, source);
    let gates = gates(target, inventory, source);
    Ok(Move {
        from: source.id(),
        nic: nic.name.clone(),
        to: target.host_port.clone(),
        notes: notes(target, inventory, nic, source, &gates),
        steps: steps::steps(inventory, nic, source, &switch),
        gates,
    })
}

fn switch_spec(
    target: &Target,
    inventory: &Inventory,
    nic: &LinkFacts,
    source: &LinkFacts,
) -> SwitchSpec {
    let has = |name: &str| inventory.bridge.ports.iter().any(|p| p == name);
    SwitchSpec {
        bridge: target.bridge.clone(),
        bridge_exists: inventory.bridge.exists,
        datapath: target.datapath.clone(),
        host_port: target.host_port.clone(),
        host_port_exists: has(&target.host_port),
        nic: nic.name.clone(),
        nic_exists: has(&nic.name),
        tag: target.host_vlan,
        trunks: target.trunks.clone(),
        mac: target.mac.or(nic.mac),
        mtu: source.mtu,
    }
}

/// The next hops of the default routes that move; where there is none, nothing outside of the
/// host is known that must answer.
fn gates(target: &Target, inventory: &Inventory, source: &LinkFacts) -> Vec<Gate> {
    let permanent: Vec<IpAddr> = inventory
        .neighbours
        .iter()
        .filter(|n| n.is_of(&source.id()))
        .filter_map(Entry::neighbour)
        .collect();
    gateways(inventory, source)
        .into_iter()
        .filter(|via| !permanent.contains(via))
        .map(Gate::Gateway)
        .chain(target.api_server.clone().map(Gate::Server))
        .collect()
}

/// The next hops of the device's default routes.
fn gateways(inventory: &Inventory, source: &LinkFacts) -> Vec<IpAddr> {
    let mut gateways: Vec<IpAddr> = default_routes(inventory, source)
        .filter_map(Entry::as_route)
        .flat_map(|r| r.nexthops)
        .filter(|hop| hop.ifindex == Some(source.ifindex))
        .filter_map(|hop| hop.via)
        .collect();
    gateways.sort_unstable();
    gateways.dedup();
    gateways
}

fn default_routes<'a>(
    inventory: &'a Inventory,
    source: &LinkFacts,
) -> impl Iterator<Item = &'a Entry> {
    let id = source.id();
    inventory
        .routes
        .iter()
        .filter(move |e| e.is_of(&id) && e.as_route().is_some_and(|r| r.dst.prefix() == 0))
}

fn notes(
    target: &Target,
    inventory: &Inventory,
    nic: &LinkFacts,
    source: &LinkFacts,
    gates: &[Gate],
) -> Vec<String> {
    let mut notes = Vec::new();
    let host_port = &target.host_port;
    if let (Some(vlan), None) = (target.host_vlan, source.vlan) {
        notes.push(format!(
            "{} bears the address untagged, and {host_port} will send with VLAN {vlan}: the \
             switch's port must carry VLAN {vlan} tagged",
            nic.name
        ));
    }
    let borne: Vec<IpNetwork> = inventory
        .addresses_of(source)
        .filter_map(Entry::as_address)
        .map(|a| a.address)
        .collect();
    for planned in target.addresses.iter().filter(|a| !borne.contains(a)) {
        notes.push(format!(
            "the plan gives this host {planned}, which {} does not bear: netd adds it to \
             {host_port} after the move",
            source.name
        ));
    }
    if borne.iter().any(|a| !target.addresses.contains(a)) {
        let extra: Vec<String> = borne
            .iter()
            .filter(|a| !target.addresses.contains(a))
            .map(ToString::to_string)
            .collect();
        notes.push(format!(
            "{} of {} are not in the plan: they move as well, and netd leaves them alone",
            extra.join(", "),
            source.name
        ));
    }
    let ends = |e: &Entry| {
        e.as_address()
            .filter(|a| !a.is_permanent() && !a.address.is_ipv4())
    };
    for ending in inventory.addresses_of(source).filter_map(ends) {
        notes.push(format!(
            "{} of {} was given for a time, by a router or by DHCPv6, and nobody renews it on \
             {host_port}: it ends there, unless the plan has it",
            ending.address, source.name
        ));
    }
    for device in &inventory.ifupdown {
        notes.push(format!(
            "ifupdown brought {device} up: `ifup --force {device}`, or a restart of \
             networking.service, would give it its addresses back; netd names that"
        ));
    }
    for client in inventory.clients.iter().filter(|c| steps::can_unmanage(c)) {
        notes.push(format!(
            "{client} configures {} by {}, and leaves it alone from now on until the next boot",
            source.name,
            client.profile.as_deref().unwrap_or("its own state")
        ));
    }
    let advertised = inventory.routes.iter().any(|e| {
        e.is_of(&source.id()) && e.is_ipv6() && e.as_route().is_some_and(|r| r.protocol == 9)
    });
    if advertised {
        notes.push(format!(
            "routes of {} come from router advertisements: they move with what is left of their \
             lifetime, and {host_port} does not heed advertisements; netd adds the plan's gateway",
            source.name
        ));
    }
    if gates.is_empty() {
        notes.push(format!(
            "{} has no default route whose gateway could be asked, and no API server is named: \
             only --confirm-within proves this move",
            source.name
        ));
    }
    notes
}
