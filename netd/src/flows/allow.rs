//! Control protocols that a network allows its containers (VRRP and the like), with the virtual MAC
//! and addresses that fail over between their speakers.
//!
//! netd does not know which speaker holds a virtual address. So packets to it are bridged by MAC:
//! Open vSwitch learns the virtual MAC from the holder's messages, as a physical switch does. That
//! MAC has to leave by the uplink, which is why the plan's check requires `mac: pod`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_ovs::openflow::{Action, Field, Flow, Match};
use flatnet_plan::model::Allow;
use flatnet_types::control::Protocol;
use flatnet_types::{MacAddr, VlanId};

use super::security::{ALLOWED, messages};
use super::table::{DELIVER, FROM_UPLINK, RESOLVE, SECURITY};
use super::{ICMPV6_NA, ICMPV6_NS, IPV6_GROUPS};
use super::{PodPort, in_vlan, tagged_output, vlan_reg};

/// Matches the messages of an entry's protocol.
fn protocol_messages(allow: &Allow) -> impl Iterator<Item = Match> {
    let protocol = Protocol::named(&allow.protocol);
    let all = protocol.into_iter().flat_map(|p| p.messages);
    all.flat_map(|m| messages(*m))
}

/// Adds a source address; `None` if it is of another family than `matches`.
fn from(matches: &Match, ip: IpAddr) -> Option<Match> {
    let family = |m: Match| m.get(Field::EthType) == matches.get(Field::EthType);
    let matches = matches.clone();
    match ip {
        IpAddr::V4(ip) => family(Match::ipv4()).then(|| matches.ipv4_src(ip)),
        IpAddr::V6(ip) => family(Match::ipv6()).then(|| matches.ipv6_src(ip)),
    }
}

/// What a container may send in addition: the protocols' messages, with its own or the virtual MAC
/// and addresses; and whatever it sends as the holder of a virtual address.
pub(super) fn of_pod(pod: &PodPort, flows: &mut Vec<Flow>) {
    let bridged = |flow: Flow| match pod.keeps_mac_upstream() {
        true => flow.actions([Action::normal()]),
        false => flow.goto(DELIVER),
    };
    let sent = |m: Match, mac| in_vlan(m, pod.vlan_reg()).in_port(pod.port).eth_src(mac);
    let mut own: Vec<IpAddr> = pod.ips.clone();
    if own.iter().any(IpAddr::is_ipv6) {
        own.push(pod.mac.link_local().into());
    }
    let mut made = BTreeSet::new();
    for allow in &pod.allow {
        let mut speakers = vec![(pod.mac, own.clone())];
        if let Some(mac) = allow.mac {
            let held = allow.addresses.iter().copied();
            let all = own
                .iter()
                .copied()
                .chain(held)
                .chain([mac.link_local().into()]);
            speakers.push((mac, all.collect()));
        }
        for (mac, sources) in &speakers {
            for matches in protocol_messages(allow) {
                let messages = sources.iter().filter_map(|ip| from(&matches, *ip));
                made.extend(
                    messages.map(|m| bridged(Flow::new(SECURITY, ALLOWED).matching(sent(m, *mac)))),
                );
            }
        }
        if let Some(mac) = allow.mac {
            for ip in &allow.addresses {
                made.extend(as_holder(pod, &sent, mac, *ip));
            }
        }
    }
    flows.extend(made);
}

/// What the holder of a virtual address may send: ARP or neighbour discovery about it, and packets
/// from it.
fn as_holder(
    pod: &PodPort,
    sent: &impl Fn(Match, MacAddr) -> Match,
    mac: MacAddr,
    ip: IpAddr,
) -> Vec<Flow> {
    let bridged = |priority, m| {
        let flow = Flow::new(SECURITY, priority).matching(sent(m, mac));
        flow.actions([Action::normal()])
    };
    // A holder's kernel answers by the interface of its route, which may have the container's own
    // MAC.
    let packets = |m: Match| {
        [mac, pod.mac].map(|from| {
            let flow = Flow::new(SECURITY, 100).matching(sent(m.clone(), from));
            flow.goto(DELIVER)
        })
    };
    match ip {
        IpAddr::V4(ip) => {
            let mut all = packets(Match::ipv4().ipv4_src(ip)).to_vec();
            all.push(bridged(100, Match::arp().arp_sha(mac).arp_spa(ip)));
            all
        }
        IpAddr::V6(ip) => {
            let mut all = packets(Match::ipv6().ipv6_src(ip)).to_vec();
            for from in [ip, mac.link_local(), pod.mac.link_local()] {
                let discovery = |kind| Match::neighbour(kind).ipv6_src(from);
                let about = || discovery(ICMPV6_NA).nd_target(ip);
                all.extend([
                    bridged(110, discovery(ICMPV6_NS).nd_sll(mac)),
                    bridged(110, about().nd_tll(mac)),
                    bridged(110, about().nd_tll(MacAddr::ZERO)),
                ]);
            }
            all
        }
    }
}

/// Delivery to the speakers of a VLAN: their messages from the uplink reach all of its containers,
/// and packets to a virtual address go to its virtual MAC.
pub(super) fn in_network(vlan: VlanId, allowed: &[Allow], flows: &mut Vec<Flow>) {
    let here = |m| in_vlan(m, vlan_reg(Some(vlan)));
    let from_uplink = |priority, m, mac: Option<MacAddr>| {
        let to = mac.map(Action::set_eth_dst).into_iter();
        let actions = to.chain(tagged_output(Some(vlan), Action::normal()));
        Flow::new(FROM_UPLINK, priority)
            .matching(here(m))
            .actions(actions)
    };
    let mut made = BTreeSet::new();
    for allow in allowed {
        made.extend(protocol_messages(allow).map(|m| from_uplink(80, m, None)));
        let Some(mac) = allow.mac else { continue };
        let bridged = |table, m| {
            let flow = Flow::new(table, 95).matching(here(m));
            flow.actions([Action::set_eth_dst(mac), Action::normal()])
        };
        for ip in &allow.addresses {
            // The holder's announcements are flooded; requests for the address go to the holder
            // alone.
            let (announcement, request, packets) = match ip {
                IpAddr::V4(ip) => (
                    Match::arp().arp_spa(*ip).eth_dst(MacAddr::BROADCAST),
                    Match::arp().arp_tpa(*ip),
                    Match::ipv4().ipv4_dst(*ip),
                ),
                IpAddr::V6(ip) => (
                    Match::neighbour(ICMPV6_NA)
                        .nd_target(*ip)
                        .eth_dst_masked(IPV6_GROUPS.0, IPV6_GROUPS.1),
                    Match::neighbour(ICMPV6_NS).nd_target(*ip),
                    Match::ipv6().ipv6_dst(*ip),
                ),
            };
            made.extend([
                from_uplink(96, announcement, None),
                from_uplink(95, request.clone(), Some(mac)),
                from_uplink(95, packets.clone(), Some(mac)),
                bridged(RESOLVE, request),
                bridged(DELIVER, packets.clone()),
            ]);
            if ip.is_ipv6() {
                // Neighbour discovery sent to the address itself.
                made.insert(bridged(RESOLVE, packets));
            }
        }
    }
    flows.extend(
        made.into_iter()
            .filter(|f| !flows.contains(f))
            .collect::<Vec<_>>(),
    );
}
