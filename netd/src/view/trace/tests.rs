use std::collections::BTreeMap;

use flatnet_plan::node::derive;
use flatnet_types::api::trace::{Inside, Packet, Proto, Side};
use flatnet_types::api::view::{AttachmentState, AttachmentView};
use flatnet_types::{IfName, MacAddr};

use super::facts::{Answers, DryRun, facts};
use super::queries::{FlowQuery, LocalEnd, local_end, queries};
use crate::flows::NodePorts;
use crate::node_ops::PortRow;
use crate::reconcile::{Actual, ActualPort, ChangeSet, LinkActual, Op, RouteActual, Subject};

fn spec(node: &str) -> flatnet_plan::NodeSpec {
    let plan = flatnet_plan::load(include_str!("../../../../examples/lab.yaml")).expect("it");
    derive(&plan, &node.parse().expect("a name")).expect("a node")
}

fn attachment(network: &str, address: &str) -> AttachmentView {
    AttachmentView {
        network: network.parse().expect("a name"),
        plan_network: network.parse().expect("a name"),
        container_id: "c1".parse().expect("an ID"),
        ifname: "eth0".parse().expect("a name"),
        addresses: vec![address.parse().expect("an address")],
        state: AttachmentState::Committed,
        generation: 7,
        host_ifname: "fn7".parse().expect("a name"),
        ofport: 1007,
        created_at: flatnet_types::Timestamp::from_millis(0),
        detail: serde_json::from_value(serde_json::json!({
            "version": 1, "netns": "/run/netns/c1", "mac": "0a:00:00:00:00:01", "mtu": 1500,
        }))
        .ok(),
    }
}

fn actual() -> Actual {
    let row = PortRow {
        name: "fn7".to_owned(),
        kind: "",
        number: 1007,
        tag: None,
        trunks: Vec::new(),
        mac: None,
        mtu: None,
        external_ids: Vec::new(),
    };
    let port = ActualPort {
        row,
        ofport: Some(1007),
        error: None,
        altered_columns: BTreeMap::new(),
    };
    Actual {
        ports: BTreeMap::from([("fn7".to_owned(), port)]),
        links: vec![LinkActual {
            mtu: 1500,
            up: true,
            ..LinkActual::new(IfName::literal("fn7"), 9)
        }],
        ..Actual::default()
    }
}

fn ports(uplink: Option<u32>) -> NodePorts {
    NodePorts {
        uplink,
        host: 2,
        mac: MacAddr([2, 0, 0, 0, 0, 9]),
        zones: true,
    }
}

fn packet(src: &str, dst: &str) -> Packet {
    Packet {
        src: src.parse().expect("an address"),
        dst: dst.parse().expect("an address"),
        proto: Proto::Icmp,
        back: false,
    }
}

/// The look-ups on a node with one container: routes and flows.
fn asked(node: &str, own: &AttachmentView, packet: Packet) -> (Vec<Side>, Vec<FlowQuery>) {
    let spec = spec(node);
    let all = std::slice::from_ref(own);
    let (src, dst) = (
        local_end(&spec, all, packet.src),
        local_end(&spec, all, packet.dst),
    );
    let ports = ports(node.starts_with("idc").then_some(1));
    let ends = (src.as_ref(), dst.as_ref());
    let found = queries(&spec, &actual(), Some(&ports), packet, ends);
    (found.routes, found.flows)
}

fn text(ask: &FlowQuery) -> &str {
    ask.packet.as_deref().expect("a packet")
}

#[test]
fn a_container_of_a_vlan_is_traced_from_its_port_and_from_the_uplink() {
    let own = attachment("web", "10.100.16.5/16");
    let (routes, flows) = asked("idc1", &own, packet("10.100.16.5", "10.100.32.7"));
    assert_eq!((routes.len(), flows.len()), (0, 1));
    assert_eq!(flows[0].from, Side::Container);
    assert_eq!(
        text(&flows[0]),
        "in_port=1007,icmp,dl_src=0a:00:00:00:00:01,nw_src=10.100.16.5,nw_dst=10.100.32.7,\
         nw_ttl=64,icmp_type=8,icmp_code=0"
    );
    let answer = packet("10.100.16.5", "10.100.32.7").answer();
    let (_, flows) = asked("idc1", &own, answer);
    assert_eq!((flows.len(), flows[0].from), (1, Side::Uplink));
    assert_eq!(flows[0].vlan.map(|v| v.get()), Some(100));
    assert!(text(&flows[0]).starts_with("in_port=1,icmp,dl_src=02:00:00:00:00:fe,dl_vlan=100,"));
    assert!(text(&flows[0]).ends_with("icmp_type=0,icmp_code=0"));
}

