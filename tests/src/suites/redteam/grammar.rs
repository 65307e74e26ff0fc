//! The shapes: all that are odd in one way, and by chance many that are odd in several.

use std::collections::HashSet;

use super::control::{By, CONTROL, Control, MORE};
use super::shape::{Arp, Bare, Chain, Owner, Payload, Piece, Shape, Source, Tag, To, V4, V6, Wrap};
use crate::rng::SeededRng;

/// What a frame in no way odd is: the first of each axis.
const PIECES: [Piece; 7] = [
    Piece::Whole,
    Piece::First,
    Piece::Tiny,
    Piece::Empty,
    Piece::Feigned,
    Piece::Atomic,
    Piece::Later,
];
const TAGS: [Tag; 11] = [
    Tag::None,
    Tag::Priority,
    Tag::One(100),
    Tag::One(200),
    Tag::One(10),
    Tag::Two(100, 200),
    Tag::Two(0, 200),
    Tag::Two(0, 100),
    Tag::Two(0, 0),
    Tag::Service(100),
    Tag::Service(0),
];
const TOS: [To; 7] = [
    To::Near,
    To::Far,
    To::Gateway,
    To::Host,
    To::OtherVlan,
    To::Broadcast,
    To::Group,
];
const WRAPS4: [Wrap; 12] = [
    Wrap::Plain,
    Wrap::Options(1),
    Wrap::Options(10),
    Wrap::Alert,
    Wrap::HeaderShort,
    Wrap::Checksum,
    Wrap::Version,
    Wrap::LengthZero,
    Wrap::LengthShort,
    Wrap::LengthLong,
    Wrap::Truncated,
    Wrap::Swapped,
];
const WRAPS6: [Wrap; 24] = [
    Wrap::Plain,
    Wrap::Chain(Chain::HopByHop),
    Wrap::Chain(Chain::Alert),
    Wrap::Chain(Chain::Routing),
    Wrap::Chain(Chain::Destination),
    Wrap::Chain(Chain::Authentication),
    Wrap::Chain(Chain::Four),
    Wrap::Chain(Chain::Eight),
    Wrap::Cut(0),
    Wrap::Cut(43),
    Wrap::Cut(44),
    Wrap::Cut(51),
    Wrap::Cut(60),
    Wrap::Blind(59),
    Wrap::Blind(135),
    Wrap::Blind(139),
    Wrap::Blind(140),
    Wrap::Esp,
    Wrap::Jumbo,
    Wrap::Version,
    Wrap::LengthZero,
    Wrap::LengthShort,
    Wrap::LengthLong,
    Wrap::Truncated,
];
const ARPS: [Arp; 10] = [
    Arp::Request,
    Arp::Reply,
    Arp::Announcement,
    Arp::Probe,
    Arp::Operation(3),
    Arp::Operation(8),
    Arp::Hardware(6),
    Arp::Hardware(32),
    Arp::Lengths(8, 4),
    Arp::Protocol(0x86dd),
];
const V4S: [V4; 9] = [
    V4::Echo,
    V4::Udp,
    V4::Tcp,
    V4::DhcpClient,
    V4::DhcpServer,
    V4::Other(41),
    V4::Other(47),
    V4::Other(132),
    V4::Other(253),
];
const V6S: [V6; 18] = [
    V6::Solicitation,
    V6::Duplicate,
    V6::Advertisement,
    V6::AdvertisementBare,
    V6::AdvertisementTwice,
    V6::AdvertisementLong,
    V6::RouterAdvertisement,
    V6::RouterSolicitation,
    V6::Redirect,
    V6::Report,
    V6::Report2,
    V6::Echo,
    V6::Udp,
    V6::Tcp,
    V6::DhcpClient,
    V6::DhcpServer,
    V6::Other(132),
    V6::Other(253),
];

const fn bare(name: &'static str, ethertype: u16, begins: &'static [u8], group: [u8; 6]) -> Bare {
    Bare {
        name,
        ethertype: Some(ethertype),
        begins,
        group,
    }
}

/// The nearest bridge's group (IEEE 802.1Q, table 8-1) with another last octet.
const fn reserved(last: u8) -> [u8; 6] {
    [1, 0x80, 0xc2, 0, 0, last]
}

const BROADCAST: [u8; 6] = [0xff; 6];
const CISCO: [u8; 6] = [1, 0, 0x0c, 0xcc, 0xcc, 0xcc];

