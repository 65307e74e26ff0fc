//! The node's own flows, which do not depend on its containers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_ovs::openflow::{Action, Flow, Match};
use flatnet_plan::model::MacMode;
use flatnet_plan::node::{Mode, NodeSpec};
use flatnet_types::{MacAddr, VlanId};
use ipnetwork::IpNetwork;

use super::allow;
use super::redirects::redirects;
use super::return_path::return_path_flows;
use super::security::security;
use super::shares::shares;
use super::table::{CLASSIFY, DELIVER, FROM_HOST, FROM_UPLINK, RESOLVE, UPSTREAM};
use super::{
    ICMPV6_NA, ICMPV6_NS, IPV6_GROUPS, NodePorts, REG_VLAN, arp_reply, cookie, in_vlan,
    priority_tag, tagged_output, to, to_host, vlan_reg,
};

/// The flows of the node itself.
pub fn node_flows(spec: &NodeSpec, ports: &NodePorts) -> Vec<Flow> {
    let mut flows = security();
    match spec.mode {
        Mode::Vlan { host_vlan } => vlan_mode(spec, ports, host_vlan, &mut flows),
        Mode::Routed => routed_mode(spec, ports, &mut flows),
    }
    deliver_to_host(spec, ports, &mut flows);
    flows.extend(return_path_flows(spec, ports));
    let host_reg = match spec.mode {
        Mode::Vlan { host_vlan } => vlan_reg(host_vlan),
        Mode::Routed => 0,
    };
    flows.extend(shares(spec, ports, host_reg));
    flows.extend(redirects(spec));
    flows.into_iter().map(|f| f.cookie(cookie(0))).collect()
}

fn vlan_mode(spec: &NodeSpec, ports: &NodePorts, host_vlan: Option<VlanId>, flows: &mut Vec<Flow>) {
    let Some(uplink) = ports.uplink else { return };
    let host_reg = vlan_reg(host_vlan);

    // 0: the uplink's frames by tag, the host's by their port.
    let pod_vlans: BTreeSet<VlanId> = spec.networks.iter().filter_map(|n| n.vlan).collect();
    for vlan in pod_vlans.iter().copied().chain(host_vlan) {
        flows.push(
            Flow::new(CLASSIFY, 100)
                .matching(Match::new().in_port(uplink).vlan(vlan))
                .actions([
                    Action::pop_vlan(),
                    Action::set_reg(REG_VLAN, vlan_reg(Some(vlan))),
                ])
                .goto(FROM_UPLINK),
        );
    }
    if host_vlan.is_none() {
        flows.push(
            Flow::new(CLASSIFY, 100)
                .matching(Match::new().in_port(uplink).untagged())
                .actions([Action::set_reg(REG_VLAN, 0)])
                .goto(FROM_UPLINK),
        );
        flows.push(priority_tag(Match::new().in_port(uplink), 0, FROM_UPLINK));
    }
    flows.push(
        Flow::new(CLASSIFY, 100)
            .matching(Match::new().in_port(ports.host))
            .actions([Action::set_reg(REG_VLAN, host_reg)])
            .goto(FROM_HOST),
    );

    // 2, 3: what is not for this node goes out. Packets to the host's MAC go to the host in every
    // VLAN: it reaches its own containers without the router.
    flows.push(
        Flow::new(RESOLVE, 80)
            .matching(Match::ipv6().eth_dst(ports.mac))
            .actions([Action::output(ports.host)]),
    );
    flows.push(Flow::new(RESOLVE, 1).goto(UPSTREAM));
    flows.push(Flow::new(DELIVER, 1).goto(UPSTREAM));

    // 5: to the uplink, for each network.
    for network in &spec.networks {
        let Some(vlan) = network.vlan else { continue };
        let mac = (network.mac == MacMode::Host).then_some(ports.mac);
        upstream(vlan, ports, mac, flows);
        allow::in_network(vlan, &network.allow, flows);
        for range in &network.ranges {
            gateway_announcements(vlan, range.gateway, flows);
        }
    }
    if !host_vlan.is_some_and(|v| pod_vlans.contains(&v)) {
        flows.push(
            Flow::new(UPSTREAM, 50)
                .matching(in_vlan(Match::new(), host_reg))
                .actions(tagged_output(host_vlan, Action::output(uplink))),
        );
    }

    // 4, 6: other frames of the host's VLAN go to the host, and what the host sends leaves in that
    // VLAN.
    flows.push(
        Flow::new(FROM_UPLINK, 50)
            .matching(in_vlan(Match::new(), host_reg))
            .actions([Action::output(ports.host)]),
    );
    flows.push(Flow::new(FROM_HOST, 1).goto(UPSTREAM));
    for address in &spec.host_addresses {
        answer_for_host(host_reg, address.ip(), ports, flows);
    }
}

