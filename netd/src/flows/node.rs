//! The flows that a node has whatever containers it has.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_ovs::openflow::{Action, Field, Flow, Match};
use flatnet_plan::model::MacMode;
use flatnet_plan::node::{Mode, NodeSpec};
use flatnet_types::{MacAddr, VlanId};
use ipnetwork::IpNetwork;

use super::pod::{advertise, arp_reply};
use super::returns::ways_back;
use super::table::{
    ADVERTISE, CLASSIFY, DELIVER, FROM_HOST, FROM_UPLINK, RESOLVE, SECURITY, UPSTREAM,
};
use super::{NodePorts, REG_VLAN, cookie, in_vlan, tagged_output, vlan_reg};

const ICMPV6_RS: u8 = 133;
const ICMPV6_RA: u8 = 134;
pub(super) const ICMPV6_NS: u8 = 135;
pub(super) const ICMPV6_NA: u8 = 136;
const ICMPV6_REDIRECT: u8 = 137;
const ICMPV6_MLD2_REPORT: u8 = 143;

/// The flows of the node itself.
pub fn node_flows(spec: &NodeSpec, ports: &NodePorts) -> Vec<Flow> {
    let mut flows = security();
    flows.extend(advertisements(spec, ports));
    match spec.mode {
        Mode::Vlan { host_vlan } => vlan_mode(spec, ports, host_vlan, &mut flows),
        Mode::Routed => routed_mode(spec, ports, &mut flows),
    }
    deliver_to_host(spec, ports, &mut flows);
    flows.into_iter().map(|f| f.cookie(cookie(0))).collect()
}

/// What no container may send, and what each kernel sends unasked and nobody needs.
fn security() -> Vec<Flow> {
    let drop = |priority, m: Match| Flow::new(SECURITY, priority).matching(m);
    vec![
        // Kernels join groups and look for routers and duplicates by themselves. That is no
        // spoofing: it goes before the counted drops.
        drop(130, Match::icmpv6(ICMPV6_MLD2_REPORT)),
        drop(130, Match::icmpv6(ICMPV6_RS)),
        drop(
            130,
            Match::icmpv6(ICMPV6_NS).ipv6_src(std::net::Ipv6Addr::UNSPECIFIED),
        ),
        // A container is no router (RFC 6105, RA guard), and says of no neighbour but itself
        // where it is: what a container's own flows (110) do not let through ends here.
        drop(120, Match::icmpv6(ICMPV6_RA)),
        drop(120, Match::icmpv6(ICMPV6_REDIRECT)),
        // Nor does it give out addresses: what a server says to a client (RFC 2131 §4.1,
        // RFC 8415 §7.2).
        drop(120, Match::udp4().udp_src(67).udp_dst(68)),
        drop(120, Match::udp6().udp_src(547).udp_dst(546)),
        drop(105, Match::icmpv6(ICMPV6_NS)),
        drop(105, Match::icmpv6(ICMPV6_NA)),
    ]
}

/// Writes the target's MAC into an advertisement and sends it back to who asked.
fn advertisements(spec: &NodeSpec, ports: &NodePorts) -> Vec<Flow> {
    let answer = |priority, m: Match, output: Vec<Action>| {
        let target = [Action::copy(Field::EthSrc, Field::NdTll)];
        Flow::new(ADVERTISE, priority)
            .matching(m)
            .actions(target.into_iter().chain(output))
    };
    let advertisement = || Match::icmpv6(ICMPV6_NA).icmpv6_code(0);
    let mut flows = vec![answer(50, advertisement(), vec![Action::in_port()])];
    let vlans: BTreeSet<VlanId> = spec.networks.iter().filter_map(|n| n.vlan).collect();
    if let Some(uplink) = ports.uplink {
        flows.extend(vlans.into_iter().map(|vlan| {
            let asked = in_vlan(advertisement().in_port(uplink), vlan_reg(Some(vlan)));
            answer(100, asked, tagged_output(Some(vlan), Action::in_port()))
        }));
    }
    flows
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
    }
    flows.push(
        Flow::new(CLASSIFY, 100)
            .matching(Match::new().in_port(ports.host))
            .actions([Action::set_reg(REG_VLAN, host_reg)])
            .goto(FROM_HOST),
    );
    flows.extend(ways_back(spec, ports, host_reg));

    // 2, 3: what is not for this node goes out.
    flows.push(Flow::new(RESOLVE, 1).goto(UPSTREAM));
    flows.push(Flow::new(DELIVER, 1).goto(UPSTREAM));

    // 4: the way out, one network after the other.
    for network in &spec.networks {
        let Some(vlan) = network.vlan else { continue };
        let mac = (network.mac == MacMode::Host).then_some(ports.mac);
        upstream(vlan, uplink, mac, flows);
        for range in &network.ranges {
            announcement_of_gateway(vlan, range.gateway, flows);
        }
    }
    if !host_vlan.is_some_and(|v| pod_vlans.contains(&v)) {
        flows.push(
            Flow::new(UPSTREAM, 50)
                .matching(in_vlan(Match::new(), host_reg))
                .actions(tagged_output(host_vlan, Action::output(uplink))),
        );
    }

    // 5, 6: the rest of the host's VLAN is the host's, and what the host sends leaves in it.
    flows.push(
        Flow::new(FROM_UPLINK, 50)
            .matching(in_vlan(Match::new(), host_reg))
            .actions([Action::output(ports.host)]),
    );
    flows.push(Flow::new(FROM_HOST, 1).goto(UPSTREAM));
    for address in &spec.host_addresses {
        answer_for_host(host_reg, address.ip(), ports.mac, flows);
    }
}

