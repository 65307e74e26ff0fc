//! The probe's frames: UDP over IPv4 (RFC 791) or IPv6 (RFC 8200) with a number in it.

use crate::flows::probe::{
    SENT_MAC, SOURCE_MAC, SOURCE_V4, SOURCE_V6, TARGET_MAC, TARGET_V4, TARGET_V6, UDP_PORT,
};

/// Marks the payload as the probe's.
const MAGIC: [u8; 8] = *b"flatnet?";
const UDP: u8 = 17;
/// Octets of the headers of Ethernet, IPv4, IPv6 and UDP.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const UDP_HEADER: usize = 8;
const PAYLOAD: usize = 16;

/// The longest frame.
pub(super) const FRAME_MAX: usize = ETHERNET + IPV6 + UDP_HEADER + PAYLOAD;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// `IPv4` or `IPv6`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    fn ether_type(self) -> [u8; 2] {
        match self {
            Self::V4 => [0x08, 0x00],
            Self::V6 => [0x86, 0xdd],
        }
    }

    fn header(self) -> usize {
        match self {
            Self::V4 => IPV4,
            Self::V6 => IPV6,
        }
    }
}

/// Builds the frame of `number`, which also determines its UDP source port.
pub(super) fn build(family: Family, number: u64) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_MAX);
    frame.extend(SENT_MAC.0);
    frame.extend(SOURCE_MAC.0);
    frame.extend(family.ether_type());
    let addresses = match family {
        Family::V4 => {
            frame.extend(ipv4());
            [SOURCE_V4.octets(), TARGET_V4.octets()].concat()
        }
        Family::V6 => {
            // Version 6, the payload's length, UDP, a hop limit of 1.
            frame.extend([0x60, 0, 0, 0, 0, 24, UDP, 1]);
            frame.extend(SOURCE_V6.octets());
            frame.extend(TARGET_V6.octets());
            [SOURCE_V6.octets(), TARGET_V6.octets()].concat()
        }
    };
    let mut udp = Vec::with_capacity(UDP_HEADER + PAYLOAD);
    udp.extend(source_port(number).to_be_bytes());
    udp.extend(UDP_PORT.to_be_bytes());
    udp.extend([0, 24, 0, 0]);
    udp.extend(MAGIC);
    udp.extend(number.to_be_bytes());
    // The pseudo header: addresses, the protocol and the length.
    let sum = checksum(&[&addresses[..], &[0, UDP, 0, 24][..], &udp[..]].concat());
    // 0 stands for "no checksum" (RFC 768).
    let sum = if sum == 0 { 0xffff } else { sum };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    frame.extend(udp);
    frame
}

/// Family and number of a probe frame that netd's flows have forwarded; `None` for any other frame.
pub(super) fn recognise(frame: &[u8]) -> Option<(Family, u64)> {
    let (macs, rest) = frame.split_at_checked(12)?;
    if macs[..6] != TARGET_MAC.0 || macs[6..] != SOURCE_MAC.0 {
        return None;
    }
    let family = Family::ALL
        .into_iter()
        .find(|f| rest.starts_with(&f.ether_type()))?;
    let payload = rest.get(2 + family.header() + UDP_HEADER..)?;
    let number = payload.strip_prefix(&MAGIC)?.first_chunk::<8>()?;
    Some((family, u64::from_be_bytes(*number)))
}

/// From 1024 to 65535: no port that a flow of table SECURITY matches.
fn source_port(number: u64) -> u16 {
    const FIRST: u16 = 1024;
    let span = u64::from(u16::MAX - FIRST) + 1;
    FIRST + u16::try_from(number % span).unwrap_or(0)
}

/// A header of 20 octets, a time to live of 1.
fn ipv4() -> [u8; IPV4] {
    let mut header = [0; IPV4];
    header[0] = 0x45;
    header[3] = 44;
    header[8] = 1;
    header[9] = UDP;
    header[12..16].copy_from_slice(&SOURCE_V4.octets());
    header[16..].copy_from_slice(&TARGET_V4.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let sum: u32 = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_valid_headers_and_checksums() {
        let v4 = build(Family::V4, 7);
        assert_eq!(v4.len(), ETHERNET + IPV4 + UDP_HEADER + PAYLOAD);
        assert_eq!(checksum(&v4[ETHERNET..ETHERNET + IPV4]), 0);
        let v6 = build(Family::V6, 7);
        assert_eq!(v6.len(), FRAME_MAX);
        let udp = &v6[ETHERNET + IPV6..];
        let pseudo = [&v6[ETHERNET + 8..ETHERNET + IPV6], &[0, UDP, 0, 24]].concat();
        assert_eq!(checksum(&[&pseudo[..], udp].concat()), 0);
    }

    #[test]
    fn only_a_frame_that_netds_flows_have_changed_is_recognised() {
        for family in Family::ALL {
            let mut frame = build(family, 0x0102_0304_0506_0708);
            assert_eq!(recognise(&frame), None, "as it was sent");
            frame[..6].copy_from_slice(&TARGET_MAC.0);
            assert_eq!(recognise(&frame), Some((family, 0x0102_0304_0506_0708)));
            assert_eq!(recognise(&frame[..frame.len() - 1]), None, "cut");
        }
    }

    #[test]
    fn following_frames_have_different_source_ports() {
        let ports: std::collections::BTreeSet<u16> = (0..1000).map(source_port).collect();
        assert_eq!(ports.len(), 1000);
        assert!(ports.iter().all(|p| *p >= 1024));
    }
}
