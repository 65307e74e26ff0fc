//! What an attachment is made of: pure functions of the plan, the node and the record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_ipam::{Record, Reservation};
use flatnet_ovs::openflow::{Flow, Meter, PacketOut};
use flatnet_plan::model::MacMode;
use flatnet_plan::node::{NodeNetwork, NodeSpec};
use flatnet_types::api::view::Detail;
use flatnet_types::api::{AddReply, AddRequest, AssignedIp, Route};
use flatnet_types::{AttachmentKey, IfName, MacAddr, Mtu, NetworkName};
use ipnetwork::IpNetwork;

use super::error::{AttachError, RefusedRequest};
use super::macs;
use crate::flows::{self, Counted, Egress, Limit, NeighbourLimit, NodePorts, PodPort, TrunkVlan};
use crate::marks;
use crate::node_ops::{InterfaceSpec, LinkSpec, PortRow};

/// The first OpenFlow port number that attachments request. Open vSwitch assigns numbers of the
/// upper half only to ports that request them.
const PORT_BASE: u32 = 32_768;
/// How many numbers attachments request: all are below 65,280, where the reserved ones begin
/// (OpenFlow 1.4.1 §7.2.1).
const PORT_NUMBERS: u64 = 32_512;
/// The ifindex of an attachment's link is this plus twice its slot: far above the indices that the
/// kernel assigns by itself.
const IFINDEX_BASE: u32 = 1_000_000;
/// Version of the record's [`Detail`]; see [`Detail::version`].
const DETAIL_VERSION: u32 = 1;

/// A request that passed [`check`].
#[derive(Debug, Clone)]
pub struct CheckedRequest<'n> {
    /// The network whose addresses the attachment gets.
    pub network: &'n NodeNetwork,
    /// The attachment's MTU.
    pub mtu: Mtu,
}

/// Checks a request's network, MTU, VLANs, rates and MAC against the plan alone.
///
/// # Errors
/// [`AttachError::Refused`] names the field and what is allowed.
pub fn check<'n>(
    spec: &'n NodeSpec,
    request: &AddRequest,
) -> Result<CheckedRequest<'n>, AttachError> {
    let name = request
        .plan_network
        .as_ref()
        .unwrap_or(&request.key.network);
    let network = network(spec, name)?;
    let refuse = |refused| Err(AttachError::Refused(refused));
    let mtu = request.mtu.unwrap_or(network.mtu);
    if mtu > network.mtu {
        return refuse(RefusedRequest::Mtu {
            requested: mtu,
            max: network.mtu,
        });
    }
    let has_ipv6 = network.ranges.iter().any(|r| r.prefix.is_ipv6());
    if has_ipv6 && mtu.get() < Mtu::MIN_IPV6 {
        return refuse(RefusedRequest::MtuForIpv6 { requested: mtu });
    }
    for requested in &request.ip_prefixes {
        let has = |subnet: &&IpNetwork| subnet.contains(requested.address.ip());
        // An address outside of every subnet is refused by the reservation, which names the ranges.
        if let Some(subnet) = network.ranges.iter().map(|r| &r.subnet).find(has)
            && subnet.prefix() != requested.address.prefix()
        {
            return refuse(RefusedRequest::PrefixLength {
                place: requested.place.clone(),
                requested: requested.address,
                network: network.name.clone(),
                subnet: *subnet,
            });
        }
    }
    if let Some(mac) = request.mac {
        if let Err(e) = mac.unicast() {
            return refuse(RefusedRequest::Mac(e));
        }
        if mac.is_derived() && !request.ips.iter().any(|ip| MacAddr::for_ip(*ip) == mac) {
            return refuse(RefusedRequest::MacReserved(mac));
        }
        if let Some(refused) = macs::refusal(mac) {
            return refuse(refused);
        }
    }
    for vlan in &request.trunk {
        let carried = || spec.networks.iter().filter_map(|n| n.vlan);
        if network.vlan == Some(*vlan) || !carried().any(|v| v == *vlan) {
            let allowed = carried().filter(|v| network.vlan != Some(*v)).collect();
            return refuse(RefusedRequest::Trunk {
                vlan: *vlan,
                allowed,
            });
        }
        if !network.trunk.iter().any(|t| t.vlan == *vlan) {
            return refuse(RefusedRequest::TrunkUndeclared {
                vlan: *vlan,
                network: network.name.clone(),
            });
        }
    }
    for (direction, rate) in [
        ("ingress", request.bandwidth.ingress),
        ("egress", request.bandwidth.egress),
    ] {
        if let Some(rate) = rate
            && (rate.rate < 1000 || rate.burst == 0)
        {
            return refuse(RefusedRequest::Rate {
                direction,
                rate: rate.rate,
                burst: rate.burst,
            });
        }
    }
    Ok(CheckedRequest { network, mtu })
}