const BARES: [Bare; 27] = [
    bare("MPLS to many", 0x8848, &[0, 1, 1, 64, 0x45, 0], BROADCAST),
    bare("flow control", 0x8808, &[0, 1, 0xff, 0xff], reserved(1)),
    bare("MVRP", 0x88f5, &[0, 1, 2, 0], reserved(0x21)),
    bare("MMRP", 0x88f6, &[0, 1, 2, 0], reserved(0x20)),
    bare("MSRP", 0x22ea, &[0, 1, 2, 0], reserved(14)),
    bare("CFM", 0x8902, &[0, 1, 4, 70], reserved(0x30)),
    bare("MRP", 0x88e3, &[0, 1, 2, 18], BROADCAST),
    bare("TRILL", 0x22f3, &[0, 0x40, 0, 1], BROADCAST),
    bare("TRILL's IS-IS", 0x22f4, &[0x83, 27, 1, 0], BROADCAST),
    bare("FIP", 0x8914, &[0x10, 0, 0, 1], BROADCAST),
    bare("a tag of 802.1ad", 0x88a8, &[0, 100, 8, 0], BROADCAST),
    bare(
        "LLDP",
        0x88cc,
        &[2, 7, 4, 2, 0, 0, 0, 0, 0x66],
        reserved(14),
    ),
    bare("RARP", 0x8035, &[0, 1, 8, 0, 6, 4, 0, 3], BROADCAST),
    bare("EAPOL", 0x888e, &[1, 1, 0, 0], reserved(3)),
    bare("PPPoE discovery", 0x8863, &[0x11, 9, 0, 0, 0, 0], BROADCAST),
    bare(
        "PPPoE session",
        0x8864,
        &[0x11, 0, 0, 1, 0, 40, 0, 0x57, 0x60],
        BROADCAST,
    ),
    bare("MPLS", 0x8847, &[0, 1, 1, 64, 0x45, 0], BROADCAST),
    bare("LACP", 0x8809, &[1, 1, 1, 20], reserved(2)),
    bare("PTP", 0x88f7, &[0, 2, 0, 44], reserved(14)),
    bare("MACsec", 0x88e5, &[0x20, 0, 0, 0, 0, 1], BROADCAST),
    bare("Wake-on-LAN", 0x0842, &[0xff; 6], BROADCAST),
    bare("loopback test", 0x9000, &[0, 0, 1, 0], BROADCAST),
    bare("NSH", 0x894f, &[0, 6, 1, 3], BROADCAST),
    bare("an EtherType for experiments", 0x88b5, &[1], BROADCAST),
    Bare {
        name: "STP",
        ethertype: None,
        begins: &[0x42, 0x42, 3, 0, 0, 0, 0, 0],
        group: reserved(0),
    },
    Bare {
        name: "CDP",
        ethertype: None,
        begins: &[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0, 2, 180],
        group: CISCO,
    },
    Bare {
        name: "IPv6 in SNAP",
        ethertype: None,
        begins: &[0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd, 0x60, 0],
        group: [0x33, 0x33, 0, 0, 0, 1],
    },
];

/// What an axis can be for a message.
struct Axes {
    what: Payload,
    wraps: &'static [Wrap],
    pieces: &'static [Piece],
    sources: Vec<Source>,
}

fn whats() -> Vec<Payload> {
    let control = CONTROL.iter().map(controlled);
    let arps = ARPS.into_iter().map(Payload::Arp);
    let v4s = V4S.into_iter().map(Payload::V4);
    let v6s = V6S.into_iter().map(Payload::V6);
    let bares = BARES.into_iter().map(Payload::Bare);
    arps.chain(v4s)
        .chain(v6s)
        .chain(bares)
        .chain(control)
        .collect()
}

fn controlled(c: &'static Control) -> Payload {
    match c.by {
        By::V4(..) => Payload::V4(V4::Control(c)),
        By::V6(..) => Payload::V6(V6::Control(c)),
    }
}

/// Of the like of control protocols: each once, to its group, for their flows differ in nothing else.
fn like_control() -> impl Iterator<Item = Shape> {
    MORE.iter().map(|c| Shape {
        what: controlled(c),
        wrap: Wrap::Plain,
        piece: Piece::Whole,
        source: Source::Own,
        tag: Tag::None,
        to: To::Group,
    })
}

