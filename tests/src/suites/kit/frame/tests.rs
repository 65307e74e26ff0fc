use super::*;

const FROM: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const BETWEEN: Ethernet = Ethernet {
    from: FROM,
    to: MacAddr::BROADCAST,
};

#[test]
fn every_frame_is_long_enough_and_bears_a_mark_of_its_own() {
    let one = BETWEEN.frame("one", 0x88cc, &[]);
    let other = BETWEEN.frame("other", 0x88cc, &[]);
    assert_eq!(one.bytes.len(), LEAST);
    assert!(one.mark.is_in(&one.bytes) && !one.mark.is_in(&other.bytes));
}

#[test]
fn a_tag_goes_in_and_comes_out() {
    let plain = BETWEEN.frame("one", 0x88cc, &[7]);
    let frame = tagged(plain.clone(), 200);
    assert_eq!(vlan_of(&frame.bytes), Some(200));
    assert_eq!(vlan_of(&plain.bytes), None);
    assert_eq!(untagged(&frame.bytes), plain.bytes);
}

#[test]
fn a_datagram_over_ipv6_has_a_checksum_that_verifies() {
    let to: Ipv6Addr = "fd10:100::2".parse().expect("an address");
    let udp = Udp {
        from: to,
        to,
        ports: (1, 2),
    };
    let frame = BETWEEN.udp6("one", udp);
    let packet = &frame.bytes[14..frame.bytes.len() - MARK];
    let mut pseudo = packet[8..40].to_vec();
    pseudo.extend([0, 0, 0, 24, 0, 0, 0, UDP]);
    pseudo.extend(&packet[40..64]);
    assert_eq!(checksum(&pseudo), 0);
}

#[test]
fn a_solicitation_goes_to_the_group_of_its_target() {
    let target: Ipv6Addr = "fd10:100::1:2".parse().expect("an address");
    let (group, mac) = solicited_node(target);
    assert_eq!(group.to_string(), "ff02::1:ff01:2");
    assert_eq!(mac.to_string(), "33:33:ff:01:00:02");
}
