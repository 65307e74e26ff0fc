//! Return-path flows: answers of connections that the host forwarded go back through the host.
//!
//! kube-proxy and portmap rewrite a connection's destination on the host (DNAT). The answer has to
//! pass the host again to be translated back. But in mode `vlan` the host is not the gateway, and
//! between two containers of a node it is not in mode `routed` either: the answer would go straight
//! to the client, which does not know the backend's address. The backend is only known once the
//! host has chosen it. So the datapath commits each connection that the host forwards to a
//! conntrack zone, and looks up there what containers of this node send and receive: an answer, or
//! an ICMP error about such a connection, goes to the host (ADR 28). A client may reuse the same
//! port for a direct connection to the backend: then the connection is marked as direct.
//!
//! ```text
//!   A ─▶ service ─▶ host: DNAT ─▶ CLASSIFY: remember A→B ─▶ B
//!   B ─▶ A: DELIVER, or FROM_UPLINK where B is elsewhere: look up ─▶ a reply ─▶ host ─▶ A
//! ```

use flatnet_ovs::openflow::{Action, Conntrack, CtState, Field, Flow, Match, Zone};
use flatnet_plan::node::{Mode, NodeSpec};
use flatnet_types::marks::WAY_BACK_ZONE;
use ipnetwork::IpNetwork;

use super::table::{CLASSIFY, DELIVER, FROM_HOST, FROM_UPLINK};
use super::{NodePorts, REG_VLAN, from, in_vlan, to, to_host, vlan_reg};

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;
/// What kube-proxy and portmap translate.
const TRANSLATED: [u8; 3] = [TCP, UDP, SCTP];
/// Destination unreachable (with "fragmentation needed"), time exceeded, parameter problem (RFC 792).
const ICMPV4_ERRORS: &[u8] = &[3, 11, 12];
/// Destination unreachable, packet too big, time exceeded, parameter problem (RFC 4443 §2.1).
const ICMPV6_ERRORS: &[u8] = &[1, 2, 3, 4];

/// The address families: `true` is IPv6.
pub(super) const FAMILIES: [bool; 2] = [false, true];

/// Above the delivery by destination address, so that answers go to the host.
const ANSWER: u16 = 142;
const BYPASSES_HOST: u16 = 141;
const LOOKUP: u16 = 140;

/// The mark of a connection whose originator's last packet came from the host.
const VIA_HOST: u32 = 1;
/// The mark of one whose originator's last packet bypassed the host.
const DIRECT: u32 = 0;
const COMMIT_VIA_HOST: Conntrack = Conntrack {
    commit: Some(VIA_HOST),
    zone: Zone::Is(WAY_BACK_ZONE),
    table: None,
};

/// The flows that commit and look up connections; none where the datapath has no zones.
pub(super) fn return_path_flows(spec: &NodeSpec, ports: &NodePorts) -> Vec<Flow> {
    match spec.mode {
        _ if !ports.zones => Vec::new(),
        Mode::Vlan { host_vlan } => vlan_mode(spec, ports, vlan_reg(host_vlan)),
        Mode::Routed => routed_mode(spec, ports),
    }
}

/// Mode `vlan`. The host has forwarded every packet that it sends with a foreign source address.
fn vlan_mode(spec: &NodeSpec, ports: &NodePorts, host_reg: u32) -> Vec<Flow> {
    let hosts = spec.host_addresses.iter().map(|a| IpNetwork::from(a.ip()));
    // A translated answer has a service's source address: its connection is committed already.
    let own = hosts.chain(spec.service_prefixes.iter().copied());
    let own = own.map(|prefix| from_host(120, from(prefix), ports, host_reg, None));
    let forwarded = FAMILIES
        .into_iter()
        .flat_map(|v6| translatable(v6, family(v6)));
    let forwarded = forwarded.map(|m| from_host(110, m, ports, host_reg, Some(COMMIT_VIA_HOST)));
    let mut flows: Vec<Flow> = own.chain(forwarded).collect();

    // What containers of this node send, to any destination: the client may be outside.
    for v6 in FAMILIES {
        flows.extend(lookup_matches(v6, family(v6)).map(|m| lookup_flow(DELIVER, m)));
    }
    flows.extend(tracked(DELIVER, ports));
    // What arrives from the uplink for containers of this node.
    for network in &spec.networks {
        for range in &network.ranges {
            let arrived = in_vlan(to(range.prefix), vlan_reg(network.vlan));
            let arrived = lookup_matches(range.prefix.is_ipv6(), arrived);
            flows.extend(arrived.map(|m| lookup_flow(FROM_UPLINK, m)));
        }
    }
    flows.extend(tracked(FROM_UPLINK, ports));
    flows
}

