//! What no container may send, and the label under which it is counted.

use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_ovs::openflow::{Field, Flow, Instructions, Match};
use flatnet_types::MacAddr;
use flatnet_types::control::{Message, PROTOCOLS};

use super::table::SECURITY;
use super::to;
use super::{ICMPV6_NA, ICMPV6_NS};

const ICMPV6_MLD_REPORT: u8 = 131;
const ICMPV6_MLD_DONE: u8 = 132;
const ICMPV6_RS: u8 = 133;
const ICMPV6_RA: u8 = 134;
const ICMPV6_REDIRECT: u8 = 137;
const ICMPV6_MLD2_REPORT: u8 = 143;
const ICMP_REDIRECT: u8 = 5;
const ICMP_ROUTER: u8 = 9;
/// The group bit of a destination (IEEE 802.3 §3.2.3).
const GROUP: MacAddr = MacAddr([1, 0, 0, 0, 0, 0]);
const ETH_8021Q: u16 = 0x8100;
const ETH_8021AD: u16 = 0x88a8;
const IGMP: u8 = 2;
/// The destination of IGMPv3 reports (RFC 9776 §4.2.14).
const IGMP_REPORTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

/// Above all counted drops: what kernels send by themselves.
const UNSOLICITED: u16 = 130;
/// Above the drops of control protocols: those that a network allows.
pub(super) const ALLOWED: u16 = 121;

/// Between the neighbour discovery that passes (110) and [`DropReason::ForgedNd`]: a container's own,
/// with others than its network's list allows.
pub(super) const ELSEWHERE_ND: u16 = 107;

/// Why a frame of a container was dropped. Each reason has a priority of its own in table
/// [`SECURITY`], by which it can be recognised in `ovs-ofctl dump-flows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// A tag of a VLAN that the container may not send, or a second tag.
    VlanTag,
    /// A router's advertisement (RFC 4861 §4.2, RFC 1256).
    RouterAdvertisement,
    /// A redirect (RFC 4861 §4.5, RFC 792).
    Redirect,
    /// A message of a DHCP server to a client.
    DhcpServer,
    /// A packet whose headers could not be parsed as far as the other drops need them.
    Unparsed,
    /// A message of [`PROTOCOLS`].
    ControlProtocol,
    /// Neighbour discovery with another address or MAC than the container's.
    ForgedNd,
    /// Any other frame whose MAC, IP address or ARP is not the container's, or of another
    /// EtherType.
    SpoofedAddress,
    /// What a container of a network with a list of destinations sends elsewhere: packets, ARP,
    /// neighbour discovery.
    Egress,
    /// A new connection to a service beyond the container's share: not in table [`SECURITY`], see
    /// `shares.rs`.
    ServiceShare,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::VlanTag,
        Self::RouterAdvertisement,
        Self::Redirect,
        Self::DhcpServer,
        Self::Unparsed,
        Self::ControlProtocol,
        Self::ForgedNd,
        Self::SpoofedAddress,
        Self::Egress,
        Self::ServiceShare,
    ];

    /// The value of the metric's label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::VlanTag => "vlan_tag",
            Self::RouterAdvertisement => "router_advertisement",
            Self::Redirect => "redirect",
            Self::DhcpServer => "dhcp_server",
            Self::Unparsed => "unparsed",
            Self::ControlProtocol => "control_protocol",
            Self::ForgedNd => "forged_nd",
            Self::SpoofedAddress => "spoofed_address",
            Self::Egress => "egress",
            Self::ServiceShare => "service_share",
        }
    }

    /// The priority of its flows. Priority 121 passes allowed control protocols, 110 neighbour
    /// discovery, 100 the container's other frames. [`Self::Egress`] has `ELSEWHERE_ND` too.
    pub const fn priority(self) -> u16 {
        match self {
            Self::VlanTag => 126,
            Self::RouterAdvertisement => 125,
            Self::Redirect => 124,
            Self::DhcpServer => 123,
            Self::Unparsed => 122,
            Self::ControlProtocol => 120,
            Self::ForgedNd => 105,
            Self::Egress => 50,
            Self::SpoofedAddress => 1,
            Self::ServiceShare => 0,
        }
    }

    /// The reason of a flow that drops; `None` for other flows.
    pub fn of(flow: &Flow) -> Option<Self> {
        let drops = flow.table == SECURITY && flow.instructions == Instructions::default();
        let reason = |r: &Self| r.priority() == flow.priority;
        match flow.priority {
            _ if !drops => None,
            ELSEWHERE_ND => Some(Self::Egress),
            _ => Self::ALL.into_iter().find(reason),
        }
    }

    /// A flow that drops for this reason.
    pub(super) fn drops(self, matches: Match) -> Flow {
        Flow::new(SECURITY, self.priority()).matching(matches)
    }
}

