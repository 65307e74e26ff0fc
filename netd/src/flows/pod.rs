//! The flows of one container.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_ovs::openflow::{Action, Field, Flow, Match, Meter, MeterUnit};
use flatnet_types::{Bandwidth, MacAddr, Rate};

use super::node::{ICMPV6_NA, ICMPV6_NS};
use super::table::{
    ADVERTISE, CLASSIFY, DELIVER, FROM_HOST, FROM_UPLINK, RESOLVE, SECURITY, UPSTREAM,
};
use super::trunk::to_trunk;
use super::{NodePorts, PodPort, REG_VLAN, in_vlan, tagged_output};

/// The flows of one container. Each bears its cookie, and no two containers with different
/// addresses share a flow's key, so that deleting by cookie takes nothing of another's.
pub fn pod_flows(pod: &PodPort, node: &NodePorts) -> Vec<Flow> {
    let mut flows = Vec::with_capacity(32);
    classify(pod, &mut flows);
    // Whatever the container sends that nothing below lets through: dropped and counted.
    flows.push(Flow::new(SECURITY, 1).matching(Match::new().in_port(pod.port)));
    for ip in &pod.ips {
        match ip {
            IpAddr::V4(ip) => ipv4(pod, node, *ip, &mut flows),
            IpAddr::V6(ip) => ipv6(pod, node, *ip, &mut flows),
        }
    }
    if pod.ips.iter().any(IpAddr::is_ipv6) {
        ipv6(pod, node, pod.mac.link_local(), &mut flows);
    }
    to_trunk(pod, &mut flows);
    let cookie = pod.cookie();
    flows.into_iter().map(|f| f.cookie(cookie)).collect()
}

/// The meters that a container's flows name. A slot's two meters are `2·slot` and
/// `2·slot + 1`.
pub fn meters(pod: &PodPort, bandwidth: &Bandwidth) -> Vec<Meter> {
    let meter = |id: Option<u32>, rate: Option<Rate>| {
        id.zip(rate).map(|(id, r)| Meter {
            id,
            unit: MeterUnit::Kbps,
            rate: kilobits(r.rate).max(1),
            burst: Some(kilobits(r.burst).max(1)),
        })
    };
    meter(pod.ingress_meter, bandwidth.ingress)
        .into_iter()
        .chain(meter(pod.egress_meter, bandwidth.egress))
        .collect()
}

fn kilobits(bits: u64) -> u32 {
    u32::try_from(bits / 1000).unwrap_or(u32::MAX)
}

fn classify(pod: &PodPort, flows: &mut Vec<Flow>) {
    let metered = |flow: Flow| match pod.egress_meter {
        Some(id) => flow.meter(id),
        None => flow,
    };
    flows.push(metered(
        Flow::new(CLASSIFY, 100)
            .matching(Match::new().in_port(pod.port).untagged())
            .actions([Action::set_reg(REG_VLAN, pod.vlan_reg())])
            .goto(SECURITY),
    ));
    for vlan in &pod.trunk {
        flows.push(metered(
            Flow::new(CLASSIFY, 100)
                .matching(Match::new().in_port(pod.port).vlan(*vlan).eth_src(pod.mac))
                .actions([Action::normal()]),
        ));
    }
}

/// To the container, through its meter, with its MAC as the destination.
fn deliver(pod: &PodPort, table: u8, priority: u16, matches: Match, more: &[Action]) -> Flow {
    let actions = [Action::set_eth_dst(pod.mac)]
        .into_iter()
        .chain(more.iter().cloned())
        .chain([Action::output(pod.port)]);
    let flow = Flow::new(table, priority)
        .matching(matches)
        .actions(actions);
    match pod.ingress_meter {
        Some(id) => flow.meter(id),
        None => flow,
    }
}

