//! What is to become of a frame: by docs/data-path.md and the RFCs, and not by the flows.

use std::collections::BTreeSet;

use super::control;
use super::listed::{self, Listed};
use super::shape::{Arp, Owner, Payload, Piece, Shape, Source, Tag, To, V4, V6, Wrap};
use crate::Datapath;

/// Where frames are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub(super) enum Place {
    /// Back at who sent it: the bridge has answered, or somebody behind it.
    Forger,
    Near,
    /// A container of the node and VLAN that no frame is for.
    Bystander,
    OtherVlan,
    Far,
    HostHere,
    HostThere,
    UplinkHere,
    UplinkThere,
}

/// How the site's nodes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Vlan,
    Routed,
}

/// What a verdict depends on beside the shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct SiteFacts {
    pub(super) mode: Mode,
    pub(super) datapath: Datapath,
}

/// What is to become of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It arrives nowhere; why.
    Forbidden(&'static str),
    /// It arrives at all of the first, and at none but these and the second.
    Arrives {
        at: BTreeSet<Place>,
        may: BTreeSet<Place>,
    },
    /// Whatever becomes of it is known and borne.
    Listed(&'static Listed),
}

/// The verdict on a shape.
pub(super) fn judge(shape: &Shape, ground: SiteFacts) -> Verdict {
    use Verdict::{Forbidden, Listed};
    match shape.tag {
        Tag::None | Tag::Priority | Tag::Service(0) => {}
        _ => return Forbidden("a tag that the container may not send"),
    }
    if matches!(shape.what, Payload::Bare(_)) {
        return Forbidden("neither ARP nor IP");
    }
    let asks = matches!(shape.what, Payload::Arp(Arp::Request | Arp::Announcement));
    // RFC 5227 §2.1.1.
    let asks_from_none = asks && shape.source == Source::Ip(Owner::Nobody);
    if outer_lie(shape.source) && !asks_from_none {
        return Forbidden("an address or MAC that is not its own");
    }
    if shape.what == Payload::V6(V6::Duplicate) {
        return Forbidden("from no address, which bears nothing else (RFC 4862 §5.4)");
    }
    if shape.wrap == Wrap::Swapped {
        return Forbidden("a packet that is not what its EtherType says");
    }
    let verdict = match shape.what {
        Payload::Arp(arp) => arp_content(arp, shape),
        Payload::V4(_) | Payload::V6(_) => packet(shape, ground.datapath),
        Payload::Bare(_) => return Forbidden("neither ARP nor IP"),
    };
    match (verdict, shape.tag) {
        (Some(verdict @ Forbidden(_)), _) => verdict,
        (_, Tag::Service(_)) => Listed(&listed::SERVICE_TAG),
        (Some(verdict), _) => verdict,
        (None, _) => ways(shape, ground.mode),
    }
}

/// A lie that every rule sees, however the rest of the frame is.
fn outer_lie(source: Source) -> bool {
    matches!(source, Source::Mac(_) | Source::Ip(_) | Source::Both(_))
}

fn inner_lie(source: Source) -> bool {
    matches!(source, Source::InnerMac(_) | Source::InnerIp(_))
}

/// None: honest.
fn arp_content(arp: Arp, shape: &Shape) -> Option<Verdict> {
    let odd = matches!(arp, Arp::Hardware(_) | Arp::Lengths(..) | Arp::Protocol(_));
    if odd || shape.wrap == Wrap::Truncated {
        return Some(Verdict::Forbidden("no ARP of Ethernet and IPv4 (RFC 826)"));
    }
    inner_lie(shape.source).then_some(Verdict::Forbidden("ARP with another's MAC"))
}

/// What a packet's wrapping and content come to, from its own MAC and address; none: honest.
fn packet(shape: &Shape, datapath: Datapath) -> Option<Verdict> {
    use Verdict::{Forbidden, Listed};
    let content = content(shape);
    if shape.piece == Piece::Later {
        return later(shape);
    }
    let harmless_if_refused = |listed| match &content {
        Some(Forbidden(why)) => Some(Forbidden(why)),
        _ => Some(Listed(listed)),
    };
    match shape.wrap {
        Wrap::Cut(_) if !is_looked_into(shape.what) => return Some(Listed(&listed::CUT_CHAIN)),
        Wrap::Cut(_) | Wrap::Blind(_) => {
            return Some(Forbidden("a chain of headers that cannot be looked behind"));
        }
        Wrap::Esp => return Some(Listed(&listed::ENCRYPTED)),
        // However odd the rest is: what the header would be is not in the packet.
        _ if datapath == Datapath::Kernel
            && is_looked_into(shape.what)
            && shows_a_header(shape) =>
        {
            return Some(Listed(&listed::PADDING));
        }
        Wrap::Version => return harmless_if_refused(&listed::VERSION),
        Wrap::Checksum => return harmless_if_refused(&listed::CHECKSUM),
        Wrap::HeaderShort
        | Wrap::LengthZero
        | Wrap::LengthShort
        | Wrap::LengthLong
        | Wrap::Truncated
        | Wrap::Jumbo => return harmless_if_refused(&listed::LENGTHS),
        _ => {}
    }
    match shape.piece {
        Piece::Tiny | Piece::Empty | Piece::Feigned => match shape.what {
            what if !is_looked_into(what) => Some(Listed(&listed::TINY)),
            _ => cut_off(),
        },
        // Receivers ignore it (RFC 6980 §5).
        Piece::First | Piece::Atomic if content.is_none() && shape.what.is_discovery() => {
            Some(Listed(&listed::DISCOVERY_IN_PIECES))
        }
        _ => content,
    }
}

/// Whether a rule goes by what is in such a message: a type of ICMPv6, or ports of UDP.
fn is_looked_into(what: Payload) -> bool {
    match what {
        Payload::V4(V4::Udp | V4::DhcpClient | V4::DhcpServer) => true,
        Payload::V4(V4::Control(c)) => c.is_udp(),
        Payload::V6(V6::Tcp | V6::Other(_)) => false,
        Payload::V6(V6::Control(c)) => !c.is_protocol(),
        Payload::V6(_) => true,
        _ => false,
    }
}

/// Whether a fragment of such a message is looked up among connections: ADR 28.
fn is_tracked(what: Payload) -> bool {
    match what {
        Payload::V4(V4::Udp | V4::Tcp | V4::DhcpClient | V4::DhcpServer) => true,
        // TCP, UDP, SCTP.
        Payload::V4(V4::Other(protocol)) => matches!(protocol, 6 | 17 | 132),
        Payload::V4(V4::Control(c)) => c.is_udp(),
        Payload::V6(_) => true,
        _ => false,
    }
}

/// Whether there is a header, or half of one, for who does not look at the packet's length.
fn shows_a_header(shape: &Shape) -> bool {
    shape.piece == Piece::Feigned
        || matches!(shape.what, Payload::V4(_)) && shape.piece == Piece::Tiny
}

/// The message is elsewhere, in a fragment that was decided on.
fn later(shape: &Shape) -> Option<Verdict> {
    match shape.wrap {
        Wrap::Plain | Wrap::Chain(_) | Wrap::Options(_) | Wrap::Alert => {
            controlled(shape).map(|_| Verdict::Listed(&listed::CONTROL_LATER))
        }
        _ => Some(Verdict::Listed(&listed::ODD_LATER)),
    }
}

fn cut_off() -> Option<Verdict> {
    Some(Verdict::Forbidden(
        "a fragment without the message's type or ports",
    ))
}

/// The control plane's protocol that it is.
fn controlled(shape: &Shape) -> Option<&'static control::Control> {
    match shape.what {
        Payload::V4(V4::Control(c)) | Payload::V6(V6::Control(c)) => Some(c),
        _ => None,
    }
}

