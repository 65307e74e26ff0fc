//! Frames, written by hand: what no kernel would send, and what an honest one would. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::MacAddr;

mod change;

/// The length of a mark.
const MARK: usize = 16;
/// The least that a frame has, without its check sequence (IEEE 802.3 §4A.4.2).
const LEAST: usize = 60;

/// IPv4's broadcast to the whole VLAN, as a group address in Ethernet.
pub(in crate::suites) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// ICMPv6 types of neighbour discovery (RFC 4861 §4).
pub(in crate::suites) const ADVERTISEMENT_OF_ROUTER: u8 = 134;
pub(in crate::suites) const SOLICITATION: u8 = 135;
pub(in crate::suites) const ADVERTISEMENT: u8 = 136;
pub(in crate::suites) const REDIRECT: u8 = 137;
/// Options of neighbour discovery (RFC 4861 §4.6).
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;
const FRAGMENT: u8 = 44;

/// What tells one frame from every other of the lab. It stands at the end of the frame, and
/// inside the payload where there is one, for routers cut the end off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::suites) struct Mark([u8; MARK]);

impl Mark {
    /// A mark that no other call gives, in this run or another of the same hour.
    pub(in crate::suites) fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let mut mark = [0xf1; MARK];
        mark[4..8].copy_from_slice(&std::process::id().to_be_bytes());
        mark[8..12].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Self(mark)
    }

    /// The sixteen bytes that are looked for in captures.
    pub(in crate::suites) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether a frame bears it.
    pub(in crate::suites) fn is_in(&self, frame: &[u8]) -> bool {
        frame.windows(MARK).any(|w| w == self.0)
    }
}

/// A frame with its mark.
#[derive(Debug, Clone)]
pub(in crate::suites) struct Frame {
    /// What it is, for messages.
    pub(in crate::suites) name: String,
    pub(in crate::suites) mark: Mark,
    /// As it goes out.
    pub(in crate::suites) bytes: Vec<u8>,
}

/// Where a frame comes from and goes to.
#[derive(Debug, Clone, Copy)]
pub(in crate::suites) struct Ethernet {
    pub(in crate::suites) from: MacAddr,
    pub(in crate::suites) to: MacAddr,
}

impl Ethernet {
    /// A frame of any type.
    pub(in crate::suites) fn frame(self, name: &str, ethertype: u16, payload: &[u8]) -> Frame {
        let mark = Mark::new();
        self.marked(name, mark, ethertype, payload)
    }

    fn marked(self, name: &str, mark: Mark, ethertype: u16, payload: &[u8]) -> Frame {
        let mut bytes = Vec::with_capacity(LEAST);
        bytes.extend(self.to.0);
        bytes.extend(self.from.0);
        bytes.extend(ethertype.to_be_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().max(LEAST - MARK), 0);
        bytes.extend(mark.0);
        Frame {
            name: name.to_owned(),
            mark,
            bytes,
        }
    }

    /// An ARP message (RFC 826).
    pub(in crate::suites) fn arp(self, name: &str, arp: Arp) -> Frame {
        let mut payload = vec![0, 1, 8, 0, 6, 4];
        payload.extend(arp.op.to_be_bytes());
        payload.extend(arp.sha.0);
        payload.extend(arp.spa.octets());
        payload.extend(arp.tha.0);
        payload.extend(arp.tpa.octets());
        self.frame(name, 0x0806, &payload)
    }

    /// A UDP datagram over IPv4 that bears the mark.
    pub(in crate::suites) fn udp4(self, name: &str, udp: Udp<Ipv4Addr>) -> Frame {
        let mark = Mark::new();
        let packet = udp4(udp, mark.bytes());
        self.marked(name, mark, 0x0800, &packet)
    }

    /// A UDP datagram over IPv6 that bears the mark.
    pub(in crate::suites) fn udp6(self, name: &str, udp: Udp<Ipv6Addr>) -> Frame {
        let mark = Mark::new();
        let segment = datagram(udp.ports, mark.bytes());
        let packet = ipv6(udp.from, udp.to, UDP, &segment);
        self.marked(name, mark, 0x86dd, &packet)
    }

    /// A packet of any protocol over IPv4 that bears the mark behind `head`.
    pub(in crate::suites) fn ip4(
        self,
        name: &str,
        protocol: u8,
        (from, to): (Ipv4Addr, Ipv4Addr),
        head: &[u8],
    ) -> Frame {
        let mark = Mark::new();
        let packet = ipv4(from, to, protocol, &[head, mark.bytes()].concat());
        self.marked(name, mark, 0x0800, &packet)
    }

    /// The same over IPv6.
    pub(in crate::suites) fn ip6(
        self,
        name: &str,
        protocol: u8,
        (from, to): (Ipv6Addr, Ipv6Addr),
        head: &[u8],
    ) -> Frame {
        let mark = Mark::new();
        let packet = ipv6(from, to, protocol, &[head, mark.bytes()].concat());
        self.marked(name, mark, 0x86dd, &packet)
    }

    /// An ICMPv6 message of neighbour discovery.
    pub(in crate::suites) fn nd(self, name: &str, nd: &Nd) -> Frame {
        let packet = ipv6(nd.from, nd.to, ICMPV6, &nd.message());
        self.frame(name, 0x86dd, &packet)
    }

