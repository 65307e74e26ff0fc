//! What is around a message: tags, IPv6's extension headers and fragments, Ethernet's padding. Pure.

use super::packet::{self as part, DESTINATION, DISCARD, ESP, FRAGMENT};
use super::shape::{Chain, Payload, Piece, Shape, Tag, V4, Wrap};

/// The first next header and everything behind IPv6's own header.
pub(super) fn payload6(shape: &Shape, next: u8, upper: Vec<u8>, id: u32) -> (u8, Vec<u8>) {
    // What each fragment repeats stands before its header, the rest behind (RFC 8200 §4.5).
    let before = match shape.wrap {
        Wrap::Chain(c @ (Chain::HopByHop | Chain::Alert | Chain::Routing)) => Some(c),
        _ => None,
    };
    let (next, inner) = match before {
        Some(_) => (next, upper),
        None => behind(shape.wrap, next, upper),
    };
    let (next, pieces) = match shape.piece {
        Piece::Whole => (next, inner),
        Piece::First => fragment(next, 0, true, &inner, id),
        // Behind one more header, for eight octets are the least that a fragment has.
        Piece::Tiny => {
            let options = part::extension(DESTINATION, next, false);
            fragment(DESTINATION, 0, true, &options, id)
        }
        Piece::Empty | Piece::Feigned => fragment(next, 0, true, &[], id),
        Piece::Atomic => fragment(next, 0, false, &inner, id),
        Piece::Later => fragment(next, 181, false, &inner, id),
    };
    match before {
        Some(c) => {
            let (first, mut bytes) = part::chain(c, next);
            bytes.extend(pieces);
            (first, bytes)
        }
        None => (next, pieces),
    }
}

fn fragment(next: u8, offset: u16, more: bool, payload: &[u8], id: u32) -> (u8, Vec<u8>) {
    let mut bytes = part::fragment(next, offset, more, id);
    bytes.extend(payload);
    (FRAGMENT, bytes)
}

fn behind(wrap: Wrap, next: u8, upper: Vec<u8>) -> (u8, Vec<u8>) {
    let (first, mut bytes) = match wrap {
        Wrap::Chain(c) => part::chain(c, next),
        // Its header has no length of its own: the packet ends in it.
        Wrap::Cut(FRAGMENT) => return (FRAGMENT, part::cut(FRAGMENT, next)),
        Wrap::Cut(kind) => (kind, part::cut(kind, next)),
        // Nothing follows "no next header"; what does is not looked at (RFC 8200 §4.7).
        Wrap::Blind(59) => (59, Vec::new()),
        Wrap::Blind(kind) => (kind, part::extension(kind, next, false)),
        Wrap::Esp => (ESP, vec![0, 0, 0, 9, 0, 0, 0, 1]),
        Wrap::Jumbo => {
            let size = u32::try_from(upper.len() + 8).unwrap_or(u32::MAX);
            let mut option = vec![next, 0, 0xc2, 4];
            option.extend(size.to_be_bytes());
            (0, option)
        }
        _ => return (next, upper),
    };
    bytes.extend(upper);
    (first, bytes)
}

/// What stands behind a fragment that is too short: the kernel's datapath does not look at the
/// packet's length, and reads on.
pub(super) fn padding(shape: &Shape) -> Vec<u8> {
    let honest = match shape.what {
        Payload::V4(V4::Echo) => part::icmp(8, [0; 4], &[]),
        Payload::V6(v6) if v6.is_icmp() => part::icmp(128, [0; 4], &[]),
        _ => part::udp(DISCARD, &[]),
    };
    match shape.piece {
        Piece::Feigned => honest,
        Piece::Tiny | Piece::Empty => vec![0; 24],
        _ => Vec::new(),
    }
}

/// Between the MACs and the EtherType.
pub(super) fn tags(tag: Tag) -> Vec<u8> {
    let one = |tpid: u16, tci: u16| [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
    match tag {
        Tag::None => Vec::new(),
        Tag::Priority => one(0x8100, 0xa000),
        Tag::One(id) => one(0x8100, id),
        Tag::Two(outer, inner) => [one(0x8100, outer), one(0x8100, inner)].concat(),
        Tag::Service(id) => one(0x88a8, id),
    }
}