/// The node's network of that name.
///
/// # Errors
/// [`RefusedRequest::Network`] with the names that there are.
pub fn network<'n>(spec: &'n NodeSpec, name: &NetworkName) -> Result<&'n NodeNetwork, AttachError> {
    spec.networks
        .iter()
        .find(|n| &n.name == name)
        .ok_or_else(|| {
            AttachError::Refused(RefusedRequest::Network {
                name: name.clone(),
                node: spec.node.clone(),
                known: spec.networks.iter().map(|n| n.name.clone()).collect(),
            })
        })
}

/// The part of a request that the record keeps, once its addresses are known.
pub fn detail(request: &AddRequest, mtu: Mtu, reservation: &Reservation) -> Detail {
    Detail {
        version: DETAIL_VERSION,
        netns: request.netns.clone(),
        mac: request
            .mac
            .unwrap_or_else(|| mac_for(&reservation.addresses)),
        mtu,
        trunk: request.trunk.clone(),
        bandwidth: request.bandwidth,
        routes: request.routes.clone(),
        pod: request.pod.clone(),
    }
}

/// The MAC derived from the first address, which is IPv4 where the network has IPv4.
fn mac_for(addresses: &[AssignedIp]) -> MacAddr {
    addresses
        .first()
        .map_or(MacAddr::ZERO, |a| MacAddr::for_ip(a.address.ip()))
}

/// An attachment: its key, and what was reserved for it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Network, container and interface of the attachment.
    pub key: AttachmentKey,
    /// The plan's network.
    pub network: NetworkName,
    /// Unique among all attachments that this node ever had; counts up from 1.
    pub generation: u64,
    /// Unique among the live attachments of this node.
    pub slot: u16,
    /// The reserved addresses, with prefix lengths and gateways.
    pub addresses: Vec<AssignedIp>,
    /// The part of the request that the record keeps.
    pub detail: Detail,
}

impl Attachment {
    /// Parses a record of the store.
    ///
    /// # Errors
    /// [`AttachError::Record`] where another version of netd wrote it.
    pub fn from_record(record: &Record) -> Result<Self, AttachError> {
        let unreadable = |reason: String| AttachError::Record {
            key: record.key.clone(),
            reason,
        };
        let detail: Detail =
            serde_json::from_value(record.detail.clone()).map_err(|e| unreadable(e.to_string()))?;
        if detail.version != DETAIL_VERSION {
            return Err(unreadable(format!("its version is {}", detail.version)));
        }
        Ok(Self {
            key: record.key.clone(),
            network: record.network.clone(),
            generation: record.generation,
            slot: record.slot,
            addresses: record.addresses.clone(),
            detail,
        })
    }

    /// The name of the host's end of its link: `fn` and the generation in hexadecimal, so that no
    /// two attachments of a node ever have the same.
    pub fn host_ifname(&self) -> IfName {
        host_ifname(self.generation)
    }
}

/// The OpenFlow number that an attachment's port requests. It is derived from the generation and
/// not from the slot, so that a number is requested again only after 32,512 attachments: a port
/// whose deletion the switch has not finished cannot have it.
///
/// The switch may assign another one. When an ADD ends, its flows match the number that the switch
/// reports.
pub fn requested_port_number(generation: u64) -> u32 {
    // A remainder of less than 2¹⁶.
    PORT_BASE + u32::try_from(generation % PORT_NUMBERS).unwrap_or_default()
}