/// What the message itself comes to, whole and in the clear.
fn content(shape: &Shape) -> Option<Verdict> {
    use Verdict::{Forbidden, Listed};
    if controlled(shape).is_some() {
        return Some(Forbidden("routers' and switches' own protocols"));
    }
    if shape.what == Payload::V6(V6::Advertisement)
        && shape.source == Source::InnerMac(Owner::Nobody)
    {
        return Some(Listed(&listed::NO_MAC));
    }
    match shape.what {
        Payload::V4(V4::DhcpServer) | Payload::V6(V6::DhcpServer) => {
            Some(Forbidden("a server of addresses (RFC 2131, RFC 8415)"))
        }
        Payload::V6(V6::RouterAdvertisement | V6::Redirect) => {
            Some(Forbidden("a router's message (RFC 6105)"))
        }
        Payload::V6(V6::RouterSolicitation | V6::Report2) => {
            Some(Forbidden("what kernels send unasked and nobody needs"))
        }
        Payload::V6(V6::AdvertisementTwice) => Some(Forbidden("two MACs for one address")),
        Payload::V6(V6::AdvertisementLong) => match inner_lie(shape.source) {
            true => Some(Forbidden("discovery about another")),
            false => Some(Listed(&listed::LONG_OPTION)),
        },
        Payload::V6(V6::Report) => Some(Listed(&listed::MEMBERSHIP)),
        _ if inner_lie(shape.source) => Some(Forbidden("discovery about another")),
        _ => None,
    }
}

