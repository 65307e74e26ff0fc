use flatnet_kernel::netfilter::{Condition, ForwardChain, ForwardRule, Name, Tool, Verdict};
use flatnet_kernel::{HostEvent, NextHop, Route, RouteKind, RouteScope};
use ipnetwork::IpNetwork;

use super::events::EventFilter;
use super::forward::{Direction, drops};

const OUT: Direction<'static> = Direction {
    from: "flat0",
    to: "eth0",
};
const IN: Direction<'static> = Direction {
    from: "eth0",
    to: "flat0",
};

fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

fn name(text: &str, not: bool) -> Name {
    Name {
        text: text.to_owned(),
        prefix: false,
        not,
    }
}

fn chain(drops: bool, rules: Vec<(Vec<Condition>, Verdict)>) -> ForwardChain {
    ForwardChain {
        tool: Tool::Nft,
        family: "ip",
        table: "filter".to_owned(),
        chain: "FORWARD".to_owned(),
        drops,
        rules: rules
            .into_iter()
            .map(|(when, verdict)| ForwardRule { when, verdict })
            .collect(),
    }
}

/// Whether new connections from containers and to them are dropped.
fn dropped(chain: &ForwardChain) -> (bool, bool) {
    let ranges = [net("10.100.1.0/26"), net("2001:db8:1::/64")];
    (drops(chain, OUT, &ranges), drops(chain, IN, &ranges))
}

#[test]
fn a_policy_of_dropping_drops_unless_a_rule_accepts() {
    use Condition::{Address, In, Other, Out, Unknown};
    use Verdict::{Accept, Drop};
    assert_eq!(dropped(&chain(false, vec![])), (false, false));
    assert_eq!(dropped(&chain(true, vec![])), (true, true));
    // As Docker sets it up: it accepts only its own bridge and established connections.
    let docker = vec![
        (vec![Other], Accept),
        (vec![Out(name("docker0", false))], Accept),
        (vec![In(name("docker0", false))], Accept),
    ];
    assert_eq!(dropped(&chain(true, docker)), (true, true));
    let both = vec![
        (vec![In(name("flat0", false))], Accept),
        (vec![Out(name("flat0", false))], Accept),
    ];
    assert_eq!(dropped(&chain(true, both)), (false, false));
    let out_only = vec![(
        vec![In(name("docker0", true)), Out(name("eth0", false))],
        Accept,
    )];
    assert_eq!(dropped(&chain(true, out_only)), (false, true));
    let by_address = vec![(vec![Address(vec![10, 100])], Accept)];
    assert_eq!(dropped(&chain(true, by_address)), (false, false));
    let others_address = vec![(vec![Address(vec![10, 101])], Accept)];
    assert_eq!(dropped(&chain(true, others_address)), (true, true));
    assert_eq!(
        dropped(&chain(true, vec![(vec![Unknown], Accept)])),
        (false, false)
    );
    assert_eq!(dropped(&chain(false, vec![(vec![], Drop)])), (true, true));
    let first = vec![(vec![], Accept), (vec![], Drop)];
    assert_eq!(dropped(&chain(true, first)), (false, false));
}

#[test]
fn a_chain_of_a_family_without_ranges_drops_nothing_of_the_node() {
    let mut v6 = chain(true, vec![]);
    v6.family = "ip6";
    assert!(!drops(&v6, OUT, &[net("10.100.1.0/26")]));
    assert!(drops(&v6, OUT, &[net("2001:db8:1::/64")]));
}

fn route(dst: &str, protocol: u8, ifindex: u32) -> HostEvent {
    HostEvent::Route(Box::new(Route {
        dst: net(dst),
        table: 254,
        protocol,
        metric: None,
        scope: RouteScope::Universe,
        kind: RouteKind::Unicast,
        src: None,
        mtu: None,
        nexthops: vec![NextHop::dev(ifindex)],
    }))
}

#[test]
fn a_routing_daemons_routes_do_not_trigger_a_reconcile_but_netds_and_defaults_do() {
    let mut filter = EventFilter::default();
    filter.links.insert(7);
    let triggers = |event: HostEvent| filter.of(&event).reconcile;
    assert!(!triggers(route("10.0.0.0/8", 186, 3)));
    assert!(triggers(route("10.0.0.0/8", 186, 7)));
    assert!(triggers(route(
        "10.0.0.0/8",
        flatnet_types::marks::ROUTE_PROTOCOL,
        3
    )));
    assert!(triggers(route("0.0.0.0/0", 16, 3)));
    assert!(!triggers(HostEvent::Rule) && filter.of(&HostEvent::Rule).poll);
    assert!(triggers(HostEvent::Resync));
}
