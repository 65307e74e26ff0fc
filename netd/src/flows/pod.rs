//! The flows of one container.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_ovs::openflow::{Action, Flow, Match, Meter, MeterUnit};
use flatnet_types::{Bandwidth, MacAddr, Rate};

use super::allow;
use super::counting;
use super::egress;
use super::neighbour_limit;
use super::shares;
use super::table::{CLASSIFY, DELIVER, FROM_HOST, FROM_UPLINK, RESOLVE, SECURITY, UPSTREAM};
use super::trunk::{from_trunk, to_trunk};
use super::{
    DropReason, ICMPV6_NA, ICMPV6_NS, NodePorts, PodPort, REG_OWNER, REG_VLAN, arp_reply, in_vlan,
    priority_tag, tagged_output, vlan_reg,
};

/// The flows of one container. Each has its cookie, and no two containers with different addresses
/// share a flow's key, so that deleting by cookie deletes no other container's flow.
pub fn pod_flows(pod: &PodPort, node: &NodePorts) -> Vec<Flow> {
    let mut flows = Vec::with_capacity(32);
    classify(pod, &mut flows);
    // The default: what no flow below passes is dropped and counted.
    flows.push(DropReason::SpoofedAddress.drops(Match::new().in_port(pod.port)));
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
    // The plan's check refuses a list of destinations beside either, which would go past it.
    if pod.egress.is_none() {
        from_trunk(pod, &mut flows);
        allow::of_pod(pod, &mut flows);
    }
    shares::of_pod(pod, &mut flows);
    counting::of_pod(pod, node, &mut flows);
    let cookie = pod.cookie();
    flows.into_iter().map(|f| f.cookie(cookie)).collect()
}

/// The meters that a container's flows name.
pub fn meters(pod: &PodPort, bandwidth: &Bandwidth) -> Vec<Meter> {
    let meter = |id: Option<u32>, rate: Option<Rate>| {
        id.zip(rate).map(|(id, r)| Meter {
            id,
            unit: MeterUnit::Kbps,
            rate: kilobits(r.rate).max(1),
            burst: Some(kilobits(burst(r)).max(1)),
        })
    };
    meter(pod.ingress_meter, bandwidth.ingress)
        .into_iter()
        .chain(meter(pod.egress_meter, bandwidth.egress))
        .chain([pod.neighbour_limit.as_meter()])
        .collect()
}

/// The burst in bits: the requested one, but at most the volume of one second. Runtimes without a
/// configured burst request the largest number, and such a bucket would not limit anything for
/// minutes.
fn burst(rate: Rate) -> u64 {
    /// A 64 KiB segment, which Linux passes on in one piece (GSO), must fit into the bucket.
    const LEAST: u64 = 8 * (64 << 10);
    rate.burst.min(rate.rate.max(LEAST))
}

fn kilobits(bits: u64) -> u32 {
    u32::try_from(bits / 1000).unwrap_or(u32::MAX)
}

fn classify(pod: &PodPort, flows: &mut Vec<Flow>) {
    let metered = |flow: Flow| match pod.egress_meter {
        Some(id) => flow.meter(id),
        None => flow,
    };
    let owner = || pod.zone.map(|zone| Action::set_reg(REG_OWNER, zone.into()));
    let mut known = vec![
        Flow::new(CLASSIFY, 100)
            .matching(Match::new().in_port(pod.port).untagged())
            .actions(
                [Action::set_reg(REG_VLAN, pod.vlan_reg())]
                    .into_iter()
                    .chain(owner()),
            )
            .goto(SECURITY),
        priority_tag(Match::new().in_port(pod.port), pod.vlan_reg(), SECURITY).actions(owner()),
    ];
    known.extend(pod.trunk.iter().map(|trunk| {
        Flow::new(CLASSIFY, 100)
            .matching(Match::new().in_port(pod.port).vlan(trunk.vlan))
            .actions([
                Action::pop_vlan(),
                Action::set_reg(REG_VLAN, vlan_reg(Some(trunk.vlan))),
            ])
            .goto(SECURITY)
    }));
    for flow in known {
        flows.extend(neighbour_limit::divert(&flow).into_iter().map(metered));
        flows.push(metered(flow));
    }
    flows.push(neighbour_limit::meter_flow(pod));
    // Any other tag: dropped in table SECURITY, with the tag on.
    let tagged = Match::new().in_port(pod.port).tagged();
    flows.push(Flow::new(CLASSIFY, 90).matching(tagged).goto(SECURITY));
}

/// Delivers to the container, through its ingress meter, with its MAC as the destination.
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

