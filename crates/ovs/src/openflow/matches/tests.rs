use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use flatnet_types::{MacAddr, VlanId};
use proptest::prelude::*;

pub(crate) fn any_match() -> impl Strategy<Value = Match> {
    prop::collection::vec(
        (
            prop::sample::select(Field::ALL),
            any::<u128>(),
            prop::option::of(any::<u128>()),
        ),
        0..8,
    )
    .prop_map(|entries| {
        entries
            .into_iter()
            .fold(Match::new(), |m, (field, value, mask)| match mask {
                Some(mask) => m.field_masked(field, value, mask),
                None => m.field(field, value),
            })
    })
}

fn decoded(m: &Match) -> Match {
    let mut bytes = Vec::new();
    m.encode(&mut bytes);
    assert_eq!(bytes.len() % 8, 0);
    let mut r = Reader::new(&bytes);
    let back = Match::decode(&mut r).expect("our own");
    assert!(r.is_empty());
    back
}

proptest! {
    #[test]
    fn a_match_survives_the_wire(m in any_match()) {
        prop_assert_eq!(decoded(&m), m);
    }

    #[test]
    fn decoding_garbage_never_panics(bytes: Vec<u8>) {
        let _ = Match::decode(&mut Reader::new(&bytes));
    }

    #[test]
    fn the_order_of_building_does_not_matter(m in any_match(), vlan in 1u32..4095) {
        let vlan = VlanId::new(vlan).expect("in bounds");
        let first = m.clone().vlan(vlan).in_port(3);
        let second = m.in_port(3).untagged().vlan(vlan);
        prop_assert_eq!(first, second);
    }
}

#[test]
fn the_bytes_are_those_that_the_switch_sends() {
    // As Open vSwitch 3.1 gives them back for
    // `icmp6,icmpv6_type=135,nd_reserved=4,nd_options_type=1`.
    let dumped = [
        0, 1, 0, 0x21, 0x80, 0, 0x0a, 2, 0x86, 0xdd, 0x80, 0, 0x14, 1, 0x3a, 0x80, 0, 0x3a, 1,
        0x87, 0x10, 0, 2, 4, 0, 0, 0, 4, 0x10, 0, 4, 1, 1, 0, 0, 0, 0, 0, 0, 0,
    ];
    let m = Match::icmpv6(135).nd_reserved(4).nd_options_type(1);
    let mut bytes = Vec::new();
    m.encode(&mut bytes);
    assert_eq!(bytes, dumped);
}

#[test]
fn masks_are_canonical() {
    let ip = Ipv4Addr::new(10, 1, 2, 3);
    assert_eq!(Match::new().ipv4_src_net(ip, 32), Match::new().ipv4_src(ip));
    assert_eq!(Match::new().ipv4_src_net(ip, 0), Match::new());
    assert_eq!(
        Match::new().ipv4_src_net(ip, 24),
        Match::new().ipv4_src_net(Ipv4Addr::new(10, 1, 2, 0), 24)
    );
    assert_eq!(
        Match::new().field_masked(Field::VlanVid, 0x1064u16, 0x1fffu16),
        Match::new().vlan(VlanId::new(100).expect("in bounds"))
    );
}

#[test]
fn it_reads_like_ovs_ofctl() {
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let vlan = VlanId::new(100).expect("in bounds");
    for (m, text) in [
        (Match::new(), ""),
        (Match::arp().in_port(3).arp_op(1), "arp,in_port=3,arp_op=1"),
        (
            Match::new().in_port(super::super::port::LOCAL),
            "in_port=LOCAL",
        ),
        (
            Match::new().eth_src(mac).vlan(vlan),
            "eth_src=02:00:00:00:00:01,vlan_vid=0x1064",
        ),
        (Match::new().tagged(), "vlan_vid=0x1000/0x1000"),
        (Match::udp4().udp_dst(67), "udp,udp_dst=67"),
        (
            Match::ipv6().ipv6_dst_net(Ipv6Addr::LOCALHOST, 64),
            "ipv6,ipv6_dst=::/ffff:ffff:ffff:ffff::",
        ),
        (Match::ipv4().ip_proto(47), "ip,nw_proto=47"),
        (Match::new().reg_masked(0, 5, 7), "reg0=0x5/0x7"),
        (Match::new().eth_type(0x88cc), "eth_type=0x88cc"),
    ] {
        assert_eq!(m.to_string(), text);
    }
}

#[test]
fn tcp_flags_are_read_in_the_form_of_the_experimenter_too() {
    // As Open vSwitch 3.1 gives `tcp,tcp_flags=+syn-ack` back on a connection of OpenFlow 1.4.
    let dumped = [
        0x00, 0x01, 0x00, 0x1b, 0x80, 0x00, 0x0a, 0x02, 0x08, 0x00, 0x80, 0x00, 0x14, 0x01, 0x06,
        0xff, 0xff, 0x55, 0x08, 0x4f, 0x4e, 0x46, 0x00, 0x00, 0x02, 0x00, 0x12, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ];
    let read = Match::decode(&mut Reader::new(&dumped)).expect("a match");
    assert_eq!(read, Match::tcp4().opens_connection());
    assert_eq!(read.to_string(), "tcp,tcp_flags=0x2/0x12");
}
