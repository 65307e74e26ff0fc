//! What a container floods with: frames of which no two are the same, but where one target is asked
//! for again and again. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::MacAddr;

use crate::rng::SeededRng;
use crate::suites::kit::frame::{
    ADVERTISEMENT, Arp, Ethernet, Frame, Nd, SOLICITATION, Udp, solicited_node,
};

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Of the blocks for documentation (RFC 5737, RFC 3849): nobody has it.
const NOBODY_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const NOBODY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);

/// A kind of flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    ArpAny,
    ArpOne,
    SolicitAny,
    AdvertiseAny,
    AdvertiseOne,
    V4OnLink,
    V4OffLink,
    V6OnLink,
    V6OffLink,
    V4Ports,
    V6Ports,
    V4Icmp,
    V6Icmp,
    V4Fragments,
    /// Always the same packet, which the datapath forwards by itself: what any traffic costs.
    V4One,
}

/// What bounds a kind's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The meter of the container.
    Meter,
    /// As many flows of the datapath, at most.
    Flows(usize),
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 15] = [
        Self::ArpAny,
        Self::ArpOne,
        Self::SolicitAny,
        Self::AdvertiseAny,
        Self::AdvertiseOne,
        Self::V4OnLink,
        Self::V4OffLink,
        Self::V6OnLink,
        Self::V6OffLink,
        Self::V4Ports,
        Self::V6Ports,
        Self::V4Icmp,
        Self::V6Icmp,
        Self::V4Fragments,
        Self::V4One,
    ];

    /// Its name in lists.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ArpAny => "ARP for any target",
            Self::ArpOne => "ARP for one target",
            Self::SolicitAny => "NS for any target",
            Self::AdvertiseAny => "NA to anybody",
            Self::AdvertiseOne => "NA to one",
            Self::V4OnLink => "IPv4 to any on-link",
            Self::V4OffLink => "IPv4 to any off-link",
            Self::V6OnLink => "IPv6 to any on-link",
            Self::V6OffLink => "IPv6 to any off-link",
            Self::V4Ports => "IPv4, any UDP ports",
            Self::V6Ports => "IPv6, any UDP ports",
            Self::V4Icmp => "ICMP of any type",
            Self::V6Icmp => "ICMPv6 of any type",
            Self::V4Fragments => "IPv4 fragments",
            Self::V4One => "IPv4 to one",
        }
    }

    /// Whether the container's meter bounds it.
    pub(super) fn is_metered(self) -> bool {
        self.bound() == Bound::Meter
    }

    /// What bounds it. Trees of prefixes and of ports bound the flows by how many addresses and ports
    /// the pipeline's own flows name, and not by how many a container makes up.
    pub(super) const fn bound(self) -> Bound {
        match self {
            Self::ArpAny
            | Self::ArpOne
            | Self::SolicitAny
            | Self::AdvertiseAny
            | Self::AdvertiseOne => Bound::Meter,
            Self::V4Ports | Self::V6Ports => Bound::Flows(4096),
            _ => Bound::Flows(1024),
        }
    }
}

/// Who floods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flooder {
    pub(super) mac: MacAddr,
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
    /// To whom its packets go in Ethernet.
    pub(super) next_hop: MacAddr,
}

impl Flooder {
    /// So many frames of a kind.
    pub(super) fn frames(self, kind: Kind, count: usize) -> Vec<Vec<u8>> {
        let mut rng = SeededRng::new(crate::rng::seed(), kind as u64);
        let frame = |_| self.frame(kind, &mut rng).bytes;
        (0..count).map(frame).collect()
    }