fn ipv4(pod: &PodPort, node: &NodePorts, ip: Ipv4Addr, flows: &mut Vec<Flow>) {
    let vlan = pod.vlan_reg();
    let from = || {
        Match::arp()
            .in_port(pod.port)
            .eth_src(pod.mac)
            .arp_sha(pod.mac)
    };
    let asked = || Match::arp().arp_op(1).arp_tpa(ip);
    let to = || Match::ipv4().ipv4_dst(ip);
    let here = || arp_reply(ip, pod.mac, vec![Action::in_port()]);
    flows.extend([
        Flow::new(SECURITY, 100)
            .matching(from().arp_spa(ip))
            .goto(RESOLVE),
        // A probe for a duplicate has no source yet (RFC 5227 §2.1.1).
        Flow::new(SECURITY, 100)
            .matching(from().arp_op(1).arp_spa(Ipv4Addr::UNSPECIFIED))
            .goto(RESOLVE),
        Flow::new(SECURITY, 100)
            .matching(
                Match::ipv4()
                    .in_port(pod.port)
                    .eth_src(pod.mac)
                    .ipv4_src(ip),
            )
            .goto(DELIVER),
        // Its own announcement or probe goes out unanswered: an answer would be a conflict.
        Flow::new(RESOLVE, 110)
            .matching(asked().in_port(pod.port))
            .goto(UPSTREAM),
        Flow::new(RESOLVE, 100)
            .matching(in_vlan(asked(), vlan))
            .actions(here()),
        deliver(pod, DELIVER, 100, in_vlan(to(), vlan), &[]),
        Flow::new(FROM_HOST, 100).matching(asked()).actions(here()),
        deliver(pod, FROM_HOST, 100, to(), &[]),
    ]);
    if node.uplink.is_some() {
        let back = tagged_output(pod.vlan, Action::in_port());
        flows.extend([
            Flow::new(FROM_UPLINK, 100)
                .matching(in_vlan(asked(), vlan))
                .actions(arp_reply(ip, pod.uplink_mac, back)),
            deliver(
                pod,
                FROM_UPLINK,
                100,
                in_vlan(Match::arp().arp_op(2).arp_tpa(ip), vlan),
                &[Action::set_arp_tha(pod.mac)],
            ),
            deliver(pod, FROM_UPLINK, 90, in_vlan(to(), vlan), &[]),
        ]);
    }
}

fn ipv6(pod: &PodPort, node: &NodePorts, ip: Ipv6Addr, flows: &mut Vec<Flow>) {
    let vlan = pod.vlan_reg();
    let icmpv6 = |t| {
        Match::icmpv6(t)
            .in_port(pod.port)
            .eth_src(pod.mac)
            .ipv6_src(ip)
    };
    let asked = || Match::icmpv6(ICMPV6_NS).nd_target(ip);
    let to = || Match::ipv6().ipv6_dst(ip);
    flows.extend([
        Flow::new(SECURITY, 110)
            .matching(icmpv6(ICMPV6_NS).nd_sll(pod.mac))
            .goto(RESOLVE),
        Flow::new(SECURITY, 110)
            .matching(icmpv6(ICMPV6_NA).nd_target(ip).nd_tll(pod.mac))
            .goto(RESOLVE),
        Flow::new(SECURITY, 100)
            .matching(
                Match::ipv6()
                    .in_port(pod.port)
                    .eth_src(pod.mac)
                    .ipv6_src(ip),
            )
            .goto(DELIVER),
        advertise(
            Flow::new(RESOLVE, 100).matching(in_vlan(asked(), vlan)),
            ip,
            pod.mac,
        ),
        deliver(pod, DELIVER, 100, in_vlan(to(), vlan), &[]),
        advertise(Flow::new(FROM_HOST, 100).matching(asked()), ip, pod.mac),
        deliver(pod, FROM_HOST, 100, to(), &[]),
    ]);
    if node.uplink.is_some() {
        let asked = Flow::new(FROM_UPLINK, 100).matching(in_vlan(asked(), vlan));
        flows.extend([
            advertise(asked, ip, pod.uplink_mac),
            deliver(pod, FROM_UPLINK, 90, in_vlan(to(), vlan), &[]),
        ]);
    }
}

/// Turns an ARP request for `ip` into the reply of `mac` (RFC 826).
pub(super) fn arp_reply(ip: Ipv4Addr, mac: MacAddr, output: Vec<Action>) -> Vec<Action> {
    let mut actions = vec![
        Action::copy(Field::EthSrc, Field::EthDst),
        Action::set_eth_src(mac),
        Action::set_arp_op(2),
        Action::copy(Field::ArpSha, Field::ArpTha),
        Action::set_arp_sha(mac),
        Action::copy(Field::ArpSpa, Field::ArpTpa),
        Action::set_arp_spa(ip),
    ];
    actions.extend(output);
    actions
}

/// Turns a neighbour solicitation for `ip` into the advertisement of `mac`, solicited and
/// overriding (RFC 4861 §4.4), but for the target's MAC, which [`ADVERTISE`] takes from the
/// frame's source.
pub(super) fn advertise(flow: Flow, ip: Ipv6Addr, mac: MacAddr) -> Flow {
    const SOLICITED_OVERRIDE: u32 = 0x6000_0000;
    const TARGET_LINK_LAYER: u8 = 2;
    flow.actions([
        Action::copy(Field::EthSrc, Field::EthDst),
        Action::set_eth_src(mac),
        Action::copy(Field::Ipv6Src, Field::Ipv6Dst),
        Action::set_ipv6_src(ip),
        Action::set_nd_reserved(SOLICITED_OVERRIDE),
        Action::set_nd_options_type(TARGET_LINK_LAYER),
        Action::set_icmpv6_type(ICMPV6_NA),
    ])
    .goto(ADVERTISE)
}
