//! Addresses, routes, rules and neighbours as the kernel lists them, to be moved from one
//! interface to another and put back, with every attribute that they have.
//!
//! An [`Entry`] keeps the payload of the kernel's own message. What this crate has no name for
//! (a locked MTU, an encapsulation, a source-specific route) is therefore carried along, where a
//! form of our own would lose it. Only what names the interface is rewritten, and what a request
//! may not hold (counters, times) is left out.

pub(crate) mod attributes;
mod change;
mod words;

use std::fmt;
use std::str::FromStr;

use nix::libc;

pub(crate) use change::{ask, list, put, remove};

use crate::error::Fault;
use crate::message::{address, link::number, route};
use crate::view::{Address, Route};
use attributes::{Attributes, rewritten};

/// What kind of thing an [`Entry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// An address of an interface.
    Address,
    /// A route, of any table.
    Route,
    /// A rule of policy routing.
    Rule,
    /// A neighbour that is permanent.
    Neighbour,
}

impl EntryKind {
    /// Bytes of the fixed header of its messages: `ifaddrmsg`, `rtmsg`, `fib_rule_hdr`, `ndmsg`.
    const fn header(self) -> usize {
        match self {
            Self::Address => 8,
            Self::Route | Self::Rule | Self::Neighbour => 12,
        }
    }

    /// `RTM_NEW…`; `RTM_DEL…` and `RTM_GET…` are the next two numbers.
    const fn new_message(self) -> u16 {
        match self {
            Self::Address => libc::RTM_NEWADDR,
            Self::Route => libc::RTM_NEWROUTE,
            Self::Rule => libc::RTM_NEWRULE,
            Self::Neighbour => libc::RTM_NEWNEIGH,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Route => "route",
            Self::Rule => "rule",
            Self::Neighbour => "neighbour",
        }
    }
}

/// An interface by name and index: rules name it, everything else counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkId {
    /// Interface name, at most 15 bytes.
    pub name: String,
    /// Interface index.
    pub ifindex: u32,
}

/// One address, route, rule or neighbour, whole. See the module's documentation.
///
/// Its text form, by [`fmt::Display`] and [`FromStr`], is the kind and the payload in hexadecimal
/// digits. It is for this machine: the payload has the byte order of the processor.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    kind: EntryKind,
    payload: Vec<u8>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.words(&|index| format!("if{index}"));
        write!(f, "{} {text}", self.kind.word())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind.word())?;
        self.payload.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Text that is no [`Entry`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kernel entry: a kind, a colon and the payload in hexadecimal digits")]
pub struct EntryError(String);

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        let bad = || EntryError(text.chars().take(40).collect());
        let (word, hex) = text.split_once(':').ok_or_else(bad)?;
        let kind = [
            EntryKind::Address,
            EntryKind::Route,
            EntryKind::Rule,
            EntryKind::Neighbour,
        ]
        .into_iter()
        .find(|k| k.word() == word)
        .ok_or_else(bad)?;
        let payload = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| {
                let digits = std::str::from_utf8(pair).ok().filter(|d| d.len() == 2)?;
                u8::from_str_radix(digits, 16).ok()
            })
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(bad)?;
        Self::new(kind, payload).ok_or_else(bad)
    }
}

impl Entry {
    /// `None` if the payload is shorter than its header.
    pub(crate) fn new(kind: EntryKind, payload: Vec<u8>) -> Option<Self> {
        (payload.len() >= kind.header()).then_some(Self { kind, payload })
    }