/// The name of the host's end of an attachment's link.
pub fn host_ifname(generation: u64) -> IfName {
    // "fn" and at most 12 digits: generations stay below 2⁴⁸.
    let name = format!("{}{:x}", marks::LINK_PREFIX, generation & 0xffff_ffff_ffff);
    IfName::new(name).unwrap_or_else(|_| unreachable!("14 bytes, letters and digits"))
}

/// The index of the host's end of an attachment's link.
pub fn host_ifindex(slot: u16) -> u32 {
    IFINDEX_BASE + 2 * u32::from(slot)
}

/// Everything that an attachment is made of.
#[derive(Debug, Clone)]
pub struct AttachmentSpec {
    /// Its side of the bridge, with the port number that it requests.
    port: PodPort,
    /// The node's own ports.
    node: NodePorts,
    /// The meters that limit what it sends and receives.
    pub meters: Vec<Meter>,
    /// The port's rows in Open vSwitch's database.
    pub row: PortRow,
    /// The veth pair that joins container and bridge.
    pub link: LinkSpec,
    /// The container's end.
    pub container: InterfaceSpec,
    /// Gratuitous ARP and unsolicited neighbour advertisements of its addresses.
    pub announcements: Vec<PacketOut>,
    /// The reply to the runtime.
    pub reply: AddReply,
}

impl AttachmentSpec {
    /// The cookie of its flows.
    pub fn cookie(&self) -> u64 {
        self.port.cookie()
    }

    /// The conntrack zone of its connections to services.
    pub fn zone(&self) -> Option<u16> {
        self.port.zone
    }

    /// The same, with what it receives counted.
    #[must_use]
    pub fn counting(mut self, counted: &Counted) -> Self {
        self.meters.extend(counted.as_meters());
        self.port.counted = Some(counted.clone());
        self
    }

    /// Its flows, for a port of this number: the one that the switch reports, or, while no port has
    /// it, the one that is requested.
    pub fn flows_at(&self, number: u32) -> Vec<Flow> {
        let port = PodPort {
            port: number,
            ..self.port.clone()
        };
        flows::pod_flows(&port, &self.node)
    }
}

/// Computes what an attachment is made of. Pure: the same attachment on the same node gives the
/// same result, which is how a restart finds that nothing has to be done.
///
/// # Errors
/// [`AttachError::Refused`] where the node no longer has the network.
pub fn plan(
    spec: &NodeSpec,
    node: &NodePorts,
    attachment: &Attachment,
) -> Result<AttachmentSpec, AttachError> {
    let network = network(spec, &attachment.network)?;
    let detail = &attachment.detail;
    let limited = |rate: Option<_>, id: u32| rate.map(|_| id);
    let [ingress, egress, _] = Limit::meters_of(attachment.slot);
    let routes = routes(&attachment.addresses, &detail.routes);
    let port = PodPort {
        generation: attachment.generation,
        port: requested_port_number(attachment.generation),
        mac: detail.mac,
        ips: attachment
            .addresses
            .iter()
            .map(|a| a.address.ip())
            .collect(),
        vlan: network.vlan,
        trunk: TrunkVlan::declared(network, &detail.trunk),
        allow: network.allow.clone(),
        egress: network.egress.as_ref().map(|destinations| {
            Egress::new(
                destinations,
                routes.iter().filter_map(|r| r.gateway),
                attachment.addresses.iter().map(|a| a.address),
                spec.host_addresses.iter().map(IpNetwork::ip),
            )
        }),
        uplink_mac: match network.mac {
            MacMode::Host => node.mac,
            MacMode::Pod => detail.mac,
        },
        zone: node
            .zones
            .then(|| flatnet_types::marks::zone_of(attachment.slot))
            .flatten(),
        ingress_meter: limited(detail.bandwidth.ingress, ingress),
        egress_meter: limited(detail.bandwidth.egress, egress),
        neighbour_limit: NeighbourLimit::of_slot(attachment.slot, network.neighbour_rate),
        counted: None,
    };
    let link = LinkSpec {
        host_name: attachment.host_ifname(),
        host_ifindex: host_ifindex(attachment.slot),
        host_mac: host_mac(host_ifindex(attachment.slot)),
        alias: marks::alias(&attachment.key),
        container_name: attachment.key.ifname.clone(),
        container_mac: detail.mac,
        mtu: detail.mtu,
    };
    Ok(AttachmentSpec {
        meters: flows::meters(&port, &detail.bandwidth),
        node: node.clone(),
        row: port_row(attachment, &port),
        container: InterfaceSpec {
            ifname: attachment.key.ifname.clone(),
            addresses: attachment.addresses.iter().map(|a| a.address).collect(),
            routes: routes.iter().map(|r| (r.dst, r.gateway)).collect(),
        },
        announcements: flows::announcements(&port, node),
        reply: AddReply {
            host_ifname: link.host_name.clone(),
            host_mac: link.host_mac,
            mac: detail.mac,
            mtu: detail.mtu,
            ips: attachment.addresses.clone(),
            routes,
            generation: attachment.generation,
        },
        link,
        port,
    })
}