    /// The same behind a header of destination options, which a filter may not look behind.
    pub(in crate::suites) fn nd_behind_options(self, name: &str, nd: &Nd) -> Frame {
        let inner = ipv6(nd.from, nd.to, ICMPV6, &nd.message());
        // Next header, no further 8 octets, and a PadN option of the remaining six.
        let mut payload = vec![ICMPV6, 0, 1, 4, 0, 0, 0, 0];
        payload.extend(&inner[40..]);
        let mut packet = ipv6_header(nd.from, nd.to, DESTINATION_OPTIONS, payload.len());
        packet.extend(payload);
        self.frame(name, 0x86dd, &packet)
    }
}

/// An ARP message.
#[derive(Debug, Clone, Copy)]
pub(in crate::suites) struct Arp {
    /// 1: request, 2: reply.
    pub(in crate::suites) op: u16,
    pub(in crate::suites) sha: MacAddr,
    pub(in crate::suites) spa: Ipv4Addr,
    pub(in crate::suites) tha: MacAddr,
    pub(in crate::suites) tpa: Ipv4Addr,
}

/// Who sends a datagram to whom.
#[derive(Debug, Clone, Copy)]
pub(in crate::suites) struct Udp<A> {
    pub(in crate::suites) from: A,
    pub(in crate::suites) to: A,
    pub(in crate::suites) ports: (u16, u16),
}

/// A message of neighbour discovery: a type, a target, and one option of a MAC.
#[derive(Debug, Clone, Copy)]
pub(in crate::suites) struct Nd {
    pub(in crate::suites) kind: u8,
    pub(in crate::suites) from: Ipv6Addr,
    pub(in crate::suites) to: Ipv6Addr,
    pub(in crate::suites) target: Ipv6Addr,
    /// Of the source in a solicitation and a router's advertisement, else of the target.
    pub(in crate::suites) mac: Option<MacAddr>,
}

impl Nd {
    fn message(&self) -> Vec<u8> {
        // Override, and solicited where it goes to one node.
        let flags = match self.kind {
            ADVERTISEMENT if self.to.is_multicast() => 0x2000_0000_u32,
            ADVERTISEMENT => 0x6000_0000,
            // Hop limit 64, a default router for 1,800 s.
            ADVERTISEMENT_OF_ROUTER => 0x4000_0708,
            _ => 0,
        };
        let mut message = vec![self.kind, 0, 0, 0];
        message.extend(flags.to_be_bytes());
        match self.kind {
            ADVERTISEMENT_OF_ROUTER => message.extend([0; 8]),
            REDIRECT => {
                message.extend(self.from.octets());
                message.extend(self.target.octets());
            }
            _ => message.extend(self.target.octets()),
        }
        if let Some(mac) = self.mac {
            let option = match self.kind {
                SOLICITATION | ADVERTISEMENT_OF_ROUTER => SOURCE_LINK_LAYER,
                _ => TARGET_LINK_LAYER,
            };
            message.extend([option, 1]);
            message.extend(mac.0);
        }
        message
    }
}

/// The group of all that listen for solicitations of an address, in IPv6 and in Ethernet.
pub(in crate::suites) fn solicited_node(of: Ipv6Addr) -> (Ipv6Addr, MacAddr) {
    let [.., a, b, c] = of.octets();
    let group = Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(a),
        u16::from_be_bytes([b, c]),
    );
    (group, MacAddr([0x33, 0x33, 0xff, a, b, c]))
}

/// The Ethernet group of all IPv6 nodes.
pub(in crate::suites) const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);

/// Puts an 802.1Q tag into a frame.
pub(in crate::suites) fn tagged(mut frame: Frame, vlan: u16) -> Frame {
    let [high, low] = vlan.to_be_bytes();
    frame.bytes.splice(12..12, [0x81, 0x00, high, low]);
    frame.name = format!("{} in VLAN {vlan}", frame.name);
    frame
}

/// The VLAN of a captured frame.
pub(in crate::suites) fn vlan_of(frame: &[u8]) -> Option<u16> {
    let tag = frame.get(12..16)?;
    (tag[..2] == [0x81, 0x00]).then(|| u16::from_be_bytes([tag[2], tag[3]]) & 0x0fff)
}

/// A captured frame without its 802.1Q tag.
pub(in crate::suites) fn untagged(frame: &[u8]) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    if vlan_of(frame).is_some() {
        bytes.drain(12..16);
    }
    bytes
}

fn datagram((from, to): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX);
    let mut segment = Vec::new();
    for field in [from, to, length, 0] {
        segment.extend(field.to_be_bytes());
    }
    segment.extend(payload);
    segment
}

fn udp4(udp: Udp<Ipv4Addr>, payload: &[u8]) -> Vec<u8> {
    // A checksum of zero says that there is none (RFC 768).
    ipv4(udp.from, udp.to, UDP, &datagram(udp.ports, payload))
}

fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 20).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

fn ipv6_header(from: Ipv6Addr, to: Ipv6Addr, next: u8, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next, 255]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet
}

/// An IPv6 packet whose payload has its checksum where `next` has it.
fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut pseudo = Vec::new();
    pseudo.extend(from.octets());
    pseudo.extend(to.octets());
    pseudo.extend(
        u32::try_from(payload.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    pseudo.extend([0, 0, 0, next]);
    pseudo.extend(payload);
    let sum = checksum(&pseudo).to_be_bytes();
    let mut packet = ipv6_header(from, to, next, payload.len());
    packet.extend(payload);
    let at = 40 + if next == UDP { 6 } else { 2 };
    packet[at..at + 2].copy_from_slice(&sum);
    packet
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        _ => u32::from(pair[0]) << 8,
    });
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