/// What a container may send from an IPv4 address of its own, to anybody.
fn anywhere_v4(pod: &PodPort, ip: Ipv4Addr) -> Vec<Flow> {
    let own = |m| {
        in_vlan(m, pod.vlan_reg())
            .in_port(pod.port)
            .eth_src(pod.mac)
    };
    let arp = || own(Match::arp()).arp_sha(pod.mac);
    let passes = |m, then| Flow::new(SECURITY, 100).matching(m).goto(then);
    vec![
        passes(arp().arp_spa(ip), RESOLVE),
        // A probe for a duplicate has no source yet (RFC 5227 §2.1.1).
        passes(arp().arp_op(1).arp_spa(Ipv4Addr::UNSPECIFIED), RESOLVE),
        passes(own(Match::ipv4()).ipv4_src(ip), DELIVER),
    ]
}

/// What a container may send from an IPv6 address of its own, to anybody.
fn anywhere_v6(pod: &PodPort, ip: Ipv6Addr) -> Vec<Flow> {
    let own = |m| {
        in_vlan(m, pod.vlan_reg())
            .in_port(pod.port)
            .eth_src(pod.mac)
            .ipv6_src(ip)
    };
    let passes = |priority, m, then| Flow::new(SECURITY, priority).matching(m).goto(then);
    let advertised = || own(Match::neighbour(ICMPV6_NA)).nd_target(ip);
    vec![
        passes(
            110,
            own(Match::neighbour(ICMPV6_NS)).nd_sll(pod.mac),
            RESOLVE,
        ),
        passes(110, advertised().nd_tll(pod.mac), RESOLVE),
        // The answer to a probe that was sent to the container alone may leave the MAC out
        // (RFC 4861 §4.4), as Linux does. Open vSwitch reads a missing option as zero.
        passes(110, advertised().nd_tll(MacAddr::ZERO), RESOLVE),
        passes(100, own(Match::ipv6()), DELIVER),
    ]
}

fn ipv4(pod: &PodPort, node: &NodePorts, ip: Ipv4Addr, flows: &mut Vec<Flow>) {
    let vlan = pod.vlan_reg();
    let request = || Match::arp().arp_op(1).arp_tpa(ip);
    let to = || Match::ipv4().ipv4_dst(ip);
    let here = || arp_reply(ip, pod.mac, vec![Action::in_port()]);
    flows.extend(match &pod.egress {
        Some(egress) => egress::ipv4(pod, egress, ip),
        None => anywhere_v4(pod, ip),
    });
    flows.extend([
        // Its own announcement or probe goes out and is not answered here: an answer would signal a
        // conflict.
        Flow::new(RESOLVE, 110)
            .matching(request().in_port(pod.port))
            .goto(UPSTREAM),
        Flow::new(RESOLVE, 100)
            .matching(in_vlan(request(), vlan))
            .actions(here()),
        deliver(pod, DELIVER, 100, in_vlan(to(), vlan), &[]),
        Flow::new(FROM_HOST, 100)
            .matching(request())
            .actions(here()),
        deliver(pod, FROM_HOST, 100, to(), &[]),
    ]);
    if node.uplink.is_some() {
        let back = tagged_output(pod.vlan, Action::in_port());
        flows.extend([
            Flow::new(FROM_UPLINK, 100)
                .matching(in_vlan(request(), vlan))
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

/// Neighbour discovery is left to the container: the bridge delivers a solicitation to its target,
/// whose kernel answers, and [`UPSTREAM`] writes the host's MAC into what leaves (ADR 20).
fn ipv6(pod: &PodPort, node: &NodePorts, ip: Ipv6Addr, flows: &mut Vec<Flow>) {
    let vlan = pod.vlan_reg();
    let request = || Match::neighbour(ICMPV6_NS).nd_target(ip);
    let to = || Match::ipv6().ipv6_dst(ip);
    flows.extend(match &pod.egress {
        Some(egress) => egress::ipv6(pod, egress, ip),
        None => anywhere_v6(pod, ip),
    });
    flows.extend([
        deliver(pod, RESOLVE, 100, in_vlan(request(), vlan), &[]),
        // Answers of other containers of this node.
        deliver(pod, RESOLVE, 90, in_vlan(to(), vlan), &[]),
        deliver(pod, DELIVER, 100, in_vlan(to(), vlan), &[]),
        deliver(pod, FROM_HOST, 110, request(), &[]),
        deliver(pod, FROM_HOST, 100, to(), &[]),
    ]);
    if node.uplink.is_some() {
        flows.extend([
            deliver(pod, FROM_UPLINK, 100, in_vlan(request(), vlan), &[]),
            deliver(pod, FROM_UPLINK, 90, in_vlan(to(), vlan), &[]),
        ]);
    }
}
