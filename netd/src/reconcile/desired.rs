//! The desired state of a node: its part of the plan, and its attachments.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_plan::node::{Mode, NodeSpec};
use flatnet_types::{IfName, MacAddr, VlanId};
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::actual::{Actual, BridgeRow, RouteActual};
use crate::attach::plan::Attachment;
use crate::flows::{Counted, NodePorts};
use crate::marks;
use crate::node_ops::PortRow;

/// The host's port of the bridge: its own address in mode `vlan`, the gateway in `routed`.
pub const HOST_PORT: &str = "flat0";
/// The link of that port.
pub const HOST_LINK: IfName = IfName::literal(HOST_PORT);
/// Open vSwitch's name of its userspace datapath.
const USERSPACE: &str = "netdev";
/// `rp_filter`: the source must be reachable, by whichever link (RFC 3704 §2.4).
const RP_FILTER_LOOSE: &str = "2";
const UPLINK_NUMBER: u32 = 1;
const HOST_NUMBER: u32 = 2;

/// Options of netd's command line that the desired state depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeOptions {
    /// The bridge's name.
    pub bridge: String,
    /// `system` or `netdev`.
    pub datapath: String,
}

/// The desired state of a node.
#[derive(Debug, Clone)]
pub struct Desired {
    /// Its part of the plan.
    pub spec: std::sync::Arc<NodeSpec>,
    /// Options of netd's command line.
    pub options: NodeOptions,
    /// The attachments that are committed.
    pub attachments: Vec<Attachment>,
    /// The slots of all records by generation, including those that an ADD is making.
    pub live_slots: BTreeMap<u64, u16>,
    /// Addresses of the host's port that this process wanted earlier and does not want any more,
    /// such as gateways of released ranges. Where the kernel keeps no protocol number of addresses
    /// ([`Actual::marked`]), netd recognises its own by this.
    pub former_addresses: BTreeSet<IpNetwork>,
    /// What is counted of what containers receive, by the generation of the attachment.
    pub counted: BTreeMap<u64, Counted>,
}

impl Desired {
    /// The bridge's row.
    pub fn bridge(&self) -> BridgeRow {
        BridgeRow {
            name: self.options.bridge.clone(),
            datapath_type: self.options.datapath.clone(),
            fail_mode: "secure".to_owned(),
            protocols: ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"]
                .map(str::to_owned)
                .into(),
            managed: true,
            altered_columns: BTreeMap::new(),
            mirrors: 0,
        }
    }

    /// The VLANs that the uplink carries.
    pub fn trunk(&self) -> BTreeSet<VlanId> {
        self.spec.uplink_vlans()
    }

    /// The uplink's port; `None` in mode `routed`.
    pub fn uplink_port(&self) -> Option<PortRow> {
        (self.spec.mode != Mode::Routed).then(|| PortRow {
            name: self.spec.uplink.as_str().to_owned(),
            kind: "",
            number: UPLINK_NUMBER,
            tag: None,
            trunks: self.trunk().into_iter().collect(),
            mac: None,
            mtu: None,
            external_ids: marks::node_ids("uplink"),
        })
    }

    /// The host's port. In mode `vlan` it has the uplink's MAC, so that the physical switches learn
    /// one MAC for the host and its containers. In mode `routed` it has the gateway's MAC, see
    /// `gateway_mac`.
    pub fn host_port(&self, actual: &Actual) -> PortRow {
        let (tag, mac) = match self.spec.mode {
            Mode::Vlan { host_vlan } => (
                host_vlan,
                self.spec.uplink_mac.or_else(|| {
                    actual
                        .link(self.spec.uplink.as_str())
                        .and_then(|link| link.mac)
                }),
            ),
            Mode::Routed => (None, self.gateway_mac(actual)),
        };
        PortRow {
            name: HOST_PORT.to_owned(),
            kind: "internal",
            number: HOST_NUMBER,
            tag,
            trunks: Vec::new(),
            mac,
            mtu: Some(self.spec.mtu.get()),
            external_ids: marks::node_ids("host"),
        }
    }

    /// The MAC of the gateway in mode `routed`, derived from its address. Without it the switch
    /// would choose a new one whenever the port is recreated (a lost database, a restart of the
    /// userspace datapath), while containers still use the old one. An existing port keeps its MAC,
    /// also where an earlier netd did not set one.
    fn gateway_mac(&self, actual: &Actual) -> Option<MacAddr> {
        if let Some(port) = actual.ports.get(HOST_PORT) {
            return port.row.mac;
        }
        let mut ranges = self.spec.networks.iter().flat_map(|n| &n.ranges);
        ranges.next().map(|range| MacAddr::for_ip(range.gateway))
    }

    /// The addresses of the host's port.
    pub fn addresses(&self) -> BTreeSet<IpNetwork> {
        match self.spec.mode {
            Mode::Vlan { .. } => self.spec.host_addresses.iter().copied().collect(),
            Mode::Routed => self
                .spec
                .networks
                .iter()
                .flat_map(|n| &n.ranges)
                .filter_map(|r| IpNetwork::new(r.gateway, r.subnet.prefix()).ok())
                .collect(),
        }
    }