/// Where an honest frame goes.
fn ways(shape: &Shape, mode: Mode) -> Verdict {
    use Place::{Far, Forger, HostHere, HostThere, Near, UplinkHere, UplinkThere};
    let up: (&[Place], &[Place]) = match mode {
        Mode::Vlan => (&[UplinkHere], &[UplinkThere]),
        Mode::Routed => (&[HostHere], &[]),
    };
    let routed: &[Place] = &[Far, HostHere, HostThere, UplinkHere, UplinkThere];
    // A later fragment shows nothing of its message: it goes by its addresses.
    let shown = shape.piece != Piece::Later;
    let solicits = shown && shape.what == Payload::V6(V6::Solicitation);
    let advertises = shown && shape.what.is_advertisement();
    let (at, may): (&[Place], &[Place]) = match (shape.what, shape.to, mode) {
        (Payload::Arp(Arp::Request), To::Near, _)
        | (Payload::Arp(Arp::Request), To::Gateway, Mode::Routed) => (&[Forger], &[]),
        (Payload::Arp(_), To::Far, Mode::Vlan) => (&[UplinkHere], &[UplinkThere, Far]),
        (Payload::Arp(_), ..) => up,
        (_, To::Near, _) => (&[Near], &[]),
        (_, To::Group | To::Broadcast, _) if solicits => (&[Near], &[]),
        (_, To::Far, Mode::Vlan) => (&[UplinkHere, Far], &[UplinkThere]),
        // A router forwards no link-local address, and no solicitation has to pass it.
        (what, To::Far, Mode::Routed)
            if shape.source == Source::LinkLocal || what.is_discovery() =>
        {
            (&[HostHere], routed)
        }
        (_, To::Far, Mode::Routed) => (&[HostHere, Far], routed),
        (_, To::Host, _) => (&[HostHere], &[]),
        (_, To::Group, Mode::Vlan) if advertises => (&[UplinkHere, HostHere], &[UplinkThere]),
        _ => up,
    };
    let mut at: BTreeSet<Place> = at.iter().copied().collect();
    let mut may: BTreeSet<Place> = may.iter().copied().collect();
    // Whoever it is for may answer.
    may.insert(Forger);
    // Routers refuse what is odd; a neighbour on the same switch gets it.
    let odd = shape.piece != Piece::Whole || shape.wrap != Wrap::Plain;
    // A fragment alone waits for the others, where connections are looked up.
    let looked_up = is_tracked(shape.what) && (mode == Mode::Vlan || shape.to == To::Near);
    let waits = looked_up && !matches!(shape.piece, Piece::Whole | Piece::Atomic);
    if odd && shape.to == To::Far || waits {
        may.append(&mut at);
    }
    Verdict::Arrives { at, may }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::redteam::shape::Chain;

    const USER: SiteFacts = SiteFacts {
        mode: Mode::Vlan,
        datapath: Datapath::User,
    };

    fn plain(what: Payload) -> Shape {
        Shape {
            what,
            wrap: Wrap::Plain,
            piece: Piece::Whole,
            source: Source::Own,
            tag: Tag::None,
            to: To::Near,
        }
    }

    fn forbidden(shape: Shape) -> bool {
        matches!(judge(&shape, USER), Verdict::Forbidden(_))
    }

    #[test]
    fn a_routers_message_is_forbidden_in_whatever_it_is_wrapped() {
        let ra = plain(Payload::V6(V6::RouterAdvertisement));
        for wrap in [
            Wrap::Plain,
            Wrap::Chain(Chain::Eight),
            Wrap::Jumbo,
            Wrap::LengthZero,
        ] {
            assert!(forbidden(Shape { wrap, ..ra }), "{wrap}");
        }
        for piece in [
            Piece::First,
            Piece::Tiny,
            Piece::Empty,
            Piece::Feigned,
            Piece::Atomic,
        ] {
            assert!(forbidden(Shape { piece, ..ra }), "{piece}");
        }
        // What follows a fragment that was decided on says nothing by itself.
        assert!(!forbidden(Shape {
            piece: Piece::Later,
            ..ra
        }));
    }

    #[test]
    fn another_ones_address_is_forbidden_and_no_address_only_asks() {
        let from = |what, whose| Shape {
            source: Source::Ip(whose),
            ..plain(what)
        };
        assert!(forbidden(from(Payload::V4(V4::Udp), Owner::Gateway)));
        assert!(forbidden(from(Payload::V4(V4::Udp), Owner::Nobody)));
        assert!(!forbidden(from(Payload::Arp(Arp::Request), Owner::Nobody)));
        assert!(forbidden(from(Payload::Arp(Arp::Reply), Owner::Nobody)));
    }

    #[test]
    fn an_honest_frame_goes_its_way_and_no_other() {
        let to_far = Shape {
            to: To::Far,
            ..plain(Payload::V4(V4::Echo))
        };
        let Verdict::Arrives { at, may } = judge(&to_far, USER) else {
            panic!("it is honest");
        };
        assert!(at.contains(&Place::Far) && at.contains(&Place::UplinkHere));
        assert!(!at.contains(&Place::Near) && !may.contains(&Place::Near));
        assert!(!may.contains(&Place::Bystander));
    }

    #[test]
    fn the_control_planes_protocols_are_forbidden() {
        for control in control::CONTROL {
            let what = match control.by {
                control::By::V4(..) => Payload::V4(V4::Control(control)),
                control::By::V6(..) => Payload::V6(V6::Control(control)),
            };
            assert!(forbidden(plain(what)), "{}", control.name);
        }
    }
}
