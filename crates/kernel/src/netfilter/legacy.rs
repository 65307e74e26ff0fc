//! The filter tables of iptables' older interface, read by getsockopt
//! (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h). They have no
//! generation and no announcement: whoever wants to know reads them whole.

use std::fs;

use nix::errno::Errno;

use super::{Condition, ForwardChain, ForwardRule, Name, Tool, Verdict};
use crate::error::{Attempt, Fault, ObserveError};
use crate::ioctl;

/// `NF_INET_FORWARD`.
const FORWARD: usize = 2;
/// The standard target's verdicts: `-NF_DROP - 1`, `-NF_ACCEPT - 1`, and back to the caller.
const DROP: i32 = -1;
const ACCEPT: i32 = -2;
/// `IPT_INV_VIA_IN`, `IPT_INV_VIA_OUT`, `IPT_INV_SRCIP`, `IPT_INV_DSTIP`.
const NOT_IN: u8 = 0x01;
const NOT_OUT: u8 = 0x02;
const NOT_SOURCE: u8 = 0x08;
const NOT_DESTINATION: u8 = 0x10;
/// Chains that are followed one inside the other.
const DEPTH_MAX: usize = 16;
/// Rules that are kept.
const RULES_MAX: usize = 4096;
/// Octets of an interface's name.
const IFNAMSIZ: usize = 16;
/// Octets of `struct xt_entry_target` before its data.
const TARGET: usize = 32;

/// Where things are in an entry of a family.
struct Layout {
    ipv6: bool,
    family: &'static str,
    names: &'static str,
    /// Octets of an address.
    address: usize,
    /// Where the inversion flags are.
    flags: usize,
    /// Where `target_offset` is; `next_offset` follows.
    offsets: usize,
    /// Octets of an entry before its matches.
    entry: usize,
}

/// `struct ipt_entry`: `struct ipt_ip` is 84 octets, then `nfcache`, the offsets, `comefrom`
/// and the counters.
const IPV4: Layout = Layout {
    ipv6: false,
    family: "ip",
    names: "/proc/thread-self/net/ip_tables_names",
    address: 4,
    flags: 83,
    offsets: 88,
    entry: 112,
};

/// `struct ip6t_entry`: `struct ip6t_ip6` is 136 octets.
const IPV6: Layout = Layout {
    ipv6: true,
    family: "ip6",
    names: "/proc/thread-self/net/ip6_tables_names",
    address: 16,
    flags: 132,
    offsets: 140,
    entry: 168,
};

/// The FORWARD chains of the older filter tables that are in use.
pub(super) fn forward() -> Result<Vec<ForwardChain>, ObserveError> {
    let mut found = Vec::new();
    for layout in [&IPV4, &IPV6] {
        // To ask for a table that is not in use would make one.
        let in_use = fs::read_to_string(layout.names).unwrap_or_default();
        if in_use.lines().any(|name| name == "filter") {
            let chain = read(layout);
            found.extend(chain.attempting(|| {
                format!("reading the table filter of iptables ({})", layout.family)
            })?);
        }
    }
    Ok(found)
}

fn read(layout: &Layout) -> Result<Option<ForwardChain>, Fault> {
    match ioctl::xtables_filter(layout.ipv6) {
        Ok(table) => Ok(parse(layout, &table)),
        // It went meanwhile, or this kernel does not know it.
        Err(Errno::ENOENT | Errno::ENOPROTOOPT | Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(Fault::Syscall {
            during: "getsockopt",
            errno,
        }),
    }
}

/// The chain FORWARD of a table's entries.
fn parse(layout: &Layout, table: &ioctl::Xtables) -> Option<ForwardChain> {
    let begin = usize::try_from(*table.hook_entry.get(FORWARD)?).ok()?;
    let end = usize::try_from(*table.underflow.get(FORWARD)?).ok()?;
    let policy = Entry::at(layout, &table.entries, end)?;
    let mut rules = Vec::new();
    follow(layout, &table.entries, (begin, Some(end)), &[], &mut rules);
    Some(ForwardChain {
        tool: Tool::Legacy,
        family: layout.family,
        table: "filter".to_owned(),
        chain: "FORWARD".to_owned(),
        drops: policy.standard() == Some(DROP),
        rules,
    })
}

/// Appends what the entries from `begin` decide; a chain of the user's ends where it goes back
/// to its caller unasked.
fn follow(
    layout: &Layout,
    entries: &[u8],
    (begin, end): (usize, Option<usize>),
    way: &[Vec<Condition>],
    rules: &mut Vec<ForwardRule>,
) {
    let mut at = begin;
    while Some(at) != end && rules.len() < RULES_MAX {
        let Some(entry) = Entry::at(layout, entries, at) else {
            return;
        };
        let own = entry.conditions(layout);
        let when = || way.iter().flatten().chain(&own).cloned().collect();
        match (entry.name(), entry.standard()) {
            ("", Some(DROP)) => rules.push(ForwardRule {
                when: when(),
                verdict: Verdict::Drop,
            }),
            ("", Some(ACCEPT)) => rules.push(ForwardRule {
                when: when(),
                verdict: Verdict::Accept,
            }),
            ("", Some(to)) if to >= 0 && way.len() < DEPTH_MAX => {
                let mut deeper = way.to_vec();
                deeper.push(own);
                let to = usize::try_from(to).unwrap_or(usize::MAX);
                follow(layout, entries, (to, None), &deeper, rules);
            }
            // Back to the caller without a condition: the chain's last entry.
            ("", Some(_)) if end.is_none() && own.is_empty() => return,
            ("REJECT", _) => rules.push(ForwardRule {
                when: when(),
                verdict: Verdict::Drop,
            }),
            // The last entry of a table.
            ("ERROR", _) => return,
            _ => {}
        }
        match entry.length {
            0 => return,
            length => at += length,
        }
    }
}

/// One entry of a table.
struct Entry<'e> {
    whole: &'e [u8],
    target: &'e [u8],
    /// Whether there are matches between the entry's head and its target.
    matches: bool,
    length: usize,
}

