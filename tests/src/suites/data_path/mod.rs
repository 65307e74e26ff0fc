//! `data-path`: real frames between containers, hosts and routers, and what becomes of those
//! that should not be.

mod announce;
mod bandwidth;
mod host;
mod isolation;
mod macs;
mod reach;
mod resolve;
mod reuse;
mod services;
mod spoofing;
mod trunk;

use super::{Check, Suite};

/// The suite.
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
            sentence: "tagged frames of a container without a trunk are dropped",
            run: isolation::tags_are_dropped,
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
            sentence: "bandwidth limits hold in both directions",
            run: bandwidth::limits,
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
    ],
};
