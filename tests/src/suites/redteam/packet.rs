//! Parts of frames, as bytes. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::shape::Chain;

pub(super) const ICMP: u8 = 1;
pub(super) const IGMP: u8 = 2;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const FRAGMENT: u8 = 44;
pub(super) const ESP: u8 = 50;
pub(super) const AUTHENTICATION: u8 = 51;
pub(super) const ICMPV6: u8 = 58;
pub(super) const DESTINATION: u8 = 60;
/// The discard service (RFC 863): nobody answers, and no rule knows it.
pub(super) const DISCARD: (u16, u16) = (49_152, 9);

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;

/// The options of neighbour discovery (RFC 4861 §4.6).
pub(super) const SOURCE_MAC: u8 = 1;
pub(super) const TARGET_MAC: u8 = 2;

/// RFC 1071.
pub(super) fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes = parts.concat();
    let pairs = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        _ => u32::from(pair[0]) << 8,
    });
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap_or(u16::MAX)).to_be_bytes()
}

/// A length that fits, for what is built here is short.
pub(super) fn length(of: usize) -> u16 {
    u16::try_from(of).unwrap_or(u16::MAX)
}

/// An ICMP message: type, code 0, four octets, the payload, and the sum without an address.
pub(super) fn icmp(kind: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(rest);
    message.extend(payload);
    let sum = checksum(&[&message]);
    message[2..4].copy_from_slice(&sum);
    message
}

/// A UDP datagram without a checksum.
pub(super) fn udp((from, to): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    for field in [from, to, length(payload.len() + 8), 0] {
        segment.extend(field.to_be_bytes());
    }
    segment.extend(payload);
    segment
}

/// A SYN.
pub(super) fn tcp((from, to): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.to_be_bytes());
    segment.extend(to.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0x10, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// DHCP: an operation, Ethernet, and an ID; then the magic cookie and what the message is
/// (RFC 2131 §2).
pub(super) fn dhcp(operation: u8, kind: u8, mark: &[u8]) -> Vec<u8> {
    let mut message = vec![operation, 1, 6, 0, 1, 2, 3, 4];
    message.resize(236, 0);
    message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind, 255]);
    message.extend(mark);
    message
}

/// DHCPv6: a type, an ID, and the mark in a vendor's option (RFC 8415 §8, option 17).
pub(super) fn dhcp6(kind: u8, mark: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 1, 2, 3, 0, 17];
    message.extend(length(mark.len() + 4).to_be_bytes());
    message.extend([0, 0, 0, 1]);
    message.extend(mark);
    message
}

/// Where the upper layer's checksum is, in ICMPv6, UDP and TCP.
fn sum_at(protocol: u8) -> Option<usize> {
    match protocol {
        ICMPV6 => Some(2),
        UDP => Some(6),
        TCP => Some(16),
        _ => None,
    }
}

/// Writes the upper layer's checksum over IPv6's pseudo header (RFC 8200 §8.1), or IPv4's.
pub(super) fn sum_up(pseudo: &[&[u8]], protocol: u8, segment: &mut [u8]) {
    let Some(at) = sum_at(protocol) else { return };
    let Some(field) = segment.get_mut(at..at + 2) else {
        return;
    };
    field.fill(0);
    let size = length(segment.len()).to_be_bytes();
    let mut parts = pseudo.to_vec();
    let upper = [0, protocol];
    parts.extend([&upper[..], &size, segment]);
    let sum = checksum(&parts);
    segment[at..at + 2].copy_from_slice(&sum);
}

/// IPv4's header.
pub(super) struct Header4 {
    pub(super) from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    pub(super) protocol: u8,
    pub(super) id: u16,
    /// Flags and offset.
    pub(super) fragment: u16,
    pub(super) options: Vec<u8>,
}

