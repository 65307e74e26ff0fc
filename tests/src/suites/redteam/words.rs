//! A shape in words: what a report calls it.

use std::fmt;

use super::shape::{Arp, Owner, Payload, Piece, Shape, Source, Tag, To, V4, V6, Wrap};

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if self.wrap != Wrap::Plain {
            write!(f, ", {}", self.wrap)?;
        }
        if self.piece != Piece::Whole {
            write!(f, ", {}", self.piece)?;
        }
        write!(f, ", {}, {}, {}", self.source, self.tag, self.to)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp(Arp::Operation(op)) => write!(f, "ARP operation {op}"),
            Self::Arp(Arp::Hardware(kind)) => write!(f, "ARP request of hardware type {kind}"),
            Self::Arp(Arp::Lengths(h, p)) => write!(f, "ARP reply with lengths {h} and {p}"),
            Self::Arp(Arp::Protocol(p)) => write!(f, "ARP reply of protocol {p:#06x}"),
            Self::Arp(arp) => write!(f, "ARP {}", format!("{arp:?}").to_lowercase()),
            Self::V4(V4::Other(p)) => write!(f, "IPv4 protocol {p}"),
            Self::V6(V6::Other(p)) => write!(f, "IPv6 next header {p}"),
            Self::V4(V4::Control(c)) => write!(f, "{} over IPv4", c.name),
            Self::V6(V6::Control(c)) => write!(f, "{} over IPv6", c.name),
            Self::V4(other) => write!(f, "IPv4 {other:?}"),
            Self::V6(other) => write!(f, "IPv6 {other:?}"),
            Self::Bare(bare) => f.write_str(bare.name),
        }
    }
}

impl fmt::Display for Wrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Options(words) => write!(f, "with {words} words of options"),
            Self::Alert => f.write_str("with a router alert"),
            Self::HeaderShort => f.write_str("with a header length of 16"),
            Self::Checksum => f.write_str("with a wrong header checksum"),
            Self::Version => f.write_str("with the other version in its header"),
            Self::LengthZero => f.write_str("with a length of 0"),
            Self::LengthShort => f.write_str("with a length that is too short"),
            Self::LengthLong => f.write_str("with a length that is too long"),
            Self::Truncated => f.write_str("cut off"),
            Self::Swapped => f.write_str("with the other IP's EtherType"),
            Self::Chain(chain) => write!(f, "behind headers ({chain:?})"),
            Self::Cut(header) => write!(f, "behind header {header}, which is cut off"),
            Self::Blind(header) => write!(f, "behind header {header}"),
            Self::Esp => f.write_str("in ESP"),
            Self::Jumbo => f.write_str("in a jumbogram"),
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::First => "first fragment",
            Self::Tiny => "first fragment without the message's header",
            Self::Empty => "first fragment with nothing in it",
            Self::Feigned => "first fragment with its header in the padding",
            Self::Atomic => "atomic fragment",
            Self::Later => "later fragment",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("from itself"),
            Self::LinkLocal => f.write_str("from its link-local address"),
            Self::Mac(w) => write!(f, "from the MAC of {w}"),
            Self::Ip(w) => write!(f, "from the address of {w}"),
            Self::Both(w) => write!(f, "from MAC and address of {w}"),
            Self::InnerMac(w) => write!(f, "with the MAC of {w} inside"),
            Self::InnerIp(w) => write!(f, "about the address of {w}"),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Near => "a neighbour",
            Self::NearLinkLocal => "a neighbour (link-local)",
            Self::Far => "a container of another node",
            Self::Gateway => "the gateway",
            Self::Host => "the host",
            Self::Nobody => "nobody (zeros)",
            Self::All => "all (a group)",
            Self::Stranger => "a stranger",
        })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("untagged"),
            Self::Priority => f.write_str("with a priority tag"),
            Self::One(id) => write!(f, "tagged {id}"),
            Self::Two(outer, inner) => write!(f, "tagged {outer} and {inner}"),
            Self::Service(id) => write!(f, "tagged {id} by 802.1ad"),
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Near => "to a neighbour",
            Self::Far => "to a container of another node",
            Self::Gateway => "to the gateway",
            Self::Host => "to the host",
            Self::OtherVlan => "to a container of another VLAN",
            Self::Broadcast => "to all",
            Self::Group => "to its group",
        })
    }
}