fn axes(what: Payload) -> Axes {
    const MACS: [Owner; 7] = [
        Owner::Near,
        Owner::Far,
        Owner::Gateway,
        Owner::Host,
        Owner::Nobody,
        Owner::All,
        Owner::Stranger,
    ];
    let of = |source: fn(Owner) -> Source, whose: &[Owner]| -> Vec<Source> {
        whose.iter().copied().map(source).collect()
    };
    let mut sources = vec![Source::Own];
    if matches!(what, Payload::Bare(_)) {
        sources.push(Source::Mac(Owner::Stranger));
        let (wraps, pieces) = (&WRAPS4[..1], &PIECES[..1]);
        return Axes {
            what,
            wraps,
            pieces,
            sources,
        };
    }
    sources.extend(of(Source::Mac, &MACS));
    sources.extend(of(Source::Ip, &MACS));
    sources.extend(of(
        Source::Both,
        &[Owner::Near, Owner::Gateway, Owner::Host],
    ));
    let (wraps, pieces): (&[Wrap], &[Piece]) = match what {
        Payload::Arp(_) => {
            sources.extend(of(Source::InnerMac, &MACS));
            (&[Wrap::Plain, Wrap::Truncated], &PIECES[..1])
        }
        Payload::V4(_) => (&WRAPS4, &PIECES),
        _ => {
            sources.extend([Source::LinkLocal, Source::Ip(Owner::NearLinkLocal)]);
            let said = what.is_advertisement();
            if said && what != Payload::V6(V6::AdvertisementBare)
                || what == Payload::V6(V6::Solicitation)
            {
                sources.extend(of(Source::InnerMac, &MACS));
            }
            if said {
                let others = [
                    Owner::Near,
                    Owner::NearLinkLocal,
                    Owner::Far,
                    Owner::Gateway,
                ];
                sources.extend(of(Source::InnerIp, &others));
                sources.extend(of(Source::InnerIp, &[Owner::Host, Owner::Stranger]));
            }
            (&WRAPS6, &PIECES)
        }
    };
    // The option that bears it is written by hand.
    if what == Payload::V6(V6::AdvertisementLong) {
        sources.retain(|s| !matches!(s, Source::InnerMac(_)));
    }
    // From no address: about another's it is a question.
    if what == Payload::Arp(Arp::Probe) {
        sources.retain(|s| !matches!(s, Source::Ip(_)));
    }
    // It is from no address, whatever else it may be.
    if what == Payload::V6(V6::Duplicate) {
        sources.retain(|s| matches!(s, Source::Own | Source::Mac(_)));
    }
    // IPv4 has no fragment that is the whole.
    let pieces = match what {
        Payload::V4(_) => &[
            Piece::Whole,
            Piece::First,
            Piece::Tiny,
            Piece::Empty,
            Piece::Feigned,
            Piece::Later,
        ],
        _ => pieces,
    };
    Axes {
        what,
        wraps,
        pieces,
        sources,
    }
}

impl Axes {
    fn plain(&self) -> Shape {
        Shape {
            what: self.what,
            wrap: Wrap::Plain,
            piece: Piece::Whole,
            source: Source::Own,
            tag: Tag::None,
            to: To::Near,
        }
    }

    /// All that deviate from the plain one in at most one axis.
    fn single(&self) -> Vec<Shape> {
        let plain = self.plain();
        let mut all: Vec<Shape> = self
            .wraps
            .iter()
            .map(|&wrap| Shape { wrap, ..plain })
            .collect();
        all.extend(
            self.pieces[1..]
                .iter()
                .map(|&piece| Shape { piece, ..plain }),
        );
        all.extend(
            self.sources[1..]
                .iter()
                .map(|&source| Shape { source, ..plain }),
        );
        all.extend(TAGS[1..].iter().map(|&tag| Shape { tag, ..plain }));
        all.extend(TOS[1..].iter().map(|&to| Shape { to, ..plain }));
        all
    }

    fn any(&self, rng: &mut SeededRng) -> Shape {
        /// The plain one half of the time, so that two oddities are more usual than five.
        fn pick<T: Copy>(rng: &mut SeededRng, of: &[T]) -> T {
            match rng.percent(50) {
                true => of[0],
                false => of[rng.below(of.len())],
            }
        }
        Shape {
            what: self.what,
            wrap: pick(rng, self.wraps),
            piece: pick(rng, self.pieces),
            source: pick(rng, &self.sources),
            tag: pick(rng, &TAGS),
            to: TOS[rng.below(TOS.len())],
        }
    }
}

/// All shapes that are odd in at most one way, and `more` that are in several, chosen by the seed.
/// No shape is there twice.
pub(super) fn shapes(seed: u64, more: usize) -> Vec<Shape> {
    let axes: Vec<Axes> = whats().into_iter().map(axes).collect();
    let mut seen = HashSet::new();
    let mut shapes: Vec<Shape> = axes
        .iter()
        .flat_map(Axes::single)
        .chain(like_control())
        .filter(|shape| seen.insert(*shape))
        .collect();
    let mut rng = SeededRng::new(seed, 0);
    let wanted = shapes.len() + more;
    while shapes.len() < wanted {
        let shape = axes[rng.below(axes.len())].any(&mut rng);
        if shape.deviations() > 1 && seen.insert(shape) {
            shapes.push(shape);
        }
    }
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_thousand_shapes_and_a_seed_gives_the_same_ones() {
        let shapes = super::shapes(7, 500);
        assert!(shapes.len() >= 2_500, "{}", shapes.len());
        let distinct: HashSet<String> = shapes.iter().map(ToString::to_string).collect();
        assert_eq!(
            distinct.len(),
            shapes.len(),
            "two shapes have the same words"
        );
        assert_eq!(shapes, super::shapes(7, 500));
        assert_ne!(shapes, super::shapes(8, 500));
    }
}