impl Header4 {
    /// The header before so many octets.
    pub(super) fn bytes(&self, payload: usize) -> Vec<u8> {
        let size = 20 + self.options.len();
        let words = u8::try_from(size / 4).unwrap_or(15);
        let mut bytes = vec![0x40 | words, 0];
        bytes.extend(length(size + payload).to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([64, self.protocol, 0, 0]);
        bytes.extend(self.from.octets());
        bytes.extend(self.to.octets());
        bytes.extend(&self.options);
        sum_header(&mut bytes);
        bytes
    }
}

/// Writes the checksum of an IPv4 header.
pub(super) fn sum_header(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum = checksum(&[header]);
    header[10..12].copy_from_slice(&sum);
}

/// IPv6's header before so many octets; neighbour discovery wants a hop limit of 255.
pub(super) fn header6(
    from: Ipv6Addr,
    to: Ipv6Addr,
    next: u8,
    label: u32,
    payload: usize,
) -> Vec<u8> {
    let [_, a, b, c] = label.to_be_bytes();
    let mut bytes = vec![0x60, a & 0x0f, b, c];
    bytes.extend(length(payload).to_be_bytes());
    bytes.extend([next, 255]);
    bytes.extend(from.octets());
    bytes.extend(to.octets());
    bytes
}

/// The first header's number of a chain, and its bytes, of which the last names `next`.
pub(super) fn chain(chain: Chain, next: u8) -> (u8, Vec<u8>) {
    let kinds: &[u8] = match chain {
        Chain::HopByHop | Chain::Alert => &[HOP_BY_HOP],
        Chain::Routing => &[ROUTING],
        Chain::Destination => &[DESTINATION],
        Chain::Authentication => &[AUTHENTICATION],
        Chain::Four => &[HOP_BY_HOP, DESTINATION, ROUTING, DESTINATION],
        Chain::Eight => &[DESTINATION; 8],
    };
    let mut bytes = Vec::new();
    for (n, kind) in kinds.iter().enumerate() {
        let then = kinds.get(n + 1).copied().unwrap_or(next);
        let alert = chain == Chain::Alert;
        bytes.extend(extension(*kind, then, alert));
    }
    (kinds[0], bytes)
}

/// One extension header.
pub(super) fn extension(kind: u8, next: u8, alert: bool) -> Vec<u8> {
    match kind {
        ROUTING => {
            // Type 0, nothing left to visit (RFC 2460 §4.4).
            let mut bytes = vec![next, 2, 0, 0, 0, 0, 0, 0];
            bytes.extend([0; 16]);
            bytes
        }
        AUTHENTICATION => {
            let mut bytes = vec![next, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
            bytes.extend([0xaa; 12]);
            bytes
        }
        // A router alert that speaks of MLD (RFC 2711), and padding.
        _ if alert => vec![next, 0, 5, 2, 0, 0, 1, 0],
        // Padding of six octets.
        _ => vec![next, 0, 1, 4, 0, 0, 0, 0],
    }
}

/// A header that says that it is longer than the packet.
pub(super) fn cut(kind: u8, next: u8) -> Vec<u8> {
    match kind {
        FRAGMENT => vec![next, 0, 0, 0],
        _ => vec![next, 200, 1, 4, 0, 0, 0, 0],
    }
}

/// The fragment's header (RFC 8200 §4.5).
pub(super) fn fragment(next: u8, offset: u16, more: bool, id: u32) -> Vec<u8> {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    let mut bytes = vec![next, 0, high, low];
    bytes.extend(id.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_each_header_and_ends_with_what_follows() {
        let (first, bytes) = chain(Chain::Four, UDP);
        assert_eq!(first, HOP_BY_HOP);
        assert_eq!(bytes[0], DESTINATION);
        assert_eq!(bytes[8], ROUTING);
        assert_eq!(bytes[16], DESTINATION);
        assert_eq!(bytes[40], UDP);
        assert_eq!(bytes.len() % 8, 0);
    }

    #[test]
    fn sums_verify() {
        let header = Header4 {
            from: Ipv4Addr::new(10, 0, 0, 1),
            to: Ipv4Addr::new(10, 0, 0, 2),
            protocol: UDP,
            id: 7,
            fragment: 0,
            options: vec![1; 4],
        };
        let bytes = header.bytes(8);
        assert_eq!((bytes[0], bytes.len()), (0x46, 24));
        assert_eq!(checksum(&[&bytes]), [0, 0]);
        let pseudo = [0xfe; 32];
        let mut segment = udp((1, 2), b"odd");
        sum_up(&[&pseudo], UDP, &mut segment);
        let size = length(segment.len()).to_be_bytes();
        assert_eq!(checksum(&[&pseudo, &[0, UDP], &size, &segment]), [0, 0]);
    }
}
