//! Port security of a container whose network has a list of destinations (`egress`, ADR 43).
//!
//! ```text
//!  SECURITY  110  neighbour discovery with its next hops, and with neighbours that are destinations
//!            107  its other neighbour discovery: dropped as `egress`
//!            105  … that is not about itself: dropped as `forged_nd`, as for every container
//!            100  ARP likewise; IP to a destination, by protocol and port
//!             50  its other ARP and IP: dropped as `egress`
//!              1  what is not its own: dropped as `spoofed_address`, as for every container
//! ```
//!
//! The flows keep no state: what a destination answers comes to the container as everybody's packets
//! do, and what the container answers to others passes only where they are destinations. They stand
//! before every look-up, so that a connection that is already known passes no sooner.
//!
//! Packets to destinations leave for one machine only (no group bit in the frame's destination), and
//! where the list names a protocol, in one piece: a later fragment has no ports.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_ovs::openflow::{Field, Flow, Match};
use flatnet_plan::model::{Destination, Transport};
use flatnet_plan::prefix::covers;
use flatnet_types::MacAddr;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::security::{DropReason, ELSEWHERE_ND};
use super::table::{DELIVER, RESOLVE, SECURITY};
use super::{ICMPV6_NA, ICMPV6_NS, PodPort, in_vlan};

/// The group bit of a destination (IEEE 802.3 §3.2.3).
const GROUP: MacAddr = MacAddr([1, 0, 0, 0, 0, 0]);
/// The solicited-node addresses (RFC 4291 §2.7.1).
const SOLICITED: (Ipv6Addr, u8) = (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0), 104);
/// The link-local addresses (RFC 4291 §2.5.6): routers and hosts ask from them.
const LINK_LOCAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

/// The only destinations that a container may send to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    destinations: Vec<Destination>,
    /// Whose MAC the container may ask for: its next hops, and the destinations that are on its
    /// subnets.
    neighbours: BTreeSet<IpNetwork>,
    /// Whom it answers beside them: the host's own addresses.
    hosts: BTreeSet<IpNetwork>,
}

impl Egress {
    /// Of a list, a container's next hops and subnets, and its host's addresses.
    pub fn new(
        destinations: &[Destination],
        next_hops: impl IntoIterator<Item = IpAddr>,
        subnets: impl IntoIterator<Item = IpNetwork>,
        hosts: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let on = |subnet: IpNetwork| {
            let both = destinations.iter().filter_map(move |d| {
                let inner = [(d.to, subnet), (subnet, d.to)];
                let inner = inner
                    .into_iter()
                    .find(|(inner, outer)| covers(*outer, *inner));
                inner.map(|(inner, _)| inner)
            });
            both.collect::<Vec<_>>()
        };
        let on_link = subnets.into_iter().flat_map(on);
        let next_hops = next_hops.into_iter().map(IpNetwork::from);
        Self {
            destinations: destinations.to_vec(),
            neighbours: next_hops.chain(on_link).collect(),
            hosts: hosts.into_iter().map(IpNetwork::from).collect(),
        }
    }

    fn neighbours_v4(&self) -> impl Iterator<Item = Ipv4Network> + '_ {
        self.neighbours.iter().filter_map(|n| match n {
            IpNetwork::V4(p) => Some(*p),
            IpNetwork::V6(_) => None,
        })
    }

    fn neighbours_v6(&self) -> impl Iterator<Item = Ipv6Network> + '_ {
        self.neighbours.iter().filter_map(v6)
    }
}

fn v6(prefix: &IpNetwork) -> Option<Ipv6Network> {
    match prefix {
        IpNetwork::V6(p) => Some(*p),
        IpNetwork::V4(_) => None,
    }
}

/// What a container may send from one of its IPv4 addresses.
pub(super) fn ipv4(pod: &PodPort, egress: &Egress, ip: Ipv4Addr) -> Vec<Flow> {
    let own = |m| {
        in_vlan(m, pod.vlan_reg())
            .in_port(pod.port)
            .eth_src(pod.mac)
    };
    let arp = || own(Match::arp()).arp_sha(pod.mac);
    let about_itself = || arp().arp_spa(ip);
    // A probe for a duplicate has no source yet (RFC 5227 §2.1.1).
    let probe = || arp().arp_op(1).arp_spa(Ipv4Addr::UNSPECIFIED);
    let packets = || own(Match::ipv4()).ipv4_src(ip);
    let passes = |m, then| Flow::new(SECURITY, 100).matching(m).goto(then);

    let mut flows = vec![
        passes(about_itself().arp_tpa(ip), RESOLVE),
        passes(probe().arp_tpa(ip), RESOLVE),
        DropReason::Egress.drops(about_itself()),
        DropReason::Egress.drops(probe()),
        DropReason::Egress.drops(packets()),
    ];
    let neighbours = egress
        .neighbours_v4()
        .filter(|n| *n != Ipv4Network::from(ip));
    flows.extend(neighbours.map(|n| {
        let asked = about_itself().arp_tpa_net(n.network(), n.prefix());
        passes(asked, RESOLVE)
    }));
    flows.extend(destinations(egress, &packets()).map(|m| passes(m, DELIVER)));
    flows
}