    /// netd's routes of the main table.
    pub fn routes(&self) -> BTreeSet<RouteActual> {
        let spec = &self.spec;
        let source = |dst: IpNetwork| {
            spec.host_addresses
                .iter()
                .map(IpNetwork::ip)
                .find(|a| a.is_ipv4() == dst.is_ipv4())
        };
        match spec.mode {
            // The host reaches its own containers by the bridge, without the router.
            Mode::Vlan { .. } => {
                let ranges = spec
                    .networks
                    .iter()
                    .flat_map(|n| &n.ranges)
                    .map(|r| RouteActual {
                        dst: r.prefix,
                        via: None,
                        dev: HOST_LINK,
                        src: source(r.prefix),
                    });
                let defaults = spec.host_gateways.iter().map(|gateway| RouteActual {
                    dst: default_prefix(*gateway),
                    via: Some(*gateway),
                    dev: HOST_LINK,
                    src: None,
                });
                ranges.chain(defaults).collect()
            }
            // Its own ranges are on-link by the gateway's address; there are host-gw routes to the
            // peers' ranges.
            Mode::Routed => spec
                .peers
                .iter()
                .map(|peer| RouteActual {
                    dst: peer.prefix,
                    via: Some(peer.via),
                    dev: spec.uplink.clone(),
                    src: None,
                })
                .collect(),
        }
    }

    /// Sysctls under `net`.
    pub fn sysctls(&self) -> BTreeMap<String, String> {
        let uplink = self.spec.uplink.as_str();
        let mut pairs: Vec<(String, &str)> = match self.spec.mode {
            // The NIC is a port of the bridge; the host's addresses are on its own port.
            Mode::Vlan { .. } => vec![
                (format!("ipv6/conf/{uplink}/disable_ipv6"), "1"),
                (format!("ipv4/conf/{uplink}/arp_ignore"), "8"),
                (format!("ipv6/conf/{HOST_PORT}/disable_ipv6"), "0"),
                (format!("ipv6/conf/{HOST_PORT}/accept_ra"), "0"),
            ],
            Mode::Routed => vec![
                ("ipv4/ip_forward".to_owned(), "1"),
                ("ipv6/conf/all/forwarding".to_owned(), "1"),
                (format!("ipv6/conf/{HOST_PORT}/disable_ipv6"), "0"),
                // The two directions may take different paths (host-gw one way, the VPC's route
                // table the other), and containers must not be redirected.
                (format!("ipv4/conf/{HOST_PORT}/send_redirects"), "0"),
                // `forwarding` can be switched off for a single link.
                (format!("ipv4/conf/{HOST_PORT}/forwarding"), "1"),
                (format!("ipv6/conf/{HOST_PORT}/forwarding"), "1"),
                (format!("ipv4/conf/{uplink}/forwarding"), "1"),
                (format!("ipv6/conf/{uplink}/forwarding"), "1"),
                (format!("ipv4/conf/{uplink}/rp_filter"), RP_FILTER_LOOSE),
            ],
        };
        // The bridge's flows have checked the source of what comes in by the host's port: strict
        // filtering would only drop packets with an asymmetric path. The larger of `all` and this
        // value applies, so setting `all` to strict has no effect here.
        pairs.push((format!("ipv4/conf/{HOST_PORT}/rp_filter"), RP_FILTER_LOOSE));
        pairs.push((format!("ipv4/conf/{HOST_PORT}/arp_ignore"), "0"));
        pairs.push((format!("ipv4/conf/{HOST_PORT}/proxy_arp"), "0"));
        if self.options.datapath == USERSPACE {
            // The kernel's datapath takes a port's frames from the host's stack; the userspace
            // datapath reads copies. Without these settings the host would answer ARP and forward
            // on its ends of the containers' links, bypassing the flows.
            pairs.extend([
                ("ipv4/conf/default/arp_ignore".to_owned(), "8"),
                ("ipv4/conf/default/rp_filter".to_owned(), "1"),
                ("ipv6/conf/default/disable_ipv6".to_owned(), "1"),
                (format!("ipv4/conf/{HOST_PORT}/arp_ignore"), "0"),
            ]);
        }
        pairs.extend(super::probe::sysctls());
        pairs.into_iter().map(|(k, v)| (k, v.to_owned())).collect()
    }
}

fn default_prefix(of: IpAddr) -> IpNetwork {
    let any: IpAddr = match of {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    IpNetwork::new(any, 0).unwrap_or_else(|_| unreachable!("0 is a prefix length"))
}

/// The numbers of the bridge's own ports; `None` until the switch has them and the host port's MAC
/// is final.
pub fn node_ports(desired: &Desired, actual: &Actual) -> Option<NodePorts> {
    let number = |name: &str| actual.ports.get(name).and_then(|p| p.ofport);
    let uplink = match desired.uplink_port() {
        Some(row) => Some(number(&row.name)?),
        None => None,
    };
    let mac = actual.link(HOST_PORT)?.mac?;
    // A MAC that is about to change must not be written into flows.
    if desired
        .host_port(actual)
        .mac
        .is_some_and(|wanted| wanted != mac)
    {
        return None;
    }
    Some(NodePorts {
        uplink,
        host: number(HOST_PORT)?,
        mac,
        zones: actual.switch.zones?,
    })
}
