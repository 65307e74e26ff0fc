//! A shape with names filled in: the frame.

use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::MacAddr;

use super::control::{By, Id};
use super::packet::DISCARD;
use super::packet::{self as part, Header4, ICMP, ICMPV6, IGMP, TCP, UDP, length};
use super::shape::{Arp, Owner, Payload, Piece, Shape, Source, To, V4, V6, Wrap};
use super::wrapping::{padding, payload6, tags};
use crate::suites::kit::frame::{ALL_NODES, solicited_node};

/// A container, a host or a router of the lab.
#[derive(Debug, Clone, Copy)]
pub(super) struct Party {
    pub(super) mac: MacAddr,
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
}

/// Who is who at a site.
#[derive(Debug, Clone)]
pub(super) struct SiteMembers {
    pub(super) own: Party,
    pub(super) near: Party,
    pub(super) far: Party,
    /// The MAC that frames for `far` are sent to.
    pub(super) far_by: MacAddr,
    pub(super) gateway: Party,
    pub(super) host: Party,
    /// None where there is one VLAN.
    pub(super) other: Option<Party>,
}

const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const STRANGER: Party = Party {
    mac: MacAddr([2, 0, 0, 0, 0, 0x66]),
    v4: Ipv4Addr::new(192, 0, 2, 1),
    v6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
};

/// One frame to build: what, and what tells it from all others.
pub(super) struct Build<'c> {
    pub(super) cast: &'c SiteMembers,
    pub(super) mark: &'c [u8],
    pub(super) id: u32,
}

impl SiteMembers {
    fn who(&self, whose: Owner) -> Party {
        match whose {
            Owner::Near => self.near,
            Owner::NearLinkLocal => Party {
                v6: self.near.mac.link_local(),
                ..self.near
            },
            Owner::Far => self.far,
            Owner::Gateway => self.gateway,
            Owner::Host => self.host,
            Owner::Nobody => Party {
                mac: MacAddr::ZERO,
                v4: Ipv4Addr::UNSPECIFIED,
                v6: Ipv6Addr::UNSPECIFIED,
            },
            Owner::All => Party {
                mac: MacAddr::BROADCAST,
                v4: GROUP4,
                v6: ALL_NODES,
            },
            Owner::Stranger => STRANGER,
        }
    }

    /// Who it is for, the groups left out.
    fn target(&self, to: To) -> Option<Party> {
        Some(match to {
            To::Near => self.near,
            To::Far => Party {
                mac: self.far_by,
                ..self.far
            },
            To::Gateway => self.gateway,
            To::Host => self.host,
            To::OtherVlan => self.other?,
            To::Broadcast | To::Group => Party {
                mac: MacAddr::BROADCAST,
                v4: Ipv4Addr::BROADCAST,
                v6: ALL_NODES,
            },
        })
    }
}