/// What a container may send from one of its IPv6 addresses, or from its link-local one, from which
/// it only speaks with neighbours.
pub(super) fn ipv6(pod: &PodPort, egress: &Egress, ip: Ipv6Addr) -> Vec<Flow> {
    let own = |m| {
        in_vlan(m, pod.vlan_reg())
            .in_port(pod.port)
            .eth_src(pod.mac)
    };
    let solicits = || {
        own(Match::neighbour(ICMPV6_NS))
            .ipv6_src(ip)
            .nd_sll(pod.mac)
    };
    // The answer to a probe may leave the MAC out (RFC 4861 §4.4).
    let advertises = || {
        let about = own(Match::neighbour(ICMPV6_NA)).ipv6_src(ip).nd_target(ip);
        [pod.mac, MacAddr::ZERO].map(|mac| about.clone().nd_tll(mac))
    };
    let passes = |priority, m, then| Flow::new(SECURITY, priority).matching(m).goto(then);

    let mut flows = Vec::new();
    for neighbour in egress.neighbours_v6() {
        let (first, length) = (neighbour.network(), neighbour.prefix());
        // To nobody but those who may have the address: data in unknown options would go with it.
        for (to, of) in [SOLICITED, (first, length)] {
            let asked = solicits().nd_target_net(first, length).ipv6_dst_net(to, of);
            flows.push(passes(110, asked, RESOLVE));
        }
    }
    let hosts = egress.hosts.iter().filter_map(v6);
    let asking = egress.neighbours_v6().chain(hosts);
    let asking = asking
        .map(|p| (p.network(), p.prefix()))
        .chain([LINK_LOCAL]);
    // Those on the link are in one of them already.
    let asking: BTreeSet<_> = asking.collect();
    for (to, of) in asking {
        let answers = advertises().map(|m| m.ipv6_dst_net(to, of));
        flows.extend(answers.map(|m| passes(110, m, RESOLVE)));
    }
    let elsewhere = advertises().into_iter().chain([solicits()]);
    flows.extend(elsewhere.map(|m| Flow::new(SECURITY, ELSEWHERE_ND).matching(m)));

    let packets = own(Match::ipv6()).ipv6_src(ip);
    if !ip.is_unicast_link_local() {
        let sent = destinations(egress, &packets);
        flows.extend(sent.map(|m| passes(100, m, DELIVER)));
    }
    flows.push(DropReason::Egress.drops(packets));
    flows
}

/// Matches packets to the destinations of their family.
fn destinations<'e>(egress: &'e Egress, packets: &'e Match) -> impl Iterator<Item = Match> + 'e {
    let v6 = packets.get(Field::EthType) == Match::ipv6().get(Field::EthType);
    let here = egress
        .destinations
        .iter()
        .filter(move |d| d.to.is_ipv6() == v6);
    let all = here.flat_map(move |d| {
        let to = match d.to {
            IpNetwork::V4(p) => packets.clone().ipv4_dst_net(p.network(), p.prefix()),
            IpNetwork::V6(p) => packets.clone().ipv6_dst_net(p.network(), p.prefix()),
        };
        by_port(d, to.eth_dst_masked(MacAddr::ZERO, GROUP))
    });
    // An entry that is given twice is one flow.
    all.collect::<BTreeSet<_>>().into_iter()
}

fn by_port(destination: &Destination, to: Match) -> Vec<Match> {
    let Some(protocol) = destination.protocol else {
        return vec![to];
    };
    let whole = to.ip_proto(protocol.number()).whole();
    let to_port = |port: u16| match protocol {
        Transport::Tcp => whole.clone().tcp_dst(port),
        Transport::Udp => whole.clone().udp_dst(port),
    };
    match destination.ports.is_empty() {
        true => vec![whole],
        false => destination.ports.iter().map(|p| to_port(p.get())).collect(),
    }
}