/// The MAC of the host's end: locally administered and numerically high, so that a Linux bridge
/// that the link might join does not adopt it as its own MAC.
///
/// It is derived from the ifindex, and so marks a link as netd's from its creation, when it has no
/// alias yet.
pub fn host_mac(ifindex: u32) -> MacAddr {
    let [a, b, c, d] = ifindex.to_be_bytes();
    MacAddr([0xfe, 0xf1, a, b, c, d])
}

/// The default routes and the requested ones; a route without a next hop gets the gateway of its
/// family.
fn routes(addresses: &[AssignedIp], requested: &[Route]) -> Vec<Route> {
    let gateway_of = |v6: bool| {
        addresses
            .iter()
            .filter(|a| a.address.is_ipv6() == v6)
            .find_map(|a| a.gateway)
    };
    let defaults = [false, true].into_iter().filter_map(|v6| {
        gateway_of(v6).map(|gw| Route {
            dst: default_prefix(v6),
            gateway: Some(gw),
        })
    });
    let more = requested.iter().map(|r| Route {
        dst: r.dst,
        gateway: r.gateway.or_else(|| gateway_of(r.dst.is_ipv6())),
    });
    let mut routes: Vec<Route> = Vec::new();
    // A requested default route replaces the derived one.
    for route in more.chain(defaults) {
        if !routes.iter().any(|r| r.dst == route.dst) {
            routes.push(route);
        }
    }
    routes.sort_by_key(|r| (r.dst.is_ipv6(), r.dst.prefix(), r.dst));
    routes
}

/// 0.0.0.0/0 or ::/0.
fn default_prefix(v6: bool) -> IpNetwork {
    let ip: IpAddr = if v6 {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    IpNetwork::new(ip, 0).unwrap_or_else(|_| unreachable!("0 is a prefix length"))
}

fn port_row(attachment: &Attachment, port: &PodPort) -> PortRow {
    PortRow {
        name: attachment.host_ifname().as_str().to_owned(),
        kind: "",
        number: port.port,
        tag: port.vlan,
        trunks: port.trunk.iter().map(|t| t.vlan).collect(),
        mac: None,
        mtu: None,
        external_ids: port_ids(attachment),
    }
}

/// The `external_ids` of an attachment's port.
fn port_ids(attachment: &Attachment) -> Vec<(String, String)> {
    let addresses: Vec<String> = attachment
        .addresses
        .iter()
        .map(|a| a.address.ip().to_string())
        .collect();
    let pod = &attachment.detail.pod;
    let mut ids = vec![
        (marks::OWNER, marks::OWNER_NETD.to_owned()),
        (marks::GENERATION, attachment.generation.to_string()),
        ("flatnet-network", attachment.key.network.to_string()),
        ("flatnet-container", attachment.key.container_id.to_string()),
        ("flatnet-ifname", attachment.key.ifname.to_string()),
        ("flatnet-addresses", addresses.join(" ")),
        ("attached-mac", attachment.detail.mac.to_string()),
    ];
    if !pod.name.is_empty() {
        ids.push(("flatnet-pod", format!("{}/{}", pod.namespace, pod.name)));
    }
    ids.sort_unstable();
    ids.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}
