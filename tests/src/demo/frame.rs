//! What one captured frame is: plain, tagged once by 802.1Q, or wrapped in anything else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::mark::Mark;

/// What is known of a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its 802.1Q VLAN.
    pub(super) vlan: Option<u16>,
    /// It is inside something else than one 802.1Q tag.
    pub(super) encapsulated: bool,
    /// It is an echo request or reply of ours.
    pub(super) probe: Option<Probe>,
}

/// An echo request or reply that bears a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) mark: Mark,
    pub(super) reply: bool,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
}

// EtherTypes (IEEE 802 Numbers).
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const DOT1Q: u16 = 0x8100;
const IPV6: u16 = 0x86dd;
const LLDP: u16 = 0x88cc;
/// Below this the field is a length (IEEE 802.3 §3.2.6): spanning tree and the like.
const LEAST_ETHERTYPE: u16 = 0x0600;

// IP protocols.
const HOP_BY_HOP: u8 = 0;
const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;
const OSPF: u8 = 89;
const VRRP: u8 = 112;

/// UDP ports that tunnels are known by: L2TP, IPsec, VXLAN and VXLAN-GPE, GRE, GUE, Geneve,
/// MPLS, an old VXLAN, WireGuard.
const TUNNEL_PORTS: [u16; 11] = [
    1701, 4500, 4754, 4755, 4789, 4790, 6080, 6081, 6635, 8472, 51820,
];

/// Reads a frame. What cannot be understood counts as encapsulated: the proof has to be that
/// every frame is plain, not that no known tunnel was seen.
pub(super) fn read(bytes: &[u8]) -> Frame {
    let mut frame = Frame::default();
    let Some(mut ethertype) = be16(bytes, 12) else {
        frame.encapsulated = true;
        return frame;
    };
    let mut rest = 14;
    if ethertype == DOT1Q {
        frame.vlan = be16(bytes, 14).map(|tag| tag & 0x0fff);
        ethertype = be16(bytes, 16).unwrap_or(DOT1Q);
        rest = 18;
    }
    let payload = bytes.get(rest..).unwrap_or_default();
    let plain = match ethertype {
        IPV4 => ipv4(payload),
        IPV6 => ipv6(payload),
        ARP | LLDP | ..LEAST_ETHERTYPE => Some(Packet::Other),
        _ => None,
    };
    match plain {
        Some(Packet::Probe(probe)) => frame.probe = Some(probe),
        // An ICMP error repeats the packet that it is about, mark and all.
        Some(Packet::IcmpError) => {}
        // A mark where no echo is stands inside something.
        Some(Packet::Other) => frame.encapsulated = Mark::find(payload).is_some(),
        None => frame.encapsulated = true,
    }
    frame
}

/// A packet that nothing is wrapped around.
enum Packet {
    Probe(Probe),
    IcmpError,
    Other,
}

/// The packet, or none where it is a tunnel's.
fn ipv4(packet: &[u8]) -> Option<Packet> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let protocol = *packet.get(9)?;
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets).into())
    };
    let ends = (address(12)?, address(16)?);
    let later_fragment = be16(packet, 6)? & 0x1fff != 0;
    upper(protocol, packet.get(header..)?, ends, later_fragment)
}

/// The same for IPv6, behind the extension headers that are no tunnel.
fn ipv6(packet: &[u8]) -> Option<Packet> {
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets).into())
    };
    let ends = (address(8)?, address(24)?);
    let mut next = *packet.get(6)?;
    let mut at = 40;
    let mut later_fragment = false;
    loop {
        let length = match next {
            HOP_BY_HOP | DESTINATION_OPTIONS => usize::from(*packet.get(at + 1)?) * 8 + 8,
            FRAGMENT => {
                later_fragment = be16(packet, at + 2)? & 0xfff8 != 0;
                8
            }
            _ => break,
        };
        next = *packet.get(at)?;
        at += length;
    }
    upper(next, packet.get(at..)?, ends, later_fragment)
}

fn upper(
    protocol: u8,
    segment: &[u8],
    (source, destination): (IpAddr, IpAddr),
    later_fragment: bool,
) -> Option<Packet> {
    let known = matches!(protocol, ICMP | IGMP | TCP | UDP | ICMPV6 | OSPF | VRRP);
    if later_fragment {
        return known.then_some(Packet::Other);
    }
    match (protocol, segment.first()?) {
        // Echo request and reply: RFC 792, RFC 4443 §4.
        (ICMP, kind @ (8 | 0)) | (ICMPV6, kind @ (128 | 129)) => {
            let mark = Mark::find(segment.get(8..).unwrap_or_default());
            Some(mark.map_or(Packet::Other, |mark| {
                Packet::Probe(Probe {
                    mark,
                    reply: matches!(kind, 0 | 129),
                    source,
                    destination,
                })
            }))
        }
        (ICMP, 3 | 5 | 11 | 12) | (ICMPV6, 1..=4 | 137) => Some(Packet::IcmpError),
        (UDP, _) if TUNNEL_PORTS.contains(&be16(segment, 2)?) => None,
        _ => known.then_some(Packet::Other),
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
