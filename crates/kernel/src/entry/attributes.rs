//! The attributes of an entry, read and written again (linux/netlink.h, linux/rtnetlink.h,
//! linux/if_addr.h, linux/fib_rules.h, linux/neighbour.h).

use nix::libc;

use super::{Entry, EntryKind, LinkId};
use crate::message::link::number;

pub(super) const RTA_EXPIRES: u16 = 23;
pub(super) const RTA_NH_ID: u16 = 30;
pub(super) const FRA_IIFNAME: u16 = 3;
pub(super) const FRA_OIFNAME: u16 = 17;
const RTA_MFC_STATS: u16 = 17;
const RTA_PAD: u16 = 24;
const RTA_UID: u16 = 25;
const FRA_PAD: u16 = 18;
const NDA_CACHEINFO: u16 = 3;
const NDA_PROBES: u16 = 4;
/// Bytes of `struct rtnexthop`.
const NEXTHOP: usize = 8;
/// `RTNH_F_ONLINK`: the one flag of a route and a next hop that is asked for; the others say how
/// the kernel finds it.
const ONLINK: u8 = 4;
/// Bits of `IFA_F_*` that say how an address is, and are not asked for: secondary or temporary
/// (1), DAD failed (8), deprecated (0x20), tentative (0x40), permanent (0x80), stable privacy
/// (0x800).
const ADDRESS_STATE: u32 = 0x1 | 0x8 | 0x20 | 0x40 | 0x80 | 0x800;
/// `FIB_RULE_UNRESOLVED`, `FIB_RULE_IIF_DETACHED`, `FIB_RULE_OIF_DETACHED`, `FIB_RULE_PERMANENT`.
const RULE_STATE: u32 = 0x4 | 0x8 | 0x10 | 0x1;
/// The bits of an attribute's type that are its number.
const TYPE_MASK: u16 = 0x3fff;
/// The unit of times in a route's `rta_cacheinfo`, a second's part (`USER_HZ`).
const USER_HZ: u32 = 100;

/// The attributes in `bytes`, up to the first that is malformed.
pub(crate) fn iter(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Writes one attribute.
pub(crate) fn push(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    to.extend(length.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// A text that ends at its first zero octet.
pub(crate) fn text(value: &[u8]) -> std::borrow::Cow<'_, str> {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end])
}

/// How an entry is written again.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    /// From which interface to which.
    moving: Option<(&'a LinkId, &'a LinkId)>,
    /// Without the lifetimes.
    timeless: bool,
}

impl<'a> Attributes<'a> {
    pub(super) fn moving(from: &'a LinkId, to: &'a LinkId) -> Self {
        Self {
            moving: Some((from, to)),
            timeless: false,
        }
    }

    pub(super) fn timeless() -> Self {
        Self {
            moving: None,
            timeless: true,
        }
    }

    fn index(&self, at: &mut [u8]) {
        if let Some((from, to)) = self.moving
            && number(at) == Some(from.ifindex)
        {
            at[..4].copy_from_slice(&to.ifindex.to_ne_bytes());
        }
    }

    fn name(&self, value: &[u8]) -> Vec<u8> {
        let name = text(value);
        let changed = match self.moving {
            Some((from, to)) if *name == from.name => to.name.clone(),
            // A label is the interface's name, or that with a colon and a text behind it.
            Some((from, to)) => match name.strip_prefix(&from.name) {
                Some(rest) if rest.starts_with(':') => format!("{}{rest}", to.name),
                _ => name.into_owned(),
            },
            None => name.into_owned(),
        };
        let mut bytes = changed.into_bytes();
        bytes.push(0);
        bytes
    }
}

/// The entry with its header and attributes as a request has them.
pub(super) fn rewritten(entry: &Entry, how: &Attributes<'_>) -> Entry {
    let kind = entry.kind;
    let mut payload = entry.payload[..kind.header()].to_vec();
    match kind {
        EntryKind::Address => {
            payload[2] &= !(ADDRESS_STATE.to_ne_bytes()[0]);
            how.index(&mut payload[4..]);
        }
        EntryKind::Neighbour => how.index(&mut payload[4..]),
        EntryKind::Route => {
            let flags = number(&payload[8..]).unwrap_or(0) & u32::from(ONLINK);
            payload[8..12].copy_from_slice(&flags.to_ne_bytes());
        }
        EntryKind::Rule => {
            let flags = number(&payload[8..]).unwrap_or(0) & !RULE_STATE;
            payload[8..12].copy_from_slice(&flags.to_ne_bytes());
        }
    }
    for (number, value) in iter(entry.attributes()) {
        attribute(&mut payload, kind, (number, value), how);
    }
    Entry { kind, payload }
}

fn attribute(to: &mut Vec<u8>, of: EntryKind, (kind, value): (u16, &[u8]), how: &Attributes<'_>) {
    match (of, kind) {
        (EntryKind::Address, libc::IFA_CACHEINFO) if how.timeless => {}
        (EntryKind::Address, libc::IFA_LABEL) => push(to, kind, &how.name(value)),
        (EntryKind::Address, libc::IFA_FLAGS) => {
            let flags = number(value).unwrap_or(0) & !ADDRESS_STATE;
            push(to, kind, &flags.to_ne_bytes());
        }
        (EntryKind::Route, libc::RTA_CACHEINFO) => {
            if let Some(seconds) = expires(value).filter(|_| !how.timeless) {
                push(to, RTA_EXPIRES, &seconds.to_ne_bytes());
            }
        }
        (EntryKind::Route, RTA_EXPIRES) if how.timeless => {}
        (EntryKind::Route, libc::RTA_IIF | RTA_MFC_STATS | RTA_PAD | RTA_UID)
        | (EntryKind::Rule, FRA_PAD)
        | (EntryKind::Neighbour, NDA_CACHEINFO | NDA_PROBES) => {}
        (EntryKind::Route, libc::RTA_OIF) => {
            let mut index = value.to_vec();
            how.index(&mut index);
            push(to, kind, &index);
        }
        (EntryKind::Route, libc::RTA_MULTIPATH) => {
            push(to, kind, &next_hops(value, how));
        }
        (EntryKind::Rule, FRA_IIFNAME | FRA_OIFNAME) => push(to, kind, &how.name(value)),
        _ => push(to, kind, value),
    }
}

/// `rta_expires` of `struct rta_cacheinfo`, its third word, in seconds.
fn expires(cacheinfo: &[u8]) -> Option<u32> {
    let ticks = i32::from_ne_bytes(*cacheinfo.get(8..)?.first_chunk::<4>()?);
    let ticks = u32::try_from(ticks).ok().filter(|t| *t > 0)?;
    Some((ticks / USER_HZ).max(1))
}

fn next_hops(mut value: &[u8], how: &Attributes<'_>) -> Vec<u8> {
    let mut written = Vec::with_capacity(value.len());
    while value.len() >= NEXTHOP {
        let length = usize::from(u16::from_ne_bytes([value[0], value[1]]));
        let Some(hop) = value.get(..length).filter(|h| h.len() >= NEXTHOP) else {
            break;
        };
        let mut hop = hop.to_vec();
        hop[2] &= ONLINK;
        how.index(&mut hop[4..8]);
        written.extend(&hop);
        written.resize(written.len().next_multiple_of(4), 0);
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    written
}
