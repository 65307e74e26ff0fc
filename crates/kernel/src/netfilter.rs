//! What netfilter does to forwarded packets: the base chains of nftables at the forward hook
//! (linux/netfilter/nf_tables.h), and the filter tables of the older iptables (`legacy`).
//!
//! Only as much of a rule is read as says whether it concerns one interface: comparisons of
//! interfaces' names and of addresses. Anything else is a [`Condition::Other`].

mod legacy;
mod rules;
mod wire;

use crate::error::{Attempt, Fault, ObserveError};
use crate::pool::Worker;

/// Which program shows and changes a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// `nft`, and `iptables` where it is the variant that writes nftables.
    Nft,
    /// `iptables-legacy` and `ip6tables-legacy`.
    Legacy,
}

/// A chain that every forwarded packet passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardChain {
    /// Which program shows it.
    pub tool: Tool,
    /// The family as `nft` writes it: `ip`, `ip6` or `inet`.
    pub family: &'static str,
    /// Name of the table that it is in.
    pub table: String,
    /// Name of the chain.
    pub chain: String,
    /// Whether it drops what no rule decides about.
    pub drops: bool,
    /// The rules that decide, in their order, with those of the chains that it jumps to.
    pub rules: Vec<ForwardRule>,
}

/// A rule that accepts or drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRule {
    /// All must hold.
    pub when: Vec<Condition>,
    /// What happens to the packet then.
    pub verdict: Verdict,
}

/// What a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the next base chain.
    Accept,
    /// It is dropped, with or without an answer to the sender.
    Drop,
}

/// What a rule asks of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// That it came in by an interface.
    In(Name),
    /// That it leaves by an interface.
    Out(Name),
    /// That its source or destination begins with these octets.
    Address(Vec<u8>),
    /// A set, a map or a program, which may ask for anything.
    Unknown,
    /// Something that is neither an interface nor an address: a state, a port, a mark.
    Other,
}

/// The name of an interface in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name, or its beginning.
    pub text: String,
    /// Whether any name that begins so is meant.
    pub prefix: bool,
    /// Whether any other name is meant.
    pub not: bool,
}

impl Name {
    /// Whether the interface `ifname` is meant.
    pub fn matches(&self, ifname: &str) -> bool {
        let same = match self.prefix {
            true => ifname.starts_with(&self.text),
            false => ifname == self.text,
        };
        same != self.not
    }
}

/// What filters forwarded packets, without the rules of nftables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardFilters {
    /// The number that nftables counts up with each change of the ruleset; `None` where the kernel
    /// has no nftables.
    pub generation: Option<u32>,
    /// The FORWARD chains of the filter tables of iptables' older interface that are in use.
    pub legacy: Vec<ForwardChain>,
}

/// What filters forwarded packets.
pub(crate) fn filters(worker: &mut Worker) -> Result<ForwardFilters, ObserveError> {
    // Sockets and files are opened on this thread, which is at home between its jobs.
    let _ = worker;
    let read = wire::Nfnetlink::open().and_then(|mut socket| socket.generation());
    Ok(ForwardFilters {
        generation: read.attempting(|| "reading nftables' generation".to_owned())?,
        legacy: legacy::forward()?,
    })
}

/// The base chains at the forward hook.
pub(crate) fn forward(worker: &mut Worker) -> Result<Vec<ForwardChain>, ObserveError> {
    let _ = worker;
    let read = wire::Nfnetlink::open().and_then(|mut socket| rules::forward(&mut socket));
    Ok(read.attempting(|| "listing nftables' forward chains".to_owned())?)
}

/// A fault for an answer that is cut or malformed.
fn undecodable(what: &str) -> Fault {
    Fault::Undecodable {
        reason: format!("netfilter: {what}"),
    }
}
