//! VLANs that containers send tagged. What passes port security, with addresses that the plan
//! declares, is bridged by MAC (ADR 27).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_ovs::openflow::{Action, Flow, Match};
use flatnet_plan::model::Trunk;
use flatnet_plan::node::NodeNetwork;
use flatnet_types::{MacAddr, VlanId};
use ipnetwork::{IpNetwork, Ipv6Network};

use super::table::{DELIVER, FROM_UPLINK, RESOLVE, SECURITY, UPSTREAM};
use super::{ICMPV6_NA, ICMPV6_NS};
use super::{PodPort, cookie, in_vlan, tagged_output, vlan_reg};

/// The group bit of a destination (IEEE 802.3 §3.2.3).
const GROUP: MacAddr = MacAddr([1, 0, 0, 0, 0, 0]);

/// A VLAN that a container may send tagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkVlan {
    /// The VLAN.
    pub vlan: VlanId,
    /// The addresses that the container may have in that VLAN, in addition to the link-local one of
    /// its MAC.
    pub addresses: Vec<IpNetwork>,
}

impl TrunkVlan {
    /// The requested VLANs that the plan declares now.
    pub fn declared(network: &NodeNetwork, asked: &[VlanId]) -> Vec<Self> {
        let declared = |vlan: &VlanId| network.trunk.iter().find(|t| t.vlan == *vlan);
        let trunk = |t: &Trunk| Self {
            vlan: t.vlan,
            addresses: match t.any {
                true => all_addresses(),
                false => t.addresses.clone(),
            },
        };
        asked.iter().filter_map(declared).map(trunk).collect()
    }
}

/// 0.0.0.0/0 and ::/0.
fn all_addresses() -> Vec<IpNetwork> {
    let all = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Ipv6Addr::UNSPECIFIED.into(),
    ];
    all.into_iter()
        .filter_map(|ip| IpNetwork::new(ip, 0).ok())
        .collect()
}

/// The flows that the containers of a trunk VLAN share. `trunks`: the ports that send each VLAN
/// tagged.
///
/// The uplink's other frames are switched as by any learning switch; the ports' `trunks` columns
/// limit the flooding. Multicast and broadcast of a container of that VLAN are copied to the node's
/// trunk ports.
pub fn trunk_flows(trunks: &BTreeMap<VlanId, BTreeSet<u32>>) -> Vec<Flow> {
    let of_vlan = |(vlan, ports): (&VlanId, &BTreeSet<u32>)| {
        let here = |m| in_vlan(m, vlan_reg(Some(*vlan)));
        let copies: Vec<Action> = [Action::push_vlan(), Action::set_vlan(*vlan)]
            .into_iter()
            .chain(ports.iter().map(|port| Action::output(*port)))
            .chain([Action::pop_vlan()])
            .collect();
        let copy_multicast = |table| {
            Flow::new(table, 2)
                .matching(here(Match::new().eth_dst_masked(GROUP, GROUP)))
                .actions(copies.clone())
                .goto(UPSTREAM)
        };
        [
            Flow::new(FROM_UPLINK, 10)
                .matching(here(Match::new()))
                .actions(tagged_output(Some(*vlan), Action::normal())),
            copy_multicast(RESOLVE),
            copy_multicast(DELIVER),
        ]
    };
    trunks
        .iter()
        .flat_map(of_vlan)
        .map(|f| f.cookie(cookie(0)))
        .collect()
}

/// Delivery by MAC to a container in its trunk VLANs: from the uplink, and from containers of this
/// node whose access VLAN it is.
pub(super) fn to_trunk(pod: &PodPort, flows: &mut Vec<Flow>) {
    for trunk in &pod.trunk {
        for table in [RESOLVE, DELIVER, FROM_UPLINK] {
            let to = in_vlan(Match::new().eth_dst(pod.mac), vlan_reg(Some(trunk.vlan)));
            let flow = Flow::new(table, 20)
                .matching(to)
                .actions(tagged_output(Some(trunk.vlan), Action::output(pod.port)));
            flows.push(match pod.ingress_meter {
                Some(id) => flow.meter(id),
                None => flow,
            });
        }
    }
}

/// Port security in the trunk VLANs: passes the container's MAC with declared addresses or its
/// link-local one. The drops of table [`SECURITY`] apply here too.
pub(super) fn from_trunk(pod: &PodPort, flows: &mut Vec<Flow>) {
    for trunk in &pod.trunk {
        let reg = vlan_reg(Some(trunk.vlan));
        let from = |m| in_vlan(m, reg).in_port(pod.port).eth_src(pod.mac);
        let mut bridged = |priority, m: Match| {
            let flow = Flow::new(SECURITY, priority).matching(m);
            flows.push(flow.actions(tagged_output(Some(trunk.vlan), Action::normal())));
        };
        let arp = || from(Match::arp()).arp_sha(pod.mac);
        // A probe for a duplicate has no source yet (RFC 5227 §2.1.1).
        bridged(100, arp().arp_op(1).arp_spa(Ipv4Addr::UNSPECIFIED));
        let own = IpNetwork::from(IpAddr::V6(pod.mac.link_local()));
        let mut prefixes = trunk.addresses.clone();
        if !prefixes.iter().any(|p| p.contains(own.ip())) {
            prefixes.push(own);
        }
        for prefix in &prefixes {
            match prefix {
                IpNetwork::V4(p) => {
                    bridged(100, arp().arp_spa_net(p.network(), p.prefix()));
                    let packets = from(Match::ipv4());
                    bridged(100, packets.ipv4_src_net(p.network(), p.prefix()));
                }
                IpNetwork::V6(p) => {
                    let from_prefix = |m| from(m).ipv6_src_net(p.network(), p.prefix());
                    bridged(100, from_prefix(Match::ipv6()));
                    bridged(
                        110,
                        from_prefix(Match::neighbour(ICMPV6_NS)).nd_sll(pod.mac),
                    );
                    for target in prefixes.iter().filter_map(v6) {
                        let of = |mac| {
                            from_prefix(Match::neighbour(ICMPV6_NA))
                                .nd_target_net(target.network(), target.prefix())
                                .nd_tll(mac)
                        };
                        bridged(110, of(pod.mac));
                        // The answer to a probe may leave the MAC out (RFC 4861 §4.4).
                        bridged(110, of(MacAddr::ZERO));
                    }
                }
            }
        }
    }
}

fn v6(prefix: &IpNetwork) -> Option<Ipv6Network> {
    match prefix {
        IpNetwork::V6(p) => Some(*p),
        IpNetwork::V4(_) => None,
    }
}