/// Mode `routed`. Only packets between containers of this node do not pass the host anyway.
fn routed_mode(spec: &NodeSpec, ports: &NodePorts) -> Vec<Flow> {
    let mut flows = Vec::new();
    for range in spec.networks.iter().flat_map(|n| &n.ranges) {
        let v6 = range.prefix.is_ipv6();
        // The containers' gateway is the host's own address.
        let own = from(range.gateway.into());
        flows.push(from_host(120, own, ports, 0, None));
        let forwarded = translatable(v6, from(range.prefix));
        flows.extend(forwarded.map(|m| from_host(110, m, ports, 0, Some(COMMIT_VIA_HOST))));
        flows.extend(lookup_matches(v6, to(range.prefix)).map(|m| lookup_flow(DELIVER, m)));
    }
    flows.extend(tracked(DELIVER, ports));
    flows
}

/// A flow for what the host sends.
fn from_host(
    priority: u16,
    matches: Match,
    ports: &NodePorts,
    host_reg: u32,
    remember: Option<Conntrack>,
) -> Flow {
    Flow::new(CLASSIFY, priority)
        .matching(matches.in_port(ports.host))
        .actions([Action::set_reg(REG_VLAN, host_reg)])
        .actions(remember.map(Action::from))
        .goto(FROM_HOST)
}

fn lookup_flow(table: u8, matches: Match) -> Flow {
    Flow::new(table, LOOKUP)
        .matching(matches.not_looked_up())
        .actions([Conntrack::look_up(WAY_BACK_ZONE, table).into()])
}

/// The flows for packets of connections that the host forwarded. Answers go to the host, which
/// translates them back.
fn tracked(table: u8, ports: &NodePorts) -> Vec<Flow> {
    let answers = [CtState::REPLY, CtState::RELATED].map(|kind| {
        Flow::new(table, ANSWER)
            .matching(Match::new().found(kind, VIA_HOST))
            .actions(to_host(ports))
    });
    let direct = Conntrack::remember(WAY_BACK_ZONE, DIRECT).then(table);
    let direct = FAMILIES.map(|v6| {
        Flow::new(table, BYPASSES_HOST)
            .matching(family(v6).found(CtState::ESTABLISHED, VIA_HOST))
            .actions([direct.into()])
    });
    answers.into_iter().chain(direct).collect()
}

/// Matches packets that may belong to a connection that the host translated.
fn lookup_matches(v6: bool, packets: Match) -> impl Iterator<Item = Match> {
    let (icmp, field, errors) = match v6 {
        false => (ICMP, Field::Icmpv4Type, ICMPV4_ERRORS),
        true => (ICMPV6, Field::Icmpv6Type, ICMPV6_ERRORS),
    };
    let about = packets.clone().ip_proto(icmp);
    // ICMP errors are not sent in fragments; later fragments would not be looked up.
    let errors = errors
        .iter()
        .map(move |t| about.clone().field(field, *t).whole());
    translatable(v6, packets).chain(errors)
}

/// Matches packets of the protocols that kube-proxy and portmap translate, and all IPv6 fragments:
/// only the first fragment has the protocol, and conntrack reassembles a packet before it looks it
/// up.
pub(super) fn translatable(v6: bool, packets: Match) -> impl Iterator<Item = Match> {
    let fragments = v6.then(|| packets.clone().fragment());
    let of = move |protocol| packets.clone().ip_proto(protocol);
    TRANSLATED.into_iter().map(of).chain(fragments)
}

pub(super) fn family(v6: bool) -> Match {
    if v6 { Match::ipv6() } else { Match::ipv4() }
}
