//! The way back of what the host forwards, in mode `vlan`.
//!
//! kube-proxy and portmap rewrite a connection's destination on the host. The answer has to
//! pass the host again, to be rewritten back; but the host is not the gateway, so the answer
//! would go straight to who asked, who knows nothing of who answers. Who answers is only known
//! once the host has chosen: so each forwarded packet teaches the bridge its way back, by
//! addresses, protocol and ports (ADR 17).

use flatnet_ovs::openflow::{Action, Field, Flow, Learn, LearnPart, Match};
use flatnet_plan::node::NodeSpec;
use flatnet_types::marks::LEARNED_COOKIE;
use ipnetwork::IpNetwork;

use super::table::{CLASSIFY, DELIVER, FROM_HOST, FROM_UPLINK};
use super::{NodePorts, REG_VLAN};

/// As long as a NAT is to remember an established connection (RFC 5382 §5, REQ-5): 2 h 4 min.
const TCP_IDLE_S: u16 = 7440;
/// After the FIN or RST of one side.
const TCP_CLOSED_S: u16 = 30;
/// RFC 4787 §4.3, REQ-5: five minutes are recommended.
const UDP_IDLE_S: u16 = 300;
/// How many ways back a node knows in each table, for each takes a KiB or two in the switch.
const LIMIT: u32 = 65_536;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A family's and a protocol's words for the five parts of a connection's name.
struct Kind {
    eth_type: u16,
    protocol: u8,
    src: Field,
    dst: Field,
    src_port: Field,
    dst_port: Field,
}

const KINDS: [Kind; 4] = [
    kind(false, TCP),
    kind(false, UDP),
    kind(true, TCP),
    kind(true, UDP),
];

const fn kind(v6: bool, protocol: u8) -> Kind {
    let (eth_type, src, dst) = if v6 {
        (0x86dd, Field::Ipv6Src, Field::Ipv6Dst)
    } else {
        (0x0800, Field::Ipv4Src, Field::Ipv4Dst)
    };
    let (src_port, dst_port) = if protocol == TCP {
        (Field::TcpSrc, Field::TcpDst)
    } else {
        (Field::UdpSrc, Field::UdpDst)
    };
    Kind {
        eth_type,
        protocol,
        src,
        dst,
        src_port,
        dst_port,
    }
}

/// What the host sends with an address that is not its own, it forwards.
pub(super) fn ways_back(spec: &NodeSpec, ports: &NodePorts, host_reg: u32) -> Vec<Flow> {
    let classify = |priority, m: Match, actions: Vec<Action>| {
        let vlan = Action::set_reg(REG_VLAN, host_reg);
        Flow::new(CLASSIFY, priority)
            .matching(m.in_port(ports.host))
            .actions([vlan].into_iter().chain(actions))
            .goto(FROM_HOST)
    };
    let hosts = spec.host_addresses.iter().map(|a| IpNetwork::from(a.ip()));
    // An answer that was rewritten back has a service's address: its way back is known.
    let own = hosts.chain(spec.service_prefixes.iter().copied());
    let own = own.map(|prefix| classify(120, from(prefix), Vec::new()));
    let learned = KINDS.iter().map(|kind| {
        let matches = Match::new().eth_type(kind.eth_type).ip_proto(kind.protocol);
        let learn = [DELIVER, FROM_UPLINK].map(|table| way_back(kind, table, ports).into());
        classify(110, matches, learn.into())
    });
    own.chain(learned).collect()
}

fn from(prefix: IpNetwork) -> Match {
    match prefix {
        IpNetwork::V4(p) => Match::ipv4().ipv4_src_net(p.network(), p.prefix()),
        IpNetwork::V6(p) => Match::ipv6().ipv6_src_net(p.network(), p.prefix()),
    }
}

/// From the one who is asked, of this node or behind the uplink, to the host.
fn way_back(kind: &Kind, table: u8, ports: &NodePorts) -> Learn {
    let (idle_timeout, fin_idle_timeout) = match kind.protocol {
        TCP => (TCP_IDLE_S, TCP_CLOSED_S),
        _ => (UDP_IDLE_S, 0),
    };
    Learn {
        table,
        // Before all that delivers by address alone.
        priority: 150,
        cookie: LEARNED_COOKIE,
        idle_timeout,
        fin_idle_timeout,
        limit: LIMIT,
        parts: vec![
            LearnPart::matching(Field::EthType, kind.eth_type),
            LearnPart::matching(Field::IpProto, kind.protocol),
            LearnPart::matching_packets(kind.src, kind.dst),
            LearnPart::matching_packets(kind.dst, kind.src),
            LearnPart::matching_packets(kind.src_port, kind.dst_port),
            LearnPart::matching_packets(kind.dst_port, kind.src_port),
            LearnPart::load(Field::EthDst, ports.mac),
            LearnPart::output(Field::InPort),
        ],
    }
}
