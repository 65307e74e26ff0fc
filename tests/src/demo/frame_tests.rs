//! Frames as tunnels make them, and as the wire is to bear them.

use super::*;

const MARK: Mark = Mark {
    from: 1,
    to: 2,
    run: 7,
};

fn mark_bytes() -> Vec<u8> {
    let pattern = MARK.pattern();
    let byte = |i: usize| u8::from_str_radix(&pattern[2 * i..2 * i + 2], 16).expect("hex");
    (0..pattern.len() / 2).map(byte).collect()
}

fn ethernet(tags: &[u16], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    for tag in tags {
        frame.extend(DOT1Q.to_be_bytes());
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 20];
    packet[0] = 0x45;
    packet[9] = protocol;
    packet[12..16].copy_from_slice(&[10, 100, 16, 2]);
    packet[16..20].copy_from_slice(&[172, 30, 16, 2]);
    packet.extend(payload);
    packet
}

fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x60;
    packet[6] = next;
    packet[8] = 0xfd;
    packet[24] = 0xfd;
    packet.extend(payload);
    packet
}

fn echo(kind: u8) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    message.extend([0; 16]);
    message.extend(mark_bytes());
    message
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0xc0, 0];
    datagram.extend(port.to_be_bytes());
    datagram.extend([0; 4]);
    datagram.extend(payload);
    datagram
}

#[test]
fn an_echo_in_one_tag_is_a_probe_and_plain() {
    let frame = read(&ethernet(&[100], IPV4, &ip4(ICMP, &echo(8))));
    assert!(!frame.encapsulated);
    assert_eq!(frame.vlan, Some(100));
    let probe = frame.probe.expect("a probe");
    assert_eq!(probe.mark, MARK);
    assert!(!probe.reply);
    assert_eq!(probe.source.to_string(), "10.100.16.2");
    assert_eq!(probe.destination.to_string(), "172.30.16.2");
}

#[test]
fn a_reply_over_ipv6_without_a_tag_is_one_too() {
    let frame = read(&ethernet(&[], IPV6, &ip6(ICMPV6, &echo(129))));
    assert!(!frame.encapsulated);
    assert_eq!(frame.vlan, None);
    assert!(frame.probe.expect("a probe").reply);
}

#[test]
fn every_tunnel_is_seen() {
    let inner = ethernet(&[], IPV4, &ip4(ICMP, &echo(8)));
    let wrapped = [
        (
            "two tags",
            ethernet(&[100, 200], IPV4, &ip4(ICMP, &echo(8))),
        ),
        ("802.1ad", ethernet(&[], 0x88a8, &[0; 40])),
        ("MPLS", ethernet(&[], 0x8847, &[0; 40])),
        ("PPPoE", ethernet(&[], 0x8864, &[0; 40])),
        ("IPIP", ethernet(&[], IPV4, &ip4(4, &ip4(ICMP, &echo(8))))),
        (
            "6in4",
            ethernet(&[], IPV4, &ip4(41, &ip6(ICMPV6, &echo(128)))),
        ),
        ("GRE", ethernet(&[100], IPV4, &ip4(47, &[0; 30]))),
        ("ESP", ethernet(&[], IPV6, &ip6(50, &[0; 30]))),
        (
            "VXLAN",
            ethernet(&[100], IPV4, &ip4(UDP, &udp(4789, &inner))),
        ),
        ("Geneve", ethernet(&[], IPV6, &ip6(UDP, &udp(6081, &inner)))),
        (
            "a tunnel of our own",
            ethernet(&[], IPV4, &ip4(UDP, &udp(9999, &inner))),
        ),
        ("over TCP", ethernet(&[], IPV4, &ip4(TCP, &inner))),
        ("segment routing", ethernet(&[], IPV6, &ip6(43, &[0; 30]))),
    ];
    for (name, bytes) in wrapped {
        let frame = read(&bytes);
        assert!(frame.encapsulated, "{name}");
        assert_eq!(frame.probe, None, "{name}");
    }
}

#[test]
fn what_belongs_on_a_wire_is_plain() {
    let mld = [&[ICMPV6, 0, 5, 2, 0, 0, 0, 0][..], &[143, 0, 0, 0]].concat();
    let plain = [
        ("ARP", ethernet(&[100], ARP, &[0; 28])),
        ("LLDP", ethernet(&[], LLDP, &[0; 40])),
        ("spanning tree", ethernet(&[], 38, &[0x42; 38])),
        ("TCP", ethernet(&[], IPV4, &ip4(TCP, &[0; 20]))),
        ("UDP", ethernet(&[], IPV4, &ip4(UDP, &udp(53, &[0; 20])))),
        (
            "multicast listeners",
            ethernet(&[], IPV6, &ip6(HOP_BY_HOP, &mld)),
        ),
        ("a foreign ping", ethernet(&[], IPV4, &ip4(ICMP, &[8; 64]))),
    ];
    for (name, bytes) in plain {
        assert!(!read(&bytes).encapsulated, "{name}");
    }
}

#[test]
fn an_error_may_repeat_a_probe() {
    let mut error = vec![3, 1, 0, 0, 0, 0, 0, 0];
    error.extend(ip4(ICMP, &echo(8)));
    let frame = read(&ethernet(&[], IPV4, &ip4(ICMP, &error)));
    assert!(!frame.encapsulated);
    assert_eq!(frame.probe, None);
}

#[test]
fn no_frame_however_short_makes_it_panic() {
    let whole = ethernet(&[100], IPV6, &ip6(HOP_BY_HOP, &echo(128)));
    for length in 0..whole.len() {
        read(&whole[..length]);
    }
    assert!(read(&[]).encapsulated);
}