    fn frame(self, kind: Kind, rng: &mut SeededRng) -> Frame {
        let Self { mac, v4, v6, .. } = self;
        let mut word = || u16::try_from(rng.below(1 << 16)).unwrap_or_default();
        let name = kind.name();
        let link = Ethernet {
            from: mac,
            to: self.next_hop,
        };
        let near4 = |a: u16| {
            let [x, y, ..] = v4.octets();
            let [high, low] = a.to_be_bytes();
            Ipv4Addr::new(x, y, high, low)
        };
        let near6 = |tail: [u16; 4]| {
            let [a, b, c, d, ..] = v6.segments();
            let [e, f, g, h] = tail;
            Ipv6Addr::new(a, b, c, d, e, f, g, h)
        };
        let far4 = |a: u16, b: u16| {
            // Neither the host's nor a group's.
            let [low, rest] = [a % 100 + 100, b];
            Ipv4Addr::from(u32::from(low) << 24 | u32::from(a & 0xff) << 16 | u32::from(rest))
        };
        match kind {
            Kind::ArpAny | Kind::ArpOne => {
                let any = word();
                let tpa = match kind {
                    Kind::ArpOne => near4(0xfffe),
                    _ => near4(any),
                };
                let arp = Arp {
                    op: 1,
                    sha: mac,
                    spa: v4,
                    tha: MacAddr::ZERO,
                    tpa,
                };
                let to_all = Ethernet {
                    to: MacAddr::BROADCAST,
                    ..link
                };
                to_all.arp(name, arp)
            }
            Kind::SolicitAny => {
                let target = near6([word(), word(), word(), word()]);
                let (group, to) = solicited_node(target);
                let nd = Nd {
                    kind: SOLICITATION,
                    from: v6,
                    to: group,
                    target,
                    mac: Some(mac),
                };
                Ethernet { to, ..link }.nd(name, &nd)
            }
            Kind::AdvertiseAny | Kind::AdvertiseOne => {
                let any = near6([word(), word(), word(), word()]);
                let to = match kind {
                    Kind::AdvertiseOne => near6([0xffff; 4]),
                    _ => any,
                };
                let nd = Nd {
                    kind: ADVERTISEMENT,
                    from: v6,
                    to,
                    target: v6,
                    mac: Some(mac),
                };
                link.nd(name, &nd)
            }
            Kind::V4OnLink | Kind::V4OffLink | Kind::V4Ports | Kind::V4One => {
                let (a, b) = (word(), word());
                let (to, ports) = match kind {
                    Kind::V4OnLink => (near4(a), (4000, 4001)),
                    Kind::V4OffLink => (far4(a, b), (4000, 4001)),
                    Kind::V4One => (NOBODY_V4, (4000, 4001)),
                    _ => (NOBODY_V4, (a.max(1), b.max(1))),
                };
                link.udp4(
                    name,
                    Udp {
                        from: v4,
                        to,
                        ports,
                    },
                )
            }
            Kind::V6OnLink | Kind::V6OffLink | Kind::V6Ports => {
                let [a, b, c, d] = [word(), word(), word(), word()];
                let (to, ports) = match kind {
                    Kind::V6OnLink => (near6([a, b, c, d]), (4000, 4001)),
                    Kind::V6OffLink => {
                        let to = Ipv6Addr::new(0x2001 + (a & 0xff), b, c, d, a, b, c, d);
                        (to, (4000, 4001))
                    }
                    _ => (NOBODY_V6, (a.max(1), b.max(1))),
                };
                link.udp6(
                    name,
                    Udp {
                        from: v6,
                        to,
                        ports,
                    },
                )
            }
            Kind::V4Icmp => {
                let [kind, code] = word().to_be_bytes();
                link.ip4(name, ICMP, (v4, NOBODY_V4), &[kind, code, 0, 0, 0, 0, 0, 0])
            }
            Kind::V6Icmp => {
                let [kind, code] = word().to_be_bytes();
                link.ip6(
                    name,
                    ICMPV6,
                    (v6, NOBODY_V6),
                    &[kind, code, 0, 0, 0, 0, 0, 0],
                )
            }
            Kind::V4Fragments => {
                let ports = (4000, 4001);
                let to = near4(word());
                let whole = link.udp4(
                    name,
                    Udp {
                        from: v4,
                        to,
                        ports,
                    },
                );
                match rng.percent(50) {
                    true => whole.first_fragment4(),
                    false => whole.later_fragment4(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_kind_differ_where_the_kind_says_so() {
        let flooder = Flooder {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            v4: Ipv4Addr::new(10, 100, 16, 1),
            v6: "fd10:100::1:1".parse().expect("an address"),
            next_hop: MacAddr([2, 0, 0, 0, 0, 2]),
        };
        for kind in Kind::ALL {
            let frames = flooder.frames(kind, 64);
            assert_eq!(frames.len(), 64);
            assert!(frames.iter().all(|f| f.len() >= 60), "{}", kind.name());
        }
        // Without the mark at its end.
        let head = |f: &Vec<u8>| f[..42].to_vec();
        let asked = flooder.frames(Kind::ArpOne, 8);
        assert!(asked.iter().all(|f| head(f) == head(&asked[0])));
        let asked = flooder.frames(Kind::ArpAny, 8);
        assert!(asked.iter().any(|f| head(f) != head(&asked[0])));
    }
}
