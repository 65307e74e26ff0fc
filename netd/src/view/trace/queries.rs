//! Which look-ups a packet's trace needs. Pure.

use std::net::IpAddr;

use flatnet_plan::node::{Mode, NodeSpec};
use flatnet_types::api::trace::{Packet, Proto, Side};
use flatnet_types::api::view::AttachmentView;
use flatnet_types::{MacAddr, VlanId};

use crate::flows::{self, NodePorts};
use crate::reconcile::Actual;

/// The source MAC of frames from the physical network; no flow matches it.
const ROUTER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0xfe]);

/// An end of the packet that is on this node.
#[derive(Debug, Clone)]
pub(super) enum LocalEnd {
    /// The host itself.
    Host,
    /// A container.
    Container(Box<AttachmentView>),
}

/// The end that has this address; `None` if it is not on this node.
pub(super) fn local_end(
    spec: &NodeSpec,
    attachments: &[AttachmentView],
    address: IpAddr,
) -> Option<LocalEnd> {
    if flows::host_ips(spec).contains(&address) {
        return Some(LocalEnd::Host);
    }
    let has = |a: &&AttachmentView| a.addresses.iter().any(|x| x.ip() == address);
    let found = attachments.iter().find(has)?;
    Some(LocalEnd::Container(Box::new(found.clone())))
}

/// A packet to trace through the flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FlowQuery {
    /// Where it enters the bridge.
    pub(super) from: Side,
    /// The VLAN tag that it has.
    pub(super) vlan: Option<VlanId>,
    /// The packet in the syntax of ovs-ofctl(8), or the reason why there is none.
    pub(super) packet: Result<String, String>,
}

/// All look-ups of a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Queries {
    /// Route look-ups, by the side that sends the packet.
    pub(super) routes: Vec<Side>,
    pub(super) flows: Vec<FlowQuery>,
}

/// The look-ups for a packet between these ends.
pub(super) fn queries(
    spec: &NodeSpec,
    actual: &Actual,
    ports: Option<&NodePorts>,
    packet: Packet,
    (src, dst): (Option<&LocalEnd>, Option<&LocalEnd>),
) -> Queries {
    let mut result = Queries::default();
    let routed = spec.mode == Mode::Routed;
    let from_host = || {
        let ports = ports.ok_or_else(|| "the host's port has no number".to_owned())?;
        Ok(text(packet, ports.host, None, ports.mac))
    };
    match src {
        Some(LocalEnd::Container(c)) => {
            if routed {
                result.routes.push(Side::Container);
            }
            let port = actual.ports.get(c.host_ifname.as_str());
            let number = port.and_then(|p| p.ofport);
            let number = number.ok_or_else(|| format!("port {} has no number", c.host_ifname));
            let mac = c.detail.as_ref().map(|d| d.mac);
            let mac = mac.ok_or_else(|| "its ADD is not done yet".to_owned());
            let text = number.and_then(|n| Ok(text(packet, n, None, mac?)));
            result.flows(Side::Container, None, text);
        }
        Some(LocalEnd::Host) => {
            result.routes.push(Side::Host);
            if !routed || dst.is_some() {
                result.flows(Side::Host, None, from_host());
            }
        }
        None => {}
    }
    match dst {
        Some(_) if !routed => {
            let vlan = vlan_of(spec, dst);
            let uplink = ports.and_then(|p| p.uplink);
            let uplink = uplink.ok_or_else(|| "the uplink has no number".to_owned());
            let text = uplink.map(|n| text(packet, n, vlan, ROUTER));
            result.flows(Side::Uplink, vlan, text);
        }
        Some(end) => {
            if src.is_none() {
                result.routes.push(Side::Uplink);
            }
            let known = result.flows.iter().any(|f| f.from == Side::Host);
            if matches!(end, LocalEnd::Container(_)) && !known {
                result.flows(Side::Host, None, from_host());
            }
        }
        None => {}
    }
    result
}

impl Queries {
    fn flows(&mut self, from: Side, vlan: Option<VlanId>, packet: Result<String, String>) {
        self.flows.push(FlowQuery { from, vlan, packet });
    }
}

/// The VLAN in which a packet reaches an end.
fn vlan_of(spec: &NodeSpec, end: Option<&LocalEnd>) -> Option<VlanId> {
    match (end?, spec.mode) {
        (LocalEnd::Container(c), _) => {
            let mut networks = spec.networks.iter();
            networks.find(|n| n.name == c.plan_network)?.vlan
        }
        (LocalEnd::Host, Mode::Vlan { host_vlan }) => host_vlan,
        (LocalEnd::Host, Mode::Routed) => None,
    }
}

/// A packet in the syntax of ovs-ofctl(8).
fn text(packet: Packet, in_port: u32, vlan: Option<VlanId>, mac: MacAddr) -> String {
    let v6 = packet.dst.is_ipv6();
    let six = if v6 { "6" } else { "" };
    let kind = match packet.proto {
        Proto::Icmp => "icmp",
        Proto::Tcp { .. } => "tcp",
        Proto::Udp { .. } => "udp",
    };
    let mut text = format!("in_port={in_port},{kind}{six},dl_src={mac}");
    if let Some(vlan) = vlan {
        text.push_str(&format!(",dl_vlan={vlan}"));
    }
    let net = if v6 { "ipv6" } else { "nw" };
    let (src, dst) = (packet.src, packet.dst);
    text.push_str(&format!(",{net}_src={src},{net}_dst={dst},nw_ttl=64"));
    match (packet.ports(), v6, packet.back) {
        (Some((from, to)), ..) => text.push_str(&format!(",tp_src={from},tp_dst={to}")),
        (None, false, false) => text.push_str(",icmp_type=8,icmp_code=0"),
        (None, false, true) => text.push_str(",icmp_type=0,icmp_code=0"),
        (None, true, false) => text.push_str(",icmpv6_type=128,icmpv6_code=0"),
        (None, true, true) => text.push_str(",icmpv6_type=129,icmpv6_code=0"),
    }
    text
}