/// Out of one VLAN; with a MAC given, it takes the place of the container's everywhere that
/// a switch or a neighbour would learn it.
fn upstream(vlan: VlanId, uplink: u32, mac: Option<MacAddr>, flows: &mut Vec<Flow>) {
    let reg = vlan_reg(Some(vlan));
    let out = || tagged_output(Some(vlan), Action::output(uplink));
    let with = |rewrites: Vec<Action>| rewrites.into_iter().chain(out()).collect::<Vec<_>>();
    let flow = |priority, m: Match, actions: Vec<Action>| {
        Flow::new(UPSTREAM, priority)
            .matching(in_vlan(m, reg))
            .actions(actions)
    };
    let Some(mac) = mac else {
        flows.push(flow(50, Match::new(), out()));
        return;
    };
    let src = Action::set_eth_src(mac);
    flows.extend([
        flow(
            100,
            Match::arp(),
            with(vec![src.clone(), Action::set_arp_sha(mac)]),
        ),
        flow(
            100,
            Match::icmpv6(ICMPV6_NS),
            with(vec![src.clone(), Action::set_nd_sll(mac)]),
        ),
        flow(
            100,
            Match::icmpv6(ICMPV6_NA),
            with(vec![src.clone(), Action::set_nd_tll(mac)]),
        ),
        flow(50, Match::new(), with(vec![src])),
    ]);
}

/// When a router says where it is now (a fail-over), every container of the VLAN hears it.
/// This is the only broadcast that is flooded.
fn announcement_of_gateway(vlan: VlanId, gateway: IpAddr, flows: &mut Vec<Flow>) {
    let matches = match gateway {
        IpAddr::V4(gw) => Match::arp()
            .arp_spa(gw)
            .arp_tpa(gw)
            .eth_dst(MacAddr::BROADCAST),
        IpAddr::V6(gw) => Match::icmpv6(ICMPV6_NA).nd_target(gw).eth_dst_masked(
            MacAddr([0x33, 0x33, 0, 0, 0, 0]),
            MacAddr([0xff, 0xff, 0, 0, 0, 0]),
        ),
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
    // Whatever is not for this node's containers is the host's to route.
    flows.push(
        Flow::new(UPSTREAM, 50)
            .matching(in_vlan(Match::new(), 0))
            .actions([Action::set_eth_dst(ports.mac), Action::output(ports.host)]),
    );
    for range in spec.networks.iter().flat_map(|n| &n.ranges) {
        answer_for_host(0, range.gateway, ports.mac, flows);
    }
}

/// ARP and ND for an address of the host, asked by a container of the same VLAN.
fn answer_for_host(vlan: u32, address: IpAddr, mac: MacAddr, flows: &mut Vec<Flow>) {
    let asked = |m| Flow::new(RESOLVE, 100).matching(in_vlan(m, vlan));
    flows.push(match address {
        IpAddr::V4(ip) => asked(Match::arp().arp_op(1).arp_tpa(ip)).actions(arp_reply(
            ip,
            mac,
            vec![Action::in_port()],
        )),
        IpAddr::V6(ip) => advertise(asked(Match::icmpv6(ICMPV6_NS).nd_target(ip)), ip, mac),
    });
}

/// Containers reach their host, and the services that it forwards, without the router.
fn deliver_to_host(spec: &NodeSpec, ports: &NodePorts, flows: &mut Vec<Flow>) {
    let gateways = spec
        .networks
        .iter()
        .flat_map(|n| &n.ranges)
        .filter(|_| spec.mode == Mode::Routed)
        .map(|r| IpNetwork::from(r.gateway));
    let hosts = spec.host_addresses.iter().map(|a| IpNetwork::from(a.ip()));
    let prefixes: BTreeSet<IpNetwork> = hosts
        .chain(gateways)
        .chain(spec.service_prefixes.iter().copied())
        .collect();
    for prefix in prefixes {
        let matches = match prefix {
            IpNetwork::V4(p) => Match::ipv4().ipv4_dst_net(p.network(), p.prefix()),
            IpNetwork::V6(p) => Match::ipv6().ipv6_dst_net(p.network(), p.prefix()),
        };
        flows.push(
            Flow::new(DELIVER, 90)
                .matching(matches)
                .actions([Action::set_eth_dst(ports.mac), Action::output(ports.host)]),
        );
    }
}