impl<'e> Entry<'e> {
    fn at(layout: &Layout, entries: &'e [u8], at: usize) -> Option<Self> {
        let rest = entries.get(at..)?;
        let offset = |from: usize| -> Option<usize> {
            let octets = rest.get(from..)?.first_chunk::<2>()?;
            Some(usize::from(u16::from_ne_bytes(*octets)))
        };
        let (to_target, length) = (offset(layout.offsets)?, offset(layout.offsets + 2)?);
        let whole = rest.get(..length)?;
        Some(Self {
            target: whole.get(to_target..)?,
            matches: to_target > layout.entry,
            whole,
            length,
        })
    }

    /// The target's name; empty for the standard one.
    fn name(&self) -> &'e str {
        let name = self.target.get(2..2 + 29).unwrap_or_default();
        let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
        std::str::from_utf8(&name[..end]).unwrap_or("?")
    }

    /// The standard target's verdict, or where it jumps to.
    fn standard(&self) -> Option<i32> {
        let verdict = self.target.get(TARGET..)?.first_chunk::<4>()?;
        self.name().is_empty().then(|| i32::from_ne_bytes(*verdict))
    }

    fn conditions(&self, layout: &Layout) -> Vec<Condition> {
        let part =
            |from: usize, count: usize| self.whole.get(from..from + count).unwrap_or_default();
        let n = layout.address;
        let not = self.whole.get(layout.flags).copied().unwrap_or(0);
        let mut when = Vec::new();
        for (address, mask, inverted) in [
            (part(0, n), part(2 * n, n), not & NOT_SOURCE),
            (part(n, n), part(3 * n, n), not & NOT_DESTINATION),
        ] {
            let octets = mask.iter().take_while(|b| **b == 0xff).count();
            if mask.iter().any(|b| *b != 0) {
                when.push(match inverted {
                    0 => Condition::Address(address.get(..octets).unwrap_or_default().to_vec()),
                    _ => Condition::Other,
                });
            }
        }
        let names = 4 * n;
        let interface = |at: usize, inverted: u8| {
            let name = part(names + at * IFNAMSIZ, IFNAMSIZ);
            let mask = part(names + (2 + at) * IFNAMSIZ, IFNAMSIZ);
            let octets = mask.iter().take_while(|b| **b == 0xff).count();
            let text: Vec<u8> = name.iter().take(octets).copied().collect();
            let prefix = !text.contains(&0);
            let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
            (octets > 0).then(|| Name {
                text: String::from_utf8_lossy(&text[..end]).into_owned(),
                prefix,
                not: inverted != 0,
            })
        };
        when.extend(interface(0, not & NOT_IN).map(Condition::In));
        when.extend(interface(1, not & NOT_OUT).map(Condition::Out));
        if self.matches {
            when.push(self.what_matches(layout));
        }
        when
    }

    /// A set may hold any address; a comment asks for nothing, but is rare alone.
    fn what_matches(&self, layout: &Layout) -> Condition {
        let name = self.whole.get(layout.entry + 2..).unwrap_or_default();
        match name.starts_with(b"set\0") {
            true => Condition::Unknown,
            false => Condition::Other,
        }
    }
}
