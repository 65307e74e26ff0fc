use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use flatnet_types::{IfName, MacAddr, Mtu, NetnsPath};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NetlinkPayload};
use netlink_packet_route::link::{
    InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use super::*;
use crate::error::Fault;
use crate::message::{link, route};
use crate::spec::RouteSpec;
use crate::view::NextHop;

/// The messages of a batch: sequence number, flags and content.
fn decode(bytes: &[u8]) -> Vec<(u32, u16, RouteNetlinkMessage)> {
    messages(bytes)
        .map(|m| {
            let m = m.expect("a whole message").into_inner();
            let m = NetlinkMessage::deserialize(m).expect("what was encoded can be decoded");
            match m.payload {
                NetlinkPayload::InnerMessage(inner) => {
                    (m.header.sequence_number, m.header.flags, inner)
                }
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

fn link_of(message: &RouteNetlinkMessage) -> &LinkMessage {
    match message {
        RouteNetlinkMessage::NewLink(m) | RouteNetlinkMessage::SetLink(m) => m,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_last_of_a_batch_asks_for_an_acknowledgement() {
    let bytes = encode(vec![link::up(1), link::up(2), link::up(3)], 41);
    let all = decode(&bytes);
    let sequence: Vec<u32> = all.iter().map(|m| m.0).collect();
    assert_eq!(sequence, [41, 42, 43]);
    let asks: Vec<bool> = all.iter().map(|m| m.1 & NLM_F_ACK != 0).collect();
    assert_eq!(asks, [false, false, true]);
    assert!(all.iter().all(|m| m.1 & NLM_F_REQUEST != 0));
    assert_eq!(link_of(&all[1].2).header.index, 2);
}

#[test]
fn a_veth_pair_is_one_message_with_both_ends_in_it() {
    let home = OwnedFd::from(File::open("/proc/version").expect("a descriptor"));
    let Some(container) = crate::netns::tests::any_other_namespace() else {
        eprintln!("skipped: there is no other namespace that may be opened");
        return;
    };
    let spec = crate::VethSpec {
        host_name: IfName::new("flt1").expect("a name"),
        host_ifindex: 1001,
        host_mac: None,
        alias: None,
        container,
        container_name: IfName::new("eth0").expect("a name"),
        container_ifindex: None,
        container_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu: Mtu::ETHERNET,
        promiscuous: true,
    };
    let request = link::new_veth(&spec, MacAddr([2, 0, 0, 0, 0, 2]), 1002, home.as_fd());
    let all = decode(&encode(vec![request], 1));
    let (_, flags, message) = &all[0];
    assert_eq!(
        flags & (NLM_F_CREATE | NLM_F_EXCL),
        NLM_F_CREATE | NLM_F_EXCL
    );
    let end = link_of(message);
    assert_eq!(end.header.index, 1002);
    assert!(end.header.flags.contains(LinkFlags::Up));
    let has = |m: &LinkMessage, a: LinkAttribute| m.attributes.contains(&a);
    assert!(has(end, LinkAttribute::IfName("eth0".to_owned())));
    assert!(has(end, LinkAttribute::Mtu(1500)));
    assert!(has(end, LinkAttribute::NumTxQueues(1)));
    let peer = end
        .attributes
        .iter()
        .find_map(|a| match a {
            LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|i| match i {
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))) => Some(peer),
                _ => None,
            }),
            _ => None,
        })
        .expect("a peer");
    assert_eq!(peer.header.index, 1001);
    // A peer that is born up is refused: it has no other end yet (ENOTCONN).
    assert!(!peer.header.flags.contains(LinkFlags::Up));
    assert!(peer.header.flags.contains(LinkFlags::Promisc));
    assert!(!end.header.flags.contains(LinkFlags::Promisc));
    assert!(has(peer, LinkAttribute::IfName("flt1".to_owned())));
    assert!(has(peer, LinkAttribute::Address(vec![2, 0, 0, 0, 0, 2])));
    assert!(has(peer, LinkAttribute::NetNsFd(home.as_raw_fd())));
    assert!(has(peer, LinkAttribute::NumRxQueues(1)));
}

#[test]
fn a_hosts_end_is_dressed_only_as_far_as_is_wanted() {
    assert!(link::dress_host_end(7, None, false).is_none());
    let dressed = link::dress_host_end(7, Some("mark"), true).expect("something to do");
    let all = decode(&encode(vec![dressed], 1));
    let message = link_of(&all[0].2);
    assert_eq!(message.header.index, 7);
    assert_eq!(message.attributes.len(), 2);
    // IFLA_AF_SPEC { AF_INET6 { IFLA_INET6_ADDR_GEN_MODE = IN6_ADDR_GEN_MODE_NONE } }
    let bytes = encode(vec![link::dress_host_end(7, None, true).expect("one")], 1);
    let nest: [u8; 15] = [0x10, 0, 26, 0, 12, 0, 10, 0, 5, 0, 8, 0, 1, 0, 0];
    let mut nest = nest.to_vec();
    nest.push(0);
    // A nested attribute may bear NLA_F_NESTED in its kind.
    let seen: Vec<u8> = bytes[32..]
        .iter()
        .enumerate()
        .map(|(i, b)| if matches!(i, 3 | 7) { b & 0x7f } else { *b })
        .collect();
    assert_eq!(seen, nest);
}

#[test]
fn a_route_is_read_as_it_was_written() {
    let gateway = "192.0.2.1".parse().expect("an address");
    let six = "2001:db8::1".parse().expect("an address");
    let net = |s: &str| s.parse().expect("a prefix");
    let heavy = NextHop {
        weight: 256,
        ..NextHop::via(gateway).through(4)
    };
    let routes = [
        RouteSpec::new(
            net("10.0.0.0/8"),
            vec![NextHop::via(gateway).through(3)],
            99,
        ),
        RouteSpec::new(net("10.0.0.0/8"), vec![NextHop::dev(3)], 99),
        RouteSpec::new(net("10.0.0.0/8"), vec![NextHop::via(six).through(3)], 99),
        RouteSpec::new(
            net("10.0.0.0/8"),
            vec![NextHop::via(gateway).through(3).onlink(), heavy],
            99,
        ),
        RouteSpec {
            table: 70_000,
            metric: Some(9),
            src: Some(six),
            ..RouteSpec::new(net("2001:db8::/32"), vec![NextHop::via(six).through(3)], 4)
        },
    ];
    for spec in routes {
        let bytes = encode(vec![route::add(&spec)], 1);
        let seen = route::read(&bytes[16..]).expect("whole").expect("a route");
        assert!(crate::observe::is_route(&seen, &spec), "{seen:?} {spec:?}");
        assert_eq!(seen.protocol, spec.protocol);
        assert_eq!(seen.nexthops, spec.nexthops);
        // Cut anywhere, it is refused or read in part, and nothing panics.
        for end in 16..bytes.len() {
            let _ = route::read(&bytes[16..end]);
        }
    }
}

#[test]
fn a_datagram_that_is_cut_ends_with_an_error() {
    let bytes = encode(vec![link::up(1), link::up(2)], 1);
    let cut = &bytes[..bytes.len() - 4];
    let all: Vec<_> = messages(cut).collect();
    assert_eq!(all.len(), 2);
    assert!(all[0].is_ok());
    assert!(matches!(all[1], Err(Fault::Undecodable { .. })));
    for end in 0..bytes.len() {
        let _ = messages(&bytes[..end]).count();
        let _ = link::read(&bytes[..end]);
        let _ = crate::message::address::read(&bytes[..end]);
    }
}

#[test]
fn a_socket_without_privileges_lists_and_is_refused_changes() {
    let mut socket = RouteSocket::open().expect("anyone may");
    let lo = crate::observe::get_link(&mut socket, &IfName::new("lo").expect("a name"));
    assert_eq!(lo.expect("read").map(|l| l.ifindex), Some(1));
    let none = IfName::new("flt-none").expect("a name");
    assert_eq!(crate::observe::get_link(&mut socket, &none), Ok(None));
    let routes = crate::observe::list_routes(&mut socket, false, Some(252));
    assert_eq!(routes, Ok(Vec::new()), "a table that does not exist");
    // An index that no link has: refused for one reason or the other, whoever asks.
    let refused = socket.request(link::up(0x7fff_fff0)).expect_err("no link");
    assert!(refused.refusal().is_some(), "{refused}");
    let path = NetnsPath::new("/proc/self/ns/net").expect("sound");
    assert!(crate::Netns::open(&path).is_err());
}
