//! `data-path`: real frames between containers, hosts and routers, and what becomes of those
//! that should not be.

mod allowed;
mod announce;
mod bandwidth;
mod cost;
mod egress;
mod host;
mod isolation;
mod macs;
mod neighbours;
mod numbers;
mod pairs;
mod reach;
mod resolve;
mod reuse;
mod services;
mod shares;
mod spoofing;
mod trunk;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "data-path",
    about: "frames: who reaches whom, what is dropped, and what the wire shows",
    checks: &[
        Check {
            sentence: "containers reach containers, hosts and gateways everywhere, in IPv4 and IPv6",
            run: reach::everywhere,
        },
        Check {
            sentence: "containers of a VLAN reach each other's link-local addresses",
            run: reach::link_local,
        },
        Check {
            sentence: "packets of the plan's MTU pass everywhere in one piece",
            run: reach::full_size,
        },
        Check {
            sentence: "packets that are larger than the MTU pass everywhere in fragments",
            run: reach::in_pieces,
        },
        Check {
            sentence: "a smaller MTU of the CNI configuration is honoured, and a larger refused",
            run: reach::smaller_mtu,
        },
        Check {
            sentence: "frames of one VLAN arrive nowhere in another",
            run: isolation::other_vlan,
        },
        Check {
            sentence: "VLANs reach each other by the router, with their own source addresses",
            run: isolation::by_the_router,
        },
        Check {
            sentence: "tagged frames of a container without a trunk are dropped and counted",
            run: isolation::tags_are_dropped,
        },
        Check {
            sentence: "a tag that bears a priority and no VLAN is as none",
            run: isolation::priority_tags_pass,
        },
        Check {
            sentence: "uplinks carry exactly the plan's VLANs",
            run: isolation::uplinks_carry_the_plan,
        },
        Check {
            sentence: "forged frames arrive nowhere and are counted, each one",
            run: spoofing::forged,
        },
        Check {
            sentence: "a router's and a switch's protocols leave no container and are counted as such; BGP, BFD and mDNS pass",
            run: spoofing::stays_inside,
        },
        Check {
            sentence: "a network that allows VRRP lets its virtual MAC and addresses through, and they reach their holder",
            run: allowed::vrrp,
        },
        Check {
            sentence: "in mode vlan a network's list of destinations lets its containers send to them and to nobody else",
            run: egress::in_a_vlan,
        },
        Check {
            sentence: "in mode routed a network's list of destinations lets its containers send to them and to nobody else",
            run: egress::routed,
        },
        Check {
            sentence: "what a kernel sends unasked is not counted as forged",
            run: spoofing::honest,
        },
        Check {
            sentence: "a switch learns one MAC for a host and VLAN, however many containers",
            run: macs::one_for_a_host,
        },
        Check {
            sentence: "a network with `mac: pod` shows its containers' MACs, and all still reach",
            run: macs::of_the_pods,
        },
        Check {
            sentence: "a container hears no ARP or ND that is not for it",
            run: resolve::bystanders_hear_nothing,
        },
        Check {
            sentence: "neighbours find each other with netd stopped for a minute and empty caches",
            run: neighbours::without_netd,
        },
        Check {
            sentence: "a port that gets another number than it asks for has flows for that one",
            run: numbers::another_one,
        },
        Check {
            sentence: "a container is announced on the uplink after its ADD",
            run: announce::of_a_container,
        },
        Check {
            sentence: "every container of a VLAN hears where its gateway is now",
            run: announce::of_the_gateway,
        },
        Check {
            sentence: "an address that is used again is reached at once",
            run: reuse::at_once,
        },
        Check {
            sentence: "a trunk container sends the VLANs it asked for tagged, and no other",
            run: trunk::sends,
        },
        Check {
            sentence: "a trunk container hears its VLANs from other nodes, and answers",
            run: trunk::receives,
        },
        Check {
            sentence: "in a VLAN of its trunk a container has its declared addresses, and is no gateway, neighbour, router or server",
            run: trunk::stays_itself,
        },
        Check {
            sentence: "bandwidth limits hold in both directions",
            run: bandwidth::limits,
        },
        Check {
            sentence: "in mode vlan a thousand connections cost the datapath hardly more than by NORMAL",
            run: cost::mode_vlan,
        },
        Check {
            sentence: "in mode routed a thousand connections cost the datapath hardly more than by NORMAL",
            run: cost::mode_routed,
        },
        Check {
            sentence: "a host and its own containers talk without the router",
            run: host::own_containers,
        },
        Check {
            sentence: "a host reaches the containers of other nodes",
            run: host::other_nodes,
        },
        Check {
            sentence: "in mode routed the host is the gateway, and answers once",
            run: host::routed,
        },
        Check {
            sentence: "a service's answers pass the host that chose its container, in mode vlan too",
            run: services::answers_pass_the_host,
        },
        Check {
            sentence: "containers that speak directly and by services at once lose no first answer",
            run: pairs::first_answers,
        },
        Check {
            sentence: "a container that uses up its share of connections to services harms itself alone",
            run: shares::used_up,
        },
    ],
};