#[test]
fn on_a_vpc_node_routes_are_looked_up_too() {
    let own = attachment("cloud", "172.30.16.5/20");
    let there = packet("172.30.16.5", "172.30.32.7");
    let (routes, flows) = asked("vpc1", &own, there);
    assert_eq!((routes, flows.len()), (vec![Side::Container], 1));
    let (routes, flows) = asked("vpc1", &own, there.answer());
    assert_eq!((routes, flows[0].from), (vec![Side::Uplink], Side::Host));
    assert!(text(&flows[0]).starts_with("in_port=2,icmp,dl_src=02:00:00:00:00:09,nw_src"));
    let (routes, flows) = asked("vpc1", &own, packet("172.20.1.11", "172.30.32.7"));
    assert_eq!((routes, flows.len()), (vec![Side::Host], 0));
}

#[test]
fn ports_and_ipv6_are_written_as_open_vswitch_reads_them() {
    let own = attachment("web", "fd10:100::1:5/64");
    let tcp = Packet {
        proto: Proto::Tcp { port: 443 },
        ..packet("fd10:100::1:5", "fd20:30::2:7")
    };
    let (_, flows) = asked("idc1", &own, tcp);
    let text_of_query = text(&flows[0]);
    assert!(text_of_query.contains(",tcp6,") && text_of_query.contains("ipv6_dst=fd20:30::2:7"));
    assert!(
        text_of_query.ends_with("tp_src=49152,tp_dst=443"),
        "{text_of_query}"
    );
    let (_, flows) = asked("idc1", &own, packet("fd10:100::1:5", "fd20:30::2:7"));
    assert!(text(&flows[0]).ends_with("icmpv6_type=128,icmpv6_code=0"));
}

#[test]
fn a_port_without_a_number_is_a_reason_and_not_a_packet() {
    let own = AttachmentView {
        host_ifname: "fn8".parse().expect("a name"),
        ..attachment("web", "10.100.16.5/16")
    };
    let (_, flows) = asked("idc1", &own, packet("10.100.16.5", "10.100.32.7"));
    assert_eq!(flows[0].packet, Err("port fn8 has no number".to_owned()));
}

#[test]
fn pending_ops_are_reported_with_what_they_concern() {
    let spec = spec("vpc1");
    let route = RouteActual {
        dst: "172.30.32.0/20".parse().expect("a prefix"),
        via: None,
        dev: IfName::literal("flat0"),
        src: None,
    };
    let changes = ChangeSet {
        ops: vec![
            Op::AddRoute(route),
            Op::SetLink {
                name: IfName::literal("eth0"),
                mtu: None,
            },
            Op::ChangeFlows {
                subject: Subject::Node,
                meters: Vec::new(),
                adds: Vec::new(),
                deletes: Vec::new(),
            },
        ],
        problems: vec![crate::problems::Problem::blocking(
            "uplink-missing",
            "the uplink is gone",
        )],
        ..ChangeSet::default()
    };
    let (actual, own) = (actual(), attachment("cloud", "172.30.16.5/20"));
    let dry_run = DryRun {
        spec: &spec,
        bridge: "br-flat",
        actual: &actual,
        changes: &changes,
        board: Vec::new(),
    };
    let end = LocalEnd::Container(Box::new(own));
    let found = facts(&dry_run, (Some(&end), None), Answers::default());
    assert_eq!(
        (found.node.as_str(), found.bridge.as_str()),
        ("vpc1", "br-flat")
    );
    let kinds: Vec<&str> = found.pending.iter().map(|p| p.kind.as_str()).collect();
    assert_eq!(kinds, ["add_route", "set_link", "change_flows"]);
    assert_eq!(
        found.pending[0].prefix.map(|p| p.to_string()).as_deref(),
        Some("172.30.32.0/20")
    );
    assert_eq!(found.pending[1].port.as_deref(), Some("eth0"));
    assert_eq!(found.problems, ["the uplink is gone"]);
    let source = found.source.expect("an end");
    let container = source.container().expect("a container");
    assert_eq!((container.generation, container.mtu), (7, 1500));
    let row = container.port.port.as_ref().expect("a port");
    assert_eq!((row.number, row.ofport), (1007, Some(1007)));
    assert!(matches!(container.inside, Inside::Unknown { .. }));
    assert!(found.destination.is_none() && found.uplink.link.is_none());
}