/// The drops of what no container may send, and of what each kernel sends by itself and nobody
/// needs.
pub(super) fn security() -> Vec<Flow> {
    // Kernels join groups and look for routers and duplicate addresses by themselves. No multicast
    // is delivered to containers, so the reports are not needed.
    let unsolicited = [
        Match::icmpv6(ICMPV6_MLD_REPORT),
        Match::icmpv6(ICMPV6_MLD_DONE),
        Match::icmpv6(ICMPV6_MLD2_REPORT),
        Match::icmpv6(ICMPV6_RS),
        Match::neighbour(ICMPV6_NS).ipv6_src(Ipv6Addr::UNSPECIFIED),
        Match::ipv4().ip_proto(IGMP).ipv4_dst(IGMP_REPORTS),
    ];
    let unsolicited = unsolicited.map(|m| Flow::new(SECURITY, UNSOLICITED).matching(m));
    let icmp = |kind: u8| Match::icmpv4().field(Field::Icmpv4Type, kind);
    // A container is no router (RFC 6105, RA guard), is no DHCP server (RFC 2131 §4.1, RFC 8415
    // §7.2), and advertises only itself as a neighbour: what its own flows (110) do not pass is
    // dropped here.
    let dropped = [
        // Open vSwitch parses one tag (`vlan-limit` is 1); a second one appears as the EtherType.
        DropReason::VlanTag.drops(Match::new().tagged()),
        DropReason::VlanTag.drops(Match::new().eth_type(ETH_8021Q)),
        DropReason::VlanTag.drops(Match::new().eth_type(ETH_8021AD)),
        DropReason::RouterAdvertisement.drops(Match::icmpv6(ICMPV6_RA)),
        DropReason::RouterAdvertisement.drops(icmp(ICMP_ROUTER)),
        DropReason::Redirect.drops(Match::icmpv6(ICMPV6_REDIRECT)),
        DropReason::Redirect.drops(icmp(ICMP_REDIRECT)),
        DropReason::DhcpServer.drops(Match::udp4().udp_src(67).udp_dst(68)),
        DropReason::DhcpServer.drops(Match::udp6().udp_src(547).udp_dst(546)),
        DropReason::ForgedNd.drops(Match::icmpv6(ICMPV6_NS)),
        DropReason::ForgedNd.drops(Match::icmpv6(ICMPV6_NA)),
    ];
    let unparsed = unparsed().map(|m| DropReason::Unparsed.drops(m.not_later_fragment()));
    let control = PROTOCOLS.iter().flat_map(|protocol| {
        let messages = protocol.messages.iter().flat_map(|m| messages(*m));
        messages.chain(protocol.groups.iter().map(|group| to((*group).into())))
    });
    let control = control.map(|m| DropReason::ControlProtocol.drops(m));
    let all = unsolicited.into_iter().chain(dropped);
    all.chain(unparsed).chain(control).collect()
}

/// Matches a control protocol's messages.
pub(super) fn messages(message: Message) -> Vec<Match> {
    match message {
        Message::Ether(kind) => vec![Match::new().eth_type(kind)],
        Message::Ip(number) => vec![
            Match::ipv4().ip_proto(number),
            Match::ipv6().ip_proto(number),
        ],
        Message::Ip4(number) => vec![Match::ipv4().ip_proto(number)],
        Message::Udp(port) => [Match::udp4(), Match::udp6()]
            .into_iter()
            .flat_map(|udp| to_port(udp, port))
            .collect(),
        Message::Icmp6(kind) => vec![Match::icmpv6(kind)],
    }
}

/// Matches messages to a protocol's port. From 1024 on a client may have the port by chance or by
/// NAT, and answers to it must pass. For these ports only messages to a group, or with the port on
/// both sides, match.
fn to_port(udp: Match, port: u16) -> Vec<Match> {
    const UNPRIVILEGED: u16 = 1024;
    let to = udp.udp_dst(port);
    match port < UNPRIVILEGED {
        true => vec![to],
        false => vec![to.clone().eth_dst_masked(GROUP, GROUP), to.udp_src(port)],
    }
}

/// IPv6 extension headers (RFC 8200 §4.1 and IANA's registry), the fragment header among them, and
/// "no next header", which the kernel's datapath reports for a truncated chain. Where Open vSwitch
/// reports one of them as the protocol, it could not parse what follows.
const EXTENSION_HEADERS: [u8; 9] = [0, 43, 44, 51, 59, 60, 135, 139, 140];

/// Matches packets that could not be parsed far enough: Open vSwitch reads absent fields as 0,
/// which is no ICMPv6 type (RFC 4443 §2.1) and no UDP port (RFC 768).
fn unparsed() -> impl Iterator<Item = Match> {
    let chains = EXTENSION_HEADERS.map(|header| Match::ipv6().ip_proto(header));
    let cut = [
        Match::icmpv6(0),
        Match::udp4().udp_src(0).udp_dst(0),
        Match::udp6().udp_src(0).udp_dst(0),
    ];
    chains.into_iter().chain(cut)
}
