//! Gratuitous ARP and unsolicited neighbour advertisements, sent after an ADD and when frames begin
//! to leave by another link: neighbours update the address's MAC, and switches the MAC's port, at
//! once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_ovs::openflow::{Action, PacketOut, port};
use flatnet_plan::NodeSpec;
use flatnet_plan::node::Mode;
use flatnet_types::MacAddr;

use super::{NodePorts, PodPort, tagged_output};

/// One frame for each address towards the physical network, and one towards the host.
pub fn announcements(pod: &PodPort, node: &NodePorts) -> Vec<PacketOut> {
    let out = |data: Vec<u8>, actions: Vec<Action>| PacketOut {
        in_port: port::CONTROLLER,
        actions,
        data,
    };
    let mut packets = Vec::with_capacity(pod.ips.len() * 2);
    for ip in &pod.ips {
        if let Some(uplink) = node.uplink {
            let data = announcement(*ip, pod.uplink_mac);
            packets.push(out(data, tagged_output(pod.vlan, Action::output(uplink))));
        }
        packets.push(out(
            announcement(*ip, pod.mac),
            vec![Action::output(node.host)],
        ));
    }
    packets
}

/// The host's own addresses towards the physical network, in mode `vlan`.
pub fn host_announcements(spec: &NodeSpec, node: &NodePorts) -> Vec<PacketOut> {
    let (Mode::Vlan { host_vlan }, Some(uplink)) = (spec.mode, node.uplink) else {
        return Vec::new();
    };
    let addresses = spec.host_addresses.iter().map(|a| a.ip());
    addresses
        .map(|ip| PacketOut {
            in_port: port::CONTROLLER,
            actions: tagged_output(host_vlan, Action::output(uplink)),
            data: announcement(ip, node.mac),
        })
        .collect()
}

/// The frame that announces `ip` at `mac`.
fn announcement(ip: IpAddr, mac: MacAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => gratuitous_arp(ip, mac),
        IpAddr::V6(ip) => unsolicited_na(ip, mac),
    }
}

/// An ARP request for one's own address (RFC 5227 §3, "ARP Announcement").
fn gratuitous_arp(ip: Ipv4Addr, mac: MacAddr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend(MacAddr::BROADCAST.0);
    frame.extend(mac.0);
    frame.extend([0x08, 0x06]);
    // Ethernet, IPv4, lengths 6 and 4, request.
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend(ip.octets());
    frame.extend([0; 6]);
    frame.extend(ip.octets());
    frame
}

/// A neighbour advertisement to all nodes with the override flag (RFC 4861 §7.2.6).
fn unsolicited_na(ip: Ipv6Addr, mac: MacAddr) -> Vec<u8> {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const ICMPV6: u8 = 58;
    let mut icmp = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    icmp.extend(ip.octets());
    icmp.extend([2, 1]);
    icmp.extend(mac.0);
    let [high, low] = u16::try_from(icmp.len()).unwrap_or(u16::MAX).to_be_bytes();

    // RFC 8200 §8.1: addresses, length, zeros and the next header, then the message.
    let pseudo = ip.octets().into_iter().chain(ALL_NODES.octets());
    let pseudo = pseudo.chain([0, 0, high, low, 0, 0, 0, ICMPV6]);
    let [c0, c1] = internet_checksum(pseudo.chain(icmp.iter().copied())).to_be_bytes();
    icmp[2] = c0;
    icmp[3] = c1;

    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
    frame.extend(mac.0);
    frame.extend([0x86, 0xdd]);
    frame.extend([0x60, 0, 0, 0, high, low, ICMPV6, 255]);
    frame.extend(ip.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(icmp);
    frame
}

/// RFC 1071, over an even number of octets.
fn internet_checksum(octets: impl Iterator<Item = u8>) -> u16 {
    let (mut sum, mut high) = (0_u32, None);
    for octet in octets {
        match high.take() {
            None => high = Some(octet),
            Some(h) => sum += u32::from(u16::from_be_bytes([h, octet])),
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // The loop leaves 16 bits.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([0x0a, 0xf1, 10, 100, 16, 1]);

    #[test]
    fn a_gratuitous_arp_names_its_address_twice() {
        let frame = gratuitous_arp(Ipv4Addr::new(10, 100, 16, 1), MAC);
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[28..32], frame[38..42]);
        assert_eq!(frame[22..28], MAC.0);
    }

    #[test]
    fn an_advertisement_has_a_checksum_that_verifies() {
        let ip: Ipv6Addr = "fd10:100::1:1".parse().expect("an address");
        let frame = unsolicited_na(ip, MAC);
        assert_eq!(frame.len(), 14 + 40 + 32);
        let (header, icmp) = frame[14..].split_at(40);
        let pseudo = header[8..40]
            .iter()
            .copied()
            .chain([0, 0, 0, 32, 0, 0, 0, 58]);
        // A sum that includes a right checksum is all ones, so its complement is zero.
        assert_eq!(internet_checksum(pseudo.chain(icmp.iter().copied())), 0);
    }
}