impl Build<'_> {
    /// The frame; none where the site has nobody that it could be for.
    pub(super) fn frame(&self, shape: &Shape) -> Option<Vec<u8>> {
        let to = self.cast.target(shape.to)?;
        let mut from = self.cast.own;
        if let Source::Mac(w) | Source::Both(w) = shape.source {
            from.mac = self.cast.who(w).mac;
        }
        if let Source::Ip(w) | Source::Both(w) = shape.source {
            let who = self.cast.who(w);
            (from.v4, from.v6) = (who.v4, who.v6);
        }
        if shape.source == Source::LinkLocal {
            from.v6 = from.mac.link_local();
        }
        let (mut mac, ethertype, mut packet) = match shape.what {
            Payload::Arp(arp) => (to.mac, 0x0806, self.arp(arp, shape, from, to)),
            Payload::V4(v4) => self.ipv4(v4, shape, from, to),
            Payload::V6(v6) => self.ipv6(v6, shape, from, to),
            Payload::Bare(bare) => {
                let mut bytes = bare.begins.to_vec();
                bytes.extend(self.mark);
                let size = length(bytes.len());
                (to.mac, bare.ethertype.unwrap_or(size), bytes)
            }
        };
        if let (Payload::Bare(bare), To::Group) = (shape.what, shape.to) {
            mac = MacAddr(bare.group);
        }
        if shape.wrap != Wrap::Truncated {
            // Ethernet's padding, with the mark at its end.
            packet.extend(padding(shape));
            packet.resize(packet.len().max(34), 0);
            packet.extend(self.mark);
        }
        let mut frame = mac.0.to_vec();
        frame.extend(from.mac.0);
        frame.extend(tags(shape.tag));
        let ethertype = match (shape.wrap, ethertype) {
            (Wrap::Swapped, 0x0800) => 0x86dd,
            (Wrap::Swapped, _) => 0x0800_u16,
            (_, own) => own,
        };
        frame.extend(ethertype.to_be_bytes());
        frame.extend(packet);
        Some(frame)
    }

    fn arp(&self, arp: Arp, shape: &Shape, from: Party, to: Party) -> Vec<u8> {
        let sha = match shape.source {
            Source::InnerMac(w) | Source::Both(w) => self.cast.who(w).mac,
            _ => self.cast.own.mac,
        };
        let mut spa = from.v4;
        let mut tpa = to.v4;
        let (mut hardware, mut protocol, mut sizes, mut operation) = (1, 0x0800, (6, 4), 1);
        match arp {
            Arp::Request => {}
            Arp::Reply => operation = 2,
            Arp::Announcement => tpa = spa,
            Arp::Probe => (spa, tpa) = (Ipv4Addr::UNSPECIFIED, from.v4),
            Arp::Operation(op) => operation = op,
            Arp::Hardware(kind) => hardware = kind,
            Arp::Lengths(h, p) => (sizes, operation) = ((h, p), 2),
            Arp::Protocol(kind) => (protocol, operation) = (kind, 2),
        }
        let mut bytes = Vec::new();
        bytes.extend(u16::to_be_bytes(hardware));
        bytes.extend(u16::to_be_bytes(protocol));
        bytes.extend([sizes.0, sizes.1]);
        bytes.extend(operation.to_be_bytes());
        bytes.extend(sha.0);
        bytes.extend(spa.octets());
        // Whatever the target's MAC is: here it tells a frame that is cut off from the others.
        bytes.extend([2, 0]);
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(tpa.octets());
        if shape.wrap == Wrap::Truncated {
            bytes.truncate(24);
        }
        bytes
    }

    fn ipv4(&self, v4: V4, shape: &Shape, from: Party, to: Party) -> (MacAddr, u16, Vec<u8>) {
        let mut target = to.v4;
        let mut mac = to.mac;
        if shape.to == To::Group {
            target = match v4 {
                V4::Control(c) => match c.by {
                    By::V4(_, group) => group,
                    By::V6(..) => GROUP4,
                },
                _ => Ipv4Addr::new(224, 0, 0, 251),
            };
            let [_, b, c, d] = target.octets();
            mac = MacAddr([1, 0, 0x5e, b & 0x7f, c, d]);
        }
        let (protocol, mut upper) = self.upper4(v4);
        let pseudo = [from.v4.octets(), target.octets()].concat();
        part::sum_up(&[&pseudo], protocol, &mut upper);
        let (fragment, upper) = match shape.piece {
            Piece::Whole | Piece::Atomic => (0, upper),
            Piece::First => (0x2000, upper),
            Piece::Tiny => (0x2000, upper[..4].to_vec()),
            Piece::Empty | Piece::Feigned => (0x2000, Vec::new()),
            Piece::Later => (185, upper),
        };
        let options = match shape.wrap {
            Wrap::Options(words) => vec![1; usize::from(words) * 4],
            Wrap::Alert => vec![0x94, 4, 0, 0],
            _ => Vec::new(),
        };
        let [.., high, low] = self.id.to_be_bytes();
        let header = Header4 {
            from: from.v4,
            to: target,
            protocol,
            id: u16::from_be_bytes([high, low]),
            fragment,
            options,
        };
        let mut bytes = header.bytes(upper.len());
        let size = length(bytes.len() + upper.len());
        match shape.wrap {
            Wrap::HeaderShort => bytes[0] = 0x44,
            Wrap::Version => bytes[0] = 0x60 | (bytes[0] & 0x0f),
            Wrap::LengthZero => bytes[2..4].fill(0),
            Wrap::LengthShort => bytes[2..4].copy_from_slice(&22_u16.to_be_bytes()),
            Wrap::LengthLong => bytes[2..4].copy_from_slice(&(size + 400).to_be_bytes()),
            _ => {}
        }
        part::sum_header(&mut bytes);
        if shape.wrap == Wrap::Checksum {
            bytes[11] ^= 0xff;
        }
        bytes.extend(upper);
        if shape.wrap == Wrap::Truncated {
            bytes.truncate(24);
        }
        (mac, 0x0800, bytes)
    }

    fn upper4(&self, v4: V4) -> (u8, Vec<u8>) {
        let mark = self.mark;
        match v4 {
            V4::Echo => (ICMP, part::icmp(8, [0xf1, 1, 0, 1], mark)),
            V4::Udp => (UDP, part::udp(DISCARD, mark)),
            V4::Tcp => (TCP, part::tcp(DISCARD, mark)),
            V4::DhcpClient => (UDP, part::udp((68, 67), &part::dhcp(1, 1, mark))),
            V4::DhcpServer => (UDP, part::udp((67, 68), &part::dhcp(2, 2, mark))),
            V4::Other(protocol) => (protocol, mark.repeat(2)),
            V4::Control(c) => match c.by {
                By::V4(Id::Udp(port), _) => (UDP, part::udp((port, port), mark)),
                By::V4(Id::UdpTo(port), _) => (UDP, part::udp((DISCARD.0, port), mark)),
                By::V4(Id::Type(kind), _) => (IGMP, part::icmp(kind, [0; 4], mark)),
                By::V4(Id::Icmp(kind), _) => (ICMP, part::icmp(kind, [0; 4], mark)),
                By::V4(Id::Protocol(p), _) => (p, mark.repeat(2)),
                By::V6(..) => (59, mark.to_vec()),
            },
        }
    }

    fn ipv6(&self, v6: V6, shape: &Shape, mut from: Party, to: Party) -> (MacAddr, u16, Vec<u8>) {
        let (mut target, mut mac) = (to.v6, to.mac);
        let group = |a: Ipv6Addr| {
            let [.., a, b, c, d] = a.octets();
            MacAddr([0x33, 0x33, a, b, c, d])
        };
        let solicits = matches!(v6, V6::Solicitation | V6::Duplicate);
        if matches!(shape.to, To::Group | To::Broadcast) {
            target = match v6 {
                _ if solicits => solicited_node(self.cast.near.v6).0,
                V6::Control(c) => match c.by {
                    By::V6(_, group) => group,
                    By::V4(..) => ALL_NODES,
                },
                V6::RouterSolicitation => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
                V6::Report | V6::Report2 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16),
                V6::DhcpClient => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2),
                _ => ALL_NODES,
            };
        }
        if shape.to == To::Group {
            mac = group(target);
        }
        if v6 == V6::Duplicate {
            from.v6 = Ipv6Addr::UNSPECIFIED;
        }
        let asked = match shape.to {
            To::Group | To::Broadcast => self.cast.near.v6,
            _ => to.v6,
        };
        let (next, mut upper) = self.upper6(v6, shape, from, asked);
        let pseudo = [from.v6.octets(), target.octets()].concat();
        part::sum_up(&[&pseudo], next, &mut upper);
        let (next, payload) = payload6(shape, next, upper, self.id);
        let mut bytes = part::header6(from.v6, target, next, self.id, payload.len());
        let size = length(payload.len());
        let said = match shape.wrap {
            Wrap::LengthZero | Wrap::Jumbo => 0,
            Wrap::LengthShort => 3,
            Wrap::LengthLong => size + 400,
            _ => size,
        };
        bytes[4..6].copy_from_slice(&said.to_be_bytes());
        if shape.wrap == Wrap::Version {
            bytes[0] = 0x45;
        }
        bytes.extend(payload);
        if shape.wrap == Wrap::Truncated {
            bytes.truncate(44);
        }
        (mac, 0x86dd, bytes)
    }

    fn upper6(&self, v6: V6, shape: &Shape, from: Party, asked: Ipv6Addr) -> (u8, Vec<u8>) {
        let mark = self.mark;
        let message = |kind, rest, payload: &[u8]| (ICMPV6, part::icmp(kind, rest, payload));
        let inner = match shape.source {
            Source::InnerMac(w) | Source::Both(w) => self.cast.who(w).mac,
            _ => self.cast.own.mac,
        };
        let option = |kind: u8, mac: MacAddr| [&[kind, 1], &mac.0[..]].concat();
        let about = match shape.source {
            Source::InnerIp(w) => self.cast.who(w).v6,
            // Whoever lies about its address alone speaks of its own.
            Source::Ip(_) => self.cast.own.v6,
            _ => from.v6,
        };
        let target = about.octets();
        let override_ = [0x60, 0, 0, 0];
        let said = |options: &[u8]| message(136, override_, &[&target[..], options].concat());
        match v6 {
            V6::Solicitation => {
                let body = [&asked.octets()[..], &option(part::SOURCE_MAC, inner)].concat();
                message(135, [0; 4], &body)
            }
            V6::Duplicate => message(135, [0; 4], &asked.octets()),
            V6::Advertisement => said(&option(part::TARGET_MAC, inner)),
            V6::AdvertisementBare => said(&[]),
            V6::AdvertisementTwice => {
                let near = option(part::TARGET_MAC, self.cast.near.mac);
                said(&[option(part::TARGET_MAC, inner), near].concat())
            }
            V6::AdvertisementLong => {
                let near = self.cast.near.mac;
                said(&[&[part::TARGET_MAC, 2], &near.0[..], &[0; 8]].concat())
            }
            V6::RouterAdvertisement => {
                let body = [&[0; 8][..], &option(part::SOURCE_MAC, inner)].concat();
                message(134, [64, 0, 7, 8], &body)
            }
            V6::RouterSolicitation => message(133, [0; 4], &option(part::SOURCE_MAC, inner)),
            V6::Redirect => {
                let gateway = self.cast.gateway.v6.octets();
                let body = [
                    &from.v6.octets()[..],
                    &gateway,
                    &option(part::TARGET_MAC, inner),
                ];
                message(137, [0; 4], &body.concat())
            }
            V6::Report => message(131, [0; 4], &ALL_NODES.octets()),
            V6::Report2 => {
                let record = [&[4, 0, 0, 0][..], &ALL_NODES.octets()].concat();
                message(143, [0, 0, 0, 1], &record)
            }
            V6::Echo => message(128, [0xf1, 1, 0, 1], mark),
            V6::Udp => (UDP, part::udp(DISCARD, mark)),
            V6::Tcp => (TCP, part::tcp(DISCARD, mark)),
            V6::DhcpClient => (UDP, part::udp((546, 547), &part::dhcp6(1, mark))),
            V6::DhcpServer => (UDP, part::udp((547, 546), &part::dhcp6(2, mark))),
            V6::Other(next) => (next, mark.repeat(2)),
            V6::Control(c) => match c.by {
                By::V6(Id::Udp(port), _) => (UDP, part::udp((port, port), mark)),
                By::V6(Id::UdpTo(port), _) => (UDP, part::udp((DISCARD.0, port), mark)),
                By::V6(Id::Type(kind), _) => message(kind, [0; 4], &[0; 16]),
                By::V6(Id::Protocol(p), _) => (p, mark.repeat(2)),
                By::V4(..) | By::V6(Id::Icmp(_), _) => (59, mark.to_vec()),
            },
        }
    }
}