    /// What it is.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    fn attributes(&self) -> &[u8] {
        self.payload.get(self.kind.header()..).unwrap_or_default()
    }

    fn attribute(&self, kind: u16) -> Option<&[u8]> {
        attributes::iter(self.attributes())
            .find(|(k, _)| *k == kind)
            .map(|(_, value)| value)
    }

    /// Whether it is of IPv6.
    pub fn is_ipv6(&self) -> bool {
        i32::from(self.payload[0]) == libc::AF_INET6
    }

    /// The address, if it is one that can be read.
    pub fn as_address(&self) -> Option<Address> {
        match self.kind {
            EntryKind::Address => address::read(&self.payload).ok().flatten(),
            _ => None,
        }
    }

    /// The route, if it is one that can be read.
    pub fn as_route(&self) -> Option<Route> {
        match self.kind {
            EntryKind::Route => route::read(&self.payload).ok().flatten(),
            _ => None,
        }
    }

    /// The address of a neighbour.
    pub fn neighbour(&self) -> Option<std::net::IpAddr> {
        match self.kind {
            EntryKind::Neighbour => self.attribute(1).and_then(address::ip),
            _ => None,
        }
    }

    /// Whether the route leads through a next-hop object (`ip nexthop`), which names its interface
    /// by itself.
    pub fn uses_nexthop_object(&self) -> bool {
        self.kind == EntryKind::Route && self.attribute(attributes::RTA_NH_ID).is_some()
    }

    /// Whether it is of this interface: its address, its neighbour, a route with a next hop
    /// there, a rule that names it.
    pub fn is_of(&self, link: &LinkId) -> bool {
        match self.kind {
            EntryKind::Address | EntryKind::Neighbour => {
                number(&self.payload[4..]) == Some(link.ifindex)
            }
            EntryKind::Route => self
                .as_route()
                .is_some_and(|r| r.nexthops.iter().any(|n| n.ifindex == Some(link.ifindex))),
            EntryKind::Rule => [attributes::FRA_IIFNAME, attributes::FRA_OIFNAME]
                .into_iter()
                .filter_map(|k| self.attribute(k))
                .any(|name| attributes::text(name) == link.name),
        }
    }

    /// The same entry of another interface.
    #[must_use]
    pub fn moved(&self, from: &LinkId, to: &LinkId) -> Self {
        rewritten(self, &Attributes::moving(from, to))
    }

    /// What a request may hold of it: without times, counters and states that are the kernel's.
    #[must_use]
    pub fn as_request(&self) -> Self {
        rewritten(self, &Attributes::default())
    }

    /// Whether the two are the same thing, apart from what changes by itself with time.
    pub fn is_same(&self, other: &Self) -> bool {
        let timeless = |e: &Self| rewritten(e, &Attributes::timeless());
        self.kind == other.kind && timeless(self) == timeless(other)
    }

    /// In the words of `ip`, without the command: `10.0.0.0/8 via 10.1.1.1 dev eth0 metric 100`.
    pub fn words(&self, name_of: &dyn Fn(u32) -> String) -> String {
        words::of(self, name_of)
    }

    /// The object that `ip` calls it by: `address`, `route`, `-6 rule` and so on.
    pub fn object(&self) -> &'static str {
        match (self.kind, self.is_ipv6()) {
            (EntryKind::Address, _) => "ip address",
            (EntryKind::Route, false) => "ip route",
            (EntryKind::Route, true) => "ip -6 route",
            (EntryKind::Rule, false) => "ip rule",
            (EntryKind::Rule, true) => "ip -6 rule",
            (EntryKind::Neighbour, _) => "ip neighbour",
        }
    }
}

/// Reads an entry of a list; `None`: not one of what was asked for.
pub(super) fn read(kind: EntryKind, payload: &[u8]) -> Result<Option<Entry>, Fault> {
    let entry = Entry::new(kind, payload.to_vec()).ok_or_else(|| Fault::Undecodable {
        reason: format!("a {} that is cut", kind.word()),
    })?;
    /// `NUD_PERMANENT`; the flag `RTM_F_CLONED` of an entry of the cache.
    const PERMANENT: u16 = 0x80;
    const CLONED: u32 = 0x200;
    let wanted = match kind {
        EntryKind::Neighbour => {
            u16::from_ne_bytes([payload[8], payload[9]]) & PERMANENT != 0
                && entry.neighbour().is_some()
        }
        EntryKind::Route => number(&payload[8..]).is_some_and(|flags| flags & CLONED == 0),
        EntryKind::Address | EntryKind::Rule => true,
    };
    Ok(wanted.then_some(entry))
}

#[cfg(test)]
mod tests;