/// To the uplink in one VLAN. A given MAC replaces the container's wherever a switch or a neighbour
/// would learn it.
fn upstream(vlan: VlanId, ports: &NodePorts, mac: Option<MacAddr>, flows: &mut Vec<Flow>) {
    let Some(uplink) = ports.uplink else { return };
    let reg = vlan_reg(Some(vlan));
    let out = |before: Vec<Action>| {
        let leave = tagged_output(Some(vlan), Action::output(uplink));
        before.into_iter().chain(leave).collect::<Vec<_>>()
    };
    let flow = |priority, m: Match, actions: Vec<Action>| {
        Flow::new(UPSTREAM, priority)
            .matching(in_vlan(m, reg))
            .actions(actions)
    };
    let rewrites = |more: &[Action]| match mac {
        Some(mac) => [&[Action::set_eth_src(mac)], more].concat(),
        None => Vec::new(),
    };
    // A multicast neighbour advertisement, such as the answer to duplicate address detection (RFC
    // 4862 §5.4.3), also goes to the host, with the container's own MAC.
    let (group, of_group) = IPV6_GROUPS;
    let advertisement = rewrites(&mac.map(Action::set_nd_tll).into_iter().collect::<Vec<_>>());
    let first = [Action::output(ports.host)];
    flows.push(flow(
        110,
        Match::neighbour(ICMPV6_NA).eth_dst_masked(group, of_group),
        out(first.into_iter().chain(advertisement).collect()),
    ));
    flows.push(flow(50, Match::new(), out(rewrites(&[]))));
    if let Some(mac) = mac {
        let with = |action: Action| out(rewrites(&[action]));
        flows.extend([
            flow(100, Match::arp(), with(Action::set_arp_sha(mac))),
            flow(
                100,
                Match::neighbour(ICMPV6_NS),
                with(Action::set_nd_sll(mac)),
            ),
            flow(
                100,
                Match::neighbour(ICMPV6_NA),
                with(Action::set_nd_tll(mac)),
            ),
        ]);
    }
}

/// A gateway's announcement after a fail-over is flooded to every container of the VLAN. It is the
/// only broadcast that is.
fn gateway_announcements(vlan: VlanId, gateway: IpAddr, flows: &mut Vec<Flow>) {
    let matches = match gateway {
        IpAddr::V4(gw) => Match::arp()
            .arp_spa(gw)
            .arp_tpa(gw)
            .eth_dst(MacAddr::BROADCAST),
        IpAddr::V6(gw) => Match::neighbour(ICMPV6_NA)
            .nd_target(gw)
            .eth_dst_masked(IPV6_GROUPS.0, IPV6_GROUPS.1),
    };
    let flow = Flow::new(FROM_UPLINK, 80)
        .matching(in_vlan(matches, vlan_reg(Some(vlan))))
        .actions(tagged_output(Some(vlan), Action::normal()));
    if !flows.contains(&flow) {
        flows.push(flow);
    }
}

fn routed_mode(spec: &NodeSpec, ports: &NodePorts, flows: &mut Vec<Flow>) {
    flows.push(
        Flow::new(CLASSIFY, 100)
            .matching(Match::new().in_port(ports.host))
            .actions([Action::set_reg(REG_VLAN, 0)])
            .goto(FROM_HOST),
    );
    flows.push(Flow::new(RESOLVE, 1).goto(UPSTREAM));
    flows.push(Flow::new(DELIVER, 1).goto(UPSTREAM));
    // The host routes everything that is not for this node's containers.
    flows.push(
        Flow::new(UPSTREAM, 50)
            .matching(in_vlan(Match::new(), 0))
            .actions(to_host(ports)),
    );
    for range in spec.networks.iter().flat_map(|n| &n.ranges) {
        answer_for_host(0, range.gateway, ports, flows);
    }
}

/// ARP and ND requests of containers of the VLAN for an address of the host: the bridge answers
/// ARP, and the host answers a solicitation.
fn answer_for_host(vlan: u32, address: IpAddr, ports: &NodePorts, flows: &mut Vec<Flow>) {
    let request = |m| Flow::new(RESOLVE, 100).matching(in_vlan(m, vlan));
    flows.push(match address {
        IpAddr::V4(ip) => request(Match::arp().arp_op(1).arp_tpa(ip)).actions(arp_reply(
            ip,
            ports.mac,
            vec![Action::in_port()],
        )),
        IpAddr::V6(ip) => {
            request(Match::neighbour(ICMPV6_NS).nd_target(ip)).actions(to_host(ports))
        }
    });
}

/// The host's own addresses: the plan's, and in mode `routed` the gateways that it is.
pub fn host_ips(spec: &NodeSpec) -> BTreeSet<IpAddr> {
    let gateways = spec
        .networks
        .iter()
        .flat_map(|n| &n.ranges)
        .filter(|_| spec.mode == Mode::Routed)
        .map(|r| r.gateway);
    let hosts = spec.host_addresses.iter().map(IpNetwork::ip);
    hosts.chain(gateways).collect()
}

/// Containers reach their host, and the services that it forwards, without the router.
fn deliver_to_host(spec: &NodeSpec, ports: &NodePorts, flows: &mut Vec<Flow>) {
    let prefixes: BTreeSet<IpNetwork> = host_ips(spec)
        .into_iter()
        .map(IpNetwork::from)
        .chain(spec.service_prefixes.iter().copied())
        .collect();
    for prefix in prefixes {
        flows.push(
            // Above the flows that look up connections: these packets go to the host anyway.
            Flow::new(DELIVER, 145)
                .matching(to(prefix))
                .actions(to_host(ports)),
        );
    }
}
